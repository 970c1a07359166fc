"""Knows how a file is added to a DCI job, once, under a unique name. Does not know how its bytes are sent.

A header contains the name: Latin-1, short. DCI compares the results of a file with those of the same name in the previous
job, so a name depends only on the path. DCI stores any number of files of one name, and does not list their contents.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from cibeacon.model.request import Exchange, Request, SinkError, SinkResult
from cibeacon.model.signals import Attachment
from cibeacon.sinks.dci_api import ROOT, TRIES, DciRow, Talk, answer, ask_all, can_be_queried, id_of, unanswered
from cibeacon.sinks.dci_jobs import find_job_id

LONGEST = 255
"""Characters of a name that DCI stores."""
_PLAIN = "".join(chr(code) for code in range(32, 127) if chr(code) != "%")
_DIGITS = 16
_MOST_OF_A_NAME = 20
"""Files of one name in a job; more are a mistake in a loop."""
_OWN_NAME = "Give each file its own name (cibeacon dci upload --name)"
_RENAMED = (
    "DCI has another file named {0}, so this one is named {1}. "
    f"{_OWN_NAME}, so that DCI can compare results from run to run."
)


def upload(job_id: str, path: Path, name: str, mime: str) -> Request:
    """The request that adds a file to a job; without a content type, or DCI would read the body as a form."""
    headers = {"DCI-JOB-ID": job_id, "DCI-NAME": name, "DCI-MIME": mime}
    return Request("POST", f"{ROOT}/files", auth="dci", headers=headers, file=path, repeatable=False)


def send_file(signal: Attachment) -> Exchange:
    """Sends the file unless the job has it, with a number if another file has its name. Raises `SinkError`."""
    job_id = yield from find_job_id(signal.job_id, signal.correlation)
    outputs = {"dci_job_id": job_id}
    number, lost = 1, 0
    while number <= _MOST_OF_A_NAME and lost < TRIES:
        name = _numbered(signal.name, number)
        sent = SinkResult("sent", None if number == 1 else _RENAMED.format(signal.name, name), outputs=outputs)
        namesakes = yield from _files_of_name(job_id, name)
        for row in namesakes:
            if (yield from _is_same(row, signal, ours=lost > 0)):
                return sent if lost else SinkResult("duplicate", f"DCI already has this file: {name}.", outputs=outputs)
        if namesakes:
            number += 1
            continue
        response = yield upload(job_id, signal.path, name, signal.mime)
        if not response.lost:
            answer(response)
            return sent
        lost += 1
    if lost:
        raise unanswered()
    reason = f"DCI has {_MOST_OF_A_NAME} other files named {signal.name}. {_OWN_NAME}."
    return SinkResult("failed", reason, "name taken", outputs=outputs)


def _files_of_name(job_id: str, name: str) -> Talk[list[DciRow]]:
    where = {"name": name} if can_be_queried(name) else {}
    rows, _ = yield from ask_all(f"/jobs/{job_id}/files", "files", where)
    return [row for row in rows if row.get("name") == name]


def _is_same(row: DciRow, signal: Attachment, *, ours: bool) -> Talk[bool]:
    """Whether a file at DCI has the content of ours; if DCI does not show it, `ours` decides."""
    content = f"{ROOT}/files/{id_of(row)}/content"
    # the type decides how our file is redacted before the two are compared
    response = yield Request("GET", content, auth="dci", headers={"DCI-MIME": signal.mime}, file=signal.path)
    if response.same is not None:
        return response.same
    if not (ours or 300 <= response.status < 400 or response.status == 404):
        answer(response)
    if ours:
        return True
    raise SinkError(f"DCI has a file named {signal.name}, but does not show its content. {_OWN_NAME}.", "name taken")


def _numbered(name: str, number: int) -> str:
    """The name of the file with that number among those of one name: the first has no number."""
    ending = f" ({number})" if number > 1 else ""
    return f"{name[: LONGEST - len(ending)]}{ending}"


def unique_names(files: Sequence[tuple[str, bool]]) -> list[str]:
    """A name for each path; true for a JUnit report, whose suffix `.xml` DCI omits.

    A file that would have the name of another keeps its suffix, and gets a number if that does not help.
    """
    taken: set[str] = set()
    names: dict[int, str] = {}
    for index in sorted(range(len(files)), key=lambda index: (files[index][1], files[index][0])):
        path, junit = files[index]
        names[index] = next(name for name in _choices(path, junit=junit) if name not in taken)
        taken.add(names[index])
    return [names[index] for index in range(len(files))]


def _choices(path: str, *, junit: bool) -> Iterator[str]:
    if junit and path[-4:].lower() == ".xml" and path[-5:-4] not in ("", "/"):
        yield header_name(path[:-4])
    yield header_name(path)
    number = 2
    while True:
        yield header_name(f"{path} ({number})")
        number += 1


def header_name(text: str) -> str:
    """The text as printable Latin-1 without a space at either end: other bytes, and the percent sign, as %XX.

    DCI reads a header as Latin-1, so only letters such as é stay readable. Distinct texts get distinct names; a name that
    would be too long ends in a part of its hash.
    """
    name = "".join(letter if _is_latin(letter) else quote(_bytes(letter), safe=_PLAIN) for letter in text)
    if name.startswith(" "):
        name = f"%20{name[1:]}"
    if name.endswith(" "):
        name = f"{name[:-1]}%20"
    if len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
    return f"{name[: LONGEST - _DIGITS - 1]}~{digest}"


def is_header_name(name: str) -> bool:
    """Whether the name can be sent in a header unchanged."""
    printable = all(_is_latin(letter) or " " <= letter <= "~" for letter in name)
    return printable and 0 < len(name) <= LONGEST and name == name.strip(" ")


def _is_latin(letter: str) -> bool:
    """Whether it is a printable Latin-1 character beyond ASCII; a soft hyphen is invisible."""
    return "\xa1" <= letter <= "\xff" and letter != "\xad"


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # no file has such a name, but every text needs one
        return text.encode("utf-8", "surrogatepass")
