"""Reads back what waits in spool files, from wherever it was kept, and takes away what has left. Sends nothing.

Every file may be anybody's: a line is believed only as far as `record` does, links are not followed, and a file that
never held a record is left alone. What cannot be read, or was refused for what it says, is set aside in a file beside
its own, so that nothing is lost and nothing is tried for ever.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from glob import glob, has_magic
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

from cibeacon.model import spool_record
from cibeacon.model.spool_record import Record
from cibeacon.runtime import paths
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import SpoolError
from cibeacon.runtime.interrupt_guard import uninterrupted
from cibeacon.spool.file_store import ENDING, UNFINISHED, is_address, open_in
from cibeacon.spool.locks import PAUSE, Patience, lock, locked
from cibeacon.spool.object_spool import Object, objects
from cibeacon.spool.object_store import Bucket

CORRUPT, REFUSED = ".corrupt", ".refused"
"""Endings of the files for lines that are set aside."""
MOST = 100_000
"""Records of one replay; there will be another one."""
LARGEST = 32 << 20
"""Bytes of a file."""
MEMORY = 128 << 20
"""Bytes of memory, about, that the records of one replay may take: brackets take seventy times as much as on disk."""
_BYTE, _VALUE = 4, 80
_OURS = re.compile(rf"[0-9a-f]{{64}}(-\d+-[0-9a-f]+)?{re.escape(ENDING)}", re.ASCII)


class Entry(NamedTuple):
    """A record, the exact line that holds it, and its file; no file for what is in memory alone."""

    record: Record
    line: bytes
    path: Path | Object | None = None


class Backlog:
    """What is found, file by file.

    Args:
        cwd: what relative names are relative to.
        settled: where a name leads by links that can be trusted.
        token: a fresh word for names that no other process uses; None where nothing may be changed.
        patience: for the locks of folders.
    """

    def __init__(
        self,
        cwd: Path,
        token: Callable[[], str] | None,
        patience: Patience | None = None,
        settled: Callable[[Path], Path] = Path,
    ) -> None:
        self._cwd, self._token, self._patience, self._settled = cwd, token, patience, settled
        self.entries: list[Entry] = []
        self.troubles: list[str] = []
        """What could not be read, in words."""
        self._read: set[Path] = set()
        self._memory = 0
        self.buckets: Callable[[str], Bucket] | None = None
        """Opens a bucket; None where no connection may be opened."""

    def add(self, name: str) -> None:
        """Every record in a file, in the spool files below a folder or an address, or in all that a glob matches."""
        if is_address(name):
            self._add_bucket(name)
            return
        place = self._cwd / name
        try:
            if place.exists():
                self._add_place(place)
            elif has_magic(name):
                found = glob(name, root_dir=self._cwd, recursive=True, include_hidden=True)  # noqa: PTH207 - pathlib hides none and knows no absolute ones
                for each in sorted(self._cwd / path for path in found):
                    if not each.is_symlink() and not each.name.endswith((CORRUPT, REFUSED, UNFINISHED)):
                        self._add_place(each)
            else:
                self._note(SpoolError(f"There is no {name} to replay", "nothing has this name", "Name what is there."))
        except OSError as error:
            self._unreadable(error, name)

    def add_lines(self, lines: Iterable[bytes], path: Path | Object | None = None) -> None:
        """Every record on the lines, which are those of `path`."""
        before, bad, later = len(self.entries), dict[bytes, str](), 0
        for line in filter(bytes.strip, lines):
            self._memory += _BYTE * len(line) + _VALUE * sum(map(line.count, (b",", b"[", b"{")))
            if len(self.entries) >= MOST or self._memory > MEMORY:
                self._say_once(f"over {len(self.entries):,} records wait: run cibeacon replay again for the rest")
                break
            try:
                self.entries.append(Entry(spool_record.read(line), line, path))
            except spool_record.Newer:
                later += 1
            except spool_record.Unreadable as error:
                bad[line] = str(error)
        name = path or "standard input"
        if later:
            self._say_once(f"{name}: {_count(later)} left there, since a newer cibeacon wrote it: update this one")
        if bad:
            known = path and (len(self.entries) > before or _OURS.fullmatch(path.name))
            what = f"{_count(len(bad))} no record, because {next(iter(bad.values()))}"
            self._say_once(f"{name}: {what}{'; it is set aside' if known else ''}")
            if path and known:
                self._set_aside(path, bad)

    def _add_place(self, place: Path) -> None:
        if place.is_dir():
            below = (
                Path(folder, name)
                for folder, _, names in os.walk(place, onerror=lambda error: self._unreadable(error, place))
                for name in names
                if name.endswith(ENDING)
            )
            # a link in an artifact may lead anywhere
            sizes = [
                (path.lstat().st_size, path) for path in islice(below, MOST) if path.is_file() and not path.is_symlink()
            ]
            for _, path in sorted(sizes):  # so that no large one keeps the others from leaving
                self._add_file(path)
        elif place.is_file():
            self._add_file(place)
        else:
            self._note(SpoolError(f"{place} is not read", "it is no file", "Give - to read standard input."))

    def _add_bucket(self, address: str) -> None:
        if self.buckets is None:
            self.troubles.append(f"{address} is not read: a dry run opens no connection")
            return
        try:
            for place, lines in objects(self.buckets(address), LARGEST):
                self._note(_too_large(place)) if lines is None else self.add_lines(lines, place)
        except SpoolError as error:
            self._note(error)

    def _add_file(self, path: Path) -> None:
        path = self._settled(path)
        if path in self._read:
            return
        self._read.add(path)
        try:
            with os.fdopen(paths.open_regular(path), "rb") as file:
                if os.fstat(file.fileno()).st_size > LARGEST:
                    self._note(_too_large(path))
                    return
                self.add_lines(file, path)
        except FileNotFoundError:
            return  # another replay has delivered it meanwhile
        except OSError as error:
            self._unreadable(error, path)

    def _say_once(self, trouble: str) -> None:
        if trouble not in self.troubles:
            self.troubles.append(trouble)

    def _set_aside(self, path: Path | Object, lines: Collection[bytes]) -> None:
        if self._token:
            try:
                if isinstance(path, Object):
                    path.set_aside(lines, CORRUPT)
                else:
                    set_aside(path, lines, CORRUPT, self._token, self._patience)
            except SpoolError as error:
                self._note(error)

    def _unreadable(self, error: OSError, name: object) -> None:
        self.troubles.append(f"{error.filename or name} cannot be read: {error.strerror or error}")

    def _note(self, error: SpoolError) -> None:
        self.troubles.append(str(error))


def _too_large(place: Path | Object) -> SpoolError:
    return SpoolError(f"{place} is not read", f"it is over {LARGEST >> 20} MiB", "Split it by lines.")


def _count(lines: int) -> str:
    return "a line is" if lines == 1 else f"{lines} lines are"


@contextmanager
def claimed(path: Path, line: bytes, deadline: Deadline) -> Iterator[bool]:
    """While it lasts no other replay sends the file's lines. False: the line has left, or another still has the file."""
    file = _locked(path, deadline)
    if file is None:
        yield False
        return
    with file:
        yield line in file


