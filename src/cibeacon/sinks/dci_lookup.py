"""Knows how one talks with DCI: ask, page through, and say once what must not be said twice. Knows no signal.

DCI executes a repeated request a second time. So after an attempt whose answer was lost, what it should have made is
looked for before it is said again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

from cibeacon.model.identifiers import is_uuid
from cibeacon.model.request import Request, Response, SinkResult
from cibeacon.model.signals import NO_JOB, correlation_by_id
from cibeacon.sinks import dci_calls as calls
from cibeacon.sinks.dci_replies import Refused, answer, foreign, unanswered

Result = TypeVar("Result")
Talk: TypeAlias = Generator[Request, Response, Result]
Row: TypeAlias = Mapping[str, Any]

TRIES = 4
"""How often a call is said whose answers are lost."""
STATUSES = ("new", "pre-run", "running", "post-run", "success", "failure", "killed", "error")
FINAL = frozenset(STATUSES[4:])
_NO_JOB = "DCI has no job of this run: the step that is to make it says why (cibeacon dci start, or the first stage)."


def asked(call: Request, name: str) -> Talk[Row]:
    """The object that an answer holds under a name. Raises `Refused`."""
    return _row(answer((yield call)), name)


def page(call: Request, name: str) -> Talk[list[Row]]:
    """The rows of one page. Raises `Refused`."""
    return rows(answer((yield call)), name)


def listed(call: Callable[[int], Request], name: str) -> Talk[list[Row]]:
    """All rows of a list, page by page; `call` makes the call of a page from its offset. Raises `Refused`."""
    found: list[Row] = []
    while True:
        document = answer((yield call(len(found))))
        more, meta = rows(document, name), document.get("_meta")
        found += more
        count = meta.get("count") if isinstance(meta, dict) else None
        if not more or not isinstance(count, int) or len(found) >= count:
            return found


def once(call: Request, look: Callable[[], Talk[Result | None]], read: Callable[[Row], Result]) -> Talk[Result]:
    """What a call made, be its answers lost or not; `look` finds what was made already. Raises `Refused`."""
    for left in reversed(range(TRIES)):
        reply = yield call
        if not reply.lost:
            return read(answer(reply))
        if left:
            found = yield from look()
            if found is not None:
                return found
    raise unanswered()


def known_jobs(job_id: str | None, correlation: str) -> Talk[list[Row]]:
    """The job, by its id or by the tag of its run; none when no job carries the tag. Raises `Refused`.

    A create that is late makes a second one. The first row is the job that counts: one that began, else the oldest.
    """
    if job_id:
        return [(yield from asked(calls.job(job_id), "job"))]
    found = yield from page(calls.tagged(correlation), "jobs")
    mine = [row for row in found if isinstance(tags := row.get("tags"), list) and correlation in tags]
    mine.reverse()  # the oldest first
    mine.sort(key=_began, reverse=True)
    return mine


def _began(job: Row) -> bool:
    """False also for one that was ended as a stray."""
    return past(job, "pre-run") and status_of(job) != "killed"


def needed_jobs(job_id: str | None, correlation: str) -> Talk[list[Row]]:
    """The same where there has to be one; where its id is known, too, those of its run that were made by mistake follow."""
    ours = not job_id or correlation != correlation_by_id(job_id)
    jobs = (yield from known_jobs(None, correlation)) if ours else []
    if job_id:
        jobs.sort(key=lambda row: row.get("id") != job_id)
        if not jobs or jobs[0].get("id") != job_id:
            return (yield from known_jobs(job_id, correlation))
    if not jobs:
        raise Refused(SinkResult("failed", _NO_JOB, NO_JOB, retryable=True))
    return jobs


def ended(unowned: Iterable[Row], job: Row) -> Talk[None]:
    """Ends those that were made by mistake, or they would be taken for running for ever. None that is refused matters."""
    for stray in unowned:
        if status_of(stray) not in FINAL:
            with suppress(Refused):
                yield from told_state(id_of(stray), "killed", f"Made twice by mistake: see the job {id_of(job)}.")


def told_state(job_id: str, status: str, comment: str | None) -> Talk[bool]:
    """Tells a state. It was reached already where the job is past it, of states that follow each other."""

    def look() -> Talk[bool | None]:
        job = yield from asked(calls.job(job_id), "job")
        return True if status_of(job) == status or (status not in FINAL and past(job, status)) else None

    return once(calls.state(job_id, status, comment), look, lambda _: True)


def status_of(job: Row) -> str:
    """How a job stands."""
    return str(job.get("status"))


def past(job: Row, status: str) -> bool:
    """Whether the job has been in a state, or need not be any more."""
    now = status_of(job)
    return now in STATUSES and STATUSES.index(now) >= STATUSES.index(status)


def id_of(row: Row) -> str:
    """A row's id. Raises `Refused` when it has none: it goes into the paths of later calls."""
    found = row.get("id")
    if not isinstance(found, str) or not is_uuid(found):
        raise foreign("an object without an id")
    return found


def rows(document: Row, name: str) -> list[Row]:
    """The list that an answer holds under a name. Raises `Refused`."""
    found = document.get(name)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise foreign(f"no list of {name}")
    return found


def _row(document: Row, name: str) -> Row:
    found = document.get(name)
    if not isinstance(found, dict):
        raise foreign(f"no {name}")
    return found
