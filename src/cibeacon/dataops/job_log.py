"""Turns the new part of a job's log into lines that are safe to print in our own log. Sends no request itself.

Servers answer a request for bytes from N on with 206 (from N on), 200 (from the start; known bytes are skipped) or 416
(nothing new). A log that became shorter was erased, or its job was retried: it is read again from the start
(https://www.rfc-editor.org/rfc/rfc9110#name-range-requests). Memory is bounded in every case.
"""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Self

from cibeacon.runtime.safe_text import line

LONGEST_LINE = 16384
"""Characters; a longer line is split."""
RESTART = b""
"""Marks that the log is read again from its start; no piece of a log is empty."""
_OVERLAP = 4096
"""Characters of a split line to hold back: longer than any secret in any encoding."""
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?)")
_MARKERS = re.compile(r"section_(?:start|end):\d{1,15}:[^\r\n]{0,300}\r")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [0-9a-f]{2}[OE][+ ]?")
_RANGE = re.compile(r"bytes (?:(\d{1,18})-\d{1,18}|\*)/(?:(\d{1,18})|\*)")


class LogPart(NamedTuple):
    """The part of a log that a server returned."""

    start: int | None
    """Its first byte; None if there is nothing new."""
    total: int | None
    """Bytes of the whole log, if the server gives them."""
    pieces: Iterable[bytes] = ()

    @classmethod
    def read(cls, status: int, headers: Mapping[str, str], pieces: Iterable[bytes] = ()) -> Self:
        """Reads a response that is a success or a 416."""
        match = _RANGE.match(headers.get("Content-Range", "")) if status in (206, 416) else None
        start = int(match[1]) if match and match[1] else 0
        return cls(None if status == 416 else start, int(match[2]) if match and match[2] else None, pieces)


class LogTail:
    """The position in a log. `fetch` requests the part after so many bytes."""

    def __init__(self, fetch: Callable[[int], LogPart], offset: int = 0) -> None:
        self._fetch, self.offset = fetch, offset

    def new_pieces(self) -> Iterator[bytes]:
        """The new pieces. After an interruption nothing is repeated, and only pieces not yet returned are lost."""
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
        """The pieces without the first `known` bytes. If the log is shorter than that, the offset decreases."""
        for piece in pieces:
            skipped = min(known, len(piece))
            known -= skipped
            if fresh := piece[skipped:]:
                self.offset += len(fresh)
                yield fresh
        self.offset -= known


class SafeLines:
    """The lines of one log, fed piece by piece: none is a command to a runner, and none contains a secret.

    Colours, section markers and time stamps of GitLab's runner are removed; of an overwritten line, the last state remains
    (https://docs.gitlab.com/ci/jobs/job_logs/).

    Args:
        clean: removes secrets from a text of several lines.
    """

    def __init__(self, clean: Callable[[str], str]) -> None:
        self._clean = clean
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def feed(self, piece: bytes) -> Iterator[str]:
        """The lines that are now complete."""
        complete, end, self._held = (self._held + self._decoder.decode(piece)).rpartition("\n")
        if end:
            yield from self._safe(complete)
        while len(self._held) > LONGEST_LINE:
            text = self._clean(_ESCAPES.sub("", self._held))
            yield from self._safe(text[:-_OVERLAP])
            self._held = text[-_OVERLAP:]

    def rest(self) -> Iterator[str]:
        """The text after the last line break, when the log ends or starts over."""
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
        url: the web page with the whole log.
        limit: bytes to show; 0 shows all.
    """

    def __init__(
        self, fetch: Callable[[int], LogPart], name: str, url: str, limit: int, clean: Callable[[str], str]
    ) -> None:
        self.name, self._fetch, self._url, self._limit = name, fetch, url or "the server", limit or sys.maxsize
        self._tail, self._lines = LogTail(fetch), SafeLines(clean)
        self._shown = 0
        self.failures = 0
        """How often reading it failed; its reader counts."""
        self.is_done = False
        """Whether to read no more of it: its reader sets it, or the limit is reached."""

    @property
    def offset(self) -> int:
        """Bytes read so far."""
        return self._tail.offset

    def new_lines(self, *, is_over: bool) -> Iterator[str]:
        """The new lines. `is_over`: nothing follows, so the text after the last line break is a line."""
        for piece in self._tail.new_pieces():
            if piece == RESTART:
                yield from self._lines.rest()
                yield "--- the log starts over: it was erased, or the job was retried ---"
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
        """The end of a complete log, up to the limit."""
        self._tail = LogTail(self._fetch)  # a retry begins at the start
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
            yield f"--- the last {self._limit} bytes; the whole log is at {self._url} ---"
        yield from self._lines.feed(bytes(end))
        yield from self._lines.rest()
