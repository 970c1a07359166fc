"""Looks once at a pipeline and everything that it started, all pages of it. What a token may not see is said, not guessed."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from cibeacon.dataops.client import Client
from cibeacon.dataops.errors import Fault
from cibeacon.dataops.records import Downstream, Job, Pipeline, Snapshot
from cibeacon.model.payload import at, number

_MOST_PIPELINES = 50
_MOST_JOBS = 5000


def look(client: Client, project: str, pipeline: int) -> Snapshot:
    """Everything there is to see. Raises `Fault` where the pipeline itself cannot be read."""
    found = _Looking(client, project)
    record = client.pipeline(pipeline)
    root = Pipeline.read(record, project)
    found.visit(root, allowed=False)
    return Snapshot(
        root, tuple(sorted(found.jobs, key=lambda job: job.id)), tuple(found.downstream), tuple(found.hidden)
    )


class _Looking:
    """What was gathered so far."""

    def __init__(self, client: Client, project: str) -> None:
        self._client, self._project = client, project
        self.jobs: list[Job] = []
        self.downstream: list[Downstream] = []
        self.hidden: list[str] = []
        self._visited: set[int] = set()

    def visit(self, pipeline: Pipeline, *, allowed: bool) -> None:
        """Its jobs, its bridges, and what those started."""
        self._visited.add(pipeline.id)
        started: list[Downstream] = []
        for kind, records in (("jobs", self._jobs_of), ("bridges", self._bridges_of)):
            try:
                started += records(pipeline, allowed)
            except Fault as fault:
                if not fault.refused:
                    raise
                self.hidden.append(f"the {kind} of pipeline {pipeline.id} cannot be read: {fault.why}")
        for each in started:
            self.downstream.append(each)
            if each.pipeline.id not in self._visited and len(self._visited) < _MOST_PIPELINES:
                self.visit(each.pipeline, allowed=each.allowed)

    def _jobs_of(self, pipeline: Pipeline, allowed: bool) -> list[Downstream]:
        found = self._client.jobs({}, pipeline.id, pipeline.project)
        self.jobs += [_job(record, pipeline, bridge=False) for record in islice(found, _MOST_JOBS)]
        if next(found, None) is not None:
            self.hidden.append(f"of the jobs of pipeline {pipeline.id} only the newest {_MOST_JOBS} are looked at")
        return []

    def _bridges_of(self, pipeline: Pipeline, allowed: bool) -> list[Downstream]:
        found = []
        for record in self._client.bridges(pipeline.id, pipeline.project):
            bridge = _job(record, pipeline, bridge=True)
            self.jobs.append(bridge)
            started = at(record, "downstream_pipeline")
            if isinstance(started, Mapping) and number(started.get("id")):
                project = str(number(started.get("project_id")) or pipeline.project)
                found.append(Downstream(Pipeline.read(started, project), bridge.name, allowed or bridge.allow_failure))
        return found


def _job(record: Mapping[str, Any], pipeline: Pipeline, *, bridge: bool) -> Job:
    try:
        return Job.read(record, pipeline.project, bridge=bridge)._replace(pipeline=pipeline.id)
    except ValueError as error:
        raise Fault(f"A job of pipeline {pipeline.id} cannot be read", str(error), "Try again later") from error
