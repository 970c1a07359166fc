"""Reads records from spool files, wherever they are. Sends nothing.

Anyone could have written a file: `spool_record` decides whether to trust a line, links are not followed, and a file without
any record is left alone. An unreadable line is moved to another file, so that it is not lost.
"""

import os
import re
from collections.abc import Callable, Collection, Iterable
from glob import glob, has_magic
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeAlias

from cibeacon.model import spool_record
from cibeacon.model.spool_record import Record
from cibeacon.runtime import paths
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import SpoolError
from cibeacon.spool import ENDING, UNFINISHED, LockPatience, Spool, is_address
from cibeacon.spool.object_spool import BucketSpool, SpoolObject, objects
from cibeacon.spool.object_store import Bucket
from cibeacon.spool.spool_file import CORRUPT, REFUSED, SpoolFile

MOST = 100_000
"""Records of one replay; the next replay reads the rest."""
LARGEST = 32 << 20
"""Bytes of a file."""
MEMORY = 128 << 20
"""Bytes of memory, roughly, for the records of one replay: brackets take seventy times as much as on disk."""
_BYTE, _VALUE = 4, 80
_OURS = re.compile(rf"[0-9a-f]{{64}}(-\d+-[0-9a-f]+)?{re.escape(ENDING)}", re.ASCII)


SpoolStore: TypeAlias = Spool | BucketSpool
SpoolSource: TypeAlias = SpoolFile | SpoolObject


class Entry(NamedTuple):
    """A record, its exact line, and where that line is stored; nowhere if it came from a pipe."""

    record: Record
    line: bytes
    source: SpoolSource | None = None


class SpoolReader:
    """Collects records, file by file.

    Args:
        cwd: the folder that names are relative to.
        token: returns a new unique name; None if nothing may be changed.
        patience: for the locks of folders.
        resolve: resolves the links of a trusted path.
        deadline: for buckets; None if no connection may be opened.
    """

    def __init__(
        self,
        cwd: Path,
        token: Callable[[], str] | None,
        patience: LockPatience | None = None,
        resolve: Callable[[Path], Path] = Path,
        deadline: Deadline | None = None,
    ) -> None:
        self._cwd, self._token, self._patience, self._resolve = cwd, token, patience, resolve
        self._deadline = deadline
        self.entries: list[Entry] = []
        self.problems: list[str] = []
        """What could not be read, as clauses."""
        self._read: set[Path] = set()
        self._memory = 0

    def add(self, name: str) -> None:
        """Adds every record in a file, in the spool files below a folder or URL, or in all files that a glob matches."""
        if is_address(name):
            self._add_bucket(name)
            return
        path = self._cwd / name
        try:
            if path.exists():
                self._add_path(path)
            elif has_magic(name):
                matches = glob(name, root_dir=self._cwd, recursive=True, include_hidden=True)  # noqa: PTH207 - pathlib hides none and knows no absolute ones
                for match in sorted(self._cwd / match for match in matches):
                    if not match.is_symlink() and not match.name.endswith((CORRUPT, REFUSED, UNFINISHED)):
                        self._add_path(match)
            else:
                self._note_once(
                    SpoolError(f"{name} cannot be replayed", "there is no such file or folder", "Correct the name.")
                )
        except OSError as error:
            self._unreadable(error, name)

    def add_spool(self, spool: SpoolStore | None) -> None:
        """Adds every record in a spool."""
        if isinstance(spool, BucketSpool):
            self._add_bucket(spool.bucket.url)
        elif isinstance(spool, Spool) and os.path.lexists(spool.folder):
            if spool.folder.is_symlink():  # a checkout can contain one
                self.problems.append(f"{spool.folder} is not read: it is a symbolic link")
            else:
                self.add(str(spool.folder))

    def add_lines(self, lines: Iterable[bytes], source: SpoolSource | None = None) -> None:
        """Adds every record on the lines of a source."""
        before, bad, newer = len(self.entries), dict[bytes, str](), 0
        for line in filter(bytes.strip, lines):
            self._memory += _BYTE * len(line) + _VALUE * sum(map(line.count, (b",", b"[", b"{")))
            if len(self.entries) >= MOST or self._memory > MEMORY:
                self._note_once(
                    f"over {len(self.entries):,} records are waiting: run cibeacon replay again for the rest"
                )
                break
            try:
                self.entries.append(Entry(spool_record.read(line), line, source))
            except spool_record.UnsupportedRecordVersion:
                newer += 1
            except spool_record.SpoolRecordError as error:
                bad[line] = str(error)
        name = source or "standard input"
        if newer:
            self._note_once(f"{name}: a newer cibeacon wrote {_count(newer)}, left there until you update this one")
        if bad:
            is_spool = source and (len(self.entries) > before or _OURS.fullmatch(source.name))
            what = f"{_count(len(bad))} cannot be read, {'the first ' if len(bad) > 1 else ''}because {next(iter(bad.values()))}"
            self._note_once(f"{name}: {what}{'; moved aside' if is_spool else ''}")
            if source and is_spool:
                self._set_aside(source, bad)

    def _add_path(self, path: Path) -> None:
        if path.is_dir():
            below = (
                Path(folder, name)
                for folder, _, names in os.walk(path, onerror=lambda error: self._unreadable(error, path))
                for name in names
                if name.endswith(ENDING)
            )
            # A link in an artifact may point anywhere.
            files = [file for file in islice(below, MOST) if file.is_file() and not file.is_symlink()]
            for _, file in sorted(
                (file.lstat().st_size, file) for file in files
            ):  # so that a large one blocks no other
                self._add_file(file)
        elif path.is_file():
            self._add_file(path)
        else:
            self._note_once(SpoolError(f"{path} is not read", "it is not a file", "Use - to read standard input."))

    def _add_bucket(self, url: str) -> None:
        deadline = self._deadline
        if deadline is None:
            self.problems.append(f"{url} is not read: a dry run opens no connection")
            return
        try:
            for source, lines in objects(Bucket(url, lambda: max(1.0, deadline.remaining() / 2)), LARGEST):
                self._note_once(_too_large(source)) if lines is None else self.add_lines(lines, source)
        except SpoolError as error:
            self._note_once(error)

    def _add_file(self, path: Path) -> None:
        path = self._resolve(path)
        if path in self._read:
            return
        self._read.add(path)
        try:
            with os.fdopen(paths.open_regular(path), "rb") as file:
                if os.fstat(file.fileno()).st_size > LARGEST:
                    self._note_once(_too_large(path))
                    return
                self.add_lines(file, SpoolFile(path, self._token or str, self._patience))
        except FileNotFoundError:
            return  # another replay has delivered it meanwhile
        except OSError as error:
            self._unreadable(error, path)

    def _note_once(self, problem: SpoolError | str) -> None:
        if str(problem) not in self.problems:
            self.problems.append(str(problem))

    def _set_aside(self, source: SpoolSource, lines: Collection[bytes]) -> None:
        if self._token:
            try:
                source.take_out(lines, CORRUPT)
            except SpoolError as error:
                self._note_once(error)

    def _unreadable(self, error: OSError, name: object) -> None:
        self.problems.append(f"{error.filename or name} cannot be read: {error.strerror or error}")


def _too_large(source: SpoolSource | Path) -> SpoolError:
    return SpoolError(f"{source} is not read", f"it is over {LARGEST >> 20} MiB", "Split it by lines.")


def _count(lines: int) -> str:
    return "a line" if lines == 1 else f"{lines} lines"
