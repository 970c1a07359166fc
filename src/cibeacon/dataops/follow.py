"""Follows a pipeline to its end: polls it, reports changes and reads the jobs' logs. `waiting` decides when to stop.

Prints through its caller. A log that cannot be read is mentioned once and does not end the wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from cibeacon.dataops.client import PipelinesClient
from cibeacon.dataops.errors import DataopsError
from cibeacon.dataops.job_log import JobLog
from cibeacon.dataops.snapshot import FINAL, KNOWN, PipelineJob, Snapshot, take_snapshot
from cibeacon.dataops.waiting import PipelineResult, WaitPolicy, WaitState, next_step
from cibeacon.runtime import Environment

HEARTBEAT = 60.0
"""Seconds without output after which a line is printed anyway: some runners end a job that prints nothing."""
_MOST_NAMES = 4
_MOST_FAILURES = 3


class PipelineView(Protocol):
    """Shows the progress of a wait."""

    def say(self, text: str) -> None:
        """Shows a line of progress."""
        ...

    def show(self, snapshot: Snapshot) -> None:
        """Shows the current state of all jobs, also if nothing has changed."""
        ...


class JobLogs:
    """The logs of one wait. Each job has its own offset; a retried job is another job.

    Args:
        wanted: none, failed or all.
        limit: bytes of each log to show: with `all` the first, with `failed` the last.
        clean: removes secrets.
        show: prints lines of the log of the named job.
        note: prints a line of cibeacon's.
    """

    def __init__(
        self,
        client: PipelinesClient,
        wanted: str,
        limit: int,
        clean: Callable[[str], str],
        show: Callable[[str, Iterable[str]], None],
        note: Callable[[str], None],
    ) -> None:
        self._client, self._wanted, self._limit = client, wanted, limit
        self._clean, self._show, self._note = clean, show, note
        self._logs: dict[int, JobLog] = {}

    def read_on(self, snapshot: Snapshot, *, last: bool) -> None:
        """Shows the log lines that are new with this snapshot; `last` ends every log."""
        known = {job.id for job in snapshot.jobs}
        for log in [log for number, log in self._logs.items() if number not in known and not log.is_done]:
            if not log.failures:
                self._note(f"job {log.name} was retried; this is the rest of the previous attempt.")
            self._read(log, is_over=True)
        for job in snapshot.jobs:
            if not job.bridge and self._is_readable(job):
                log = self._logs.setdefault(job.id, open_log(self._client, job, self._limit, self._clean))
                if not log.is_done:
                    self._read(log, is_over=job.is_over or last)

    def _is_readable(self, job: PipelineJob) -> bool:
        return job.status == "failed" if self._wanted == "failed" else self._wanted == "all" and job.has_started

    def _read(self, log: JobLog, *, is_over: bool) -> None:
        try:
            self._show(log.name, log.last_lines() if self._wanted == "failed" else log.new_lines(is_over=is_over))
            log.is_done = log.is_done or is_over
        except DataopsError as error:
            log.failures += 1
            log.is_done = error.refused or log.failures >= _MOST_FAILURES
            if log.is_done:
                self._note(f"the log of job {log.name} is not shown: {error.why}")


def open_log(client: PipelinesClient, job: PipelineJob, limit: int, clean: Callable[[str], str]) -> JobLog:
    """The log of a job, from its start."""
    return JobLog(lambda offset: client.trace(job.id, offset, job.project), job.name, job.web_url, limit, clean)


class PipelineWait:
    """One wait. Its state can be read at any time, even after an interruption."""

    def __init__(
        self, client: PipelinesClient, project: str, pipeline: int, policy: WaitPolicy, env: Environment
    ) -> None:
        self._client, self._project, self._pipeline = client, project, pipeline
        self._policy, self._env = policy, env
        self.state = WaitState(env.clock())
        self._last_line = self.state.started_at

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return self._env.clock() - self.state.started_at

    def follow(self, view: PipelineView, logs: JobLogs) -> PipelineResult:
        """Waits until the pipeline ends."""
        while True:
            before = self.state
            look: Snapshot | DataopsError
            try:
                look = take_snapshot(self._client, self._project, self._pipeline)
            except DataopsError as error:
                look = error
            step = next_step(self._policy, before, self._env.clock(), self._env.random(), look)
            self.state = step.state
            for text in self._news(before, look):
                self._last_line = self._env.clock()
                minutes, seconds = divmod(int(self.seconds), 60)
                view.say(f"[{minutes:3d}:{seconds:02d}] {text}")
            if isinstance(look, Snapshot):
                view.show(look)
                logs.read_on(look, last=step.result is not None)
            if step.result:
                return step.result
            self._env.sleep(step.pause)

    def _news(self, before: WaitState, look: Snapshot | DataopsError) -> Iterator[str]:
        """The lines to print: every change, and from time to time that the pipeline is still running."""
        is_first_failure = before.failing_since is None
        if isinstance(look, DataopsError):
            if is_first_failure or look.refused:
                yield f"no usable answer: {look.why}"
            elif self._is_quiet():
                yield f"still no usable answer: {look.why}"
            return
        if not is_first_failure:
            yield "the server answers again"
        yield from changes(before.snapshot, look)
        if self._is_quiet():
            yield heartbeat(look)

    def _is_quiet(self) -> bool:
        return self._env.clock() - self._last_line >= HEARTBEAT


def changes(before: Snapshot | None, after: Snapshot) -> Iterator[str]:
    """A line for every change."""
    old = before or Snapshot(after.pipeline._replace(status=""))
    jobs = {job.id: job.status for job in old.jobs}
    downstream = {one.pipeline.id: one.pipeline.status for one in old.downstream}
    if after.pipeline.status != old.pipeline.status:
        yield f"pipeline {after.pipeline.id} {_change(old.pipeline.status, after.pipeline.status)}"
    for job in after.jobs:
        status = jobs.get(job.id, "")
        if job.status != status and (before or job.status not in ("created", "manual")):
            reason = f": {job.failure_reason}" if job.failure_reason and job.status == "failed" else ""
            allowed = " (allowed to fail)" if job.allow_failure and job.status == "failed" else ""
            stage = f" ({job.stage})" if job.stage else ""
            yield f"job {job.name}{stage} {_change(status, job.status, f'{reason}{allowed}')}"
    for one in after.downstream:
        status = downstream.get(one.pipeline.id, "")
        if one.pipeline.status != status:
            yield f"downstream pipeline {one.pipeline.id} of {one.bridge} {_change(status, one.pipeline.status)}"
    for text in after.hidden:
        if text not in old.hidden:
            yield f"note: {text}"


def heartbeat(snapshot: Snapshot) -> str:
    """A line saying that the pipeline is still running, and which jobs."""
    running = [job.name for job in snapshot.jobs if job.status == "running"]
    more = f" and {len(running) - _MOST_NAMES} more" if len(running) > _MOST_NAMES else ""
    names = f", running {', '.join(running[:_MOST_NAMES])}{more}" if running else ""
    over = sum(job.status in FINAL for job in snapshot.jobs)
    return f"still {snapshot.pipeline.status}: {over} of {len(snapshot.jobs)} jobs ended{names}"


def _change(before: str, after: str, details: str = "") -> str:
    unknown = "" if after in KNOWN else " (an unknown status, which counts as not ended)"
    return f"{f'{before} → ' if before else ''}{after}{details}{unknown}"
