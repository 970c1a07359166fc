"""Knows how to find a DCI job, and how to set its state once and in order. Does not know why it is set.

A job has a unique tag. A late create request makes a second job with that tag, a duplicate.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from cibeacon.model.request import Request, SinkError
from cibeacon.model.signals import NO_JOB, correlation_by_id
from cibeacon.sinks.dci_api import DciRow, Talk, ask, ask_page, get, id_of, once, page, post

STATUSES = ("new", "pre-run", "running", "post-run", "success", "failure", "killed", "error")
FINAL = frozenset(STATUSES[4:])
_MOST_OF_A_RUN = 10
"""Jobs of one tag that are read; a run has at most two."""
_NO_JOB = "DCI has no job for this run. See the step that creates it (cibeacon dci start, or the first stage)."


def find_jobs(job_id: str | None, correlation: str) -> Talk[list[DciRow]]:
    """The job with this id, or the jobs with the tag of its run, possibly none.

    The first one counts: one that has begun, or else the oldest.
    """
    if job_id:
        return [(yield from ask(get(f"/jobs/{job_id}"), "job"))]
    page_rows = yield from ask_page(page("/jobs", {"tags": correlation}, limit=_MOST_OF_A_RUN), "jobs")
    jobs = [row for row in page_rows if isinstance(tags := row.get("tags"), list) and correlation in tags]
    jobs.reverse()  # the oldest first
    jobs.sort(key=_has_begun, reverse=True)
    return jobs


def _has_begun(job: DciRow) -> bool:
    """Also false for a job that was ended as a duplicate."""
    return has_passed(job, "pre-run") and status_of(job) != "killed"


def find_existing_jobs(job_id: str | None, correlation: str) -> Talk[list[DciRow]]:
    """The job, followed by the duplicates of its run. Raises `SinkError` if there is none."""
    by_tag = not job_id or correlation != correlation_by_id(job_id)
    jobs = (yield from find_jobs(None, correlation)) if by_tag else []
    if job_id:
        jobs.sort(key=lambda row: row.get("id") != job_id)
        if not jobs or jobs[0].get("id") != job_id:
            return (yield from find_jobs(job_id, correlation))
    if not jobs:
        raise SinkError(_NO_JOB, NO_JOB, retryable=True)
    return jobs


def find_job_id(job_id: str | None, correlation: str) -> Talk[str]:
    """The job's id, looked up if unknown. Raises `SinkError` if there is no job."""
    return job_id or id_of((yield from find_existing_jobs(None, correlation))[0])


def end_duplicates(duplicates: Iterable[DciRow], job: DciRow) -> Talk[None]:
    """Ends jobs that were created by mistake, which would seem to run for ever. It does not matter if DCI refuses."""
    for duplicate in duplicates:
        if status_of(duplicate) not in FINAL:
            with suppress(SinkError):
                yield from set_state(id_of(duplicate), "killed", f"Created twice by mistake: see job {id_of(job)}.")


def state_request(job_id: str, status: str, comment: str | None = None) -> Request:
    """The request that sets a job's state."""
    return post("/jobstates", {"job_id": job_id, "status": status, **({"comment": comment} if comment else {})})


def set_state(job_id: str, status: str, comment: str | None) -> Talk[bool]:
    """Sets a state. If the response is lost, the state counts as set if the job has it or a later one."""

    def look() -> Talk[bool | None]:
        job = yield from ask(get(f"/jobs/{job_id}"), "job")
        return True if status_of(job) == status or (status not in FINAL and has_passed(job, status)) else None

    return once(state_request(job_id, status, comment), look, lambda _: True)


def status_of(job: DciRow) -> str:
    """The state of a job."""
    return str(job.get("status"))


def has_passed(job: DciRow, status: str) -> bool:
    """Whether the job is in a state or past it."""
    now = status_of(job)
    return now in STATUSES and STATUSES.index(now) >= STATUSES.index(status)
