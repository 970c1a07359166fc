"""Reads pipelines and jobs from the API's records, and the state of a pipeline with all pipelines that it started.

Every field except the id may be missing. What the token may not see is listed, not guessed.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Any, NamedTuple, Self

from cibeacon.dataops.client import PipelinesClient
from cibeacon.dataops.errors import DataopsError
from cibeacon.model.payload import at, number, string

FINAL = ("success", "failed", "canceled", "skipped")
BLOCKED = "manual"
QUEUED = ("created", "waiting_for_resource", "preparing", "waiting_for_callback", "pending")
KNOWN = frozenset((*FINAL, BLOCKED, *QUEUED, "running", "canceling", "scheduled"))
"""Every status that servers were seen to use; any other counts as not ended (https://docs.gitlab.com/api/pipelines/)."""
_MOST_PIPELINES = 50
_MOST_JOBS = 5000


class GitLabPipeline(NamedTuple):
    """A pipeline, or a bridge's record of the pipeline that it started."""

    id: int
    project: str
    status: str
    web_url: str = ""
    ref: str = ""
    sha: str = ""
    source: str = ""
    created_at: str = ""
    duration: float | None = None
    queued_duration: float | None = None
    yaml_errors: str = ""

    @classmethod
    def read(cls, record: Mapping[str, Any], project: str) -> Self:
        """From the API. Raises `DataopsError` for a record without an id."""
        fields: dict[str, Any] = {name: _seconds(record, name) for name in ("duration", "queued_duration")}
        for name in ("web_url", "ref", "sha", "source", "created_at", "yaml_errors"):
            fields[name] = string(record, name) or ""
        return cls(_identity("pipeline", record), project, string(record, "status") or "unknown", **fields)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.status in FINAL


class PipelineJob(NamedTuple):
    """A job of a pipeline."""

    id: int
    project: str
    pipeline: int
    name: str
    stage: str
    status: str
    allow_failure: bool = False
    web_url: str = ""
    failure_reason: str = ""
    duration: float | None = None
    ref: str = ""
    bridge: bool = False
    """Whether it starts another pipeline, and so has no log."""

    @classmethod
    def read(cls, record: Mapping[str, Any], project: str, *, pipeline: int = 0, bridge: bool = False) -> Self:
        """From the API. Raises `DataopsError` for a record without an id."""
        return cls(
            _identity("job", record),
            project,
            pipeline or number(at(record, "pipeline", "id")) or 0,
            name=string(record, "name") or "?",
            status=string(record, "status") or "unknown",
            allow_failure=record.get("allow_failure") is True,
            duration=_seconds(record, "duration"),
            bridge=bridge,
            **{name: string(record, name) or "" for name in ("stage", "web_url", "failure_reason", "ref")},
        )

    @property
    def is_over(self) -> bool:
        """Whether its log is complete."""
        return self.status in FINAL

    @property
    def has_started(self) -> bool:
        """Whether it may have a log."""
        return self.status not in (*QUEUED, "skipped", BLOCKED, "scheduled")


class Downstream(NamedTuple):
    """A pipeline that a bridge started. `allowed`: its failure does not count."""

    pipeline: GitLabPipeline
    bridge: str
    allowed: bool


class Snapshot(NamedTuple):
    """The state of a pipeline at one moment."""

    pipeline: GitLabPipeline
    jobs: tuple[PipelineJob, ...] = ()
    """The jobs of the pipeline and of every readable downstream pipeline; bridges count as jobs."""
    downstream: tuple[Downstream, ...] = ()
    hidden: tuple[str, ...] = ()
    """What could not be read, as clauses."""

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        downstream = [one._asdict() | {"pipeline": one.pipeline._asdict()} for one in self.downstream]
        jobs = [job._asdict() for job in self.jobs]
        return {"pipeline": self.pipeline._asdict(), "jobs": jobs, "downstream": downstream}


def take_snapshot(client: PipelinesClient, project: str, number: int) -> Snapshot:
    """Reads a pipeline, its jobs, and every pipeline that it started. Raises `DataopsError`."""
    root = GitLabPipeline.read(client.pipeline(number), project)
    jobs: list[PipelineJob] = []
    downstream: list[Downstream] = []
    hidden: list[str] = []
    visited, unread = {root.id}, [(root, False)]
    while unread:
        pipeline, allowed = unread.pop()
        jobs += [job for job, _ in _read_jobs(client, pipeline, hidden, bridges=False)]
        for bridge, started in _read_jobs(client, pipeline, hidden, bridges=True):
            jobs.append(bridge)
            if started is None:
                continue
            downstream.append(Downstream(started, bridge.name, allowed or bridge.allow_failure))
            if started.id not in visited and len(visited) < _MOST_PIPELINES:
                visited.add(started.id)
                unread.append((started, downstream[-1].allowed))
    return Snapshot(root, tuple(sorted(jobs, key=lambda job: job.id)), tuple(downstream), tuple(hidden))


def _read_jobs(
    client: PipelinesClient, pipeline: GitLabPipeline, hidden: list[str], *, bridges: bool
) -> list[tuple[PipelineJob, GitLabPipeline | None]]:
    """The jobs of a pipeline, or its bridges, each with the pipeline that it started. What cannot be read is `hidden`."""
    name, number, project = "bridges" if bridges else "jobs", pipeline.id, pipeline.project
    records = client.bridges(number, project) if bridges else client.jobs({}, number, project)
    try:
        newest = list(islice(records, _MOST_JOBS))
        if next(records, None) is not None:
            hidden.append(f"only the newest {_MOST_JOBS} {name} of pipeline {number} are read")
    except DataopsError as error:
        if not error.refused:
            raise
        hidden.append(f"the {name} of pipeline {number} cannot be read: {error.why}")
        return []
    read = PipelineJob.read
    return [(read(one, project, pipeline=number, bridge=bridges), _started_pipeline(one, pipeline)) for one in newest]


def _started_pipeline(record: Mapping[str, Any], pipeline: GitLabPipeline) -> GitLabPipeline | None:
    """The pipeline that a bridge started, if it has."""
    started = at(record, "downstream_pipeline")
    if not isinstance(started, Mapping) or not number(started.get("id")):
        return None
    return GitLabPipeline.read(started, str(number(started.get("project_id")) or pipeline.project))


def _identity(kind: str, record: Mapping[str, Any]) -> int:
    identity = number(record.get("id"))
    if identity is None:
        raise DataopsError(f"A {kind} cannot be read", "the record has no id", "Try again later")
    return identity


def _seconds(record: Mapping[str, Any], name: str) -> float | None:
    value = record.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
