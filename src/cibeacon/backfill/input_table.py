"""Reads the rows of a file, one at a time: CSV or NDJSON, plain or gzip, also from standard input or a bucket.

It does not know what a column means. Text that is not a valid row is a row with a fault, so that no row is lost; if the rest
of a file is unreadable, it raises `InputError`. CSV: https://www.rfc-editor.org/rfc/rfc4180; NDJSON: https://github.com/ndjson/ndjson-spec.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

from cibeacon.backfill.columns import IGNORED
from cibeacon.runtime.errors import CibeaconError, SpoolError
from cibeacon.spool import is_address

STDIN = "-"
LONGEST = 1 << 20
"""Characters of a line, and of a row: neither a file without line breaks nor an unclosed quote fills the memory."""
MOST = 100
"""Columns of a file, and fields of an object; no call has that many."""
_QUOTES = "Quote cells that contain a comma or a quote, and double every quote inside them."


class InputError(CibeaconError):
    """A file that cannot be used, or only up to some row."""


class Cells(NamedTuple):
    """One row as written in the file."""

    number: int
    """The line of the file at which it begins; the header is line 1."""
    by_name: Mapping[str, str]
    raw: Sequence[str] = ()
    """Its cells in the order of `InputTable.columns`, or its text; empty for an NDJSON object."""
    fault: str = ""
    """Why its text is not a valid row."""
    hint: str = ""


class InputTable:
    """The rows of one file; a context manager. `columns` are those of a CSV header; empty for NDJSON."""

    def __init__(self, name: str, cwd: Path, stdin: IO[str]) -> None:
        self.name = "standard input" if name == STDIN else name
        self.columns: tuple[str, ...] = ()
        self._taken: list[str] = []  # the lines of the row that is being read
        self._taken_size = 0
        self._lines_read = 0
        with ExitStack() as on_error:
            try:
                self._file, self.size = _open(name, cwd, stdin)
            except SpoolError as error:
                raise self._error(error.why, error.hint) from error
            except OSError as error:
                raise self._error(f"it cannot be opened: {error.strerror}", "Check its name") from error
            on_error.callback(self._file.close)
            self._begin(name)
            on_error.pop_all()

    def __enter__(self) -> InputTable:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def position(self) -> int:
        """Bytes read so far, if the file's size is known."""
        if self.size is None or self._file.closed:
            return self.size or 0
        return self._file.tell()

    def rows(self) -> Iterator[Cells]:
        """All rows except empty ones. Raises `InputError` if the rest cannot be read."""
        yield from self._objects() if self._is_json else self._records()

    def _begin(self, name: str) -> None:
        content = self._file
        with self._translate_errors():
            if content.peek(2)[:2] == b"\x1f\x8b":
                content = io.BufferedReader(gzip.GzipFile(fileobj=content), 1 << 16)
            head = content.peek(4)
        self._refuse_foreign(head)
        self._text = io.TextIOWrapper(content, "utf-8-sig", "surrogateescape", newline="")
        is_named_json = name.removesuffix(".gz").endswith((".ndjson", ".jsonl"))
        self._is_json = is_named_json or head.lstrip(b"\xef\xbb\xbf \r\n")[:1] == b"{"
        if not self._is_json:
            self._reader = csv.reader(self._lines(), strict=True)
            self.columns = self._header()

    def _refuse_foreign(self, head: bytes) -> None:
        if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise self._error("it is UTF-16", "Save it as CSV in UTF-8")
        if head[:4] == b"PK\x03\x04":
            raise self._error("it is a spreadsheet or an archive", "Save the sheet as CSV in UTF-8")
        if not head:
            raise InputError(f"{self.name} is empty", "", "")

    def _header(self) -> tuple[str, ...]:
        hint = "Write the column names there, separated by commas"
        try:
            header = tuple(cell.strip() for cell in next(self._reader, []))
        except csv.Error as error:
            raise self._error(f"its first line is not a header: {error}", hint) from error
        if not any(header):
            raise self._error("its first line is empty", hint)
        if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
            separator = "semicolons" if ";" in header[0] else "tabs"
            raise self._error(f"its columns are separated by {separator}", "Export it with commas instead")
        if len(header) > MOST:
            hint = f"Remove the columns that the call does not have; at most {MOST} are allowed"
            raise self._error(f"it has {len(header)} columns", hint)
        return header

    def _records(self) -> Iterator[Cells]:
        while True:
            number = self._lines_read + 1
            self._begin_row()
            try:
                cells = next(self._reader, None)
            except csv.Error as error:
                yield self._broken_record(number, str(error))
                continue
            if cells is None:
                return
            if any(cell.strip() for cell in cells):
                yield self._record(number, cells)

    def _record(self, number: int, cells: list[str]) -> Cells:
        width = len(self.columns)
        if len(cells) == width:
            return Cells(number, dict(zip(self.columns, cells, strict=True)), cells)
        fault = f"it has {len(cells)} cells, but the header has {width}"
        if len(cells) > width:
            return Cells(number, {}, [*cells[: width - 1], ",".join(cells[width - 1 :])], fault, _QUOTES)
        return Cells(number, {}, cells, fault, "Add the missing cells; an empty cell still needs its comma.")

    def _broken_record(self, number: int, reason: str) -> Cells:
        """A row with invalid quotes. If a quote never closes, the rest of the file has no rows."""
        if "unexpected end" in reason or "field larger" in reason:
            fault = f"a quote opens in line {number} and never closes, so the rest is one cell"
            raise self._error(fault, "Close or double the quote")
        lines = len(self._taken)
        fault = "its quotes are invalid" + (f"; {lines} lines were read as this row" if lines > 1 else "")
        return Cells(number, {}, ["".join(self._taken).rstrip("\r\n")], fault, _QUOTES)

    def _objects(self) -> Iterator[Cells]:
        for number, line in enumerate(self._lines(), 1):
            if text := line.strip():
                yield _read_object(number, text)
            self._begin_row()

    def _lines(self) -> Iterator[str]:
        while True:
            with self._translate_errors():
                line = self._text.readline(LONGEST + 1)
            if len(line) > LONGEST:
                raise self._error("one of its lines is over 1 MiB", "Check that it is the right file")
            if not line:
                return
            self._lines_read += 1
            self._taken.append(line)
            self._taken_size += len(line)
            if self._taken_size > LONGEST:
                raise self._error("one of its rows is over 1 MiB", "Look for an unclosed quote")
            yield line

    def _begin_row(self) -> None:
        self._taken.clear()
        self._taken_size = 0

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            reason = "its gzip data is corrupt or ends too early"
            raise self._error(reason, "Create or download it again") from error
        except OSError as error:
            raise self._error(f"reading it failed: {error.strerror}", "Check its disk") from error

    def _error(self, reason: str, hint: str) -> InputError:
        return InputError(f"{self.name} cannot be used", reason, hint)


