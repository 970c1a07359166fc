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
from typing import BinaryIO, Protocol

from cibeacon.model.spool_record import LARGEST, Record, file_name
from cibeacon.runtime import paths
from cibeacon.runtime.errors import SpoolError
from cibeacon.runtime.interrupt_guard import interruptible, uninterrupted
from cibeacon.spool.locks import Held, Patience, lock, locked

MOST = 10_000
"""Files in one folder: 40 MB of usual ones. A folder that nobody replays must not fill a disk."""
ENDING = ".ndjson"
"""How the name of a file of records ends."""
UNFINISHED = ".part"
"""How the name of a file ends that is still being written."""
MOST_BYTES = 256 << 20
"""Bytes of one folder."""
_MOST_HELD = 200
"""Files that are locked at once: each takes a descriptor, of which a process may have a thousand."""
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

    def let_go(self) -> None:
        """What was kept may be sent by others."""
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
        holds: no replay sends what is kept here while this process lives and has not let go: it may know more of it
            soon, or is sending it.
    """

    def __init__(
        self, folder: Path, token: Callable[[], str], patience: Patience | None = None, *, holds: bool = False
    ) -> None:
        self.folder, self._token, self._patience, self._holds = folder, token, patience, holds
        self._held: list[int] = []

    def keep(self, records: Sequence[Record]) -> None:
        """Writes all records, durably. Raises `SpoolError`; some may be there all the same then."""
        files = {record.name: record.line() for record in records}
        if any(len(line) > LARGEST for line in files.values()):
            raise _unkept(self.folder, f"a signal is over {LARGEST >> 20} MiB", "Send less metadata.")
        self._put(files, self._holds)

    def let_go(self) -> None:
        """What was kept may be sent by others."""
        while self._held:
            os.close(self._held.pop())

    def take_in(self, lines: bytes) -> Path:
        """A file in the folder, durable, with lines that came from elsewhere. Raises `SpoolError`."""
        name = f"{hashlib.sha256(lines).hexdigest()}{ENDING}"
        self._put({name: lines})
        return self.folder / name

    def forget(self, record: Record) -> None:
        """Takes a record away. One that cannot be taken away is sent again some day, which changes nothing."""
        with suppress(OSError), paths.folder(self.folder) as where, locked(where, self._patience):
            with open_in(record.name, where) as file:
                same = file.read(LARGEST + 1) == record.line()  # another process may have stated the same fact anew
            if same:
                paths.remove(record.name, where)

    def holds(self, key: str) -> bool:
        """Whether a signal of that key waits in the folder."""
        return (self.folder / file_name(key)).is_file()

    def tidy(self, now: float) -> None:
        """Removes what nobody finished; `now` in Unix seconds."""
        tidy(self.folder, now)

    def _put(self, files: Mapping[str, bytes], held: bool = False) -> None:
        with _translated(self.folder), uninterrupted(), _made(self.folder) as where:
            self._make_room(where, len(files))
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

    def _make_room(self, where: int, count: int) -> None:
        waiting, aside = _sizes(where)
        if len(waiting) + count > MOST:
            raise _unkept(self.folder, f"it holds {len(waiting):,} files already", _EMPTY)
        if sum(waiting) + sum(aside) > MOST_BYTES:
            held = f"it holds {(sum(waiting) + sum(aside)) >> 20:,} MiB already"
            raise _unkept(self.folder, held, _EMPTY if sum(waiting) >= sum(aside) else _CLEAR)


@contextmanager
def _made(folder: Path) -> Iterator[int]:
    """The descriptor of a folder that nobody else may read, if it is new. A checkout can bring a link along."""
    with paths.folder(folder.parent, make=True) as above, suppress(FileExistsError):
        os.mkdir(folder.name, 0o700, dir_fd=above)
    with paths.folder(folder) as where:
        yield where


def _sizes(where: int) -> tuple[list[int], list[int]]:
    """Bytes of every file of records, and of every other, which no replay reads; one that goes meanwhile is none."""
    waiting, aside = list[int](), list[int]()
    with os.scandir(where) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                size = entry.stat(follow_symlinks=False).st_size
                (waiting if entry.name.endswith(ENDING) else aside).append(size)
    return waiting, aside


def tidy(folder: Path, now: float) -> None:
    """Removes what somebody did not come to finish, an hour ago or longer; `now` in Unix seconds."""
    with suppress(OSError), paths.folder(folder) as where, os.scandir(where) as entries:
        for entry in entries:
            if _LEFT.fullmatch(entry.name) and now - entry.stat(follow_symlinks=False).st_mtime > _LEFT_SECONDS:
                paths.remove(entry.name, where)


def open_in(name: str, where: int) -> BinaryIO:
    """A file in an open folder, for reading; never through a link, and nobody waits for a pipe."""
    return os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=where), "rb")


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except Held as error:
        raise _unkept(folder, str(error.strerror), _FREE) from error
    except OSError as error:
        raise _unkept(folder, error.strerror or str(error), "Name a folder in the setting spool.") from error


def _unkept(folder: Path, why: str, hint: str) -> SpoolError:
    return SpoolError(f"Signals cannot be kept in {folder}", why, hint)


def is_address(text: str) -> bool:
    """Whether a text names a place in an object store, and not a path."""
    return "://" in text


def folder(given: str | None, default: str | None) -> Path | None:
    """The folder that a person named, else the host's; None when it is turned off or there is none."""
    if given is None:
        return Path(default) if default else None
    return None if given.lower() in ("off", "none", "false") else Path(given)
