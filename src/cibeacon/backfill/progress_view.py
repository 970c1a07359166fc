"""What a backfill tells while it goes on, to whoever shows it. Knows no terminal and no words."""

from __future__ import annotations

from typing import Protocol

from cibeacon.backfill.outage import Outage
from cibeacon.backfill.rows import Fault
from cibeacon.backfill.tally import Tally
from cibeacon.model.outcome import ShownRequest


class View(Protocol):
    """Whoever shows a run while it goes on."""

    def fault(self, where: str, fault: Fault, /) -> None:
        """One thing that is wrong with a row."""
        ...

    def request(self, request: ShownRequest, /) -> None:
        """A request that a dry run would make."""
        ...

    def silent(self, host: str, silence: Outage | None, /) -> None:
        """A host takes no rows and is left alone; None: it answers again."""
        ...

    def watch(self, rows: Tally, fraction: float | None, /) -> None:
        """How far it is; called often. The fraction of the bytes, where their number is known."""
        ...
