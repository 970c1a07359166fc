"""The result of a comparison as values: commits, services with reasons, or an `Unknown`. Knows no rules and no git.

Undecodable bytes in paths are escaped (`surrogateescape`).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from cibeacon.model.context import PullRequest


class CommitRange(NamedTuple):
    """The two commits to compare, and the rule that chose them, as a phrase."""

    base: str
    head: str
    how: str


class ApiComparison(NamedTuple):
    """A host's API's comparison of two commits, if git cannot compare them. None: missing or incomplete."""

    merge_base: str | None = None
    first_parents: tuple[str, ...] | None = None
    """The head's commits after the base, oldest first, along first parents."""
    files: tuple[str, ...] | None = None
    """Every path that differs between their trees."""
    fault: str = ""
    """Why `files` is None."""


def as_clause(sentence: str) -> str:
    """A sentence as a part of a longer sentence."""
    word = sentence.partition(" ")[0]
    start = sentence[:1].lower() if word[1:].islower() else sentence[:1]  # GitHub stays GitHub
    return f"{start}{sentence[1:].rstrip('.')}"


class Unknown(NamedTuple):
    """Why the changes are unknown, and the next step. It never means "nothing" or "everything"."""

    why: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.why}; {as_clause(self.hint)}" if self.hint else self.why


def first_parents(parents: Mapping[str, Sequence[str]], head: str) -> tuple[str, ...]:
    """The commits from `head` along its first parents as far as `parents` has them, oldest first."""
    commits: dict[str, None] = {}
    while head in parents and head not in commits:
        commits[head] = None
        head = parents[head][0] if parents[head] else ""
    return tuple(reversed(commits))


class Changes(NamedTuple):
    """The changed services, with one reason each; or why they are unknown."""

    status: Literal["ok", "none", "unknown"]
    services: tuple[str, ...] = ()
    why: Mapping[str, str] | None = None
    """Service → the first changed path."""
    base: str | None = None
    head: str | None = None
    how: str | None = None
    changed_files: int | None = None
    unmatched: int | None = None
    """Number of changed files that belong to no service."""
    unowned: tuple[str, ...] = ()
    """The first few of these files."""
    unknown: Unknown | None = None

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "status": self.status,
            "base": self.base,
            "head": self.head,
            "how": self.how,
            "changed_files": self.changed_files,
            "unmatched": self.unmatched,
            "services": list(self.services),
            "why": dict(self.why or {}),
            "reason": str(self.unknown) if self.unknown else None,
        }


class MergedPR(NamedTuple):
    """A merged pull request, and its own changes."""

    pull_request: PullRequest
    changes: Changes | None = None


class PushedPRs(NamedTuple):
    """The pull requests that a push merged, in order of merging; or why some or all are unknown.

    Both are empty if no API was asked.
    """

    pull_requests: tuple[PullRequest, ...] = ()
    status: Literal["skipped", "failed"] = "skipped"
    reason: str | None = None
    alone: bool = False
    """True if the push is known to contain one pull request and nothing else."""


def given_services(services: Collection[str]) -> Changes:
    """The changed services in the setting `services`; an empty list means none."""
    names = tuple(sorted(services))
    why = dict.fromkeys(names, "named in the setting services")
    return Changes("ok" if names else "none", names, why, how="given by the setting services")
