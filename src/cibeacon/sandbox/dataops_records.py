"""Knows pipelines and their jobs as the sandbox keeps them, and cron lines. Does not know what moves them.

https://docs.gitlab.com/ci/jobs/; a cron line has five fields, https://docs.gitlab.com/topics/cron/, and a zone is named as
ActiveSupport or the zone database names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import BaseModel

from cibeacon.sandbox.dataops_account import Job, Log

_LASTING = 10
"""Steps after which the log of a job that never ends is complete."""
ENDED = ("success", "failed", "canceled", "skipped")
OVER = ("success", "failed", "canceled")
_QUIET = {"success", "skipped"}
_ANY = {"created", "pending", "running", "manual", "failed", "canceled", "canceling", *_QUIET}
_COMPOSED = (
    ("skipped", {"skipped"}, "skipped"),
    ("success", _QUIET, "success"),
    ("pending", {"pending", "created", "skipped"}, "pending"),
    ("created", {"created"}, "created"),
    ("canceled", {"canceled", *_QUIET}, "canceled"),
    *((kind, _ANY, "running") for kind in ("running", "pending")),
    *((kind, _ANY, kind) for kind in ("canceling", "manual")),
    ("created", _ANY, "running"),
    ("failed", _ANY, "failed"),
)
"""A status of some job, all statuses that the jobs may have then, and the pipeline's status; the first match counts."""
_ZONES = {
    **{
        f"{name} Time (US & Canada)": f"America/{city}"
        for name, city in (("Pacific", "Los_Angeles"), ("Eastern", "New_York"))
    },
    **{"London": "Europe/London", "Berlin": "Europe/Berlin", "Mumbai": "Asia/Kolkata", "Tokyo": "Asia/Tokyo"},
}


class LiveJob(BaseModel):
    """One attempt at a job. Times are Unix seconds; `left` is in steps, None for a job that never moves on."""

    id: int
    pipeline_id: int
    spec: Job
    attempt: int = 0
    created_at: float
    status: str = "created"
    left: int | None = 0
    ran: int = 0
    played: bool = False
    retried: bool = False
    pending_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    erased_at: float | None = None
    downstream: int | None = None
    """The pipeline that a bridge has started."""

    @property
    def log(self) -> Log:
        """The complete log."""
        return self.spec.log_of(self.attempt)

    def visible(self) -> int:
        """How many bytes of the log can be read so far."""
        if self.started_at is None or self.erased_at is not None:
            return 0
        if self.finished_at is not None:
            return len(self.log)
        steps = _LASTING if self.spec.running is None else self.spec.running
        return min(len(self.log), len(self.log) * (self.ran + 1) // (steps + 1))

    def become(self, status: str, now: float) -> None:
        """Change the status, and the times and the countdown that belong to it."""
        self.status, self.left = status, 0
        if status == "pending":
            self.pending_at, self.left = now, self.spec.pending
        elif status == "running":
            self.started_at, self.left = now, self.spec.running
        elif status in OVER:
            self.finished_at = now

    def counted(self) -> str:
        """The status as it counts for the pipeline."""
        if not self.spec.allow_failure:
            return self.status
        return {"failed": "success", "canceled": "success", "manual": "ignored"}.get(self.status, self.status)


class Pipeline(BaseModel):
    """A pipeline. `statuses` are those that its script gives; the first one is the current one."""

    id: int
    iid: int
    project_id: int
    ref: str
    sha: str
    tag: bool = False
    source: str
    user: str
    variables: dict[str, str] = {}
    schedule_id: int | None = None
    parent: int | None = None
    status: str = "created"
    statuses: list[str] = []
    canceling: int = 0
    jobs: list[LiveJob] = []
    created_at: float
    updated_at: float
    started_at: float | None = None
    finished_at: float | None = None

    def latest(self) -> list[LiveJob]:
        """The last attempt at each job."""
        return [job for job in self.jobs if not job.retried]

    def children(self) -> Iterator[int]:
        """The pipelines that its bridges have started."""
        return (job.downstream for job in self.jobs if job.downstream is not None)

    def composed_status(self) -> str:
        """The status that its script gives, or that follows from its jobs."""
        if self.statuses:
            return self.statuses[0]
        kinds = {job.counted() for job in self.latest()} - {"ignored"} or {"success" if self.jobs else "skipped"}
        return next(status for kind, beside, status in _COMPOSED if kind in kinds and kinds <= beside)

    def is_reached(self, job: LiveJob) -> bool | None:
        """Whether the stages before a job's have ended; None where one of them failed, so that the job is skipped."""
        stages = list(dict.fromkeys(each.spec.stage for each in self.jobs))
        earlier = stages[: stages.index(job.spec.stage)]
        kinds = {each.counted() for each in self.latest() if each.spec.stage in earlier}
        return None if kinds & {"failed", "canceled"} else kinds <= {*_QUIET, "ignored"}


def zone(name: str) -> ZoneInfo | None:
    """The time zone of a name, or None."""
    try:
        return ZoneInfo(_ZONES.get(name, name))
    except (KeyError, ValueError, OSError):  # unknown, no name at all, or a folder
        return None


def next_run(line: str, zone_name: str, after: float) -> float | None:
    """The first minute after a Unix time that matches a line of five fields; None where no minute does."""
    start = datetime.fromtimestamp(after, zone(zone_name) or UTC)
    try:
        return next(CronSim(line, start)).timestamp() if len(line.split()) == 5 else None
    except (CronSimError, StopIteration):
        return None
