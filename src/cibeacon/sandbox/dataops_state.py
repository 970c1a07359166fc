"""Knows what DataOps.live holds, and moves its pipelines. Does not know who may see or change them.

A pipeline moves by steps: `advance_all` moves each of them once, and with `step_seconds` in the account the clock does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from threading import RLock
from typing import Any

from cibeacon.sandbox.dataops_account import DataOpsAccount, Old, Project
from cibeacon.sandbox.dataops_records import ENDED, LiveJob, Pipeline, Schedule
from cibeacon.sandbox.dataops_script import Job, Script
from cibeacon.sandbox.store import Store

LAST_PIPELINE = 74773
"""The last one that the sandbox has not made."""
_LAST_JOB, _LAST_SCHEDULE = 4325421, 12
_STEPS = 10_000
"""Most steps that one request makes up for, so that a sandbox left alone for days wakes up at once."""


class DataOpsState:
    """Everything by id, in the order of its making, and its copy in a store. To be used within `turn`.

    Args:
        account: what it holds before the first request.
        store: keeps what has changed since.
        clock: gives the Unix time in seconds.
    """

    def __init__(self, account: DataOpsAccount, store: Store, clock: Callable[[], float]) -> None:
        self.account, self._clock = account, clock
        self.scripts: dict[str, Script] = dict(account.scripts)
        self.ordered: list[Script] = []
        self.revoked: set[str] = set()
        self._kept, self._kept_schedules = store.table("dataops.pipelines"), store.table("dataops.schedules")
        self._lock, self._changed = RLock(), dict[int, Pipeline]()
        self._moment: float | None = None
        self.pipelines: dict[int, Pipeline] = {}
        old = [(project, each) for project in account.projects for each in project.old]
        self._pipeline_ids: Iterator[int] = iter([each.id for _, each in old])
        self._job_ids: Iterator[int] = iter([each.job_id for _, each in old])
        for project, each in old:
            self._remember(project, each)
        self.pipelines |= {int(number): Pipeline.model_validate(each) for number, each in self._kept.items()}
        self.schedules = {int(number): Schedule(**each) for number, each in self._kept_schedules.items()}
        jobs = [job.id for each in self.pipelines.values() for job in each.jobs]
        self._pipeline_ids = count(max([LAST_PIPELINE, *self.pipelines]) + 1)
        self._job_ids = count(max([_LAST_JOB, *jobs]) + 1)
        self.schedule_ids = count(max([_LAST_SCHEDULE, *self.schedules]) + 1)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Let nobody else in, move what is due by the clock, and keep what has changed in the end."""
        with self._lock:
            self._catch_up()
            try:
                yield
            finally:
                for number, pipeline in self._changed.items():
                    self._kept[str(number)] = pipeline.model_dump(mode="json")
                self._changed.clear()

    def now(self) -> float:
        """The time of what happens, in Unix seconds."""
        return self._clock() if self._moment is None else self._moment

    def project_of(self, pipeline: Pipeline | Schedule) -> Project:
        """The project that it belongs to."""
        return next(each for each in self.account.projects if each.id == pipeline.project_id)

    def pipelines_of(self, project: Project) -> list[Pipeline]:
        """A project's pipelines in the order of their making."""
        return [each for each in self.pipelines.values() if each.project_id == project.id]

    def keep(self, schedule: Schedule) -> None:
        """Hold a schedule, or what has become of it."""
        self.schedules[schedule.id] = schedule
        self._kept_schedules[str(schedule.id)] = schedule.model_dump()

    def delete(self, schedule: Schedule) -> None:
        """Forget a schedule."""
        del self.schedules[schedule.id], self._kept_schedules[str(schedule.id)]

    # Changes ------------------------------------------------------------------------------------------------------

    def create(self, project: Project, script: Script, ref: str, **fields: Any) -> Pipeline:
        """A new pipeline, all of it still in the state created; `update` starts it."""
        now = self.now()
        pipeline = Pipeline(
            id=next(self._pipeline_ids),
            iid=len(self.pipelines_of(project)) + 1,
            project_id=project.id,
            ref=ref,
            sha=project.branches.get(ref) or project.tags[ref],
            tag=ref not in project.branches,
            statuses=list(script.statuses),
            canceling=script.canceling,
            **{"created_at": now, "updated_at": now, "stepped_at": now} | fields,
        )
        self.pipelines[pipeline.id] = pipeline
        for spec in script.jobs:
            self._attempt(pipeline, spec, 0)
        return pipeline

    def retry(self, pipeline: Pipeline, jobs: Sequence[LiveJob], *, played: bool = False) -> list[LiveJob]:
        """Try jobs again, and after them those that were skipped; return the new attempts."""
        attempts = [self._try_again(pipeline, job) for job in jobs]
        for attempt in attempts:
            attempt.played = played
        for job in pipeline.latest():
            if job.status == "skipped":
                job.become("created", self.now())
        self.revive(pipeline)
        return attempts

    def cancel(self, pipeline: Pipeline) -> None:
        """Cancel what still can be, in the pipelines below too."""
        if pipeline.statuses and pipeline.status not in ENDED:
            pipeline.statuses = [*["canceling"] * pipeline.canceling, "canceled"]
        for job in pipeline.latest():
            if job.downstream and job.spec.depend:
                self.cancel(self.pipelines[job.downstream])
            self.cancel_job(pipeline, job)
        self.revive(pipeline)

    def cancel_job(self, pipeline: Pipeline, job: LiveJob) -> None:
        """Cancel a job, unless it is over."""
        if job.status in ("created", "pending", "running", "manual"):
            slowly = job.status == "running" and pipeline.canceling > 0 and not job.spec.child
            job.become("canceling" if slowly else "canceled", self.now())
            job.left = pipeline.canceling if slowly else 0

    def revive(self, pipeline: Pipeline) -> None:
        """Let what was changed in a pipeline take effect; its next step is counted from now on."""
        pipeline.stepped_at = self.now()
        self.update(pipeline)
        if pipeline.parent:
            self.update(self.pipelines[pipeline.parent])

    # Steps --------------------------------------------------------------------------------------------------------

    def advance_all(self) -> None:
        """Move every pipeline by one step."""
        for pipeline in self._roots():
            self._advance(pipeline)

    def advance_seen(self, pipeline: Pipeline) -> None:
        """A step is over because somebody looked, unless steps go by the clock; a child's when its parent is over."""
        is_own = pipeline.parent is None or not self._is_alive(self.pipelines[pipeline.parent])
        if self.account.step_seconds is None and is_own:
            self._advance(pipeline)

    def update(self, pipeline: Pipeline) -> None:
        """Let everything happen that waits for nothing any more."""
        self._changed[pipeline.id] = pipeline
        while any(self._moves(pipeline, job) for job in pipeline.latest()):
            pass
        status, now = pipeline.composed_status(), self.now()
        if status != pipeline.status:
            pipeline.status, pipeline.updated_at = status, now
            if pipeline.started_at is None and any(job.started_at is not None for job in pipeline.jobs):
                pipeline.started_at = now
            pipeline.finished_at = now if status in ENDED else None

    def _advance(self, pipeline: Pipeline) -> None:
        if not self._is_alive(pipeline):
            return
        for child in pipeline.children():
            self._advance(self.pipelines[child])
        if len(pipeline.statuses) > 1 and pipeline.status not in ENDED:
            del pipeline.statuses[0]
        for job in pipeline.latest():
            job.ran += job.status == "running"
            if job.left and not job.spec.child:
                job.left -= 1
        self.update(pipeline)

    def _catch_up(self) -> None:
        seconds, now = self.account.step_seconds, self._clock()
        for _ in range(_STEPS if seconds else 0):
            due = [each for each in self._roots() if each.stepped_at + (seconds or 0) <= now]
            for pipeline in due:
                self._moment = pipeline.stepped_at = pipeline.stepped_at + (seconds or 0)
                self._advance(pipeline)
            self._moment = None
            if not due:
                return

    def _roots(self) -> list[Pipeline]:
        return [each for each in self.pipelines.values() if each.parent is None and self._is_alive(each)]

    def _is_alive(self, pipeline: Pipeline) -> bool:
        """Whether a step could still change anything: it, or a child that it does not wait for, is not over."""
        children = (self.pipelines[child] for child in pipeline.children())
        return pipeline.status not in ENDED or any(self._is_alive(child) for child in children)

    def _moves(self, pipeline: Pipeline, job: LiveJob) -> bool:
        """Whether a job has moved by itself."""
        before = (job.status, job.retried, job.downstream)
        if job.status == "created":
            reached = pipeline.is_reached(job)
            if reached is not False:
                waits = "manual" if job.spec.manual and not job.played else "pending"
                job.become(waits if reached else "skipped", self.now())
        elif job.spec.child and job.status in ("pending", "running"):
            self._follow_child(pipeline, job, job.spec.child)
        elif job.left == 0 and job.status in ("pending", "canceling"):
            job.become("running" if job.status == "pending" else "canceled", self.now())
        elif job.left == 0 and job.status == "running":
            job.become(job.spec.end(job.attempt), self.now())
            if job.status == "failed" and job.attempt < job.spec.retries:
                self._try_again(pipeline, job)
        return before != (job.status, job.retried, job.downstream)

    def _follow_child(self, pipeline: Pipeline, job: LiveJob, script: Script) -> None:
        if job.downstream is None:
            job.become("running", self.now())
            elsewhere = self.account.project(str(job.spec.child_project)) if job.spec.child_project else None
            project = elsewhere or self.project_of(pipeline)
            ref = next(iter(project.branches)) if elsewhere else pipeline.ref
            source = "pipeline" if elsewhere else "parent_pipeline"
            child = self.create(project, script, ref, source=source, user=pipeline.user, parent=pipeline.id)
            job.downstream = child.id
            self.update(child)
        status = self.pipelines[job.downstream].status
        if not job.spec.depend:
            job.become("success", self.now())
        elif status in ENDED:
            job.become("failed" if status == "skipped" else status, self.now())

    def _try_again(self, pipeline: Pipeline, job: LiveJob) -> LiveJob:
        job.retried = True
        return self._attempt(pipeline, job.spec, job.attempt + 1)

    def _attempt(self, pipeline: Pipeline, spec: Job, attempt: int) -> LiveJob:
        job = LiveJob(id=next(self._job_ids), spec=spec, attempt=attempt, created_at=self.now())
        pipeline.jobs.append(job)
        return job

    def _remember(self, project: Project, old: Old) -> None:
        """Make a pipeline that is over before the sandbox starts."""
        self._moment = began = self._clock() - old.days * 86400.0
        spec = Job("Build all Models", stage="Data Transformation", ends=(old.status,))
        pipeline = self.create(project, Script((spec,)), old.ref, source=old.source, user="sandbox")
        (job,) = pipeline.jobs
        job.status = pipeline.status = old.status
        job.pending_at, job.started_at, pipeline.started_at = began, began + 4, began + 4
        job.finished_at = pipeline.finished_at = pipeline.updated_at = began + 64
        self._moment = None
