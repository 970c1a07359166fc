"""Finds the two commits to compare, the changes between them, and the merged pull requests in a push.

Everything here reads one history: first the repository, then the host's API for commits that the repository lacks.
Each question is asked once. If the host refuses to answer, the answer is unknown and the report includes the refusal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from cibeacon.ci.forge_client import ForgeClient
from cibeacon.git.repository import Repository
from cibeacon.model.changes import ApiComparison
from cibeacon.model.context import NamedCommit, PullRequest
from cibeacon.model.payload import SHA
from cibeacon.runtime.errors import HostError

if TYPE_CHECKING:
    from cibeacon.git.fetching_repository import FetchingRepository


Source: TypeAlias = "Repository | FetchingRepository"
"""The repository on disk, or one that fetches what the checkout lacks. It answers None if it does not know."""
History: TypeAlias = "Repository | FetchingRepository | FallbackHistory"


class FallbackHistory:
    """Asks a repository first, then the host's API. `forge` is None if the API must not be used."""

    def __init__(self, source: Source, forge: ForgeClient | None) -> None:
        self.source, self.forge = source, forge
        self._bases: dict[frozenset[str], str | None] = {}
        self._listed: dict[tuple[str, str], ApiComparison] = {}
        self._pull_requests: dict[int, PullRequest | HostError] = {}
        self.relied = False
        """True once a merge base came from the API."""
        self.refusals: list[HostError] = []

    def begin(self) -> None:
        """Starts another comparison: forgets what the host refused, and whether a merge base came from it."""
        self.relied = False
        self.refusals.clear()

    def commit(self, revision: str) -> str | None:
        """The full id of a commit that is here or can be fetched."""
        return self.source.commit(revision)

    def parents(self, sha: str) -> tuple[str, ...] | None:
        """The ids of a commit's parents."""
        return self.source.parents(sha)

    def named(self, revision: str) -> NamedCommit | None:
        """The commit that a revision names."""
        return self.source.named(revision)

    def previous_tag(self, sha: str, wanted: Callable[[str], bool]) -> NamedCommit | None:
        """The nearest tag before a commit whose name `wanted` accepts."""
        return self.source.previous_tag(sha, wanted)

    def is_ancestor(self, older: str, newer: str) -> bool | None:
        """Whether `older` is an ancestor of `newer`."""
        known = self.source.is_ancestor(older, newer)
        if known is not None:
            return known
        base = self._base(older, newer)
        return None if base is None else base == older

    def merge_base(self, one: str, *others: str) -> str | None:
        """The best common ancestor of `one` and (a merge of) the others."""
        if len(others) == 1 and frozenset((one, *others)) in self._bases:
            return self._base(one, *others)
        base = self.source.merge_base(one, *others)
        return self._base(one, *others) if base is None and len(others) == 1 else base

    def first_parents(self, before: str, after: str) -> tuple[str, ...] | None:
        """The commits in `after` that are not in `before`, oldest first, along first parents."""
        commits = self.source.first_parents(before, after)
        if commits is not None or self.forge is None:
            return commits
        try:
            return self.listed(before, after).first_parents
        except HostError as error:
            self.refusals.append(error)
            return None

    def listed(self, base: str, head: str) -> ApiComparison:
        """How the host's API compares two commits. Raises `HostError`."""
        if self.forge is None:
            return ApiComparison(fault="the host's API is not used in this run")
        if (base, head) not in self._listed:
            self._listed[base, head] = self.forge.compare(base, head)
        return self._listed[base, head]

    def pull_request(self, number: int) -> PullRequest | None:
        """A pull request by its number, open or merged; None if the host's API must not be used. Raises `HostError`."""
        if self.forge is None:
            return None
        if number not in self._pull_requests:
            try:
                self._pull_requests[number] = self.forge.pull_request(number)._replace(named=True, looked_up=True)
            except HostError as error:
                self._pull_requests[number] = error
        pull_request = self._pull_requests[number]
        if isinstance(pull_request, HostError):
            raise pull_request
        return pull_request

    def _base(self, one: str, other: str) -> str | None:
        pair = frozenset((one, other))
        if pair not in self._bases:
            self._bases[pair] = self._ask_for_base(one, other)
        self.relied |= self._bases[pair] is not None
        return self._bases[pair]

    def _ask_for_base(self, one: str, other: str) -> str | None:
        if self.forge is None or not SHA.fullmatch(one) or not SHA.fullmatch(other):
            return None
        try:
            return self.forge.merge_base(one, other)
        except HostError as error:
            self.refusals.append(error)
            return None
