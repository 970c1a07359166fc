"""The file beside a file that says which of its rows were told, so that a second run goes on where the first ended.

A row stands there by what it says and to whom, not by its place. A line is appended whole; one that was cut is ignored.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

from cibeacon.backfill.digests import Digests
from cibeacon.backfill.identity import SIZE
from cibeacon.runtime.errors import CibeaconError

SUFFIX = ".cibeacon-journal"
HEAD = b"cibeacon backfill journal 1\n"
_LINE = 2 * SIZE + 1
_BATCH = 1 << 16


class JournalError(CibeaconError):
    """A journal cannot be read, written, or had alone."""


class Journal:
    """What was told of a file. Without a path it is empty and forgets."""

    def __init__(self, path: Path | None, *, writes: bool) -> None:
        self.path, self._descriptor, self._dirty = path, -1, False
        self.told = Digests()
        if path is None:
            return
        try:
            self._open(path, writes=writes)
        except OSError as error:
            raise JournalError(
                f"The journal {path} cannot be {'written' if writes else 'read'}",
                error.strerror or type(error).__name__,
                "Name another place with --journal, or --journal off for none",
            ) from error

    def _open(self, path: Path, *, writes: bool) -> None:
        if not writes:
            with suppress(FileNotFoundError), path.open("rb") as file:
                self._load(file.fileno())
            return
        how = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        self._descriptor = os.open(path, how, 0o644)
        with ExitStack() as undo:
            undo.callback(self.close)
            _lock(self._descriptor, path)
            torn = self._load(self._descriptor)
            if torn or os.fstat(self._descriptor).st_size == 0:
                self._write(b"\n" if torn else HEAD)
            undo.pop_all()

    def _load(self, descriptor: int) -> bool:
        """Reads what is there; true where the last line was cut."""
        rest = b""
        while piece := os.read(descriptor, _BATCH):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                if len(line) == _LINE - 1:
                    with suppress(ValueError):
                        self.told.add(bytes.fromhex(line.decode("ascii")))
            rest = rest[-_BATCH:]
        return bool(rest)

    def __contains__(self, address: bytes) -> bool:
        return address in self.told

    def add(self, addresses: Iterable[bytes]) -> None:
        """Writes rows down that were told. Raises `JournalError`."""
        lines = b"".join(address.hex().encode("ascii") + b"\n" for address in addresses if self.told.add(address))
        if lines and self._descriptor >= 0:
            self._write(lines)

    def sync(self) -> None:
        """What was written survives a crash of the machine, too. Raises `JournalError`."""
        if self._dirty:
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                raise self._failed(error) from error
            self._dirty = False

    def close(self) -> None:
        """Lets others have it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, content: bytes) -> None:
        left = memoryview(content)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError as error:
            raise self._failed(error) from error
        self._dirty = True

    def _failed(self, error: OSError) -> JournalError:
        return JournalError(
            f"The journal {self.path} cannot be written on",
            error.strerror or type(error).__name__,
            "Make room and run the same command again: it goes on where it ended",
        )


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise JournalError(
            f"The journal {path} is in use",
            "another backfill sends the same file",
            "Wait for it, or give each its share with --shard",
        ) from None
    except OSError:  # a file system without locks: two at once send twice, which changes nothing
        return