def _open(name: str, cwd: Path, stdin: IO[str]) -> tuple[io.BufferedReader[Any], int | None]:
    """The input from its beginning, and its size in bytes if known. Raises `OSError` and `SpoolError`."""
    if name == STDIN:
        binary = getattr(stdin, "buffer", None)  # a test's text stream has none
        return binary or io.BufferedReader(io.BytesIO(stdin.read().encode("utf-8", "surrogateescape"))), None
    if is_address(name):
        from cibeacon.backfill import object_input  # few files are in a bucket

        return object_input.open_object(name)
    path = cwd / name
    return path.open("rb"), path.stat().st_size if path.is_file() else None


def _read_object(number: int, text: str) -> Cells:
    """A line of NDJSON as cells; the values are written as in a CSV cell."""
    hint = "Write one JSON object per line."
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except _RepeatedName as error:
        return Cells(number, {}, [text], str(error), hint)
    except (ValueError, RecursionError):
        return Cells(number, {}, [text], "it is not JSON", hint)
    if not isinstance(value, dict):
        return Cells(number, {}, [text], "it is not a JSON object", hint)
    if len(value) > MOST:
        return Cells(number, {}, [text], f"it has {len(value)} fields", "Write only the fields of the call.")
    return Cells(number, {name: _spell(field) for name, field in value.items() if name not in IGNORED})


class _RepeatedName(ValueError):
    """A name that appears twice in an object."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        (name, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise _RepeatedName(f"it has {name} twice")
    return fields


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _spell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, separators=(",", ":"))
