"""Knows what became of the rows, and what that makes of the whole: status, exit code, document. Does not know files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from cibeacon.backfill.rows import Fault

VERSION = 1
SHOWN = 20
"""Faults that a summary tells; the file of failed rows has all."""
Status: TypeAlias = Literal["sent", "partial", "failed", "skipped", "dry-run", "checked"]
ALL_WELL, SOME_FAILED, UNUSABLE = 0, 1, 2
"""Exit codes."""


@dataclass(slots=True)
class Tally:
    """How many rows; together they are all that were read."""

    read: int = 0
    sent: int = 0
    duplicate: int = 0
    """DX had it."""
    already: int = 0
    """The journal says that it was told by an earlier run."""
    repeated: int = 0
    """The same row stands further up."""
    elsewhere: int = 0
    """Another shard's."""
    valid: int = 0
    """It would be sent: where nothing is."""
    invalid: int = 0
    failed: int = 0
    left: int = 0
    """Nobody came to it."""

    @property
    def bad(self) -> int:
        """Rows that should have been told, or could not be."""
        return self.invalid + self.failed + self.left

    @property
    def settled(self) -> int:
        """Rows of which it is known what became of them; the others still wait for their turn."""
        return self.told + self.already + self.repeated + self.elsewhere + self.valid + self.bad

    @property
    def told(self) -> int:
        """Rows that DX has by this run."""
        return self.sent + self.duplicate


@dataclass(slots=True)
class Summary:
    """What one run came to."""

    kind: str
    mode: Literal["send", "dry-run", "check"]
    rows: Tally = field(default_factory=Tally)
    files: list[Mapping[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """The first ones, as text."""
    seconds: float = 0.0
    shard: str | None = None
    stopped: str | None = None
    """Why it ended before the end."""
    unusable: str | None = None
    """Why a file, or a setting, could not be used."""

    @property
    def status(self) -> Status:
        """One word for the whole."""
        rows = self.rows
        told = rows.sent + rows.duplicate + rows.already + rows.repeated
        if self.exit_code != ALL_WELL:
            return "partial" if told or (rows.valid and self.mode != "send") else "failed"
        if self.mode != "send":
            return "dry-run" if self.mode == "dry-run" else "checked"
        return "sent" if told else "skipped"

    @property
    def exit_code(self) -> int:
        """0 all told, 1 some not, 2 something could not be used."""
        if self.unusable:
            return UNUSABLE
        return SOME_FAILED if self.rows.bad or self.stopped else ALL_WELL

    def fault(self, where: str, faults: Sequence[Fault]) -> None:
        """Remembers the first faults."""
        for each in faults[: max(0, SHOWN - len(self.faults))]:
            self.faults.append(f"{where}, {each}")

    def document(self) -> dict[str, Any]:
        """The JSON form; every key is always present."""
        return {
            "version": VERSION,
            "verb": "backfill",
            "kind": self.kind,
            "status": self.status,
            "rows": asdict(self.rows),
            "files": list(self.files),
            "faults": list(self.faults),
            "shard": self.shard,
            "seconds": round(self.seconds, 3),
            "stopped": self.stopped,
            "unusable": self.unusable,
        }
