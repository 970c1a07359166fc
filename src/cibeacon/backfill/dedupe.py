"""Decides for each row of a run what it is: to be told, wrong, said before, or another shard's. Knows no file or network."""

from __future__ import annotations

from typing import Literal, NamedTuple

from cibeacon.backfill import identity, rows
from cibeacon.backfill.columns import Kind
from cibeacon.backfill.digests import Digests
from cibeacon.backfill.parsers import About
from cibeacon.backfill.reading import Cells
from cibeacon.backfill.rows import Fault, Refused
from cibeacon.backfill.shard import Shard
from cibeacon.model.signals import Deployment, PullServices


class Found(NamedTuple):
    """What a row is. Only one that is `ready` has a signal, only one that is `invalid` has faults."""

    status: Literal["ready", "invalid", "repeated", "elsewhere"]
    signal: identity.Told | None = None
    order: str | None = None
    address: bytes = b""
    faults: tuple[Fault, ...] = ()


class Sieve:
    """Remembers the rows of one run.

    Args:
        place: where the rows are told; at another place nothing was told yet.
    """

    def __init__(self, kind: Kind, about: About, place: str, shard: Shard | None) -> None:
        self._kind, self._about, self._place, self._shard = kind, about, place, shard
        self._seen, self._ids = Digests(), Digests()
        self._repeats: dict[bytes, int] = {}

    def sift(self, cells: Cells) -> Found:
        """What a row is. A faulty row is every shard's to see, and the first one's to report."""
        if cells.fault:
            return self._invalid(None, (Fault(cells.number, "", cells.fault, cells.mend),))
        row = rows.read(self._kind, cells.number, cells.cells, self._about)
        if isinstance(row, Refused):
            return self._invalid(row.order, row.faults)
        if self._shard and not self._shard.takes(row.order):
            return Found("elsewhere")
        address = identity.address(self._place, self._kind.name, row.content)
        if not self._seen.add(address):
            if not isinstance(row.signal, PullServices):
                return Found("repeated")
            self._repeats[address] = repetition = self._repeats.get(address, 0) + 1
            address = identity.address(self._place, self._kind.name, row.content, repetition)
        if isinstance(row.signal, Deployment) and row.signal.own_reference:
            named = identity.address("", "reference_id", row.signal.reference_id.encode("utf-8", "surrogatepass"))
            if not self._ids.add(named):
                what = "is the reference_id of an earlier row, which says something else"
                fault = Fault(cells.number, "reference_id", what, "Give each deployment an id of its own, or none.")
                return self._invalid(row.order, (fault,))
        return Found("ready", row.signal, row.order, address)

    def _invalid(self, order: str | None, faults: tuple[Fault, ...]) -> Found:
        mine = self._shard is None or (self._shard.takes(order) if order else self._shard.number == 1)
        return Found("invalid" if mine else "elsewhere", order=order, faults=faults)
