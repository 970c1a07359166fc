"""Knows the facts worth telling, each a frozen value with a stable key. Does not know who is told, or how.

A key names the fact, not the attempt to tell it: a retry, a replay and a rerun of the same attempt have the same key.
Times are Unix seconds.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from cibeacon.model.job_signals import DciJob, OfJob
from cibeacon.model.reference import reference


class PullServices(NamedTuple):
    """Which services a merged pull request changed. Named by `github_pull_id`, or by repository and number."""

    services: tuple[str, ...]
    github_pull_id: int | None = None
    repository: str | None = None
    pr_number: int | None = None
    replace: bool | None = None
    """True: these are all the services; None: the system's default (add to what is known)."""

    @property
    def kind(self) -> str:
        """What sort of fact this is."""
        return "pull-services"

    @property
    def key(self) -> str:
        """One per pull request where a statement replaces the one before; else each list of services adds something."""
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
    """One service reached one environment."""

    service: str
    deployed_at: int
    reference_id: str
    own_reference: bool = False
    """True when a person chose the id: then "exists already" is a conflict, not our own repetition."""
    repository: str | None = None
    commit_sha: str | None = None
    merge_commit_shas: tuple[str, ...] = ()
    integration_branch: str | None = None
    environment: str | None = None
    success: bool | None = None
    source_name: str | None = None
    source_url: str | None = None
    metadata: Mapping[str, Any] | None = None

    @property
    def kind(self) -> str:
        """What sort of fact this is."""
        return "deployment"

    @property
    def key(self) -> str:
        """The reference id is the key."""
        return f"{self.kind}/{self.reference_id}"

    @property
    def subject(self) -> str:
        """The service and where it went."""
        return f"{self.service} → {self.environment}" if self.environment else self.service


class PipelineRun(NamedTuple):
    """How one run of a pipeline stands. Several statements with one reference id are one record."""

    pipeline_name: str
    pipeline_source: str
    reference_id: str
    started_at: int
    status: str | None = None
    """`running`, `success`, `failure`, `cancelled`; None leaves it unknown (a run before its first step)."""
    finished_at: int | None = None
    repository: str | None = None
    commit_sha: str | None = None
    pr_number: int | None = None
    source_url: str | None = None
    head_branch: str | None = None
    email: str | None = None
    github_username: str | None = None
    gitlab_username: str | None = None

    @property
    def kind(self) -> str:
        """What sort of fact this is."""
        return "pipeline-run"

    @property
    def key(self) -> str:
        """One per record and status: "running" and "success" are two statements."""
        return f"{self.kind}/{self.reference_id}/{self.status or 'unknown'}"

    @property
    def subject(self) -> str:
        """The pipeline and its status."""
        return f"{self.pipeline_name}: {self.status or 'unknown'}"


class FlowAssignment(NamedTuple):
    """The Flow pipelines of a job of Instabase: who reviews its documents. They take the place of those that it has."""

    job_id: str
    pipelines: tuple[str, ...]
    """By name or by id."""
    clear: bool = False
    """True: the job shall have none, and somebody said so."""

    @property
    def kind(self) -> str:
        """What sort of fact this is."""
        return "flow"

    @property
    def key(self) -> str:
        """One per job: the newest statement is the one that counts."""
        return f"{self.kind}/{reference(self.job_id)}"

    @property
    def subject(self) -> str:
        """The job, where one is named, and its pipelines."""
        pipelines = ", ".join(self.pipelines) or "no pipeline"
        return f"{self.job_id}: {pipelines}" if self.job_id.strip() else pipelines


Signal: TypeAlias = PullServices | Deployment | PipelineRun | DciJob | OfJob | FlowAssignment
