"""One worker's place: the rows that wait there, and which worker has it. Knows no courier."""

from __future__ import annotations

from math import inf
from queue import SimpleQueue
from typing import NamedTuple

from cibeacon.backfill.identity import Told
from cibeacon.backfill.reading import Cells


class Job(NamedTuple):
    """One row to be told. Without a signal it says that a row of this order was not told."""

    signal: Told | None
    order: str
    lane: int
    cells: Cells
    address: bytes = b""
    source: int = 0
    """Which file it is from."""


class Lane:
    """One worker's place. When a worker is given up, another takes it, and what the first one still does is nobody's."""

    def __init__(self) -> None:
        self.inbox: SimpleQueue[Job | None] = SimpleQueue()
        self.load = 0
        self.turn = 0
        """Which worker has it."""
        self.job: Job | None = None
        self.until = inf
        """When the worker is given up, on the monotonic clock."""
        self.lost = 0
        """How often one was given up over this job."""
        self.barred: set[str] = set()
