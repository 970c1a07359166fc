"""Knows the waiting records of one key, and the signal's outcomes. Does not know how it is sent."""

from collections.abc import Iterable
from typing import NamedTuple

from cibeacon.model.payload import iso
from cibeacon.model.report import Outcome
from cibeacon.model.spool_record import Record
from cibeacon.runtime.errors import SpoolError
from cibeacon.spool.spool_reader import Entry, SpoolSource

JOB, FILE, VALUE, STATE = "DciJob", "Attachment", "JobValue", "JobState"
"""Signals about a DCI job, by the names of their types, in sending order."""
_PARTS = (JOB, FILE, VALUE, STATE)


class SpooledSignal(NamedTuple):
    """All records with one key; the newest is sent, and the older ones are removed with it."""

    newest: Entry
    entries: tuple[Entry, ...]

    @property
    def sink(self) -> str:
        """The name of its sink."""
        return self.newest.record.sink

    @property
    def part(self) -> str:
        """The name of the signal's type, if it is about a DCI job; else empty."""
        return _part(self.newest.record)

    @property
    def job(self) -> str:
        """The tag of its DCI job; else empty."""
        return str((self.newest.record.signal or {}).get("correlation", "")) if self.part else ""

    @property
    def outcome(self) -> Outcome:
        """Its outcome before sending."""
        record = self.newest.record
        time = f" (of {iso(int(record.created_at))})" if record.kind == "pipeline-run" else ""
        return Outcome(
            kind=record.kind,
            sink=record.sink,
            status="skipped",
            subject=f"{record.subject}{time}".strip(),
            method=record.path.removeprefix("/api/").removeprefix("v1/").removeprefix("/"),
            key=record.key,
            reference_id=record.reference_id,
        )

    def take_out(self, aside: str = "", *, older_only: bool = False) -> list[SpoolError]:
        """Removes the records from their files, or with a suffix moves them aside; returns errors.

        Older records are treated like the newest: none of them may be sent later.
        """
        lines: dict[SpoolSource, set[bytes]] = {}
        for entry in self.entries[:-1] if older_only else self.entries:
            if entry.source:
                lines.setdefault(entry.source, set()).add(entry.line)
        errors = []
        for source, removed in lines.items():
            try:
                source.take_out(removed, aside)
            except SpoolError as error:
                errors.append(error)
        return errors

    def not_delivered(self, outcome: Outcome) -> Outcome:
        """An outcome that is not final; a signal from a pipe has no spool to stay in."""
        if self.newest.source is not None:
            return outcome
        reason = f"{outcome.reason} It came from a pipe and is not spooled."
        return outcome._replace(status="failed", retryable=False, reason=reason)

    def spooled(self, error: str, reason: str) -> Outcome:
        """The outcome of a signal that was not sent."""
        return self.not_delivered(self.outcome._replace(status="spooled", error=error, reason=reason, retryable=True))

    def invalid(self, reason: str) -> Outcome:
        """The outcome of a signal that is invalid, or cannot be sent from here."""
        return self.outcome._replace(status="invalid", reason=reason, retryable=self.newest.source is not None)


def _part(record: Record) -> str:
    name = str((record.signal or {}).get("type"))
    return name if name in _PARTS else ""


def newest_of_each_key(entries: Iterable[Entry], kinds: tuple[str, ...]) -> list[SpooledSignal]:
    """One signal for each key, in the order in which keys were first written; `kinds` in sending order."""

    def order(entry: Entry) -> tuple[float, int, int]:
        record = entry.record
        kind = kinds.index(record.kind) if record.kind in kinds else len(kinds)
        return record.created_at, kind, _PARTS.index(_part(record)) if _part(record) else 0

    by_key: dict[tuple[str, str], list[Entry]] = {}
    for entry in sorted(entries, key=order):
        by_key.setdefault((entry.record.sink, entry.record.key), []).append(entry)
    return [SpooledSignal(same[-1], tuple(same)) for same in by_key.values()]
