"""Knows how a file becomes one of a job's at DCI, once, whatever else has its name. Does not know how its bytes travel.

DCI keeps any number of files of one name and says nothing of what is in them, so what has the name is compared.
"""

from __future__ import annotations

from cibeacon.model.file_names import numbered
from cibeacon.model.request import Exchange, SinkResult
from cibeacon.model.signals import Attachment
from cibeacon.sinks import dci_calls as calls
from cibeacon.sinks.dci_lookup import TRIES, Row, Talk, id_of, listed, needed_jobs
from cibeacon.sinks.dci_replies import Refused, answer, unanswered

_MOST_OF_A_NAME = 20
"""Files of one name in a job: whoever has more has a mistake in a loop."""
_OWN_NAME = "give each file a name of its own (cibeacon dci upload --name)"
_RENAMED = (
    "DCI has another file of the name {0}, so this one is called {1}: to have DCI compare its results from run to run, "
    f"{_OWN_NAME}."
)


def told_file(signal: Attachment) -> Exchange:
    """The file sent, under a number where another has its name; unless the job has this very file. Raises `Refused`."""
    job_id = signal.job_id or id_of((yield from needed_jobs(None, signal.correlation))[0])
    outputs = {"dci_job_id": job_id}

    number, lost = 1, 0
    while number <= _MOST_OF_A_NAME and lost < TRIES:
        name = numbered(signal.name, number)
        told = SinkResult("sent", None if number == 1 else _RENAMED.format(signal.name, name), outputs=outputs)
        there = yield from _named(job_id, name)
        for row in there:
            if (yield from _same(row, signal, ours=lost > 0)):
                return told if lost else SinkResult("duplicate", f"DCI has this file already: {name}.", outputs=outputs)
        if there:
            number += 1
            continue
        reply = yield calls.upload(job_id, signal.path, name, signal.mime)
        if not reply.lost:
            answer(reply)
            return told
        lost += 1
    if lost:
        raise unanswered()
    why = f"DCI has {_MOST_OF_A_NAME} other files of the name {signal.name}: {_OWN_NAME}."
    return SinkResult("failed", why, "name taken", outputs=outputs)


def _named(job_id: str, name: str) -> Talk[list[Row]]:
    """The job's files of that name: DCI keeps any number of them."""
    rows = yield from listed(lambda offset: calls.files(job_id, offset, name), "files")
    return [row for row in rows if row.get("name") == name]


def _same(row: Row, signal: Attachment, *, ours: bool) -> Talk[bool]:
    """Whether a file of DCI's holds what ours holds; where DCI does not show it, `ours` says so. Raises `Refused`."""
    reply = yield calls.content(id_of(row), signal.path, signal.mime)
    if reply.same is not None:
        return reply.same
    if not (ours or 300 <= reply.status < 400 or reply.status == 404):
        answer(reply)
    if ours:
        return True
    why = f"DCI has a file of the name {signal.name}, and does not show what is in it: {_OWN_NAME}."
    raise Refused(SinkResult("failed", why, "name taken"))
