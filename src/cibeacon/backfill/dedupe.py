"""Decides for each row of a run whether it is to be sent, or is wrong, a repetition, or another shard's. Knows no file."""

from __future__ import annotations

from typing import Literal, NamedTuple

from cibeacon.backfill.columns import BackfillSignal, Kind
from cibeacon.backfill.input_table import Cells
from cibeacon.backfill.journal import Journal
from cibeacon.backfill.parsers import TimeRules
from cibeacon.backfill.rows import InvalidRow, RowFault, fingerprint, read_row
from cibeacon.backfill.shard import Shard
from cibeacon.model.signals import Deployment, PullServices


class ClassifiedRow(NamedTuple):
    """What a row is. Only a `ready` one has a signal, only an `invalid` one has faults."""

    status: Literal["ready", "invalid", "repeated", "elsewhere"]
    signal: BackfillSignal | None = None
    partition_key: str | None = None
    fingerprint: bytes = b""
    faults: tuple[RowFault, ...] = ()


class RowClassifier:
    """Remembers the rows of one run, on disk where they are many.

    Args:
        base_url: the DX that the rows are for; no other one has them by that.
    """

    def __init__(self, kind: Kind, rules: TimeRules, base_url: str, shard: Shard | None) -> None:
        self._kind, self._rules, self._base_url, self._shard = kind, rules, base_url, shard
        self._seen, self._ids = Journal(), Journal()
        self._repetitions: dict[bytes, int] = {}

    def classify(self, cells: Cells) -> ClassifiedRow:
        """What a row is. Of a faulty row without a partition key, every shard but the first says `elsewhere`."""
        if cells.fault:
            return self._invalid(None, (RowFault(cells.number, "", cells.fault, cells.hint),))
        row = read_row(self._kind, cells.number, cells.by_name, self._rules)
        if isinstance(row, InvalidRow):
            return self._invalid(row.partition_key, row.faults)
        signal, key = row.signal, row.partition_key
        if self._shard and not self._shard.has(key):
            return ClassifiedRow("elsewhere")
        mark = fingerprint(self._base_url, self._kind.name, row.content)
        if not self._seen.add_new(mark):
            if not isinstance(signal, PullServices):
                return ClassifiedRow("repeated")
            # another statement may stand between the two, so the second one has to be sent, too
            repetition = self._repetitions[mark] = self._repetitions.get(mark, 0) + 1
            mark = fingerprint(self._base_url, self._kind.name, row.content, repetition)
        if isinstance(signal, Deployment) and signal.own_reference:
            own_id = fingerprint("", "reference_id", signal.reference_id.encode("utf-8", "surrogatepass"))
            if not self._ids.add_new(own_id):
                what = "is the reference_id of an earlier row, which says something else"
                hint = "Give each deployment an id of its own, or none."
                return self._invalid(key, (RowFault(cells.number, "reference_id", what, hint),))
        return ClassifiedRow("ready", signal, key, mark)

    def close(self) -> None:
        """Forgets the rows."""
        self._seen.close()
        self._ids.close()

    def _invalid(self, partition_key: str | None, faults: tuple[RowFault, ...]) -> ClassifiedRow:
        shard = self._shard
        is_ours = shard is None or (shard.has(partition_key) if partition_key else shard.number == 1)
        return ClassifiedRow("invalid" if is_ours else "elsewhere", None, partition_key, b"", faults)
