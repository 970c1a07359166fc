"""What changed, as values: two commits to compare, services with reasons, or an `Unknown`. Knows no rule and no git.

Paths are text with undecodable bytes escaped (`surrogateescape`).
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple


class Span(NamedTuple):
    """The two commits to compare, and the rule that chose them, in words."""

    base: str
    head: str
    how: str


class Unknown(NamedTuple):
    """Why the changes cannot be told, and the next step. Never to be read as "nothing" or "everything"."""

    why: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.why}; {self.fix}" if self.fix else self.why


class Changes(NamedTuple):
    """The services that changed, with one reason each; or that we do not know."""

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
    strays: tuple[str, ...] = ()
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
