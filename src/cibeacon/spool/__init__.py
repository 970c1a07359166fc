"""The folder of waiting signals: writes records so that they survive a crash, and removes them. Sends nothing.

A record is complete or absent: it is written under another name, synced and renamed, and the folder is synced
(https://man7.org/linux/man-pages/man2/fsync.2.html).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from cibeacon.model.spool_record import LARGEST, Record, file_name
from cibeacon.runtime import paths
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import SpoolError
from cibeacon.runtime.shutdown import Section, interruptible, uninterrupted

MOST = 10_000
"""Files in one folder, usually 40 MB. A folder that is never replayed must not fill a disk."""
ENDING = ".ndjson"
"""Suffix of a file of records."""
UNFINISHED = ".part"
"""Suffix of a file that is still being written."""
MOST_BYTES = 256 << 20
"""Bytes of one folder."""
LOCK_PAUSE = 0.02
"""Seconds between two attempts to get a lock."""
_MOST_HELD = 200
"""Files that are locked at the same time: each needs a descriptor, and a process may have a thousand."""
_EMPTY = "Run cibeacon replay, or empty it."
_CLEAR = "Check the files that end in .refused and .corrupt, and remove them."
_FREE = "Check whether a process that uses the folder is suspended, or set spool to another folder."
_LEFTOVER = rf"[0-9a-f]{{32}}{re.escape(UNFINISHED)}"
_LEFTOVER_SECONDS = 3600.0


class LockTimeoutError(OSError):
    """Another cibeacon process holds the lock of a folder and does not release it."""

    def __init__(self) -> None:
        super().__init__(errno.EAGAIN, "another process does not release the folder's lock")


class LockPatience:
    """How long all waits for locks together may take: a suspended process holds its lock for ever.

    Args:
        seconds: the time for all waits.
        sleep: waits for a number of seconds.
    """

    def __init__(self, seconds: float, sleep: Callable[[float], None]) -> None:
        self._left, self._sleep = seconds, sleep

    def limit(self, seconds: float) -> None:
        """Limits the remaining time to so many seconds."""
        self._left = min(self._left, seconds)

    def wait_until(self, is_ready: Callable[[], bool]) -> bool:
        """Whether it is ready before the time is up; asks at least once."""
        while not is_ready():
            if self._left <= 0:
                return False
            self._left -= LOCK_PAUSE
            self._sleep(LOCK_PAUSE)
        return True


class Spool:
    """One folder of records.

    Args:
        folder: created with the first record.
        token: returns a new unique name.
        patience: for the folder's lock; None waits as long as another process holds it.
        holds: keeps replays from sending these records until this process ends or calls `let_go`: it may still change
            them, or is sending them.
    """

    def __init__(
        self, folder: Path, token: Callable[[], str], patience: LockPatience | None = None, *, holds: bool = False
    ) -> None:
        self.folder, self._token, self._patience, self._holds = folder, token, patience, holds
        self._held: list[int] = []

    def keep(self, records: Sequence[Record]) -> None:
        """Writes all records durably. Raises `SpoolError`; some may still have been written."""
        files = {record.name: record.line() for record in records}
        if any(len(line) > LARGEST for line in files.values()):
            raise _not_kept(self.folder, f"a signal is over {LARGEST >> 20} MiB", "Send less metadata.")
        self._put(files, held=self._holds)

    @property
    def address(self) -> str:
        """Where it is, for messages."""
        return str(self.folder)

    def hurry(self, deadline: Deadline) -> None:
        """From now on, waits for locks for at most half of the time."""
        if self._patience:
            self._patience.limit(deadline.seconds / 2)

    def let_go(self) -> None:
        """Lets other processes send the records."""
        while self._held:
            os.close(self._held.pop())

    def try_writing(self, token: str) -> None:
        """Writes a file and removes it, in the folder or where it would be created. Raises `SpoolError`."""
        there = next(path for path in (self.folder, *self.folder.parents) if os.path.lexists(path))
        with _translated(self.folder), uninterrupted(), paths.folder(there) as where:
            if there == self.folder:
                self._check_size(where, 1)
                with locked(where, self._patience, interruptible):
                    pass  # a report also waits for it
            try:
                paths.create(f"{token}{UNFINISHED}", where, b"", sync=True)
            finally:
                paths.remove(f"{token}{UNFINISHED}", where)

    def take_in(self, lines: bytes) -> Path:
        """Writes lines from elsewhere to a file in the folder, and returns it. Raises `SpoolError`."""
        name = f"{hashlib.sha256(lines).hexdigest()}{ENDING}"
        self._put({name: lines})
        return self.folder / name

    def forget(self, record: Record) -> None:
        """Removes a record. One that cannot be removed is sent again later, which does no harm."""
        with suppress(OSError), paths.folder(self.folder) as where, locked(where, self._patience):
            with open_in(record.name, where) as file:
                is_same = file.read(LARGEST + 1) == record.line()  # another process may have written a newer one
            if is_same:
                paths.remove(record.name, where)

    def holds(self, key: str) -> bool:
        """Whether a signal with that key waits in the folder."""
        return (self.folder / file_name(key)).is_file()

    def is_held(self, record: Record) -> bool:
        """Whether another process has locked a record. Not every file system has locks."""
        try:
            with paths.folder(self.folder) as where, open_in(record.name, where) as file:
                return not lock(file.fileno())
        except OSError:
            return False

    def tidy(self, now: float) -> None:
        """Removes unfinished files that are at least an hour old; `now` in Unix seconds."""
        with suppress(OSError), paths.folder(self.folder) as where, os.scandir(where) as entries:
            for entry in entries:
                is_old = now - entry.stat(follow_symlinks=False).st_mtime > _LEFTOVER_SECONDS
                if re.fullmatch(_LEFTOVER, entry.name) and is_old:
                    paths.remove(entry.name, where)

    def _put(self, files: Mapping[str, bytes], *, held: bool = False) -> None:
        with _translated(self.folder), uninterrupted(), _made(self.folder) as where:
            self._check_size(where, len(files))
            parts = {f"{self._token()}{UNFINISHED}": name for name in files}
            try:
                for part, content in zip(parts, files.values(), strict=True):
                    paths.create(part, where, content, sync=True)
                with locked(where, self._patience, interruptible):
                    for part, final in parts.items():
                        if held and len(self._held) < _MOST_HELD:
                            self._held.append(os.open(part, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=where))
                            lock(self._held[-1])
                        os.replace(part, final, src_dir_fd=where, dst_dir_fd=where)
                os.fsync(where)
            finally:
                for part in parts:
                    paths.remove(part, where)

    def _check_size(self, where: int, count: int) -> None:
        waiting, aside = _sizes(where)
        if len(waiting) + count > MOST:
            raise _not_kept(self.folder, f"it already has {len(waiting):,} files", _EMPTY)
        if sum(waiting) + sum(aside) > MOST_BYTES:
            size = f"it already has {(sum(waiting) + sum(aside)) >> 20:,} MiB"
            raise _not_kept(self.folder, size, _EMPTY if sum(waiting) >= sum(aside) else _CLEAR)


@contextmanager
def locked(
    folder: int, patience: LockPatience | None = None, section: Callable[[], Section] = uninterrupted
) -> Iterator[None]:
    """Keeps other cibeacon processes from changing the files of an open folder.

    Raises `LockTimeoutError`. The wait for the lock is a `section`.
    """
    with section():
        if patience is None:
            lock(folder, wait=True)
        elif not patience.wait_until(lambda: lock(folder)):
            raise LockTimeoutError
    try:
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_UN)


def lock(descriptor: int, *, wait: bool = False) -> bool:
    """Locks an open file until it is closed (https://man7.org/linux/man-pages/man2/flock.2.html); False if locked elsewhere."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: at worst something is sent twice
        pass
    return True


def open_in(name: str, where: int) -> BinaryIO:
    """Opens a file in an open folder for reading. It follows no link, and does not wait for a pipe."""
    return os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=where), "rb")


