"""Knows how processes keep out of each other's way in a folder of records, and how long they wait. Knows no record.

A process that was stopped, or a client of a file server that is gone, holds a lock for ever
(https://man7.org/linux/man-pages/man2/flock.2.html).
"""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from cibeacon.runtime.interrupt_guard import Section, uninterrupted

PAUSE = 0.02
"""Seconds between two looks at a lock."""


class Held(OSError):
    """Another process of ours holds a folder, and does not let go."""

    def __init__(self) -> None:
        super().__init__(errno.EAGAIN, "another process holds the folder's lock and does not let go")


class Patience:
    """How long all waits for locks may take together: a process that is stopped holds its lock for ever.

    Args:
        seconds: the time for all of them.
        sleep: waits so many seconds.
    """

    def __init__(self, seconds: float, sleep: Callable[[float], None]) -> None:
        self._left, self._sleep = seconds, sleep

    def outlasts(self, ready: Callable[[], bool]) -> bool:
        """Whether it is ready before the patience ends; asks once at least."""
        while not ready():
            if self._left <= 0:
                return False
            self._left -= PAUSE
            self._sleep(PAUSE)
        return True


@contextmanager
def locked(
    folder: int, patience: Patience | None = None, section: Callable[[], Section] = uninterrupted
) -> Iterator[None]:
    """While it lasts, no other process of ours puts lines into an open folder's files or takes them out.

    Raises `Held` when the patience ends first; what waits for the lock is a `section`.
    """
    with section():
        if patience is None:
            lock(folder, wait=True)
        elif not patience.outlasts(lambda: lock(folder)):
            raise Held
    try:
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_UN)


def lock(descriptor: int, *, wait: bool = False) -> bool:
    """Whether nobody else holds what is open; from now on this process does, until it is closed."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: at worst something is sent twice
        pass
    return True
