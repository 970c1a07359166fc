"""Knows what became of each signal, what that makes of the whole run, and the exit code. The one place that decides.

`skipped` is a choice (not asked for, or not possible by the host's policy), never a failure. The table outcome × strict
→ exit code is in docs/delivery.md.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

Word: TypeAlias = Literal["sent", "duplicate", "skipped", "spooled", "failed", "invalid", "rehearsed"]
Status: TypeAlias = Literal["sent", "partial", "failed", "skipped", "dry-run"]

TROUBLE: frozenset[Word] = frozenset({"failed", "invalid", "spooled"})
"""Outcomes that make a strict run exit 1."""


class Request(NamedTuple):
    """A request as it is shown: never a header."""

    method: str
    url: str
    body: Any


class Outcome(NamedTuple):
    """What became of one signal at one sink."""

    kind: str
    sink: str
    word: Word
    reason: str | None = None
    subject: str = ""
    """What the signal is about, in words for the log: the services, the pipeline's name."""
    method: str | None = None
    """The vendor's name of the call."""
    key: str | None = None
    """The signal's idempotency key."""
    reference_id: str | None = None
    attempts: int = 0
    http_status: int | None = None
    error: str | None = None
    request: Request | None = None
    facts: Mapping[str, str] | None = None
    """What was learned and later steps need, by the name of the output."""
    keep: bool = False
    """The same bytes may be accepted later: they are worth keeping."""
    doubtful: bool = False
    """An attempt may have been done all the same: its answer was lost, or told of trouble."""

    def document(self) -> dict[str, Any]:
        """The JSON form; every key is always present."""
        request = self.request
        return {
            "kind": self.kind,
            "sink": self.sink,
            "method": self.method,
            "key": self.key,
            "outcome": self.word,
            "reason": self.reason,
            "attempts": self.attempts,
            "http_status": self.http_status,
            "error": self.error,
            "request": {"method": request.method, "url": request.url, "body": request.body} if request else None,
        }


def status(outcomes: Iterable[Outcome], *, rehearsed: bool, trouble: bool = False) -> Status:
    """One word for the whole run. `trouble` is a problem that belongs to no signal."""
    found = {outcome.word for outcome in outcomes}
    words = found - {"skipped"}
    if rehearsed:
        return "dry-run"
    if not words:
        return "failed" if trouble and not found else "skipped"
    if words <= {"sent", "duplicate"}:
        return "sent"
    return "partial" if words & {"sent", "duplicate"} else "failed"


def exit_code(outcomes: Iterable[Outcome], *, strict: bool, rehearsed: bool, trouble: bool = False) -> int:
    """0, or 1 for a strict run in which anything went wrong. A rehearsal fails for invalid signals only."""
    if not strict:
        return 0
    counted = {"invalid"} if rehearsed else TROUBLE
    return int((trouble and not rehearsed) or any(outcome.word in counted for outcome in outcomes))
