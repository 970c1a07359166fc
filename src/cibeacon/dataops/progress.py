"""Knows what is worth a line while a pipeline runs: every change, and now and then that it still runs. Prints nothing."""

from collections.abc import Iterator

from cibeacon.dataops.records import FINAL, KNOWN, Job, Snapshot

HEARTBEAT = 60.0
"""Seconds without a line after which there is one all the same: some runners end a job that says nothing."""
_MOST_NAMES = 4


def changes(before: Snapshot | None, after: Snapshot) -> Iterator[str]:
    """A line for everything that is not as it was."""
    known = {job.id: job.status for job in before.jobs} if before else {}
    started = {each.pipeline.id: each.pipeline.status for each in before.downstream} if before else {}
    was = before.pipeline.status if before else ""
    if after.pipeline.status != was:
        yield f"pipeline {after.pipeline.id} {_from(was)}{after.pipeline.status}{_strange(after.pipeline.status)}"
    for job in after.jobs:
        status = known.get(job.id, "")
        if job.status != status and not (before is None and job.status in ("created", "manual")):
            yield f"{_named(job)} {_from(status)}{job.status}{_how(job)}{_strange(job.status)}"
    for each in after.downstream:
        status = started.get(each.pipeline.id, "")
        if each.pipeline.status != status:
            yield f"downstream pipeline {each.pipeline.id} of {each.bridge} {_from(status)}{each.pipeline.status}"
    for hidden in after.hidden:
        if before is None or hidden not in before.hidden:
            yield f"note: {hidden}"


def heartbeat(look: Snapshot) -> str:
    """That it still goes on, and with what."""
    running = [job.name for job in look.jobs if job.status == "running"]
    names = ", ".join(running[:_MOST_NAMES])
    more = f" and {len(running) - _MOST_NAMES} more" if len(running) > _MOST_NAMES else ""
    over = sum(job.status in FINAL for job in look.jobs)
    return f"still {look.pipeline.status}: {over} of {len(look.jobs)} jobs over{f', running {names}{more}' if names else ''}"


def stamped(seconds: float, text: str) -> str:
    """The line with the time since the wait began."""
    minutes, rest = divmod(int(seconds), 60)
    return f"[{minutes:3d}:{rest:02d}] {text}"


def _named(job: Job) -> str:
    return f"job {job.name}{f' ({job.stage})' if job.stage else ''}"


def _from(status: str) -> str:
    return f"{status} → " if status else ""


def _how(job: Job) -> str:
    reason = f": {job.failure_reason}" if job.failure_reason and job.status == "failed" else ""
    return f"{reason}{' (allowed to fail)' if job.allow_failure and job.status == 'failed' else ''}"


def _strange(status: str) -> str:
    return "" if status in KNOWN else " (a status not known here; it counts as not over)"
