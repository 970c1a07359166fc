"""Knows the facts worth telling, each a frozen value with a stable key. Does not know who is told, or how.

A key names the fact, not the attempt to tell it: a retry, a replay and a rerun of the same attempt have the same key.
Times are Unix seconds.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote

_LONGEST = 255


def reference(*parts: object) -> str:
    """A readable id from its parts, distinct for distinct parts, never over 255 characters.

    Parts are percent-encoded, so no part can pretend to be two; what would be too long ends in a hash of the whole.
    """
    whole = "/".join(quote(str(part), safe="", errors="surrogatepass") or "%" for part in parts)
    if len(whole) <= _LONGEST:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()
    return f"{whole[: _LONGEST - len(digest) - 1]}+{digest}"  # no encoded part holds a plus


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
        """One per pull request: a later statement about it is about the same fact."""
        if self.github_pull_id is not None:
            return reference(self.kind, "id", self.github_pull_id)
        return reference(self.kind, self.repository or "", self.pr_number)

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


Signal: TypeAlias = PullServices | Deployment | PipelineRun
