"""Knows what waits about one fact, and how its row reads. Does not know who sends it."""

from typing import NamedTuple

from cibeacon.model.outcome import Outcome
from cibeacon.spool.spool_reader import Entry

JOB, FILE, VALUE, STATE = "DciJob", "Attachment", "JobValue", "JobState"
"""Signals about a job of DCI, by the names of their types, in the order in which they are sent."""
PARTS = (JOB, FILE, VALUE, STATE)


class Pile(NamedTuple):
    """Everything that waits about one fact; `newest` is what is sent."""

    newest: Entry
    all: tuple[Entry, ...]

    @property
    def sink(self) -> str:
        """Whom it is told."""
        return self.newest.record.sink

    @property
    def part(self) -> str:
        """The name of the signal's type, where it is one about a job of DCI; else nothing."""
        told = str((self.newest.record.signal or {}).get("type"))
        return told if told in PARTS else ""

    @property
    def job(self) -> str:
        """The tag of the job of DCI that it is about, if it is about one."""
        return str((self.newest.record.signal or {}).get("correlation", "")) if self.part else ""

    @property
    def row(self) -> Outcome:
        """Its row before anything was sent."""
        record = self.newest.record
        return Outcome(
            kind=record.kind,
            sink=record.sink,
            status="skipped",
            subject=record.subject,
            method=record.path.removeprefix("/api/").removeprefix("v1/"),
            key=record.key,
            reference_id=record.reference_id,
        )

    def left(self, row: Outcome) -> Outcome:
        """A row of what was not delivered: what came by a pipe has no spool to stay in."""
        if self.newest.path is not None:
            return row
        return row._replace(
            status="failed", retryable=False, reason=f"{row.reason} It was read from a pipe and is not kept."
        )

    def waiting(self, error: str, why: str) -> Outcome:
        """The row of one that nobody tried to send."""
        return self.left(
            self.row._replace(status="spooled", error=error, reason=f"It waits on: {why}.", retryable=True)
        )

    def unfit(self, why: str) -> Outcome:
        """The row of one that cannot be sent as it is, or from here."""
        return self.row._replace(status="invalid", reason=why, retryable=self.newest.path is not None)