def is_address(text: str) -> bool:
    """Whether a text is the URL of an object store rather than a path."""
    return "://" in text


def folder(given: str | None, default: str | None) -> Path | None:
    """The folder in the setting, or else the CI system's default; None if the spool is off or there is no default."""
    if given is None:
        return Path(default) if default else None
    return None if given.lower() in ("off", "none", "false") else Path(given)


@contextmanager
def _made(folder: Path) -> Iterator[int]:
    """Opens a folder; a new one is readable only by this user. A checkout can contain a link instead."""
    with paths.folder(folder.parent, make=True) as above, suppress(FileExistsError):
        os.mkdir(folder.name, 0o700, dir_fd=above)
    with paths.folder(folder) as where:
        yield where


def _sizes(where: int) -> tuple[list[int], list[int]]:
    """Sizes of the files of records, and of all other files, which no replay reads."""
    waiting, aside = list[int](), list[int]()
    with os.scandir(where) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # removed meanwhile
                size = entry.stat(follow_symlinks=False).st_size
                (waiting if entry.name.endswith(ENDING) else aside).append(size)
    return waiting, aside


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except LockTimeoutError as error:
        raise _not_kept(folder, str(error.strerror), _FREE) from error
    except OSError as error:
        raise _not_kept(folder, error.strerror or str(error), "Set spool to a folder that can be written.") from error


def _not_kept(folder: Path, reason: str, hint: str) -> SpoolError:
    return SpoolError(f"Signals cannot be stored in {folder}", reason, hint)
