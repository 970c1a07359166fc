"""Knows how much time is left for everything together. Does not know the clock: it is handed in."""

from collections.abc import Callable
from typing import NamedTuple, Self


class Deadline(NamedTuple):
    """A span of wall-clock time, shared by all who are given it."""

    seconds: float
    clock: Callable[[], float]
    """A monotonic clock, in seconds."""
    sleep: Callable[[float], None]
    started: float

    def remaining(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self.started + self.seconds - self.clock())

    def share(self, fraction: float) -> Self:
        """A part of the whole span, from the same start: for work that must leave time for what follows."""
        return self._replace(seconds=self.seconds * fraction)

    def part(self, fraction: float) -> Self:
        """A part of what is left, from now on: for one of several who must not wait for each other."""
        now = self.clock()
        return self._replace(seconds=self.remaining() * fraction, started=now)
