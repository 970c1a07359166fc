"""Knows how a path becomes a name that an HTTP header can carry: Latin-1, short, unique in a job. Does not know files.

DCI compares the results of a file with those of the same name in the job before, so a name depends on the path alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from urllib.parse import quote

LONGEST = 255
"""Characters that DCI stores."""
_PLAIN = "".join(chr(code) for code in range(32, 127) if chr(code) != "%")
_DIGITS = 16


def named(files: Sequence[tuple[str, bool]]) -> list[str]:
    """A name for each path; true where it is a JUnit report, which goes without its suffix `.xml`, as DCI has it.

    Whatever would have the name of another keeps its suffix, and gets a number where that does not help.
    """
    taken: set[str] = set()
    names: dict[int, str] = {}
    for place in sorted(range(len(files)), key=lambda place: (files[place][1], files[place][0])):
        path, junit = files[place]
        names[place] = next(name for name in _choices(path, junit=junit) if name not in taken)
        taken.add(names[place])
    return [names[place] for place in range(len(files))]


def _choices(path: str, *, junit: bool) -> Iterator[str]:
    if junit and path[-4:].lower() == ".xml" and path[-5:-4] not in ("", "/"):
        yield header(path[:-4])
    yield header(path)
    number = 2
    while True:
        yield header(f"{path} ({number})")
        number += 1


def header(text: str) -> str:
    """The text as printable Latin-1 without a space at its ends: other bytes, and the percent sign, as %XX.

    DCI reads a header as Latin-1, so letters such as é stay readable there, and no others can.

    Distinct texts get distinct names; what would be too long ends in a part of the hash of the whole.
    """
    name = "".join(each if _stays(each) else quote(_bytes(each), safe=_PLAIN) for each in text)
    if name.startswith(" "):
        name = f"%20{name[1:]}"
    if name.endswith(" "):
        name = f"{name[:-1]}%20"
    if len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
    return f"{name[: LONGEST - _DIGITS - 1]}~{digest}"


def fits(name: str) -> bool:
    """Whether a header can carry the name as it is."""
    inner = all(_stays(each) or " " <= each <= "~" for each in name)
    return inner and 0 < len(name) <= LONGEST and name == name.strip(" ")


def _stays(letter: str) -> bool:
    """Whether it is a printable character of Latin-1 and none of ASCII; a soft hyphen shows nothing."""
    return "\xa1" <= letter <= "\xff" and letter != "\xad"


def numbered(name: str, number: int) -> str:
    """The name of the file of that number among those of one name: the first has the name itself."""
    ending = f" ({number})" if number > 1 else ""
    return f"{name[: LONGEST - len(ending)]}{ending}"


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # no file's name, but any text has a name
        return text.encode("utf-8", "surrogatepass")
