"""Reads the rows of a file: CSV or NDJSON, plain or gzip, or standard input; a row at a time. Knows no column's meaning.

What cannot be a row is one with a reason, so that none is lost. What makes the rest of a file unreadable raises `BadFile`.
CSV: https://www.rfc-editor.org/rfc/rfc4180; NDJSON: https://github.com/ndjson/ndjson-spec.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

from cibeacon.backfill import inputs
from cibeacon.backfill.columns import OURS
from cibeacon.backfill.inputs import STDIN as STDIN
from cibeacon.runtime.errors import CibeaconError, SpoolError

LONGEST = 1 << 20
"""Characters of a line, and of a row: neither a file without line breaks nor one cell after another fills the memory."""
MOST = 100
"""Columns of a file, and fields of an object. No call has as many; each one too many would be told by its name."""
_PEEK = 1 << 13


class BadFile(CibeaconError):
    """A file that cannot be used, or not from some row on."""


class Cells(NamedTuple):
    """One row as it stands in the file."""

    number: int
    """As a spreadsheet counts: the header is row 1. In NDJSON, the line."""
    cells: Mapping[str, str]
    whole: Sequence[str]
    """Its cells in the order of `Table.columns`, or its text where there are none, to be written as they were."""
    fault: str = ""
    """Why its cells cannot be told apart."""
    mend: str = ""


class _Counted(io.RawIOBase):
    """A file that knows how much of it was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.read_bytes = file, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._file.read(len(buffer))
        buffer[: len(piece)] = piece
        self.read_bytes += len(piece)
        return len(piece)

    def close(self) -> None:
        self._file.close()
        super().close()


