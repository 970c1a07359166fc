"""Knows what a pipeline, a job and a bridge are, as the API writes them. Everything may be missing but an id."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from cibeacon.model.payload import at, number, words

FINAL = ("success", "failed", "canceled", "skipped")
BLOCKED = "manual"
QUEUED = ("created", "waiting_for_resource", "preparing", "waiting_for_callback", "pending")
ACTIVE = ("running", "canceling", "scheduled")
KNOWN = frozenset((*FINAL, BLOCKED, *QUEUED, *ACTIVE))
"""Every status that a server was seen to use; another one counts as not over
(https://docs.gitlab.com/api/pipelines/)."""


class Pipeline(NamedTuple):
    """A pipeline, or the part of it that stands in a bridge."""

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
        """From the API. Raises `ValueError` for a record without an id."""
        return cls(
            id=_identity(record),
            project=project,
            status=words(record, "status") or "unknown",
            web_url=words(record, "web_url") or "",
            ref=words(record, "ref") or "",
            sha=words(record, "sha") or "",
            source=words(record, "source") or "",
            created_at=words(record, "created_at") or "",
            duration=_seconds(record, "duration"),
            queued_duration=_seconds(record, "queued_duration"),
            yaml_errors=words(record, "yaml_errors") or "",
        )

    @property
    def over(self) -> bool:
        """Whether nothing of it will run any more."""
        return self.status in FINAL


class Job(NamedTuple):
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
    """A job that starts another pipeline, and has no log."""

    @classmethod
    def read(cls, record: Mapping[str, Any], project: str, *, bridge: bool = False) -> Self:
        """From the API. Raises `ValueError` for a record without an id."""
        return cls(
            id=_identity(record),
            project=project,
            pipeline=number(at(record, "pipeline", "id")) or 0,
            name=words(record, "name") or "?",
            stage=words(record, "stage") or "",
            status=words(record, "status") or "unknown",
            allow_failure=record.get("allow_failure") is True,
            web_url=words(record, "web_url") or "",
            failure_reason=words(record, "failure_reason") or "",
            duration=_seconds(record, "duration"),
            ref=words(record, "ref") or "",
            bridge=bridge,
        )

    @property
    def over(self) -> bool:
        """Whether its log is whole."""
        return self.status in FINAL

    @property
    def began(self) -> bool:
        """Whether it may have a log."""
        return self.status not in (*QUEUED, "skipped", BLOCKED, "scheduled")


class Downstream(NamedTuple):
    """A pipeline that a bridge started. `allowed`: its failure fails nothing."""

    pipeline: Pipeline
    bridge: str
    allowed: bool


class Snapshot(NamedTuple):
    """Everything that one look at a pipeline brought."""

    pipeline: Pipeline
    jobs: tuple[Job, ...] = ()
    """Those of the pipeline and of every downstream one that could be read; bridges count as jobs."""
    downstream: tuple[Downstream, ...] = ()
    hidden: tuple[str, ...] = ()
    """What could not be read, in words."""


def _identity(record: Mapping[str, Any]) -> int:
    found = number(record.get("id")) if isinstance(record, Mapping) else None
    if found is None:
        raise ValueError("the record has no id")
    return found


def _seconds(record: Mapping[str, Any], name: str) -> float | None:
    found = record.get(name)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
