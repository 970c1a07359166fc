"""Knows the facts worth telling of a job of DCI, each a frozen value with a stable key. Does not know who is told, or how."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from cibeacon.model.reference import reference

NO_JOB = "no job"
"""The error of a file or a state whose job DCI does not have: it can be told once the job is there."""


def named_correlation(job_id: str) -> str:
    """What the facts of a job are known by that somebody named: no job carries it as a tag."""
    return f"ci:job:{job_id}"


def job_key(correlation: str) -> str:
    """The key of the signal that makes the job."""
    return f"dci/{correlation}/job"


class DciJob(NamedTuple):
    """A CI job is a job of DCI: it exists there, and runs. Everything that happens to it later is a fact of its own."""

    correlation: str
    """A tag that no other job carries: by it every later step finds the job."""
    topic: str | None
    """By name or by id; None where the job exists already."""
    components: tuple[str, ...] = ()
    """Ids, `type=name`, or `type` for the latest one of it; none at all stands for the latest of every type."""
    name: str | None = None
    configuration: str | None = None
    change_url: str | None = None
    """The page of the change under test. DCI compares the results of jobs that agree in it."""
    tags: tuple[str, ...] = ()
    """Those beside the correlation tag."""
    data: Mapping[str, Any] | None = None
    comment: str | None = None
    job_id: str | None = None
    """The job, where it is known already."""
    note: str | None = None
    """The comment on its states."""
    latest_by: str | None = None
    """Which component of a type is the latest: `created` or `released` last; None for what is usual."""

    @property
    def kind(self) -> str:
        """What sort of fact this is."""
        return "dci"

    @property
    def key(self) -> str:
        """One per job."""
        return job_key(self.correlation)

    @property
    def subject(self) -> str:
        """The topic and the job's name."""
        return f"{self.topic or 'job'}: {self.name or self.job_id or 'running'}"


class Attachment(NamedTuple):
    """A file belongs to a job of DCI."""

    correlation: str
    job_id: str | None
    path: Path
    name: str
    """What DCI calls it: unique in the job."""
    mime: str
    size: int
    """Bytes, when it was found."""

    @property
    def kind(self) -> str:
        """What sort of fact this is."""
        return "dci"

    @property
    def key(self) -> str:
        """One per job and name."""
        return f"{self.kind}/{self.correlation}/file/{reference(self.name)}"

    @property
    def subject(self) -> str:
        """The file's name."""
        return self.name


class JobState(NamedTuple):
    """How a job of DCI stands."""

    correlation: str
    job_id: str | None
    status: str
    comment: str | None = None
    yields: bool = False
    """True: an end that somebody told before stands, whatever it is."""

    @property
    def kind(self) -> str:
        """What sort of fact this is."""
        return "dci"

    @property
    def key(self) -> str:
        """One per job and status."""
        return f"{self.kind}/{self.correlation}/{self.status}"

    @property
    def subject(self) -> str:
        """The status."""
        return self.status


class JobValue(NamedTuple):
    """A number that a job of DCI keeps under a name."""

    correlation: str
    job_id: str | None
    name: str
    value: float

    @property
    def kind(self) -> str:
        """What sort of fact this is."""
        return "dci"

    @property
    def key(self) -> str:
        """One per job and name."""
        return f"{self.kind}/{self.correlation}/value/{reference(self.name)}"

    @property
    def subject(self) -> str:
        """The name and the number."""
        return f"{self.name}={self.value}"


OfJob: TypeAlias = Attachment | JobValue | JobState
"""What can be told of a job of DCI once it is there."""
