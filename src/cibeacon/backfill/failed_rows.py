"""Writes the rows that were not sent as CSV, unchanged but for two more columns, error and advice. It can be sent as it is.

It never overwrites a file: failed rows go into a new one, under the first free name.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import IO

from cibeacon.backfill.columns import FAILURE_COLUMNS, IGNORED
from cibeacon.runtime.errors import CibeaconError
from cibeacon.runtime.safe_text import clipped

_OWN_NAME = re.compile(r"(?P<input>.+)\.failed(-\d{1,6})?\.csv", re.DOTALL)
_WIDTH = 500
_FORMULA = ("=", "+", "-", "@")
_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Characters that JSON can contain and UTF-8 cannot; the other surrogates represent bytes of the input."""


def name_beside(name: str, share: str = "") -> str:
    """The name of the file for an input's failed rows; `share` is the part for this shard."""
    match = _OWN_NAME.fullmatch(name)
    return f"{match['input'].removesuffix(share) if match else name}{share}.failed.csv"


class FailedRowsError(CibeaconError):
    """The file of failed rows cannot be written."""


class FailedRows:
    """A CSV file that is created with the first failed row.

    Args:
        path: the preferred name; if `f.csv` exists, the file is `f-2.csv`, then `f-3.csv`.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self._columns = tuple(name for name in columns if name not in IGNORED)
        self._file: IO[str] | None = None

    def add(self, columns: Sequence[str], cells: Sequence[str], error: str, advice: str) -> None:
        """Writes one row with cells in these columns. Raises `FailedRowsError`."""
        by_name = dict(zip(columns, cells, strict=False))
        row = [_LONE.sub(_bytes, by_name.get(name, "")) for name in self._columns]
        try:
            if self._file is None:
                self._file = self._begin()
                csv.writer(self._file).writerow([*self._columns, *FAILURE_COLUMNS])
            csv.writer(self._file).writerow([*row, _no_formula(error), _no_formula(advice)])
        except OSError as failure:
            raise self._error(failure) from failure

    def close(self) -> None:
        """Completes the file. Raises `FailedRowsError`."""
        if self._file is None:
            return
        try:
            with self._file as file:
                file.flush()
                os.fsync(file.fileno())
        except OSError as failure:
            raise self._error(failure) from failure
        finally:
            self._file = None

    def _begin(self) -> IO[str]:
        """Creates a new file; an existing file or link is left alone."""
        preferred = self.path
        for number in count(2):
            try:
                return self.path.open("x", encoding="utf-8", errors="surrogateescape", newline="")
            except FileExistsError:
                self.path = preferred.with_name(f"{preferred.stem}-{number}{preferred.suffix}")
        raise AssertionError("the numbers do not end")

    def _error(self, failure: OSError) -> FailedRowsError:
        return FailedRowsError(
            f"The file of failed rows {self.path} cannot be written",
            failure.strerror or type(failure).__name__,
            "Choose another file with --failures",
        )


def _no_formula(text: str) -> str:
    """The text of a cell, so that a spreadsheet does not read it as a formula."""
    safe = clipped(text, _WIDTH)
    return f"'{safe}" if safe.startswith(_FORMULA) else safe


def _bytes(match: re.Match[str]) -> str:
    """The bytes that other programs write for it; they are invalid UTF-8, so the row is still invalid when sent again."""
    return match[0].encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