def _locked(path: Path, deadline: Deadline) -> IO[bytes] | None:
    """The file, once no other replay has it; None when it is gone, or the time."""
    while True:
        try:
            file = os.fdopen(paths.open_regular(path), "rb")
        except OSError:
            return None
        if lock(file.fileno()) and _is(file, path):
            return file
        file.close()
        if deadline.remaining() <= 0:
            return None
        deadline.sleep(PAUSE)


def _is(file: IO[bytes], path: Path) -> bool:
    """Whether the file still has its name: another replay may have put a shorter one in its place."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.lstat(path))
    except OSError:
        return False


def drop(path: Path, lines: Collection[bytes], token: Callable[[], str], patience: Patience | None = None) -> None:
    """Takes lines out of a file, at once or not at all; a file without lines goes. Raises `SpoolError`."""
    hint = "Remove the file, or make it writable."
    told = _translated(f"What was dealt with stays in {path}", hint)
    with told, paths.folder(path.parent) as where, locked(where, patience):
        _rewrite(path.name, where, [line for line in _lines(path.name, where) if line not in lines], token)


def set_aside(
    path: Path, lines: Collection[bytes], ending: str, token: Callable[[], str], patience: Patience | None = None
) -> None:
    """Moves lines to a file beside theirs, which no replay reads. Raises `SpoolError`."""
    told = _translated(f"A line of {path} cannot be set aside", "Look at it.")
    with told, uninterrupted(), paths.folder(path.parent) as where, locked(where, patience):
        there = _lines(path.name, where)  # another replay may have set them aside meanwhile
        moved = [line.rstrip(b"\n") + b"\n" for line in there if line in lines]
        if moved:
            paths.append(path.with_name(path.name + ending), b"".join(moved), 0o600, sync=True)
            _rewrite(path.name, where, [line for line in there if line not in lines], token)


def _lines(name: str, where: int) -> list[bytes]:
    """Every line that is not blank; none when the file is gone."""
    try:
        with open_in(name, where) as file:
            return list(filter(bytes.strip, file))
    except FileNotFoundError:
        return []


def _rewrite(name: str, where: int, lines: Collection[bytes], token: Callable[[], str]) -> None:
    if not lines:
        paths.remove(name, where)
        return
    part = f"{token()}{UNFINISHED}"
    try:
        paths.create(part, where, b"".join(lines), sync=True)
        os.replace(part, name, src_dir_fd=where, dst_dir_fd=where)
    finally:
        paths.remove(part, where)


@contextmanager
def _translated(what: str, hint: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SpoolError(what, error.strerror or str(error), hint) from error
