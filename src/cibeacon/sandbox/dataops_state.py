"""Knows what DataOps.live holds, and moves its pipelines. Does not know who may see or change them.

A pipeline moves by steps: `advance` moves each of them, and with `step_seconds` in the account the clock does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from threading import RLock
from typing import Any

from cibeacon.sandbox.dataops_account import DataOpsAccount, Job, Old, Project, Script
from cibeacon.sandbox.dataops_records import ENDED, LiveJob, Pipeline
from cibeacon.sandbox.store import Store

LAST_PIPELINE = 74773
"""The last id that existed before the sandbox."""
_LAST_JOB, _LAST_SCHEDULE = 4325421, 12
_STEPS = 1_000
"""Most steps that one request makes up for, so that a sandbox that was idle for days answers at once."""


class DataOpsState:
    """Pipelines and schedules by id, oldest first, and their copy in a store. Use it within `turn`.

    A schedule is a mapping of its fields, with times in Unix seconds; it only starts when played.

    Args:
        account: what it holds before the first request.
        store: keeps what has changed since.
        clock: gives the Unix time in seconds.
    """

    def __init__(self, account: DataOpsAccount, store: Store, clock: Callable[[], float]) -> None:
        self.account, self._clock = account, clock
        self.scripts: dict[str, Script] = dict(account.scripts)
        """By pipeline file."""
        self.ordered: list[Script] = []
        """The scripts of the next pipelines, in turn, whatever their file."""
        self._kept, self.schedules = store.table("dataops.pipelines"), store.table("dataops.schedules")
        self._lock, self._changed = RLock(), dict[int, Pipeline]()
        self._moment: float | None = None
        self._stepped = clock()
        self.pipelines: dict[int, Pipeline] = {}
        for project in account.projects:
            for old in project.old:
                self._remember(project, old)
        self.pipelines |= {int(number): Pipeline.model_validate(each) for number, each in self._kept.items()}
        jobs = [job.id for each in self.pipelines.values() for job in each.jobs]
        self._pipeline_ids = count(max([LAST_PIPELINE, *self.pipelines]) + 1)
        self._job_ids = count(max([_LAST_JOB, *jobs]) + 1)
        self.schedule_ids = count(max([_LAST_SCHEDULE, *map(int, self.schedules)]) + 1)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Lock the state, move what is due by the clock, and store what has changed at the end."""
        with self._lock:
            self._catch_up()
            try:
                yield
            finally:
                for number, pipeline in self._changed.items():
                    self._kept[str(number)] = pipeline.model_dump(mode="json")
                self._changed.clear()

    def now(self) -> float:
        """The current time in Unix seconds; while steps are made up for, the time of the step."""
        return self._clock() if self._moment is None else self._moment

    def project(self, number: int) -> Project:
        """The project of a known id."""
        return next(each for each in self.account.projects if each.id == number)

    def pipelines_of(self, project: Project) -> list[Pipeline]:
        """A project's pipelines, oldest first."""
        return [each for each in self.pipelines.values() if each.project_id == project.id]

    # Changes ------------------------------------------------------------------------------------------------------

    def create(self, project: Project, script: Script, ref: str, **fields: Any) -> Pipeline:
        """Create a pipeline with all of its jobs in the state created; `update` starts it."""
        fields |= dict.fromkeys(("created_at", "updated_at"), self.now())
        fields |= {"statuses": list(script.statuses), "canceling": script.canceling}
        pipeline = self._add(project, next(self._pipeline_ids), ref, **fields)
        for spec in script.jobs:
            self._attempt(pipeline, spec)
        return pipeline

    def retry(self, pipeline: Pipeline, jobs: Sequence[LiveJob]) -> None:
        """Retry jobs, and after them those that were skipped."""
        for job in pipeline.latest():
            if job in jobs:
                self._attempt(pipeline, job.spec, job)
            elif job.status == "skipped":
                job.become("created", self.now())
        self.update(pipeline)

    def cancel(self, pipeline: Pipeline) -> None:
        """Cancel every job that has not ended, also those of children."""
        if pipeline.statuses and pipeline.status not in ENDED:
            pipeline.statuses = [*["canceling"] * pipeline.canceling, "canceled"]
        for job in pipeline.latest():
            if job.downstream and job.spec.depend:
                self.cancel(self.pipelines[job.downstream])
            self.cancel_job(pipeline, job)
        self.update(pipeline)

    def cancel_job(self, pipeline: Pipeline, job: LiveJob) -> None:
        """Cancel a job unless it has ended; call `update` afterwards."""
        if job.status in ("created", "pending", "running", "manual"):
            slowly = job.status == "running" and pipeline.canceling > 0 and not job.spec.child
            job.become("canceling" if slowly else "canceled", self.now())
            job.left = pipeline.canceling if slowly else 0

    # Steps --------------------------------------------------------------------------------------------------------

    def advance(self, steps: int = 1) -> None:
        """Move every pipeline by so many steps."""
        with self.turn():
            for _ in range(steps):
                self._advance_all()

    def advance_seen(self, pipeline: Pipeline) -> None:
        """End a step because the pipeline was read, unless steps follow the clock; a child moves with its parent while that runs."""
        is_own = pipeline.parent is None or not self._is_alive(self.pipelines[pipeline.parent])
        if self.account.step_seconds is None and is_own:
            self._advance(pipeline)

    def update(self, pipeline: Pipeline) -> None:
        """Move every job that waits for nothing, and store the result."""
        while any(self._moves(pipeline, job) for job in pipeline.latest()):
            pass
        status, now = pipeline.composed_status(), self.now()
        if status != pipeline.status:
            pipeline.status, pipeline.updated_at = status, now
            if pipeline.started_at is None and any(job.started_at is not None for job in pipeline.jobs):
                pipeline.started_at = now
            pipeline.finished_at = now if status in ENDED else None
        self._changed[pipeline.id] = pipeline
        if pipeline.parent:
            self.update(self.pipelines[pipeline.parent])

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
        if (seconds := self.account.step_seconds) is None:
            return
        now = self._clock()
        due = int((now - self._stepped) / seconds)
        for ahead in range(min(due, _STEPS)):
            self._moment = self._stepped + (ahead + 1) * seconds
            self._advance_all()
        self._moment, self._stepped = None, self._stepped + due * seconds

    def _advance_all(self) -> None:
        for pipeline in [each for each in self.pipelines.values() if each.parent is None]:
            self._advance(pipeline)

    def _is_alive(self, pipeline: Pipeline) -> bool:
        """Whether a step can change anything: the pipeline, or a child that it does not wait for, has not ended."""
        children = (self.pipelines[child] for child in pipeline.children())
        return pipeline.status not in ENDED or any(self._is_alive(child) for child in children)

    def _moves(self, pipeline: Pipeline, job: LiveJob) -> bool:
        """Move a job where nothing holds it, and say whether it moved."""
        before, now = (job.status, job.retried, job.downstream), self.now()
        if job.status == "created":
            reached = pipeline.is_reached(job)
            if reached is not False:
                waits = "manual" if job.spec.manual and not job.played else "pending"
                job.become(waits if reached else "skipped", now)
        elif job.spec.child and job.status in ("pending", "running"):
            self._follow_child(pipeline, job, job.spec.child)
        elif job.left == 0 and job.status in ("pending", "canceling"):
            job.become("running" if job.status == "pending" else "canceled", now)
        elif job.left == 0 and job.status == "running":
            job.become(job.spec.end(job.attempt), now)
            if job.status == "failed" and job.attempt < job.spec.retries:
                self._attempt(pipeline, job.spec, job)
        return before != (job.status, job.retried, job.downstream)

    def _follow_child(self, pipeline: Pipeline, job: LiveJob, script: Script) -> None:
        if job.downstream is None:
            job.become("running", self.now())
            project = self.project(job.spec.child_project or pipeline.project_id)
            is_own = project.id == pipeline.project_id
            source, ref = ("parent_pipeline", pipeline.ref) if is_own else ("pipeline", project.default_branch)
            child = self.create(project, script, ref, source=source, user=pipeline.user, parent=pipeline.id)
            job.downstream = child.id
            self.update(child)
        status = self.pipelines[job.downstream].status
        if not job.spec.depend:
            job.become("success", self.now())
        elif status in ENDED:
            job.become("failed" if status == "skipped" else status, self.now())

    def _attempt(self, pipeline: Pipeline, spec: Job, before: LiveJob | None = None) -> None:
        job = LiveJob(id=next(self._job_ids), pipeline_id=pipeline.id, spec=spec, created_at=self.now())
        if before:
            before.retried = True
            job.attempt, job.played = before.attempt + 1, before.played
        pipeline.jobs.append(job)

    def _remember(self, project: Project, old: Old) -> None:
        """Add a pipeline that ended before the sandbox starts."""
        began = self._clock() - old.days * 86400.0
        times: dict[str, Any] = {"created_at": began, "started_at": began + 4, "finished_at": began + 64}
        spec = Job("Build all Models", stage="Data Transformation", ends=(old.status,))
        job = LiveJob(id=old.job_id, pipeline_id=old.id, spec=spec, status=old.status, pending_at=began, **times)
        fields = {"source": old.source, "status": old.status, "user": "sandbox", "updated_at": began + 64}
        self._add(project, old.id, project.default_branch, jobs=[job], **fields, **times)

    def _add(self, project: Project, number: int, ref: str, **fields: Any) -> Pipeline:
        self.pipelines[number] = pipeline = Pipeline(
            id=number,
            iid=len(self.pipelines_of(project)) + 1,
            project_id=project.id,
            ref=ref,
            sha=project.branches.get(ref) or project.tags[ref],
            tag=ref not in project.branches,
            **fields,
        )
        return pipeline