class Table:
    """The rows of one file; a context manager. `columns` are those of a CSV header, none for NDJSON."""

    def __init__(self, name: str, cwd: Path, stdin: IO[str]) -> None:
        self.name = "standard input" if name == STDIN else name
        try:
            file, self.size = inputs.opened(name, cwd, stdin)
        except SpoolError as error:
            raise self._bad(error.why, error.hint) from error
        except OSError as error:
            raise self._bad(f"it cannot be opened: {error.strerror}", "Check its name") from error
        self._counted = _Counted(file)
        with ExitStack() as undo:
            undo.callback(self._counted.close)
            self._open(name)
            undo.pop_all()

    def _open(self, name: str) -> None:
        plain = io.BufferedReader(self._counted, 1 << 16)
        packed = _peeked(plain)[:2] == b"\x1f\x8b"
        content = io.BufferedReader(gzip.GzipFile(fileobj=plain), 1 << 16) if packed else plain
        with self._failing():
            head = _peeked(content)
        self._refuse(head)
        self._text = io.TextIOWrapper(content, "utf-8-sig", "surrogateescape", newline="")
        plain_name = name.removesuffix(".gz")
        self._is_json = plain_name.endswith((".ndjson", ".jsonl")) or head.lstrip(b"\xef\xbb\xbf \r\n")[:1] == b"{"
        self._taken: list[str] = []
        self._size = 0
        self.columns: tuple[str, ...] = ()
        if not self._is_json:
            self._reader = csv.reader(self._lines(), strict=True)
            self.columns = self._header()

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: object) -> None:
        self._counted.close()

    @property
    def position(self) -> int:
        """Bytes of the file that were read."""
        return self._counted.read_bytes

    def rows(self) -> Iterator[Cells]:
        """Every row but empty ones. Raises `BadFile` where the rest cannot be read."""
        yield from self._objects() if self._is_json else self._records()

    def _header(self) -> tuple[str, ...]:
        try:
            header = [cell.strip() for cell in next(self._reader, [])]
        except csv.Error as error:
            raise self._bad(f"its first line is no header: {error}", "Write the names of the columns there") from error
        if not any(header):
            raise self._bad("its first line is empty", "Write the names of the columns there, with commas between")
        if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
            kind = "semicolons" if ";" in header[0] else "tabs"
            raise self._bad(f"its columns are parted by {kind}", "Export it with commas between the columns")
        if len(header) > MOST:
            raise self._bad(
                f"it has {len(header)} columns", f"Take out what the call does not have; {MOST} are too many"
            )
        return tuple(header)

    def _records(self) -> Iterator[Cells]:
        number = 1
        while True:
            number += 1
            self._begin_row()
            try:
                found = next(self._reader, None)
            except csv.Error as error:
                yield self._broken(number, str(error))
                number += len(self._taken) - 1
                continue
            if found is None:
                return
            if any(cell.strip() for cell in found):
                yield self._record(number, found)

    def _record(self, number: int, found: list[str]) -> Cells:
        width = len(self.columns)
        whole = [*found[: width - 1], ",".join(found[width - 1 :])] if len(found) > width else found
        if len(found) == width:
            return Cells(number, dict(zip(self.columns, found, strict=True)), found)
        more = "Put cells that hold a comma or a quote in quotes, with every quote in them doubled."
        less = "Add what is missing; a cell may be empty, but its comma must stand."
        what = f"it has {len(found)} cells, and the header has {width}"
        return Cells(number, {}, whole, what, more if len(found) > width else less)

    def _broken(self, number: int, why: str) -> Cells:
        """A row whose quotes are not those of CSV. Where one never ends, nobody knows what is a row after it."""
        if "unexpected end" in why or "field larger" in why:
            raise self._bad(
                f"a quote is opened in row {number} and not closed, so the rest is one cell", "Close it, or double it"
            )
        lines = len(self._taken)
        until = f"; {lines} lines were taken for this row" if lines > 1 else ""
        whole = "".join(self._taken).rstrip("\r\n")
        return Cells(
            number,
            {},
            [whole],
            f"its quotes cannot be understood{until}",
            "Put cells that hold a comma or a quote in quotes, with every quote in them doubled.",
        )

    def _objects(self) -> Iterator[Cells]:
        for number, line in enumerate(self._lines(), 1):
            if text := line.strip():
                yield _object(number, text)

    def _lines(self) -> Iterator[str]:
        while True:
            with self._failing():
                line = self._text.readline(LONGEST + 1)
            if len(line) > LONGEST:
                raise self._bad("a line of it is over 1 MiB", "Look whether it is the file that was meant")
            if not line:
                return
            self._taken.append(line)
            self._size += len(line)
            if self._size > LONGEST:
                raise self._bad("a row of it is over 1 MiB", "Look for a quote that is not closed")
            if self._is_json:
                self._begin_row()
            yield line

    def _begin_row(self) -> None:
        self._taken.clear()
        self._size = 0

    def _failing(self) -> _Failing:
        return _Failing(self._bad)

    def _refuse(self, head: bytes) -> None:
        if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise self._bad("it is UTF-16", "Save it as CSV in UTF-8")
        if head[:4] == b"PK\x03\x04":
            raise self._bad("it is a spreadsheet or an archive", "Save the sheet as CSV in UTF-8")
        if not head:
            raise self._bad("it is empty", "Look whether it is the file that was meant")

    def _bad(self, why: str, hint: str) -> BadFile:
        return BadFile(f"{self.name} cannot be used", why, hint)


class _Failing:
    """What goes wrong on the way to a file's bytes, as `BadFile`."""

    def __init__(self, bad: Callable[[str, str], BadFile]) -> None:
        self._bad = bad

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile):
            raise self._bad("its compression is broken or it ends too early", "Make or fetch it again") from error
        if isinstance(error, OSError):
            raise self._bad(f"it cannot be read on: {error.strerror}", "Look at the disk it is on") from error


def _peeked(file: io.BufferedReader[Any]) -> bytes:
    return file.peek(_PEEK)


def _object(number: int, text: str) -> Cells:
    """A line of NDJSON as cells; its fields' values are spelled as a CSV cell would spell them."""
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        what = str(error) if isinstance(error, _Twice) else "it is not JSON"
        return Cells(number, {}, [text], what, "Write one JSON object on the line.")
    if not isinstance(found, dict):
        return Cells(number, {}, [text], "it is no JSON object", "Write one JSON object on the line.")
    if len(found) > MOST:
        return Cells(number, {}, [text], f"it has {len(found)} fields", "Write those of the call alone.")
    cells = {name: _spelled(value) for name, value in found.items() if name not in OURS}
    return Cells(number, cells, ())


class _Twice(ValueError):
    """A name that stands twice in an object."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        times = Counter(name for name, _ in pairs)
        raise _Twice(f"it has {next(name for name in times if times[name] > 1)} twice")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _spelled(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, separators=(",", ":"))
