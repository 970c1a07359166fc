"""What changed, as values: two commits to compare, services with reasons, or an `Unknown`. Knows no rule and no git.

Paths are text with undecodable bytes escaped (`surrogateescape`).
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
    """What a host's API says of two commits where git cannot. None stands for what it does not say, or only in part."""

    merge_base: str | None = None
    first_parents: tuple[str, ...] | None = None
    """The commits that the head has beyond the base, oldest first, along first parents."""
    files: tuple[str, ...] | None = None
    """Every path that differs between their trees."""
    fault: str = ""
    """Why `files` is None."""


def as_clause(sentence: str) -> str:
    """A sentence as a part of a longer one."""
    word = sentence.partition(" ")[0]
    start = sentence[:1].lower() if word[1:].islower() else sentence[:1]  # GitHub stays GitHub
    return f"{start}{sentence[1:].rstrip('.')}"


class Unknown(NamedTuple):
    """Why the changes are unknown, and the next step. Never to be read as "nothing" or "everything"."""

    why: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.why}; {as_clause(self.hint)}" if self.hint else self.why


def first_parents(parents: Mapping[str, Sequence[str]], head: str) -> tuple[str, ...]:
    """The commits from `head` down its first parents as far as `parents` names them, oldest first."""
    commits: dict[str, None] = {}
    while head in parents and head not in commits:
        commits[head] = None
        head = parents[head][0] if parents[head] else ""
    return tuple(reversed(commits))


class Changes(NamedTuple):
    """The services that changed, with one reason each; or why they are unknown."""

    status: Literal["ok", "none", "unknown"]
    services: tuple[str, ...] = ()
    why: Mapping[str, str] | None = None
    """Service → the first path that touched it."""
    base: str | None = None
    head: str | None = None
    how: str | None = None
    changed_files: int | None = None
    unmatched: int | None = None
    """Changed files that belong to no service."""
    unowned: tuple[str, ...] = ()
    """The first few of them."""
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
    """A merged pull request, and the changes that it brought by itself."""

    pull_request: PullRequest
    changes: Changes | None = None


class PushedPRs(NamedTuple):
    """The pull requests that a push merged, the first to land first; or why there is none, or perhaps not all of them.

    Both are empty where no API was asked.
    """

    pull_requests: tuple[PullRequest, ...] = ()
    status: Literal["skipped", "failed"] = "skipped"
    reason: str | None = None
    alone: bool = False
    """True when the push is known to hold one pull request and nothing else."""


def given_services(services: Collection[str]) -> Changes:
    """The services that the setting `services` names as changed; an empty list says that none did."""
    names = tuple(sorted(services))
    why = dict.fromkeys(names, "named in the setting services")
    return Changes("ok" if names else "none", names, why, how="given by the setting services")
