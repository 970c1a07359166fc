"""Knows when the next request may leave: so many a second, and none while all wait for the host. Knows no request."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

_LONGEST_WAIT = 900.0
"""Seconds that one wait may take: a clock of the system does not count on for ever."""


class RateLimiter:
    """The rate that all workers share.

    Args:
        rate: requests a second; 0 for as many as there can be.
        clock: monotonic, in seconds.
        wait: sleeps so many seconds; returns True when no more requests are to leave.
    """

    def __init__(self, rate: float, clock: Callable[[], float], wait: Callable[[float], bool]) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._clock, self._wait = clock, wait
        self._lock = Lock()
        self._next = self._held_until = clock()

    def wait_turn(self) -> bool:
        """Returns True when a request may leave, False when no more requests are to leave."""
        with self._lock:
            turn = max(self._next, self._clock())
            self._next = turn + self._gap
        while (left := max(turn, self._held_until) - self._clock()) > 0:
            if self._wait(min(left, _LONGEST_WAIT)):
                return False
        return True

    def hold(self, seconds: float) -> None:
        """Lets no request leave for so long; of several holds the longest counts."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock() + seconds)
            self._next = max(self._next, self._held_until)
