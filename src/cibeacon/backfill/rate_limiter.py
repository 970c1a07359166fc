"""Knows when the next request may leave: so many a second, and none while a host asked for rest. Does not know requests."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

LONGEST = 900.0
"""Seconds that a host is waited for at its word: longer, and nobody would be there to see it go on."""


class Pace:
    """The rhythm that all workers share.

    Args:
        rate: requests a second; 0 for as many as there can be.
        clock: monotonic, in seconds.
        wait: sleeps so many seconds; true when all is to end.
    """

    def __init__(self, rate: float, clock: Callable[[], float], wait: Callable[[float], bool]) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._clock, self._wait = clock, wait
        self._lock = Lock()
        self._next = self._held = clock()

    def turn(self) -> bool:
        """Returns when a request may leave; false when all is to end."""
        with self._lock:
            at = max(self._next, self._clock())
            self._next = at + self._gap
        while (left := max(at, self._held) - self._clock()) > 0:
            if self._wait(min(left, LONGEST)):
                return False
        return True

    def hold(self, seconds: float) -> bool:
        """Nothing leaves for so long: a host said so, or does not answer. False for longer than anybody waits."""
        if seconds > LONGEST:
            return False
        with self._lock:
            self._held = max(self._held, self._clock() + seconds)
            self._next = max(self._next, self._held)
        return True
