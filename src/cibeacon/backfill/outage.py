"""Knows how long a host is waited for that takes no rows, and what is to be said of it. Sends nothing and waits for nothing.

A host that has answered once is worth all rests; one that has not answered since the start most likely has another address,
and is worth the first. Once they are spent no row is worth any, until one gets through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import NamedTuple

from cibeacon.model.outcome import Outcome

UNHEARD = 1
"""How many rests a host is worth that has not answered since the start."""


class Outage(NamedTuple):
    """A host that takes no rows."""

    error: str
    reason: str
    """What to do about it."""
    answers: bool
    """True where it answers, with trouble of its own."""
    until: float = 0.0
    """When it is tried again, on the monotonic clock."""
    rest: float = 0.0
    """Seconds from the beginning until then."""
    tries: int = 0
    """How often it is tried from then on."""
    ends: float = 0.0
    """Seconds from the beginning until it is given up, about."""

    @classmethod
    def of(cls, outcome: Outcome) -> Outage:
        """What a row came to that did not get through."""
        return cls(outcome.error or "no answer", outcome.reason or "", bool(outcome.http_status))

    def told(self, host: str) -> str:
        """What is the matter, as a clause."""
        return f"{host} {'is in trouble' if self.answers else 'does not answer'} ({self.error})"


class Patience:
    """What all workers have with one host; safe to use from many threads.

    Args:
        rests: seconds that a host is left alone, time after time.
        clock: monotonic, in seconds.
    """

    def __init__(self, rests: Sequence[float], clock: Callable[[], float]) -> None:
        self._all, self._clock = tuple(rests), clock
        self._heard = self._spent = False
        self._lock = Lock()
        self.silence: Outage | None = None
        """What keeps rows from being sent just now."""

    def rests(self, outcome: Outcome, rested: int) -> tuple[float, ...]:
        """The rests that the host is still worth to a row that has waited so often."""
        with self._lock:
            self._heard = self._heard or bool(outcome.http_status)
            left = () if self._spent else self._all[: self._worth()][rested:]
            self._spent = not left
        return left

    def resting(self, outcome: Outcome, rests: Sequence[float], took: float) -> None:
        """The host is left alone for the first of these rests; `took` is what a try costs, in seconds."""
        rest, now = rests[0], self._clock()
        with self._lock:
            if rest and (self.silence is None or now >= self.silence.until):  # of many rows that wait, the first tells
                ends = sum(rests) + len(rests) * took
                self.silence = Outage.of(outcome)._replace(until=now + rest, rest=rest, tries=len(rests), ends=ends)

    def hanging(self, outcome: Outcome, times: int, took: float) -> int:
        """How often a row is tried again that hung so many times, each for so long."""
        with self._lock:
            again = max(0, self._worth() + 1 - times)
            if again and self.silence is None:
                self.silence = Outage.of(outcome)._replace(tries=again, ends=again * took)
        return again

    def interrupted(self, outcome: Outcome) -> None:
        """A row did not get through, and none is tried any more."""
        with self._lock:
            self.silence = self.silence or Outage.of(outcome)

    def answered(self, *, well: bool) -> None:
        """The host answered, and `well` where a row got through, or was refused for its own sake."""
        with self._lock:
            self._heard, self.silence = True, None
            self._spent = self._spent and not well

    def _worth(self) -> int:
        return len(self._all) if self._heard else UNHEARD
