"""The folder of signals that could not leave: writes a record so that it survives a crash, and takes it away again.

A record appears whole or not at all: it is written under another name, synced, renamed, and the folder is synced
(https://man7.org/linux/man-pages/man2/fsync.2.html). Reading them back is `backlog`'s.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from cibeacon.errors import SpoolError
from cibeacon.process.sections import interruptible, uninterrupted
from cibeacon.spool.locks import Held, Patience, locked, opened
from cibeacon.spool.record import LARGEST, Record, file_name

MOST = 10_000
"""Files in one folder: 40 MB of usual ones. A folder that nobody replays must not fill a disk."""
ENDING = ".ndjson"
"""How the name of a file of records ends."""
UNFINISHED = ".part"
"""How the name of a file ends that is still being written."""
MOST_BYTES = 256 << 20
"""Bytes of one folder."""
_EMPTY = "Run cibeacon replay, or empty it."
_CLEAR = "Look at the files that end in .refused and .corrupt, and remove them."
_FREE = "Look whether a process that uses the folder is stopped, or name another folder in the setting spool."
_LEFT = re.compile(rf"[0-9a-f]{{32}}{re.escape(UNFINISHED)}")
_LEFT_SECONDS = 3600.0


class Place(Protocol):
    """Where records are kept: a folder on disk, or a bucket."""

    def keep(self, records: Sequence[Record]) -> None:
        """Writes all records, durably. Raises `SpoolError`; some may be there all the same then."""
        ...

    def take_in(self, lines: bytes) -> Path | str:
        """The name of a place with lines that came from elsewhere. Raises `SpoolError`."""
        ...

    def forget(self, record: Record) -> None:
        """Takes a record away."""
        ...

    def holds(self, key: str) -> bool:
        """Whether a signal of that key waits there."""
        ...

    def tidy(self, now: float) -> None:
        """Removes what nobody finished; `now` in Unix seconds."""
        ...


class Spool:
    """One folder of records.

    Args:
        folder: is made when the first record is kept.
        token: a fresh word for names that no other process uses.
        patience: for the folder's lock; None waits as long as another process has it.
    """

    def __init__(self, folder: Path, token: Callable[[], str], patience: Patience | None = None) -> None:
        self.folder, self._token, self._patience = folder, token, patience

    def keep(self, records: Sequence[Record]) -> None:
        """Writes all records, durably. Raises `SpoolError`; some may be there all the same then."""
        files = {record.name: record.line() for record in records}
        if any(len(line) > LARGEST for line in files.values()):
            raise _unkept(self.folder, f"a signal is over {LARGEST >> 20} MiB", "Send less metadata.")
        self._put(files)

    def take_in(self, lines: bytes) -> Path:
        """A file in the folder, durable, with lines that came from elsewhere. Raises `SpoolError`."""
        name = f"{hashlib.sha256(lines).hexdigest()}{ENDING}"
        self._put({name: lines})
        return self.folder / name

    def forget(self, record: Record) -> None:
        """Takes a record away. One that cannot be taken away is sent again some day, which changes nothing."""
        path = self.folder / record.name
        with suppress(OSError), locked(self.folder, self._patience):
            if path.read_bytes() == record.line():  # another process may have stated the same fact anew
                path.unlink()

    def holds(self, key: str) -> bool:
        """Whether a signal of that key waits in the folder."""
        return (self.folder / file_name(key)).is_file()

    def tidy(self, now: float) -> None:
        """Removes what nobody finished; `now` in Unix seconds."""
        tidy(self.folder, now)

    def _put(self, files: Mapping[str, bytes]) -> None:
        with _translated(self.folder), uninterrupted():
            self._make_room(len(files))
            parts = {self.folder / f"{self._token()}{UNFINISHED}": self.folder / name for name in files}
            try:
                for part, content in zip(parts, files.values(), strict=True):
                    write(part, content)
                with locked(self.folder, self._patience, interruptible):
                    for part, final in parts.items():
                        part.replace(final)
                sync_folder(self.folder)
            finally:
                for part in parts:
                    part.unlink(missing_ok=True)

    def _make_room(self, count: int) -> None:
        if self.folder.is_symlink():  # a checkout can bring one along
            raise _unkept(self.folder, "it is a symbolic link", "Name a folder in the setting spool.")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        waiting, aside = _sizes(self.folder)
        if len(waiting) + count > MOST:
            raise _unkept(self.folder, f"it holds {len(waiting):,} files already", _EMPTY)
        if sum(waiting) + sum(aside) > MOST_BYTES:
            held = f"it holds {(sum(waiting) + sum(aside)) >> 20:,} MiB already"
            raise _unkept(self.folder, held, _EMPTY if sum(waiting) >= sum(aside) else _CLEAR)


def _sizes(folder: Path) -> tuple[list[int], list[int]]:
    """Bytes of every file of records, and of every other, which no replay reads; one that goes meanwhile is none."""
    waiting, aside = list[int](), list[int]()
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                size = entry.stat(follow_symlinks=False).st_size
                (waiting if entry.name.endswith(ENDING) else aside).append(size)
    return waiting, aside


def tidy(folder: Path, now: float) -> None:
    """Removes what somebody did not come to finish, an hour ago or longer; `now` in Unix seconds."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _LEFT.fullmatch(entry.name) and now - entry.stat(follow_symlinks=False).st_mtime > _LEFT_SECONDS:
                Path(entry.path).unlink()


def write(path: Path, content: bytes) -> None:
    """A new file that nobody else may read, with its content on the disk."""
    _written(path, content, os.O_EXCL)


def append(path: Path, content: bytes) -> None:
    """The same at the end of a file, new or not; never through a link."""
    _written(path, content, os.O_APPEND)


def _written(path: Path, content: bytes, how: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | how, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """What was renamed in the folder stays renamed."""
    with opened(folder) as descriptor:
        os.fsync(descriptor)


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except Held as error:
        raise _unkept(folder, str(error.strerror), _FREE) from error
    except OSError as error:
        raise _unkept(folder, error.strerror or str(error), "Name a folder in the setting spool.") from error


def _unkept(folder: Path, why: str, fix: str) -> SpoolError:
    return SpoolError(f"Signals cannot be kept in {folder}", why, fix)


def is_address(text: str) -> bool:
    """Whether a text names a place in an object store, and not a path."""
    return "://" in text


def folder(given: str | None, default: str | None) -> Path | None:
    """The folder that a person named, else the host's; None when it is turned off or there is none."""
    if given is None:
        return Path(default) if default else None
    return None if given.lower() in ("off", "none", "false") else Path(given)
