"""What an export asks of history, whoever tells it: merges, deployments, and what each is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, TypeAlias

from cibeacon.ci.history import Mark, Merged
from cibeacon.export.services import Stretch

What: TypeAlias = Literal["deployments", "releases", "tags", "merges"]
"""What counts as a deployment."""
_FIRST = 5


class Window(NamedTuple):
    """From the first moment to just before the second, in Unix seconds."""

    since: int
    until: int

    def holds(self, moment: int) -> bool:
        """Whether a moment is inside."""
        return self.since <= moment < self.until


@dataclass
class Totals:
    """What was found, so that nobody takes an export for more than it is."""

    found: int = 0
    """Merges or deployments in the window."""
    rows: int = 0
    known: int = 0
    """Rows that the file had already."""
    idle: int = 0
    """Changed no service."""
    unended: int = 0
    """Deployments that neither succeeded nor failed."""
    numberless: int = 0
    """Merges whose pull request is not known."""
    single: int = 0
    """Commits that are no merges and name no pull request: whether one is a squashed one git does not tell."""
    doubled: int = 0
    """Commits that are no merges and name a pull request that another names too: whose it is git does not tell."""
    strangers: int = 0
    """Tags called after what was never a service."""
    series: list[str] = field(default_factory=list)
    """What the first few series of them are called."""
    unknown: list[str] = field(default_factory=list)
    """Of the first few whose services are unknown: which, and why."""
    unknowns: int = 0

    def add_unknown(self, which: str, why: str) -> None:
        """One more whose services nobody can tell."""
        self.unknowns += 1
        if len(self.unknown) < _FIRST:
            self.unknown.append(f"{which}: {why}")

    def add_stranger(self, series: str) -> None:
        """One more tag that is called after no service."""
        self.strangers += 1
        if series not in self.series and len(self.series) < _FIRST:
            self.series.append(series)


class Source(Protocol):
    """Who tells the history."""

    def merges(self, window: Window, totals: Totals) -> Iterator[Merged]:
        """The merged pull requests of a window, in the order in which they landed."""
        ...

    def stretches(self, merges: Sequence[Merged]) -> list[Stretch]:
        """What each of them is compared with."""
        ...

    def marks(self, what: What, window: Window, totals: Totals) -> list[Mark]:
        """What was deployed, oldest first; also what came before the window and later things are compared with."""
        ...

    def ended(self, what: What, mark: Mark) -> Mark | None:
        """The mark with its commit and its end; None when it came to none."""
        ...

    def compared(self, mark: Mark, base: str | None) -> Stretch:
        """What a deployment is compared with."""
        ...
