"""The process that copies one text file without what patterns mean: as long as its time lasts. Knows nothing of the run.

`scrub` runs this file by its path, isolated and with limits as arguments; nobody imports it. A regular expression may
be anybody's and take for ever, and nothing in its own process could stop it. stdin holds the patterns and needles as JSON. Lines are
copied one by one, long ones in parts that overlap, so that memory stays small whatever the file.
"""

from __future__ import annotations

import io
import json
import re
import resource
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

MASK = b"***REDACTED***"
PART = 64 << 10
"""Bytes that are read of a line at once."""
BLOCK = 64 << 10
"""Bytes that are read at once."""
OVERLAP = 4 << 10
"""Characters at the end of a part that are looked at again with what follows; no usual secret is longer."""
BEHIND = 256
"""Characters of what was copied already that a pattern may look back at."""
LONGEST = 1 << 20
"""Characters of one secret; of a line that seems to hold a longer one nothing more is copied."""


def copy(
    source: BinaryIO, target: BinaryIO, patterns: Sequence[re.Pattern[str]], needles: Sequence[bytes] = ()
) -> None:
    """Copies the file, with a mask in the place of whatever a pattern means.

    `needles`: where there are some, a line without any of them holds nothing that a pattern means.
    """
    before = rest = ""
    skipping = False
    for piece in _pieces(source, target, needles):
        ended = piece.endswith(b"\n")
        if skipping:
            target.write(b"\n" * ended)
            skipping = not ended
            continue
        text = before + rest + piece.decode("utf-8", "surrogateescape")
        start = len(before)
        spans = _spans(text, start, patterns)
        cut = len(text) if ended else max(start, len(text) - OVERLAP)
        first = next((span for span in spans if span[0] < cut <= span[1] and not ended), None)
        if first and first[1] == len(text) and len(text) - first[0] > LONGEST:
            _write(target, text, start, first[0], spans)
            target.write(MASK)
            before, rest, skipping = "", "", True
            continue
        if first:  # what it means may go on in what follows, or is whole
            cut = first[0] if first[1] == len(text) else first[1]
        _write(target, text, start, cut, spans)
        before, rest = ("", "") if ended else (text[max(0, cut - BEHIND) : cut], text[cut:])
    text = before + rest
    _write(target, text, len(before), len(text), _spans(text, len(before), patterns))


def _pieces(source: BinaryIO, target: BinaryIO, needles: Sequence[bytes]) -> Iterator[bytes]:
    """The lines that have to be looked at, long ones in parts; whole lines without a needle are copied here."""
    fresh = True
    while block := source.read(BLOCK):
        block += source.readline(PART)
        ended = block.endswith(b"\n")
        if fresh and ended and needles and not _any(needles, block):
            target.write(block)
            continue
        lines = io.BytesIO(block)
        while piece := lines.readline(PART):
            whole = piece.endswith(b"\n")
            if fresh and whole and needles and not _any(needles, piece):
                target.write(piece)
            else:
                yield piece
            fresh = whole


def _any(needles: Sequence[bytes], text: bytes) -> bool:
    return any(needle in text for needle in needles)


def _spans(text: str, start: int, patterns: Iterable[re.Pattern[str]]) -> list[tuple[int, int]]:
    """Where something stands that a pattern means, from `start` on; what overlaps is one."""
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(match.span() for each in patterns for match in each.finditer(text, start)):
        if begin == end:
            continue
        if merged and begin < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _write(target: BinaryIO, text: str, start: int, end: int, spans: Iterable[tuple[int, int]]) -> None:
    """Copies a part of the text; of the spans those count that end in it."""
    for begin, behind in spans:
        if behind <= end:
            target.write(text[start:begin].encode("utf-8", "surrogateescape"))
            target.write(MASK)
            start = behind
    target.write(text[start:end].encode("utf-8", "surrogateescape"))


def main(given: int, taken: int, seconds: int, memory: int) -> None:
    """Reads the patterns and copies one open file into another."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    if sys.platform != "darwin":  # macOS knows the limit and refuses to set it
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    with open(0, "rb", closefd=False) as stdin:
        asked = json.loads(stdin.read())
    patterns = [re.compile(each) for each in asked["patterns"]]
    with open(given, "rb") as source, open(taken, "wb", buffering=1 << 18) as target:
        copy(source, target, patterns, [each.encode() for each in asked["needles"]])


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:]))
