"""Knows what became of the rows, and what that makes of the run: status, exit code, document. Knows no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from cibeacon.backfill.options import Mode
from cibeacon.backfill.rows import RowFault

BackfillStatus: TypeAlias = Literal["sent", "partial", "failed", "skipped", "dry-run", "checked"]
VERSION = 1
SHOWN = 20
"""Faults that a summary lists; the file of failed rows has all."""
ALL_SENT, SOME_FAILED, UNUSABLE = 0, 1, 2
"""Exit codes."""


@dataclass(slots=True)
class RowCounts:
    """How many rows there are of each kind; all but `read` add up to it once the run is over."""

    read: int = 0
    sent: int = 0
    duplicate: int = 0
    """DX had it."""
    already: int = 0
    """The journal says that an earlier run sent it."""
    repeated: int = 0
    """The same row stands further up."""
    elsewhere: int = 0
    """It is another shard's."""
    valid: int = 0
    """It would be sent: where nothing is."""
    invalid: int = 0
    failed: int = 0
    left: int = 0
    """It was not tried."""

    def count(self, name: str, number: int = 1) -> None:
        """Counts rows by the name of a field."""
        setattr(self, name, getattr(self, name) + number)

    @property
    def not_sent(self) -> int:
        """Rows that should have been sent and were not."""
        return self.invalid + self.failed + self.left

    @property
    def delivered(self) -> int:
        """Rows that DX has by this run."""
        return self.sent + self.duplicate

    @property
    def done(self) -> int:
        """Rows that no longer wait to be sent."""
        return self.delivered + self.already + self.repeated + self.elsewhere + self.valid + self.not_sent


@dataclass(slots=True)
class BackfillSummary:
    """What one run came to."""

    kind: str
    mode: Mode
    rows: RowCounts = field(default_factory=RowCounts)
    files: list[Mapping[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """The first ones, as text."""
    shard: str | None = None
    seconds: float = 0.0
    stopped: str | None = None
    """Why it ended before the end."""
    unusable: str | None = None
    """Why a file, or a setting, could not be used."""

    @property
    def status(self) -> BackfillStatus:
        """One word for the whole run."""
        rows = self.rows
        known = rows.delivered + rows.already + rows.repeated
        if self.exit_code != ALL_SENT:
            return "partial" if known or (rows.valid and self.mode != "send") else "failed"
        if self.mode != "send":
            return "dry-run" if self.mode == "dry-run" else "checked"
        return "sent" if known else "skipped"

    @property
    def exit_code(self) -> int:
        """0 all sent, 1 some not, 2 a file or a setting could not be used."""
        if self.unusable:
            return UNUSABLE
        return SOME_FAILED if self.rows.not_sent or self.stopped else ALL_SENT

    def add_faults(self, file: str, faults: Sequence[RowFault]) -> None:
        """Remembers the first faults."""
        self.faults += [f"{file}, {fault}" for fault in faults[: max(0, SHOWN - len(self.faults))]]

    def document(self) -> dict[str, Any]:
        """The JSON form; every key is always present."""
        fields = asdict(self) | {"seconds": round(self.seconds, 3)}
        kind, _ = fields.pop("kind"), fields.pop("mode")
        return {"version": VERSION, "verb": "backfill", "kind": kind, "status": self.status, **fields}
