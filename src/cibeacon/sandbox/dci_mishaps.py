"""Knows which of the next requests to DCI go wrong on purpose, and how. Does not know what they ask."""

from __future__ import annotations

from fnmatch import fnmatchcase
from threading import Lock

LOST = 0
"""In place of a status: the request is carried out, recorded, and hung up on without an answer."""
LATE = -1
"""The same, but it is carried out after the next one of its method and path."""


class Mishaps:
    """What a test has ordered; safe to use from many threads. Paths stand without `/api/v1`; `*` stands for anything."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._ordered: list[tuple[str, str, int]] = []

    def lose(self, method: str, path: str, times: int = 1) -> None:
        """Carry out the next matching requests and lose the answers."""
        self.fail(method, path, LOST, times)

    def late(self, method: str, path: str) -> None:
        """Hang up on the next matching request, and carry it out after the next one like it."""
        self.fail(method, path, LATE)

    def fail(self, method: str, path: str, status: int, times: int = 1) -> None:
        """Answer the next matching requests with a status and a page of HTML, and do nothing of what they ask."""
        with self._lock:
            self._ordered += [(method, path, status)] * times

    def next(self, method: str, path: str) -> int | None:
        """The mishap of this request, which is over with it; None when it goes well."""
        with self._lock:
            for place, (verb, pattern, status) in enumerate(self._ordered):
                if verb == method and fnmatchcase(path, pattern):
                    del self._ordered[place]
                    return status
        return None

    def pending(self) -> int:
        """How many did not happen yet."""
        with self._lock:
            return len(self._ordered)
