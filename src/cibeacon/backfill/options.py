"""What a backfill is to do. Knows neither the command line nor the settings."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from cibeacon.backfill.columns import Kind
from cibeacon.backfill.parsers import TimeRules
from cibeacon.backfill.shard import Shard
from cibeacon.model.endpoint import Endpoint
from cibeacon.model.signals import PullServices

Mode: TypeAlias = Literal["send", "dry-run", "check"]


class BackfillOptions(NamedTuple):
    """What a run is to do."""

    kind: Kind
    inputs: tuple[str, ...]
    mode: Mode
    rules: TimeRules
    shard: Shard | None
    journal: str | None
    """A path for all inputs, `off`, or None: beside each of them."""
    failures: str | None
    """A path for all inputs, or None: beside each; for one in a bucket, in the working folder."""
    endpoint: Endpoint
    timeout: float
    """Seconds that the tries of one row may take."""
    allow_http: bool
    workers: int
    rate: float
    """Requests a second; 0 for as many as there can be."""

    @property
    def keeps_order(self) -> bool:
        """True where a row must not be sent after an earlier one of its partition key failed."""
        return self.kind.signal is PullServices
