"""Decides for each row of a run whether it is valid, invalid, repeated or part of another shard. Reads no file."""

from __future__ import annotations

from typing import Literal

from cibeacon.backfill.input_table import Cells
from cibeacon.backfill.journal import Journal
from cibeacon.backfill.options import BackfillOptions
from cibeacon.backfill.rows import InvalidRow, RowFault, ValidRow, fingerprint, read_row
from cibeacon.model.signals import Deployment, PullServices


class RowClassifier:
    """Remembers the rows of one run; on disk if there are many."""

    def __init__(self, options: BackfillOptions) -> None:
        self._options = options
        self._seen, self._ids = Journal(), Journal()
        self._repetitions: dict[bytes, int] = {}

    def classify(self, cells: Cells) -> ValidRow | InvalidRow | Literal["repeated", "elsewhere"]:
        """The class of a row. One shard reports a faulty row; for the other shards it is `elsewhere`."""
        shard = self._options.shard
        row = self._read(cells)
        key = row.partition_key
        if shard and not (shard.has(key) if key else shard.number == 1):
            return "elsewhere"
        if isinstance(row, InvalidRow):
            return row
        mark = self._fingerprint(row, 0)
        if not self._seen.add_new(mark):
            if not isinstance(row.signal, PullServices):
                return "repeated"
            # a different row for the pull request may come between the two, so the second one must be sent, too
            repetition = self._repetitions[mark] = self._repetitions.get(mark, 0) + 1
            mark = self._fingerprint(row, repetition)
        if isinstance(row.signal, Deployment) and row.signal.own_reference:
            own_id = fingerprint("", "reference_id", row.signal.reference_id.encode("utf-8", "surrogatepass"))
            if not self._ids.add_new(own_id):
                what = "is also the reference_id of an earlier row, which differs from this one"
                hint = "Give each deployment its own id, or leave it empty."
                fault = RowFault(cells.number, "reference_id", what, hint)
                return InvalidRow((fault,), key)
        return row._replace(fingerprint=mark)

    def close(self) -> None:
        """Deletes what it remembers."""
        self._seen.close()
        self._ids.close()

    def _read(self, cells: Cells) -> ValidRow | InvalidRow:
        if cells.fault:
            return InvalidRow((RowFault(cells.number, "", cells.fault, cells.hint),))
        return read_row(self._options.kind, cells.number, cells.by_name, self._options.rules)

    def _fingerprint(self, row: ValidRow, repetition: int) -> bytes:
        return fingerprint(self._options.endpoint.base_url, self._options.kind.name, row.content, repetition)
