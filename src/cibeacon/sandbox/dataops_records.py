"""Knows pipelines, jobs and schedules as the sandbox keeps them: the status of one, the next run of another. Does not know
what moves them.

How a pipeline's status follows from its jobs': https://docs.gitlab.com/ci/jobs/ and the composite status of GitLab. Cron lines
of five fields: https://docs.gitlab.com/topics/cron/; a zone is named as ActiveSupport or the zone database names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from cibeacon.sandbox.dataops_script import LASTING, Job, Log

ENDED = ("success", "failed", "canceled", "skipped")
OVER = ("success", "failed", "canceled")
_QUIET = {"success", "skipped", "ignored"}
_WHOLLY = {
    "success": _QUIET,
    "pending": {"pending", "created", "skipped"},
    "created": {"created", "ignored"},
    "canceled": {"canceled", *_QUIET},
}
"""Statuses that a pipeline has when no job has any but these."""
_PARTLY = (("running", "running"), ("pending", "running"), ("canceling",) * 2, ("manual",) * 2, ("created", "running"))
"""Otherwise its status by the first of these that a job has, or else it has failed or was canceled."""
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_NAMES = {3: "jan feb mar apr may jun jul aug sep oct nov dec", 4: "sun mon tue wed thu fri sat"}
_PART = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?", re.ASCII)
_AMERICA = {"Pacific": "Los_Angeles", "Mountain": "Denver", "Central": "Chicago", "Eastern": "New_York"}
_ZONES = {
    **{f"{name} Time (US & Canada)": f"America/{city}" for name, city in _AMERICA.items()},
    **{city: f"Europe/{city}" for city in ("London", "Paris", "Berlin")},
    **{"Mumbai": "Asia/Kolkata", "Tokyo": "Asia/Tokyo", "Sydney": "Australia/Sydney"},
}
_DAYS = 4 * 366 + 1


class LiveJob(BaseModel):
    """One attempt at a job. Times are Unix seconds; `left` is in steps, None for ever."""

    id: int
    spec: Job
    attempt: int
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
    rewritten: Log | None = None
    downstream: int | None = None
    """The pipeline that a bridge has started."""

    @property
    def log(self) -> Log:
        """All that it logs."""
        return self.spec.log_of(self.attempt) if self.rewritten is None else self.rewritten

    def visible(self) -> int:
        """How many bytes of the log there are to read."""
        if self.erased_at is not None or self.started_at is None:
            return 0
        if self.finished_at is not None:
            return len(self.log)
        steps = LASTING if self.spec.running is None else self.spec.running
        return min(len(self.log), len(self.log) * (self.ran + 1) // (steps + 1))

    def become(self, status: str, now: float) -> None:
        """Change the status, with the times and the waiting that belong to it."""
        self.status, self.left = status, 0
        if status == "pending":
            self.pending_at, self.left = now, self.spec.pending
        elif status == "running":
            self.started_at, self.left = now, self.spec.running
        elif status in OVER:
            self.finished_at = now


class Pipeline(BaseModel):
    """A pipeline. `statuses` are those that its script gives, of which the first one holds."""

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
    stepped_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None

    def latest(self) -> list[LiveJob]:
        """The jobs that were not tried again."""
        return [job for job in self.jobs if not job.retried]

    def children(self) -> Iterator[int]:
        """The pipelines that its bridges have started."""
        return (job.downstream for job in self.jobs if job.downstream is not None)

    def composed_status(self) -> str:
        """The status that its script gives, or that follows from its jobs."""
        if self.statuses:
            return self.statuses[0]
        kinds = {_counted(job) for job in self.latest()}
        if kinds <= {"skipped", "ignored"}:
            return "skipped" if "skipped" in kinds or not kinds else "success"
        wholly = (status for status, beside in _WHOLLY.items() if status in kinds and kinds <= beside)
        partly = (status for kind, status in _PARTLY if kind in kinds)
        return next(wholly, None) or next(partly, None) or ("failed" if "failed" in kinds else "canceled")

    def is_reached(self, job: LiveJob) -> bool | None:
        """Whether the stages before a job's are over; None where one of them has failed, and the job is left out."""
        stages = list(dict.fromkeys(each.spec.stage for each in self.jobs))
        earlier = stages[: stages.index(job.spec.stage)]
        kinds = {_counted(each) for each in self.latest() if each.spec.stage in earlier}
        return None if kinds & {"failed", "canceled"} else kinds <= _QUIET


class Schedule(BaseModel):
    """When a pipeline is to start. Times are Unix seconds; the sandbox never starts it by itself."""

    id: int
    project_id: int
    description: str
    ref: str
    cron: str
    cron_timezone: str
    active: bool
    owner: str
    created_at: float
    updated_at: float
    variables: dict[str, str] = {}


def _counted(job: LiveJob) -> str:
    if not job.spec.allow_failure:
        return job.status
    return {"failed": "success", "canceled": "success", "manual": "ignored"}.get(job.status, job.status)


def fields(line: str) -> list[set[int]] | None:
    """What each of the five fields allows; None when the line is none."""
    texts = line.lower().split()
    if len(texts) != len(_RANGES):
        return None
    allowed = [_numbers(text, index) for index, text in enumerate(texts)]
    return allowed if all(allowed) else None


def zone(name: str) -> ZoneInfo | None:
    """The zone of that name."""
    try:
        return ZoneInfo(_ZONES.get(name, name))
    except (KeyError, ValueError, OSError):  # unknown, no name at all, or a folder
        return None


def next_run(line: str, zone_name: str, after: float) -> float | None:
    """The first minute after a Unix time at which the line holds; None when there is none within four years."""
    allowed, where = fields(line), zone(zone_name)
    if allowed is None or where is None:
        return None
    minutes, hours, days, months, weekdays = allowed
    matches = any if "*" not in line.split()[2::2] else all
    start = datetime.fromtimestamp(after, UTC).astimezone(where)
    for day in (start + timedelta(days=ahead) for ahead in range(_DAYS)):
        of_week = bool({day.isoweekday(), day.isoweekday() % 7} & weekdays)
        if day.month in months and matches((day.day in days, of_week)):
            for hour, minute in product(sorted(hours), sorted(minutes)):
                moment = day.replace(hour=hour, minute=minute, second=0, microsecond=0, fold=0).timestamp()
                if moment > after:
                    return moment
    return None


def _numbers(text: str, index: int) -> set[int]:
    """The numbers that a field allows; none when any part of it is wrong."""
    for number, name in enumerate(_NAMES.get(index, "").split(), start=4 - index):
        text = re.sub(rf"\b{name}\b", str(number), text)
    numbers: set[int] = set()
    low, high = _RANGES[index]
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            return set()
        start = int(match[1] or low)
        end = int(match[2] or (start if match[1] and not match[3] else high))
        step = int(match[3] or 1)
        if not low <= start <= end <= high or step < 1:
            return set()
        numbers.update(range(start, end + 1, step))
    return numbers
