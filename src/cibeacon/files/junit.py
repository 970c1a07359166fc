"""The door to XML: checks whether a file is a JUnit report and can be parsed to its end. Does not know what it reports.

The file may be a stranger's, so it is read in pieces that the parser cannot hoard, without declarations, entities or
network. A report is one by its root element alone, as DCI's control server has it. The format:
https://github.com/testmoapp/junitxml; the parser: https://docs.python.org/3/library/pyexpat.html.
"""

from collections.abc import Mapping
from typing import BinaryIO, NamedTuple
from xml.parsers import expat

_ROOTS = frozenset({"testsuites", "testsuite"})
_PIECE = 256 << 10
LONGEST_PART = 8 << 20
"""Bytes of one tag, comment or name: the parser holds all of it in memory."""
DEEPEST = 1000
"""Elements within each other; the parser remembers each that is open."""
MOST_NAMES = 10_000
"""Different names of elements and attributes; the parser never forgets one."""


class Check(NamedTuple):
    """What a check of a file found."""

    is_junit: bool
    """Whether its root element is that of a JUnit report."""
    fault: str | None = None
    """Why a parser will not read the report to its end, as a clause."""


class _OtherRoot(Exception):
    """The root element is another."""


class _Refused(Exception):
    """The file may be well-formed, but a careful reader does not read it."""


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
    except (ValueError, LookupError):  # an encoding that Python does not know, or not as one of single bytes
        return Check(reader.is_junit, "its encoding is not known")
    return Check(reader.is_junit)


class _Reader:
    """One parse."""

    def __init__(self) -> None:
        self.is_junit = False
        self._names: set[str] = set()
        self._depth = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")  # a name in a namespace holds a space then
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = _no_declarations
        self._parser.SkippedEntityHandler = _no_entities

    def read(self, file: BinaryIO) -> None:
        """Parses the file. Raises what is wrong with it."""
        fed = 0
        while piece := file.read(_PIECE):
            self._parser.Parse(piece, False)
            fed += len(piece)
            if fed - max(self._parser.CurrentByteIndex, 0) > LONGEST_PART + _PIECE:
                raise _Refused(f"it holds a tag or comment of over {LONGEST_PART >> 20} MiB")
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
            raise _Refused(f"its elements are nested in over {DEEPEST} levels")
        if len(self._names) > MOST_NAMES:
            raise _Refused(f"it holds over {MOST_NAMES} different names")

    def _end(self, name: str) -> None:
        self._depth -= 1


def _no_declarations(_name: str, _system: str | None, _public: str | None, inside: bool) -> None:
    """A document type that names another file declares nothing here: that file is not read."""
    if inside:
        raise _Refused("it has a document type with declarations, which could be entities without end")


def _no_entities(name: str, _parameter: bool) -> None:
    raise _Refused(f"it holds the entity {name[:40]}, which nothing in it declares")
