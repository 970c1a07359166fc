"""Knows the outcome of a signal, the status of a run, and the exit code. The one place that decides.

`skipped` is a choice (not asked for, or not possible by the host's policy), never a failure. The table outcome × strict
→ exit code is in docs/delivery.md.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

OutcomeStatus: TypeAlias = Literal["sent", "duplicate", "skipped", "spooled", "failed", "invalid", "dry-run"]
ReportStatus: TypeAlias = Literal["sent", "partial", "failed", "skipped", "dry-run"]

TROUBLE: frozenset[OutcomeStatus] = frozenset({"failed", "invalid", "spooled"})
"""Outcomes that make a strict run exit 1."""


class ShownRequest(NamedTuple):
    """A request as it is shown: without headers."""

    method: str
    url: str
    body: Any


class Outcome(NamedTuple):
    """What happened to one signal at one sink."""

    kind: str
    sink: str
    status: OutcomeStatus
    reason: str | None = None
    subject: str = ""
    """What the signal is about, for the log: the services, the pipeline's name."""
    method: str | None = None
    """The vendor's name of the request."""
    key: str | None = None
    """The signal's idempotency key."""
    reference_id: str | None = None
    attempts: int = 0
    http_status: int | None = None
    error: str | None = None
    request: ShownRequest | None = None
    outputs: Mapping[str, str] | None = None
    """What later steps need, by the name of the output."""
    retryable: bool = False
    """The same bytes may be accepted later: they are worth spooling."""
    maybe_delivered: bool = False
    """An attempt may have succeeded all the same: its answer was lost, or was a server error."""

    def document(self) -> dict[str, Any]:
        """The JSON form; every key is always present."""
        request = self.request
        return {
            "kind": self.kind,
            "sink": self.sink,
            "method": self.method,
            "key": self.key,
            "outcome": self.status,
            "reason": self.reason,
            "attempts": self.attempts,
            "http_status": self.http_status,
            "error": self.error,
            "request": {"method": request.method, "url": request.url, "body": request.body} if request else None,
        }


def report_status(outcomes: Iterable[Outcome], *, dry_run: bool, trouble: bool = False) -> ReportStatus:
    """The status of the whole run. `trouble` is a problem that belongs to no signal."""
    statuses = {outcome.status for outcome in outcomes}
    counted = statuses - {"skipped"}
    if dry_run:
        return "dry-run"
    if not counted:
        return "failed" if trouble and not statuses else "skipped"
    if counted <= {"sent", "duplicate"}:
        return "sent"
    return "partial" if counted & {"sent", "duplicate"} else "failed"


def exit_code(outcomes: Iterable[Outcome], *, strict: bool, dry_run: bool, trouble: bool = False) -> int:
    """0, or 1 for a strict run in which anything went wrong. A dry run fails for invalid signals only."""
    if not strict:
        return 0
    counted = {"invalid"} if dry_run else TROUBLE
    return int((trouble and not dry_run) or any(outcome.status in counted for outcome in outcomes))
