"""The CSV of rows that were not told, as they were, with three more columns: error, advice and seal. It can be fed back as
it is; what anybody changed in it is never written over.
"""

from __future__ import annotations

import csv
import fcntl
import os
import re
import stat
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from typing import IO

from cibeacon.backfill.columns import OURS
from cibeacon.backfill.seal import Seal
from cibeacon.runtime.errors import CibeaconError
from cibeacon.runtime.sanitize import clipped

_AGAIN = re.compile(r"(?P<input>.+)\.failed(?:-(?P<turn>\d{1,6}))?(?:\.\d+)?\.csv", re.S)
"""The name of such a file: of rows that failed once or several times, under its own name or put aside."""
_PART = ".part"
_WIDTH = 500
_FORMULA = ("=", "+", "-", "@")
_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""What JSON can say and no file can hold; the rest of the surrogates stand for bytes that were read."""
_FRESH = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW
_HOW = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}


def name_beside(name: str, share: str = "") -> str:
    """How the failed rows of an input are called; `share` tells those of a shard apart.

    Rows of `m.csv.failed.csv` that fail once more go into `m.csv.failed-2.csv`: a name that does not grow.
    """
    again = _AGAIN.fullmatch(name)
    if again is None:
        return f"{name}{share}.failed.csv"
    return f"{again['input'].removesuffix(share)}{share}.failed-{int(again['turn'] or 1) + 1}.csv"


class FailuresError(CibeaconError):
    """The file of failed rows cannot be written, or not be had alone."""


class Failures:
    """Writes beside the final name and takes it at the end, so that an old file is there until the new one is whole.

    Args:
        owner: which inputs the rows are from. An old file of the same owner that is as we left it gives way; any other
            stays, or is put aside. None: every old file is another's, since its rows may be nowhere else.
    """

    def __init__(self, path: Path, columns: Sequence[str], owner: str | None) -> None:
        self.path, self._owner = path, owner
        self._columns = tuple(name for name in columns if name not in OURS)
        self._part = path.with_name(path.name + _PART)
        self._file: IO[str] | None = None
        self._seal = Seal()
        self._held: list[str] = []
        """The last row: at the end the seal is written behind it."""
        self._closed = False
        self.kept: Path | None = None
        """Where an old file is that was not as we left it, once this is closed."""

    def add(self, columns: Sequence[str], cells: Sequence[str], error: str, advice: str) -> None:
        """One row, whose cells stand under these columns. Raises `FailuresError`."""
        by_name = dict(zip(columns, cells, strict=False))
        try:
            if self._file is None:
                self._file = self._begun()
                self._held = [*self._columns, *OURS[:-1]]
                self._row(OURS[-1])
            else:
                self._row("")
        except OSError as failure:
            raise self._failed(failure) from failure
        self._held = [
            *(_LONE.sub(_bytes, by_name.get(name, "")) for name in self._columns),
            _said(error),
            _said(advice),
        ]

    def close(self, *, whole: bool) -> None:
        """The file takes its name. Where all rows were told, an older one of ours has nothing to say any more."""
        if self._closed:  # several inputs may share it
            return
        self._closed = True
        try:
            if self._file:
                self._finish(self._file)
            elif whole and _ours(self.path):
                if self._unchanged():
                    self.path.unlink()
                else:
                    self.kept = self.path
        except OSError as failure:
            raise self._failed(failure) from failure

    def _finish(self, file: IO[str]) -> None:
        with file:  # it is ours alone until it has its name
            self._seal.add(self._held)
            csv.writer(file).writerow([*self._held, self._seal.text(self._owner) if self._owner else ""])
            file.flush()
            os.fsync(file.fileno())
            if os.path.lexists(self.path) and not self._unchanged():
                self.kept = _aside(self.path)
            self._part.replace(self.path)

    def _row(self, last: str) -> None:
        self._seal.add(self._held)
        csv.writer(self._file).writerow([*self._held, last])  # type: ignore[arg-type]

    def _begun(self) -> IO[str]:
        """The file beside, empty and locked. What lies there may be of a run that was killed, or a link to anywhere."""
        while True:
            descriptor = os.open(self._part, _FRESH, 0o644) if self._plain() else -1
            if descriptor < 0:
                self._part.unlink()
                continue
            with ExitStack() as undo:
                undo.callback(os.close, descriptor)
                self._lock(descriptor)
                if _is_at(self._part, descriptor):  # whoever had it may have given it its name meanwhile
                    undo.pop_all()
                    os.ftruncate(descriptor, 0)
                    return os.fdopen(descriptor, "w", **_HOW)  # type: ignore[call-overload, no-any-return]

    def _plain(self) -> bool:
        """Whether nothing lies at the name beside, or a file that has no other name."""
        try:
            about = os.lstat(self._part)
        except FileNotFoundError:
            return True
        return stat.S_ISREG(about.st_mode) and about.st_nlink == 1

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FailuresError(
                f"The file of failed rows {self.path} is in use",
                "another backfill writes it",
                "Wait for it, or name another place with --failures",
            ) from None
        except OSError:  # a file system without locks: of two at once, the last one's rows stay
            return

    def _unchanged(self) -> bool:
        """Whether the file that is there is as a run with the same inputs left it."""
        if self._owner is None or not _ours(self.path):
            return False
        seal, before = Seal(), [""]
        try:
            with self.path.open(**_HOW) as file:  # type: ignore[call-overload]
                for row in csv.reader(file, strict=True):
                    seal.add(row[:-1])
                    before = row
        except csv.Error:
            return False
        return before[-1] == seal.text(self._owner)

    def _failed(self, failure: OSError) -> FailuresError:
        return FailuresError(
            f"The file of failed rows {self.path} cannot be written",
            failure.strerror or type(failure).__name__,
            "Name another place with --failures",
        )


def _aside(path: Path) -> Path:
    """Gives a file another name that nobody has: `m.csv.failed.csv` is `m.csv.failed.1.csv` then."""
    for number in count(1):
        other = path.with_name(f"{path.stem}.{number}{path.suffix}")
        with suppress(FileExistsError):
            other.open("x").close()
            break
    path.replace(other)
    return other


def _is_at(path: Path, descriptor: int) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    return False


def _said(text: str) -> str:
    """Text for a cell that a spreadsheet takes for no formula."""
    safe = clipped(text, _WIDTH)
    return f"'{safe}" if safe.startswith(_FORMULA) else safe


def _bytes(match: re.Match[str]) -> str:
    """The bytes that other programs write for it; they are no UTF-8 when the row is fed back, as it was none."""
    return match[0].encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")


def _ours(path: Path) -> bool:
    """Whether a file is one of failed rows, as its header tells."""
    if not path.is_file():
        return False
    with suppress(OSError), path.open("rb") as file:
        header = file.readline(1 << 16).rstrip(b"\r\n")
        return header.endswith(tuple(",".join(names).encode("ascii") for names in (OURS, OURS[:-1])))
    return False
