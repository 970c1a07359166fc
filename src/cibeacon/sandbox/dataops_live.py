"""Knows a pipeline and its jobs while they live: where each stands, and what one step of their script changes. Does not know
requests.

How a pipeline's status follows from its jobs': https://docs.gitlab.com/ci/jobs/ and the composite status of GitLab.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cibeacon.sandbox.dataops_account import Project
from cibeacon.sandbox.dataops_script import LASTING, Job, Log, Script

ENDED = ("success", "failed", "canceled", "skipped")
ACTIVE = ("created", "waiting_for_resource", "preparing", "pending", "running", "canceling")
OVER = ("success", "failed", "canceled")


@dataclass(slots=True)
class LiveJob:
    """One attempt at a job. Times are Unix seconds; `left` is in steps, None for ever."""

    id: int
    spec: Job
    pipeline: Pipeline = field(repr=False)
    attempt: int
    log: Log
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
    downstream: Pipeline | None = field(default=None, repr=False)

    def visible(self) -> int:
        """How many bytes of the log there are to read."""
        if self.erased_at is not None or self.started_at is None:
            return 0
        if self.finished_at is not None:
            return len(self.log)
        steps = LASTING if self.spec.running is None else self.spec.running
        return min(len(self.log), len(self.log) * (self.ran + 1) // (steps + 1))

    def becomes(self, status: str, now: float) -> None:
        """Change the status, with the times and the waiting that belong to it."""
        self.status = status
        self.left = 0
        if status == "pending":
            self.pending_at, self.left = now, self.spec.pending
        elif status == "running":
            self.started_at, self.left = now, self.spec.running
        elif status == "canceling":
            self.left = self.pipeline.script.canceling
        elif status in OVER:
            self.finished_at = now

    def erase(self, now: float) -> None:
        """Forget the log."""
        self.erased_at = now


@dataclass(slots=True)
class Pipeline:
    """A pipeline. `old` when it was there before the start; `trigger` is the bridge that made it."""

    id: int
    iid: int
    project: Project = field(repr=False)
    script: Script = field(repr=False)
    ref: str
    sha: str
    tag: bool
    source: str
    user: str
    created_at: float
    variables: dict[str, str] = field(default_factory=dict)
    old: bool = False
    trigger: LiveJob | None = field(default=None, repr=False)
    schedule_id: int | None = None
    jobs: list[LiveJob] = field(default_factory=list)
    steps: int = 0
    since: int = 0
    """The step from which on the script's statuses are counted."""
    stepped_at: float = 0.0
    updated_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    reported: str = ""
    """What the pipeline's status was when it was last looked at."""

    def latest(self) -> Iterator[LiveJob]:
        """The jobs that were not tried again."""
        return (job for job in self.jobs if not job.retried)

    def children(self) -> Iterator[Pipeline]:
        """The pipelines that its bridges made."""
        return (job.downstream for job in self.jobs if job.downstream)

    @property
    def status(self) -> str:
        """As the script tells it, or as it follows from the jobs."""
        words = self.script.statuses
        if words and self.finished_at is None:
            return words[min(self.steps - self.since, len(words) - 1)]
        return self.reported if words else composed(list(self.latest()))


def composed(jobs: list[LiveJob]) -> str:
    """The status of a pipeline, or of a stage, from those of its jobs."""
    kinds = {_counted(job) for job in jobs}
    if kinds <= {"skipped", "ignored"}:
        return "skipped" if "skipped" in kinds or not kinds else "success"
    for status, beside in _WHOLLY:
        if status in kinds and kinds <= beside:
            return status
    if kinds & {"running", "pending"}:
        return "running"
    return next((status for status in ("canceling", "manual") if status in kinds), _rest(kinds))


def _rest(kinds: set[str]) -> str:
    return "running" if "created" in kinds else "failed" if "failed" in kinds else "canceled"


_QUIET = {"success", "skipped", "ignored"}
_WHOLLY = (
    ("success", _QUIET),
    ("pending", {"pending", "created", "skipped"}),
    ("created", {"created", "ignored"}),
    ("canceled", {"canceled", *_QUIET}),
)
"""Statuses that a pipeline has when no job has any but these."""


def _counted(job: LiveJob) -> str:
    if not job.spec.allow_failure:
        return job.status
    return {"failed": "success", "canceled": "success", "manual": "ignored"}.get(job.status, job.status)


class Progress:
    """Moves pipelines. `attempt` makes another attempt at a job, `birth` the pipeline that a bridge starts."""

    def __init__(
        self, now: Callable[[], float], attempt: Callable[[LiveJob], LiveJob], birth: Callable[[LiveJob], Pipeline]
    ) -> None:
        self._now, self._attempt, self._birth = now, attempt, birth

    def step(self, pipeline: Pipeline) -> None:
        """Move a pipeline and those below it by one step."""
        for child in pipeline.children():
            self.step(child)
        pipeline.steps += 1
        for job in pipeline.latest():
            job.ran += job.status == "running"
            if job.left and not job.spec.child:
                job.left -= 1
        self.settle(pipeline)

    def settle(self, pipeline: Pipeline) -> None:
        """Let everything happen that waits for nothing any more."""
        moving = True
        while moving:
            moving = False
            for job in list(pipeline.latest()):
                moving |= self._moved(job)
        self.look(pipeline)

    def look(self, pipeline: Pipeline) -> None:
        """Note when a pipeline changes, begins and ends."""
        status, now = pipeline.status, self._now()
        if status == pipeline.reported:
            return
        pipeline.reported, pipeline.updated_at = status, now
        if pipeline.started_at is None and any(job.started_at is not None for job in pipeline.jobs):
            pipeline.started_at = now
        pipeline.finished_at = now if status in ENDED else None

    def _moved(self, job: LiveJob) -> bool:
        before = (job.status, job.retried, job.downstream)
        if job.status == "created":
            self._reached(job)
        elif job.spec.child and job.status in ("pending", "running"):
            self._bridged(job)
        elif job.left == 0 and job.status == "pending":
            job.becomes("running", self._now())
        elif job.left == 0 and job.status == "running":
            self._ended(job)
        elif job.left == 0 and job.status == "canceling":
            job.becomes("canceled", self._now())
        return before != (job.status, job.retried, job.downstream)

    def _reached(self, job: LiveJob) -> None:
        stages = job.pipeline.script.stages()
        earlier = [one for one in job.pipeline.latest() if stages.index(one.spec.stage) < stages.index(job.spec.stage)]
        kinds = {_counted(one) for one in earlier}
        if kinds & {"failed", "canceled"}:
            job.becomes("skipped", self._now())
        elif kinds <= _QUIET:
            job.becomes("manual" if job.spec.manual and not job.played else "pending", self._now())

    def _ended(self, job: LiveJob) -> None:
        end = job.spec.end(job.attempt)
        job.becomes(end, self._now())
        if end == "failed" and job.attempt < job.spec.retries:
            self._attempt(job)

    def _bridged(self, job: LiveJob) -> None:
        if job.downstream is None:
            job.becomes("running", self._now())
            job.downstream = self._birth(job)
        if not job.spec.depend:
            job.becomes("success", self._now())
        elif job.downstream.status in ENDED:
            ended = job.downstream.status
            job.becomes("failed" if ended == "skipped" else ended, self._now())
