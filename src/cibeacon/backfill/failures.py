"""The CSV of rows that were not told, as they were, with two more columns: error and advice. It can be fed back as it is."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from cibeacon.backfill.columns import OURS
from cibeacon.errors import CibeaconError
from cibeacon.sanitise import clipped

SUFFIX = ".failed.csv"
_PART = ".part"
_WIDTH = 500
_FORMULA = ("=", "+", "-", "@")


class FailuresError(CibeaconError):
    """The file of failed rows cannot be written."""


class Failures:
    """Writes beside the final name and takes it at the end, so that an old file is there until the new one is whole."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self._columns = tuple(name for name in columns if name not in OURS)
        self._part = path.with_name(path.name + _PART)
        self._file: IO[str] | None = None
        self.number = 0

    def add(self, columns: Sequence[str], cells: Sequence[str], error: str, advice: str) -> None:
        """One row, whose cells stand under these columns. Raises `FailuresError`."""
        try:
            if self._file is None:
                self._part.unlink(missing_ok=True)  # also a link that a checkout brought along
                self._file = self._part.open("x", encoding="utf-8", errors="surrogateescape", newline="")
                csv.writer(self._file).writerow([*self._columns, *OURS])
            by_name = dict(zip(columns, cells, strict=False))
            kept = [by_name.get(name, "") for name in self._columns]
            csv.writer(self._file).writerow([*kept, _said(error), _said(advice)])
        except OSError as failure:
            raise self._failed(failure) from failure
        self.number += 1

    def close(self, *, whole: bool) -> None:
        """The file takes its name. Where all rows were told, an older one of ours has nothing to say any more."""
        try:
            if self._file:
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                self._part.replace(self.path)
            elif whole and _ours(self.path):
                self.path.unlink()
        except OSError as failure:
            raise self._failed(failure) from failure
        self._file = None

    def _failed(self, failure: OSError) -> FailuresError:
        return FailuresError(
            f"The file of failed rows {self.path} cannot be written",
            failure.strerror or type(failure).__name__,
            "Name another place with --failures",
        )


def _said(text: str) -> str:
    """Text for a cell that a spreadsheet takes for no formula."""
    safe = clipped(text, _WIDTH)
    return f"'{safe}" if safe.startswith(_FORMULA) else safe


def _ours(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        return file.readline(1 << 16).rstrip(b"\r\n").endswith(",".join(OURS).encode("ascii"))
    return False
