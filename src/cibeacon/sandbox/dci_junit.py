"""Knows how DCI counts a JUnit file, read piece by piece as it arrives. Does not know files, jobs or who sent it.

The format as CI servers take it: https://github.com/testmoapp/junitxml. Declared entities are refused and nothing outside
the document is ever fetched: https://docs.python.org/3/library/pyexpat.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.parsers import expat

_OUTCOMES = ("success", "skips", "failures", "errors")
_MARKS = {"skipped": 1, "failure": 2, "error": 3}


class Junit:
    """Counts the cases of every suite, nested ones too. `error` is the parser's complaint, once there is one."""

    def __init__(self) -> None:
        self.error: str | None = None
        self.passed: dict[str, bool] = {}
        """By class and name of each case that was not skipped."""
        self._counts = [0, 0, 0, 0]
        self._seconds = 0.0
        self._suites = self._size = 0
        self._case: str | None = None
        self._worst = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")  # a suite in a namespace is no suite to DCI
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.EntityDeclHandler = self._parser.SkippedEntityHandler = _no_entities

    def write(self, piece: bytes) -> None:
        """Read on; after an error nothing is read any more."""
        self._size += len(piece)
        self._parse(piece, False)

    def close(self) -> None:
        """The file has ended; an empty one is a report without cases."""
        if self._size:
            self._parse(b"", True)

    def counts(self) -> dict[str, int]:
        """Cases by outcome, their number, and the sum of their times in whole seconds."""
        counts = dict(zip(_OUTCOMES, self._counts, strict=True))
        return {"total": sum(self._counts), **counts, "time": round(self._seconds)}

    def _parse(self, piece: bytes, last: bool) -> None:
        if self.error is not None:
            return
        try:
            self._parser.Parse(piece, last)
        except (expat.ExpatError, ValueError, LookupError) as error:
            self.error = str(error)

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "testsuite":
            self._suites += 1
        elif name == "testcase" and self._suites and self._case is None:
            self._case = f"{attributes.get('classname', '')}:{attributes.get('name', '')}"
            self._worst = 0
            self._seconds += _seconds(attributes.get("time", ""))
        elif self._case is not None:
            self._worst = max(self._worst, _MARKS.get(name, 0))

    def _end(self, name: str) -> None:
        if name == "testsuite":
            self._suites -= 1
        elif name == "testcase" and self._case is not None:
            self._counts[self._worst] += 1
            if self._worst != _MARKS["skipped"]:
                self.passed[self._case] = self._worst == 0
            self._case = None


def _no_entities(*_: object) -> None:
    raise ValueError("entities are forbidden")


def _seconds(text: str) -> float:
    try:
        seconds = float(text.replace(",", ""))
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < 1e9 else 0.0
