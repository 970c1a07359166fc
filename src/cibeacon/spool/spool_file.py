"""A file of records that a replay sends from: claims it, and takes lines out of it. Sends nothing.

Many lines may be in one file, since people put files together; a file without lines is removed.
"""

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from cibeacon.runtime import paths
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import SpoolError
from cibeacon.runtime.shutdown import uninterrupted
from cibeacon.spool import LOCK_PAUSE, UNFINISHED, LockPatience, lock, locked, open_in

CORRUPT, REFUSED = ".corrupt", ".refused"
"""Endings of the files beside a file that hold the lines which were set aside; no replay reads them."""


class SpoolFile(NamedTuple):
    """A file with records on its lines.

    Args:
        token: a fresh name that no other process uses.
        patience: for the folder's lock; None waits as long as another process has it.
    """

    path: Path
    token: Callable[[], str]
    patience: LockPatience | None = None

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.name

    @contextmanager
    def claim(self, line: bytes, deadline: Deadline) -> Iterator[bool]:
        """While it lasts no other replay sends the file's lines. False: the line was sent, or another has the file."""
        file = self._open_locked(deadline)
        if file is None:
            yield False
            return
        with file:
            yield line in file

    def take_out(self, lines: Collection[bytes], aside: str = "") -> None:
        """Removes lines, at once or not at all; with `aside`, an ending, they are moved to the file beside.

        Raises `SpoolError`.
        """
        what = f"A line of {self} cannot be set aside" if aside else f"What was dealt with stays in {self}"
        hint = "Look at it." if aside else "Remove the file, or make it writable."
        try:
            with uninterrupted(), paths.folder(self.path.parent) as where, locked(where, self.patience):
                present = self._lines(where)  # another replay may have taken some out meanwhile
                moved = [line.rstrip(b"\n") + b"\n" for line in present if line in lines]
                if moved and aside:
                    paths.append(self.path.with_name(self.name + aside), b"".join(moved), 0o600, sync=True)
                if moved or not present:
                    self._rewrite(where, [line for line in present if line not in lines])
        except OSError as error:
            raise SpoolError(what, error.strerror or str(error), hint) from error

    def _open_locked(self, deadline: Deadline) -> IO[bytes] | None:
        """The file, once no other replay has it; None when it is gone, or the time is over."""
        while True:
            try:
                file = os.fdopen(paths.open_regular(self.path), "rb")
            except OSError:
                return None
            if lock(file.fileno()) and self._is(file):
                return file
            file.close()
            if deadline.remaining() <= 0:
                return None
            deadline.sleep(LOCK_PAUSE)

    def _is(self, file: IO[bytes]) -> bool:
        """Whether the open file still has its name: another replay may have put a shorter one in its place."""
        try:
            return os.path.samestat(os.fstat(file.fileno()), os.lstat(self.path))
        except OSError:
            return False

    def _lines(self, where: int) -> list[bytes]:
        """Every line that is not blank; none when the file is gone."""
        try:
            with open_in(self.name, where) as file:
                return list(filter(bytes.strip, file))
        except FileNotFoundError:
            return []

    def _rewrite(self, where: int, lines: Collection[bytes]) -> None:
        if not lines:
            paths.remove(self.name, where)
            return
        part = f"{self.token()}{UNFINISHED}"
        try:
            paths.create(part, where, b"".join(lines), sync=True)
            os.replace(part, self.name, src_dir_fd=where, dst_dir_fd=where)
        finally:
            paths.remove(part, where)
