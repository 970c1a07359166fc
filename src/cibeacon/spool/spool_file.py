"""A file of records for a replay: claims it, and removes lines from it. Sends nothing.

A file may have many lines, since users concatenate files; a file without lines is removed.
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
"""Suffixes of the files for lines that were moved aside; no replay reads them."""


class SpoolFile(NamedTuple):
    """A file with records on its lines.

    Args:
        token: returns a new unique name.
        patience: for the folder's lock; None waits as long as another process holds it.
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
        """Keeps other replays from sending the file's lines. False if the line was sent, or another replay has the file."""
        file = self._open_locked(deadline)
        if file is None:
            yield False
            return
        with file:
            yield line in file

    def take_out(self, lines: Collection[bytes], aside: str = "") -> None:
        """Removes lines atomically; with `aside`, a suffix, moves them to the file with that suffix.

        Raises `SpoolError`.
        """
        what = f"A line of {self} cannot be moved aside" if aside else f"Signals that were sent remain in {self}"
        hint = "Check its permissions." if aside else "Remove the file, or make it writable."
        try:
            with uninterrupted(), paths.folder(self.path.parent) as where, locked(where, self.patience):
                present = self._lines(where)  # another replay may have removed some meanwhile
                moved = [line.rstrip(b"\n") + b"\n" for line in present if line in lines]
                if moved and aside:
                    paths.append(self.path.with_name(self.name + aside), b"".join(moved), 0o600, sync=True)
                if moved or not present:
                    self._rewrite(where, [line for line in present if line not in lines])
        except OSError as error:
            raise SpoolError(what, error.strerror or str(error), hint) from error

    def _open_locked(self, deadline: Deadline) -> IO[bytes] | None:
        """The file, once no other replay has it; None if it no longer exists, or the time is up."""
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
        """Whether the open file still has its name: another replay may have replaced it by a shorter one."""
        try:
            return os.path.samestat(os.fstat(file.fileno()), os.lstat(self.path))
        except OSError:
            return False

    def _lines(self, where: int) -> list[bytes]:
        """Every line that is not blank; none if the file no longer exists."""
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
