"""Counts the outcomes of the rows and derives the run's status, exit code and JSON document. Reads no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from cibeacon.backfill.options import Mode
from cibeacon.backfill.rows import RowFault

BackfillStatus: TypeAlias = Literal["sent", "partial", "failed", "skipped", "dry-run", "checked"]
VERSION = 1
SHOWN = 20
"""Faults that a summary lists at most; the file of failed rows has all."""
ALL_SENT, SOME_FAILED, UNUSABLE = 0, 1, 2
"""Exit codes."""


@dataclass(slots=True)
class RowCounts:
    """Number of rows by result; at the end of the run all others add up to `read`."""

    read: int = 0
    sent: int = 0
    duplicate: int = 0
    """DX already had it."""
    already: int = 0
    """According to the journal, an earlier run sent it."""
    repeated: int = 0
    """It repeats an earlier row."""
    elsewhere: int = 0
    """It belongs to another shard."""
    valid: int = 0
    """It would be sent; only if nothing is sent."""
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
        """Rows that DX has after this run."""
        return self.sent + self.duplicate

    @property
    def done(self) -> int:
        """Rows that are no longer waiting to be sent."""
        return self.delivered + self.already + self.repeated + self.elsewhere + self.valid + self.not_sent


@dataclass(slots=True)
class BackfillSummary:
    """The result of one run."""

    kind: str
    mode: Mode
    rows: RowCounts = field(default_factory=RowCounts)
    files: list[Mapping[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """The first ones, as text."""
    shard: str | None = None
    seconds: float = 0.0
    stopped: str | None = None
    """Why it stopped early."""
    unusable: str | None = None
    """Why a file or a setting could not be used."""

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
        """0 if all rows were sent, 1 if some were not, 2 if a file or a setting could not be used."""
        if self.unusable:
            return UNUSABLE
        return SOME_FAILED if self.rows.not_sent or self.stopped else ALL_SENT

    def add_faults(self, file: str, faults: Sequence[RowFault]) -> None:
        """Adds faults, up to the number that is listed."""
        self.faults += [f"{file}, {fault}" for fault in faults[: max(0, SHOWN - len(self.faults))]]

    def document(self) -> dict[str, Any]:
        """The JSON form; every key is always present."""
        fields = asdict(self) | {"seconds": round(self.seconds, 3)}
        kind, _ = fields.pop("kind"), fields.pop("mode")
        return {"version": VERSION, "verb": "backfill", "kind": kind, "status": self.status, **fields}
