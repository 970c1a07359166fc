"""Knows how far the log of a job was read, and what an answer to "from byte N on" means. Makes no request.

Servers answer 206 (from N on), 200 (whole: what was read is skipped), or 416 (nothing new). A log that became shorter
was erased, or its job was retried: it is read again from the start
(https://www.rfc-editor.org/rfc/rfc9110#name-range-requests).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Self

_RANGE = re.compile(r"bytes (?:(\d{1,18})-\d{1,18}|\*)/(?:(\d{1,18})|\*)")


class Part(NamedTuple):
    """What a server gave of a log."""

    start: int | None
    """The byte it begins with; None when there is nothing new."""
    total: int | None
    """Bytes of the whole log, where the server tells."""
    pieces: Iterable[bytes] = ()

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], pieces: Iterable[bytes]) -> Self:
        """From a success."""
        found = _RANGE.match(headers.get("Content-Range", "")) if status == 206 else None
        start = int(found[1]) if found and found[1] else 0
        return cls(start, int(found[2]) if found and found[2] else None, pieces)

    @classmethod
    def nothing(cls, headers: Mapping[str, str]) -> Self:
        """From a 416."""
        found = _RANGE.match(headers.get("Content-Range", ""))
        return cls(None, int(found[2]) if found and found[2] else None)


class Again(NamedTuple):
    """Said before a log is read from its start once more."""


class Tail:
    """One job's log, as far as it was read."""

    def __init__(self) -> None:
        self.offset = 0

    def more(self, ask: Callable[[int], Part]) -> Iterator[bytes | Again]:
        """What is new, piece by piece. An interruption costs what was not handed out yet, and nothing twice."""
        before = self.offset
        part = ask(before)
        if part.start is None:
            shorter = part.total is not None and part.total < before
        elif part.start > before:
            shorter = True  # a gap: somebody else's range
        else:
            yield from self._beyond(part.pieces, before - part.start)
            shorter = self.offset < before
        if shorter:
            self.offset = 0
            yield Again()
            fresh = ask(0)
            yield from self._beyond(fresh.pieces, 0)

    def _beyond(self, pieces: Iterable[bytes], known: int) -> Iterator[bytes]:
        """The pieces without the first `known` bytes. The offset falls short of them when there are fewer."""
        for piece in pieces:
            skipped = min(known, len(piece))
            known -= skipped
            if fresh := piece[skipped:]:
                self.offset += len(fresh)
                yield fresh
        if known:
            self.offset -= known
