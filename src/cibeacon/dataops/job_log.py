"""Knows how the log of a job becomes lines that are safe to print in ours, from where it was read last. Asks no server.

Servers answer "from byte N on" with 206 (from N on), 200 (from the start: what was read is skipped), or 416 (nothing new). A log
that became shorter was erased, or its job was retried: it is read again from the start
(https://www.rfc-editor.org/rfc/rfc9110#name-range-requests). Memory is bounded whatever comes.
"""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Self

from cibeacon.runtime.safe_text import line

LONGEST_LINE = 16384
"""Characters; a longer line is broken."""
RESTART = b""
"""Stands before a log that is read from its start once more; no piece of a log is empty."""
_OVERLAP = 4096
"""Characters that stay back of a broken line: longer than a secret in its longest spelling."""
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?)")
_MARKERS = re.compile(r"section_(?:start|end):\d{1,15}:[^\r\n]{0,300}\r")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [0-9a-f]{2}[OE][+ ]?")
_RANGE = re.compile(r"bytes (?:(\d{1,18})-\d{1,18}|\*)/(?:(\d{1,18})|\*)")


class LogPart(NamedTuple):
    """What a server gave of a log."""

    start: int | None
    """The byte it begins with; None when there is nothing new."""
    total: int | None
    """Bytes of the log from its start, where the server says."""
    pieces: Iterable[bytes] = ()

    @classmethod
    def read(cls, status: int, headers: Mapping[str, str], pieces: Iterable[bytes] = ()) -> Self:
        """From a response: a success, or a 416."""
        match = _RANGE.match(headers.get("Content-Range", "")) if status in (206, 416) else None
        start = int(match[1]) if match and match[1] else 0
        return cls(None if status == 416 else start, int(match[2]) if match and match[2] else None, pieces)


class LogTail:
    """How far a log was read. `fetch` asks the server for what stands behind so many bytes."""

    def __init__(self, fetch: Callable[[int], LogPart], offset: int = 0) -> None:
        self._fetch, self.offset = fetch, offset

    def new_pieces(self) -> Iterator[bytes]:
        """What is new. An interruption loses only what was not handed out yet, and repeats nothing."""
        before = self.offset
        part = self._fetch(before)
        if part.start is None:
            is_shorter = part.total is not None and part.total < before
        elif part.start > before:
            is_shorter = True  # a gap: the range is not the one that was asked for
        else:
            yield from self._beyond(part.pieces, before - part.start)
            is_shorter = self.offset < before
        if is_shorter:
            self.offset = 0
            yield RESTART
            yield from self._beyond(self._fetch(0).pieces, 0)

    def _beyond(self, pieces: Iterable[bytes], known: int) -> Iterator[bytes]:
        """The pieces without the first `known` bytes. The offset is less than before when the log has fewer."""
        for piece in pieces:
            skipped = min(known, len(piece))
            known -= skipped
            if fresh := piece[skipped:]:
                self.offset += len(fresh)
                yield fresh
        self.offset -= known


class SafeLines:
    """The lines of one log, fed piece by piece: none can be obeyed by a runner, and none holds a secret.

    Colours, section markers and time stamps of GitLab's runner are taken off, and of a line that was overwritten the
    last state stays (https://docs.gitlab.com/ci/jobs/job_logs/).

    Args:
        clean: takes secrets out of a text of several lines.
    """

    def __init__(self, clean: Callable[[str], str]) -> None:
        self._clean = clean
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def feed(self, piece: bytes) -> Iterator[str]:
        """The lines that are complete by now."""
        complete, end, self._held = (self._held + self._decoder.decode(piece)).rpartition("\n")
        if end:
            yield from self._safe(complete)
        while len(self._held) > LONGEST_LINE:
            text = self._clean(_ESCAPES.sub("", self._held))
            yield from self._safe(text[:-_OVERLAP])
            self._held = text[-_OVERLAP:]

    def rest(self) -> Iterator[str]:
        """What came after the last line break. The log is over, or starts again."""
        held, self._held = self._held + self._decoder.decode(b"", final=True), ""
        self._decoder.reset()
        if held:
            yield from self._safe(held)

    def _safe(self, text: str) -> Iterator[str]:
        for row in self._clean(_MARKERS.sub("", _ESCAPES.sub("", text))).split("\n"):
            states = (state for state in reversed(row.split("\r")) if state.strip())
            visible = next(states, "") if "\r" in row else row
            stamp = _STAMP.match(visible)
            yield line(visible[stamp.end() :] if stamp else visible)


class JobLog:
    """The log of one job as lines.

    Args:
        name: of the job.
        url: where a person finds all of it.
        limit: bytes that are shown; 0 shows all.
    """

    def __init__(
        self, fetch: Callable[[int], LogPart], name: str, url: str, limit: int, clean: Callable[[str], str]
    ) -> None:
        self.name, self._fetch, self._url, self._limit = name, fetch, url or "the server", limit or sys.maxsize
        self._tail, self._lines = LogTail(fetch), SafeLines(clean)
        self._shown = 0
        self.failures = 0
        """How often it could not be read; its reader counts them."""
        self.is_done = False
        """Whether nothing of it is to be read any more: its reader says so, or as much was shown as the limit allows."""

    @property
    def offset(self) -> int:
        """Bytes that were read."""
        return self._tail.offset

    def new_lines(self, *, is_over: bool) -> Iterator[str]:
        """What is new. `is_over`: nothing follows, so what came after the last line break is a line."""
        for piece in self._tail.new_pieces():
            if piece == RESTART:
                yield from self._lines.rest()
                yield "--- the log starts again: it was erased, or the job was retried ---"
                continue
            allowed = self._limit - self._shown
            self._shown += min(allowed, len(piece))
            yield from self._lines.feed(piece[:allowed])
            if len(piece) >= allowed:
                self.is_done = True
                yield from self._lines.rest()
                yield f"--- the first {self._limit} bytes; the rest is at {self._url} ---"
                return
        if is_over:
            yield from self._lines.rest()

    def last_lines(self) -> Iterator[str]:
        """The end of a log that is complete, as many bytes as the limit."""
        self._tail = LogTail(self._fetch)  # another try begins at the start
        end, size = bytearray(), 0
        for piece in self._tail.new_pieces():
            if piece == RESTART:
                end.clear()
                size = 0
            end += piece
            size += len(piece)
            if len(end) > 2 * self._limit:
                del end[: -self._limit]
        if size > self._limit:
            del end[: -self._limit]
            yield f"--- the last {self._limit} bytes; all of it is at {self._url} ---"
        yield from self._lines.feed(bytes(end))
        yield from self._lines.rest()
