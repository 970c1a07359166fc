"""The door to XML: checks whether a file is a JUnit report that can be parsed to its end. Does not know what it reports.

The file is untrusted, so it is read in small pieces, without declarations, entities or network, and the parser's memory is
bounded. As on DCI's control server, only the root element decides whether a file is a report. The format:
https://github.com/testmoapp/junitxml; the parser: https://docs.python.org/3/library/pyexpat.html.
"""

from collections.abc import Mapping
from typing import BinaryIO, NamedTuple
from xml.parsers import expat

_ROOTS = frozenset({"testsuites", "testsuite"})
_PIECE = 256 << 10
LONGEST_PART = 8 << 20
"""Bytes of one tag, comment or name: the parser keeps all of it in memory."""
DEEPEST = 1000
"""Nested elements; the parser keeps each open one in memory."""
MOST_NAMES = 10_000
"""Different names of elements and attributes; the parser keeps all of them in memory."""


class Check(NamedTuple):
    """The result of checking a file."""

    is_junit: bool
    """Whether its root element is that of a JUnit report."""
    fault: str | None = None
    """Why a parser will not read the file to its end, as a clause."""


class _OtherRoot(Exception):
    """The root element is not that of a report."""


class _Refused(Exception):
    """The file may be well-formed, but is not safe to read."""


def check(file: BinaryIO) -> Check:
    """Checks the file from its current position; reads a report to its end. Raises `OSError`."""
    reader = _Reader()
    try:
        reader.read(file)
    except _OtherRoot:
        return Check(is_junit=False)
    except _Refused as refusal:
        return Check(reader.is_junit, str(refusal))
    except expat.ExpatError as error:
        return Check(reader.is_junit, f"line {error.lineno}: {expat.ErrorString(error.code)}")
    except (ValueError, LookupError):  # an encoding that Python does not know, or one with several bytes per character
        return Check(reader.is_junit, "its encoding is unknown")
    return Check(reader.is_junit)


class _Reader:
    """One parse."""

    def __init__(self) -> None:
        self.is_junit = False
        self._names: set[str] = set()
        self._depth = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")  # names in a namespace then contain a space
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = _no_declarations
        self._parser.SkippedEntityHandler = _no_entities

    def read(self, file: BinaryIO) -> None:
        """Parses the file. Raises an exception with what is wrong with it."""
        fed = 0
        while piece := file.read(_PIECE):
            self._parser.Parse(piece, False)
            fed += len(piece)
            if fed - max(self._parser.CurrentByteIndex, 0) > LONGEST_PART + _PIECE:
                raise _Refused(f"it has a tag or comment of more than {LONGEST_PART >> 20} MiB")
        if fed:
            self._parser.Parse(b"", True)

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if not self._depth:
            self.is_junit = name in _ROOTS
            if not self.is_junit:
                raise _OtherRoot
        self._depth += 1
        self._names.add(name)
        self._names.update(attributes)
        if self._depth > DEEPEST:
            raise _Refused(f"its elements are nested more than {DEEPEST} levels deep")
        if len(self._names) > MOST_NAMES:
            raise _Refused(f"it has more than {MOST_NAMES} different names")

    def _end(self, name: str) -> None:
        self._depth -= 1


def _no_declarations(_name: str, _system: str | None, _public: str | None, inside: bool) -> None:
    """Rejects a document type with declarations. One that only refers to another file is fine: that file is not read."""
    if inside:
        raise _Refused("it has a document type with declarations, whose entities could expand without limit")


def _no_entities(name: str, _parameter: bool) -> None:
    raise _Refused(f"it uses the entity {name[:40]} without declaring it")
