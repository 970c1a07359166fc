"""The options of a backfill. Knows neither the command line nor the settings."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from cibeacon.backfill.columns import Kind
from cibeacon.backfill.parsers import TimeRules
from cibeacon.backfill.shard import Shard
from cibeacon.model.request import Endpoint
from cibeacon.model.signals import PullServices

Mode: TypeAlias = Literal["send", "dry-run", "check"]


class BackfillOptions(NamedTuple):
    """The options of one run."""

    kind: Kind
    inputs: tuple[str, ...]
    mode: Mode
    rules: TimeRules
    shard: Shard | None
    journal: str | None
    """A path for all inputs, `off`, or None for a file beside each input."""
    failures: str | None
    """A path for all inputs, or None for a file beside each input; for an input in a bucket, in the working folder."""
    endpoint: Endpoint
    timeout: float
    """Seconds for all attempts to send one row."""
    allow_http: bool
    workers: int
    rate: float
    """Requests per second; 0 for no limit."""

    @property
    def keeps_order(self) -> bool:
        """Whether a row must not be sent after an earlier row with its partition key failed."""
        return self.kind.signal is PullServices
