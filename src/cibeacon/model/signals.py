"""The signals, each a frozen value with a stable key. Does not know the sinks.

A key identifies the signal, not the attempt to send it: a retry, a replay and a rerun of the same attempt have the same key.
Times are Unix seconds.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote

from cibeacon.model.context import RunFacts

NO_JOB = "no job"
"""The error for a file or state whose job DCI does not have: it can be sent once the job exists."""
_LONGEST = 255


def reference(*parts: object) -> str:
    """A readable id made from parts, distinct for distinct parts, at most 255 characters.

    Parts are percent-encoded, so no part can look like two; an id that would be too long ends in a hash of the whole id.
    """
    name = "/".join(quote(str(part), safe="", errors="surrogatepass") or "%" for part in parts)
    if len(name) <= _LONGEST:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"{name[: _LONGEST - len(digest) - 1]}+{digest}"  # no encoded part contains a plus


class PullServices(NamedTuple):
    """The services that a merged pull request changed. Identified by `github_pull_id`, or by repository and number."""

    services: tuple[str, ...]
    github_pull_id: int | None = None
    repository: str | None = None
    pr_number: int | None = None
    replace: bool | None = None
    """True: these are all services; None: DX's default (add them)."""
    run: RunFacts | None = None

    @property
    def kind(self) -> str:
        """The kind of signal."""
        return "pull-services"

    @property
    def key(self) -> str:
        """One per pull request if signals replace each other; else one per list of services, since lists add up."""
        added = () if self.replace else self.services
        if self.github_pull_id is not None:
            return reference(self.kind, "id", self.github_pull_id, *added)
        return reference(self.kind, self.repository or "", self.pr_number, *added)

    @property
    def subject(self) -> str:
        """The pull request and its services."""
        name = f"#{self.pr_number}" if self.pr_number else f"id {self.github_pull_id}"
        return f"{name}: {', '.join(self.services)}"


class Deployment(NamedTuple):
    """The deployment of one service to one environment."""

    service: str
    deployed_at: int
    reference_id: str
    own_reference: bool = False
    """True if the user chose the id: then "already exists" is a conflict, not our own retry."""
    repository: str | None = None
    commit_sha: str | None = None
    merge_commit_shas: tuple[str, ...] = ()
    integration_branch: str | None = None
    environment: str | None = None
    success: bool | None = None
    source_name: str | None = None
    source_url: str | None = None
    metadata: Mapping[str, Any] | None = None
    run: RunFacts | None = None

    @property
    def kind(self) -> str:
        """The kind of signal."""
        return "deployment"

    @property
    def key(self) -> str:
        """The reference id."""
        return f"{self.kind}/{self.reference_id}"

    @property
    def subject(self) -> str:
        """The service and its environment."""
        return f"{self.service} → {self.environment}" if self.environment else self.service


class PipelineRun(NamedTuple):
    """The status of one run of a pipeline. Several signals with one reference id form one record."""

    pipeline_name: str
    pipeline_source: str
    reference_id: str
    started_at: int
    status: str | None = None
    """`running`, `success`, `failure`, `cancelled`; None means unknown (a run before its first step)."""
    finished_at: int | None = None
    repository: str | None = None
    commit_sha: str | None = None
    pr_number: int | None = None
    source_url: str | None = None
    head_branch: str | None = None
    email: str | None = None
    github_username: str | None = None
    gitlab_username: str | None = None
    run: RunFacts | None = None

    @property
    def kind(self) -> str:
        """The kind of signal."""
        return "pipeline-run"

    @property
    def key(self) -> str:
        """One per record and status: "running" and "success" are two signals."""
        return f"{self.kind}/{self.reference_id}/{self.status or 'unknown'}"

    @property
    def subject(self) -> str:
        """The pipeline and its status."""
        return f"{self.pipeline_name}: {self.status or 'unknown'}"


class FlowAssignment(NamedTuple):
    """The Flow pipelines of an Instabase job, which decide who reviews its documents. They replace the existing ones."""

    job_id: str
    pipelines: tuple[str, ...]
    """By name or by id."""
    clear: bool = False
    """True if the user asked to remove all pipelines."""

    @property
    def kind(self) -> str:
        """The kind of signal."""
        return "flow"

    @property
    def key(self) -> str:
        """One per job: only the newest signal counts."""
        return f"{self.kind}/{reference(self.job_id)}"

    @property
    def subject(self) -> str:
        """The job, if given, and its pipelines."""
        pipelines = ", ".join(self.pipelines) or "no pipeline"
        return f"{self.job_id}: {pipelines}" if self.job_id.strip() else pipelines


class DciJob(NamedTuple):
    """A CI job as a running DCI job. Everything that happens to it later is a separate signal."""

    correlation: str
    """A unique tag, by which every later step finds the job."""
    topic: str | None
    """By name or by id; None if the job already exists."""
    components: tuple[str, ...] = ()
    """Ids, `type=name`, or `type` for its latest one; an empty list means the latest of every type."""
    name: str | None = None
    configuration: str | None = None
    change_url: str | None = None
    """The page of the change under test. DCI compares the results of jobs with the same page."""
    tags: tuple[str, ...] = ()
    """Tags besides the correlation tag."""
    data: Mapping[str, Any] | None = None
    comment: str | None = None
    job_id: str | None = None
    """The job, if already known."""
    note: str | None = None
    """The comment on its states."""
    latest_by: str | None = None
    """Which component of a type is the latest: `created` or `released` last; None means DCI's default."""

    @property
    def kind(self) -> str:
        """The kind of signal."""
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
    """A file of a DCI job."""

    correlation: str
    job_id: str | None
    path: Path
    name: str
    """Its name at DCI: unique in the job."""
    mime: str
    size: int
    """Bytes at planning time."""

    @property
    def kind(self) -> str:
        """The kind of signal."""
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
    """The state of a DCI job."""

    correlation: str
    job_id: str | None
    status: str
    comment: str | None = None
    if_unfinished: bool = False
    """True: a final state that the job already has stays."""

    @property
    def kind(self) -> str:
        """The kind of signal."""
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
    """A named number of a DCI job."""

    correlation: str
    job_id: str | None
    name: str
    value: float

    @property
    def kind(self) -> str:
        """The kind of signal."""
        return "dci"

    @property
    def key(self) -> str:
        """One per job and name."""
        return f"{self.kind}/{self.correlation}/value/{reference(self.name)}"

    @property
    def subject(self) -> str:
        """The name and the number."""
        return f"{self.name}={self.value}"


JobUpdate: TypeAlias = Attachment | JobValue | JobState
"""Everything that can be reported about an existing DCI job."""
Signal: TypeAlias = PullServices | Deployment | PipelineRun | DciJob | JobUpdate | FlowAssignment


def job_key(correlation: str) -> str:
    """The key of the signal that creates the DCI job."""
    return f"dci/{correlation}/job"


def correlation_by_id(job_id: str) -> str:
    """The correlation of signals about a DCI job that the user gave by id: no job has it as a tag."""
    return f"ci:job:{job_id}"
