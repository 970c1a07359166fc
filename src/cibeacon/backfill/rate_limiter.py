"""Decides when the next request may be sent: so many per second, and none while all workers wait for the host."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

_LONGEST_WAIT = 900.0
"""Seconds of one wait at most: the system limits how long a thread can wait at once."""


class RateLimiter:
    """The rate that all workers share.

    Args:
        rate: requests per second; 0 for no limit.
        clock: monotonic, in seconds.
        wait: sleeps for so many seconds; returns True if no more requests are to be sent.
    """

    def __init__(self, rate: float, clock: Callable[[], float], wait: Callable[[float], bool]) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._clock, self._wait = clock, wait
        self._lock = Lock()
        self._next = self._held_until = clock()

    def wait_turn(self) -> bool:
        """Returns True when a request may be sent, False when no more requests are to be sent."""
        with self._lock:
            turn = max(self._next, self._clock())
            self._next = turn + self._gap
        while (left := max(turn, self._held_until) - self._clock()) > 0:
            if self._wait(min(left, _LONGEST_WAIT)):
                return False
        return True

    def hold(self, seconds: float) -> None:
        """Holds all requests for so long; of several holds the longest counts."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock() + seconds)
            self._next = max(self._next, self._held_until)
