"""Knows how the bytes of a foreign job log become lines that are safe to print in ours. Does not know where they go.

Colours, section markers and time stamps of GitLab's runner are taken off, of a line that was overwritten the last state
stays (https://docs.gitlab.com/ci/jobs/job_logs/), secrets are masked, and nothing is left that a runner would obey.
Memory is bounded whatever comes.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator

from cibeacon.runtime.sanitize import line

LONGEST_LINE = 16384
"""Characters; a longer line is broken."""
_OVERLAP = 4096
"""Characters that stay back of a broken line: longer than a secret in its longest spelling."""
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?)")
_MARKERS = re.compile(r"section_(?:start|end):\d{1,15}:[^\r\n]{0,300}\r")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [0-9a-f]{2}[OE][+ ]?")


class Lines:
    """The lines of one log, fed piece by piece.

    Args:
        clean: takes secrets out of a text of several lines.
    """

    def __init__(self, clean: Callable[[str], str]) -> None:
        self._clean = clean
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def feed(self, piece: bytes) -> Iterator[str]:
        """The lines that are whole by now."""
        whole, end, self._held = (self._held + self._decoder.decode(piece)).rpartition("\n")
        if end:
            yield from self._safe(whole)
        while len(self._held) > LONGEST_LINE:
            shown = self._clean(_ESCAPES.sub("", self._held))
            yield from self._safe(shown[:-_OVERLAP])
            self._held = shown[-_OVERLAP:]

    def rest(self) -> Iterator[str]:
        """What came after the last line break. The log is over, or starts again."""
        held, self._held = self._held + self._decoder.decode(b"", final=True), ""
        self._decoder.reset()
        if held:
            yield from self._safe(held)

    def _safe(self, text: str) -> Iterator[str]:
        for row in self._clean(_MARKERS.sub("", _ESCAPES.sub("", text))).split("\n"):
            plain = _shown(row)
            stamp = _STAMP.match(plain)
            yield line(plain[stamp.end() :] if stamp else plain)


def _shown(row: str) -> str:
    """What a terminal leaves of a line with carriage returns."""
    if "\r" not in row:
        return row
    return next((state for state in reversed(row.split("\r")) if state.strip()), "")
