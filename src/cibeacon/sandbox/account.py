"""Knows what the imaginary DX account has on record before the first request. Does not know what was sent since."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

TOKEN = "sandbox-token"  # noqa: S105 - the sandbox's own
"""The key that settings are printed with. No word of ours: what is a secret is hidden wherever it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What DX knows already; None means that anything is taken."""

    token: str | None = field(default=None, repr=False)
    """The only API key that is good."""
    repositories: Collection[str] | None = None
    """Full names."""
    commits: Collection[str] | None = None
    """Full lower-case ids of the commits that merge_commit_shas may name, in whole or by their first digits."""
    default_branch: str = "main"
    """The branch that no integration_branch may equal."""
