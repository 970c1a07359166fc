"""The process that copies one text file and masks the matches of patterns, within a time limit. Knows nothing about the run.

`redaction` runs this file by its path, isolated and with limits as arguments; no module imports it. A regular expression
is untrusted and may run forever, and nothing in its own process could stop it. stdin has the patterns and needles as
JSON. Lines are copied one by one, long ones in parts, so that memory stays small for any file; at the end of a part,
`regex` reports whether a match may continue (https://github.com/mrabarnett/mrab-regex, "partial matches").
"""

from __future__ import annotations

import io
import json
import resource
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

import regex

MASK = b"***REDACTED***"
PART = 64 << 10
"""Bytes of a line that are read at once."""
BLOCK = 64 << 10
"""Bytes that are read at once."""
OVERLAP = 4 << 10
"""Characters at the end of a part that are always searched again together with the next part."""
BEHIND = 256
"""Characters before a match that a pattern may look back at."""
LONGEST = 1 << 20
"""Characters of one secret; if a line seems to have a longer one, the rest of the line is not copied."""


def copy(
    source: BinaryIO, target: BinaryIO, patterns: Sequence[regex.Pattern[str]], needles: Sequence[str] = ()
) -> None:
    """Copies the file, and replaces every match of a pattern with a mask.

    `needles`: if there are any, every match contains one of them or has one shortly before it.
    """
    before = held = ""  # text already copied, for look-behinds; and text held back, because a match may continue
    skipping = False
    for part in _parts(source, target, [needle.encode() for needle in needles]):
        ended = part.endswith(b"\n")
        if skipping:
            target.write(b"\n" * ended)
            skipping = not ended
            continue
        text = before + held + part.decode("utf-8", "surrogateescape")
        can_match = not needles or any(needle in text for needle in needles)
        spans = _spans(text, len(before), patterns if can_match else (), ended=ended)
        cut = len(text) if ended else spans.pop()[0]
        target.write(_masked(text, len(before), cut, spans))
        before, held = ("", "") if ended else (text[max(0, cut - BEHIND) : cut], text[cut:])
        if len(held) > LONGEST:
            target.write(MASK)
            before, held, skipping = "", "", True
    text = before + held
    target.write(_masked(text, len(before), len(text), _spans(text, len(before), patterns, ended=True)))


def _parts(source: BinaryIO, target: BinaryIO, needles: Sequence[bytes]) -> Iterator[bytes]:
    """The lines to search, long ones in parts. Lines without a needle are copied here."""
    at_start = True
    while block := source.read(BLOCK):
        block += source.readline(PART)
        if needles and at_start and block.endswith(b"\n"):
            copied = 0
            for begin, end in _lines_with(needles, block):
                target.write(block[copied:begin])
                yield block[begin:end]
                copied = end
            target.write(block[copied:])
            continue
        lines = io.BytesIO(block)
        while part := lines.readline(PART):
            yield part
            at_start = part.endswith(b"\n")


def _lines_with(needles: Iterable[bytes], block: bytes) -> list[tuple[int, int]]:
    """The positions of the lines with a needle in a block of whole lines."""
    lines = set()
    for needle in needles:
        end = 0
        while (at := block.find(needle, end)) >= 0:
            end = block.index(b"\n", at) + 1
            lines.add((block.rfind(b"\n", 0, at) + 1, end))
    return sorted(lines)


def _spans(text: str, start: int, patterns: Iterable[regex.Pattern[str]], *, ended: bool) -> list[tuple[int, int]]:
    """The matches from `start` on; overlapping ones are merged. Unless the line `ended`, the last one may continue."""
    spans = [match.span() for pattern in patterns for match in pattern.finditer(text, start, partial=not ended)]
    if not ended:
        spans.append((max(start, len(text) - OVERLAP), len(text)))
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if merged and begin < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif begin < end:
            merged.append((begin, end))
    return merged


def _masked(text: str, start: int, end: int, spans: Iterable[tuple[int, int]]) -> bytes:
    pieces = []
    for begin, behind in spans:
        pieces += [text[start:begin].encode("utf-8", "surrogateescape"), MASK]
        start = behind
    return b"".join((*pieces, text[start:end].encode("utf-8", "surrogateescape")))


def main(given: int, taken: int, seconds: int, memory: int) -> None:
    """Reads the patterns and copies one open file into another."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    if sys.platform != "darwin":  # macOS defines this limit, but cannot set it
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    with open(0, "rb", closefd=False) as stdin:
        task = json.loads(stdin.read())
    patterns = [regex.compile(pattern) for pattern in task["patterns"]]
    with open(given, "rb") as source, open(taken, "wb", buffering=1 << 18) as target:
        copy(source, target, patterns, task["needles"])


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:]))
