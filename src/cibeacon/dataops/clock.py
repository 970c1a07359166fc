"""Knows what time is to those who wait: a clock, a sleep, a chance. All of it is handed in."""

from collections.abc import Callable
from typing import NamedTuple


class Clockwork(NamedTuple):
    """Time and chance."""

    clock: Callable[[], float]
    """A monotonic clock, in seconds."""
    sleep: Callable[[float], None]
    random: Callable[[], float]
    """A number from 0 to 1."""
