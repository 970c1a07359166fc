"""Knows what DataOps.live holds: pipelines, jobs, schedules, in memory. Does not know who may see or change them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count

from cibeacon.sandbox.dataops_account import DataOpsAccount, Old, Project, Token
from cibeacon.sandbox.dataops_live import ENDED, LiveJob, Pipeline, Progress
from cibeacon.sandbox.dataops_script import Job, Script

_DAY = 86400.0
_NEXT_PIPELINE = 74774
_NEXT_JOB = 4325422
_NEXT_SCHEDULE = 13


@dataclass(slots=True, kw_only=True)
class Schedule:
    """When a pipeline is to start. Times are Unix seconds; the sandbox never starts it by itself."""

    id: int
    project: Project = field(repr=False)
    description: str
    ref: str
    cron: str
    cron_timezone: str
    active: bool
    owner: str
    created_at: float
    updated_at: float
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a pipeline is to be made of."""

    project: Project
    script: Script
    ref: str
    source: str
    user: str
    variables: Mapping[str, str] = field(default_factory=dict)
    schedule_id: int | None = None
    trigger: LiveJob | None = None


class DataOpsState:
    """Everything by id, in the order of its making. Not safe to use from many threads at once."""

    def __init__(self, account: DataOpsAccount, clock: Callable[[], float]) -> None:
        self.account, self._clock = account, clock
        self.scripts: dict[str, Script] = dict(account.scripts)
        self.ordered: list[Script] = []
        self.revoked: set[str] = set()
        self.pipelines: dict[int, Pipeline] = {}
        self.jobs: dict[int, LiveJob] = {}
        self.schedules: dict[int, Schedule] = {}
        self._pipeline_ids, self._job_ids = count(_NEXT_PIPELINE), count(_NEXT_JOB)
        self._schedule_ids = count(_NEXT_SCHEDULE)
        self._moment: float | None = None
        self.progress = Progress(self.now, self.attempt, self._born)
        for project in account.projects:
            for old in sorted(project.old, key=lambda one: -one.days):
                self._remember(project, old)

    def now(self) -> float:
        """The time of what happens, in Unix seconds."""
        return self._clock() if self._moment is None else self._moment

    def token(self, kind: str, value: str) -> Token | None:
        """The token of that kind and value."""
        return next((one for one in self.account.tokens if (one.kind, one.value) == (kind, value)), None)

    def job(self, job_id: int) -> LiveJob:
        """The job of that id. Raises KeyError."""
        return self.jobs[job_id]

    def of(self, project: Project) -> list[Pipeline]:
        """A project's pipelines in the order of their making."""
        return [one for one in self.pipelines.values() if one.project is project]

    def make(self, order: Order) -> Pipeline:
        """A new pipeline, all of it still in the state created."""
        pipeline = Pipeline(
            id=next(self._pipeline_ids),
            iid=len(self.of(order.project)) + 1,
            project=order.project,
            script=order.script,
            ref=order.ref,
            sha=order.project.branches.get(order.ref) or order.project.tags[order.ref],
            tag=order.ref not in order.project.branches,
            source=order.source,
            user=order.user,
            created_at=self.now(),
            updated_at=self.now(),
            stepped_at=self.now(),
            variables=dict(order.variables),
            trigger=order.trigger,
            schedule_id=order.schedule_id,
        )
        self.pipelines[pipeline.id] = pipeline
        for spec in order.script.jobs:
            self._add(pipeline, spec, 0)
        return pipeline

    def attempt(self, job: LiveJob) -> LiveJob:
        """Another attempt at a job."""
        job.retried = True
        return self._add(job.pipeline, job.spec, job.attempt + 1)

    def revived(self, pipeline: Pipeline) -> None:
        """Let what was changed in a pipeline take effect; its next step is counted from now on."""
        pipeline.stepped_at = self.now()
        self.progress.settle(pipeline)
        if pipeline.trigger:
            self.progress.settle(pipeline.trigger.pipeline)

    def schedule_id(self) -> int:
        """One that was never given before."""
        return next(self._schedule_ids)

    def step_all(self) -> None:
        """Move every pipeline by one step."""
        for pipeline in self._roots():
            self.progress.step(pipeline)

    def step_due(self, seconds: float) -> bool:
        """Move the pipelines whose step of that length is over by the clock; False when there is none."""
        due = [one for one in self._roots() if one.stepped_at + seconds <= self._clock()]
        for pipeline in due:
            self._moment = pipeline.stepped_at = pipeline.stepped_at + seconds
            self.progress.step(pipeline)
        self._moment = None
        return bool(due)

    def asked_for(self, pipeline: Pipeline) -> None:
        """A step is over because somebody looked, unless steps go by the clock; a child's when its parent is over."""
        parent = pipeline.trigger.pipeline if pipeline.trigger else None
        if self.account.step_seconds is None and (parent is None or not _alive(parent)):
            self.progress.step(pipeline)

    def _roots(self) -> list[Pipeline]:
        return [one for one in self.pipelines.values() if one.trigger is None and _alive(one)]

    def _add(self, pipeline: Pipeline, spec: Job, attempt: int) -> LiveJob:
        log = spec.log_of(attempt)
        job = LiveJob(next(self._job_ids), spec, pipeline, attempt, log, created_at=self.now())
        self.jobs[job.id] = job
        pipeline.jobs.append(job)
        return job

    def _born(self, bridge: LiveJob) -> Pipeline:
        spec, parent = bridge.spec, bridge.pipeline
        elsewhere = self.account.project(str(spec.child_project)) if spec.child_project else None
        order = Order(
            project=elsewhere or parent.project,
            script=spec.child or Script(),
            ref=next(iter(elsewhere.branches)) if elsewhere else parent.ref,
            source="pipeline" if elsewhere else "parent_pipeline",
            user=parent.user,
            trigger=bridge,
        )
        pipeline = self.make(order)
        self.progress.settle(pipeline)
        return pipeline

    def _remember(self, project: Project, old: Old) -> None:
        then = self._clock() - old.days * _DAY
        script = Script((Job("Build all Models", stage="Data Transformation", ends=(old.status,)),))
        sha = project.branches[old.ref]
        pipeline = Pipeline(
            old.id,
            len(self.of(project)) + 1,
            project,
            script,
            old.ref,
            sha,
            False,
            old.source,
            "sandbox",
            then,
            old=True,
        )
        spec = script.jobs[0]
        job = LiveJob(old.job_id, spec, pipeline, 0, spec.log_of(0), then, old.status)
        job.pending_at, job.started_at, job.finished_at = then, then + 4, then + 64
        pipeline.jobs, self.jobs[job.id], self.pipelines[old.id] = [job], job, pipeline
        pipeline.started_at, pipeline.finished_at, pipeline.updated_at = then + 4, then + 64, then + 64
        pipeline.reported = old.status


def _alive(pipeline: Pipeline) -> bool:
    """Whether a step could still change anything: it, or a child that it does not wait for, is not over."""
    return pipeline.status not in ENDED or any(_alive(child) for child in pipeline.children())
