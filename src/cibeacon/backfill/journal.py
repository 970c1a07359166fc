"""Records in an SQLite file beside an input which of its rows were sent, so that a second run continues where the first ended.

It identifies a row by its fingerprint: its content and the DX instance, not its position. https://www.sqlite.org/wal.html
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from cibeacon.runtime.errors import CibeaconError

SUFFIX = ".cibeacon-journal"
SIZE = 14
"""Bytes of a fingerprint."""
VERSION_1 = b"cibeacon backfill journal 1\n"
"""The first line of a journal of version 0.1, which had a line of hexadecimal digits for each row."""
_INSERT = "INSERT OR IGNORE INTO sent VALUES (?)"


class JournalError(CibeaconError):
    """A journal cannot be read, written or locked."""


class Journal:
    """A set of fingerprints. This one is temporary: it starts empty and is deleted at the end."""

    location: str | None = None
    """Its path or address, for the document; None for a temporary one."""

    def __init__(self, database: str = "") -> None:
        self._connection = sqlite3.connect(database, timeout=0, isolation_level=None)
        if not database:
            self._connection.execute("PRAGMA journal_mode = OFF")
            self._create()

    def __contains__(self, fingerprint: bytes) -> bool:
        rows = self._connection.execute("SELECT 1 FROM sent WHERE fingerprint = ?", (fingerprint,))
        return rows.fetchone() is not None

    def add_new(self, fingerprint: bytes) -> bool:
        """Adds one; returns False if it already has it. Raises `JournalError` if there is no space for it."""
        try:
            return self._connection.execute(_INSERT, (fingerprint,)).rowcount > 0
        except sqlite3.Error as error:
            hint = "Set TMPDIR to a folder with more space"
            raise JournalError("The rows read so far cannot be recorded", str(error), hint) from error

    def add(self, fingerprints: Iterable[bytes]) -> None:
        """Adds rows that were sent. Raises `JournalError`."""
        self._connection.executemany(_INSERT, ((fingerprint,) for fingerprint in fingerprints))

    def sync(self) -> None:
        """Makes what was added survive a crash of the machine. Raises `JournalError`."""

    def close(self) -> None:
        """Releases it for other processes."""
        self._connection.close()

    def _create(self) -> None:
        self._connection.execute("CREATE TABLE IF NOT EXISTS sent (fingerprint BLOB PRIMARY KEY) WITHOUT ROWID")


class FileJournal(Journal):
    """A permanent journal for one process at a time: what `add` writes survives the end of the process."""

    def __init__(self, path: Path) -> None:
        self.location = str(path)
        try:
            if path.is_symlink():
                raise OSError("it is a symbolic link")
            _migrate(path)
            super().__init__(str(path))
            self._lock()
        except (OSError, sqlite3.Error) as error:
            raise _open_error(path, "written", error) from error

    def add(self, fingerprints: Iterable[bytes]) -> None:
        """Adds rows that were sent, all or none. Raises `JournalError`."""
        try:
            self._connection.execute("BEGIN")
            super().add(fingerprints)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._write_error(error) from error

    def sync(self) -> None:
        """Makes what was added survive a crash of the machine. Raises `JournalError`."""
        try:
            self._connection.execute("PRAGMA wal_checkpoint").fetchall()
        except sqlite3.Error as error:
            raise self._write_error(error) from error

    def close(self) -> None:
        """Leaves a single file and releases it for other processes."""
        with suppress(sqlite3.Error):  # what was added is on the disk
            self._connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        super().close()

    def _lock(self) -> None:
        for statement in (
            "PRAGMA locking_mode = EXCLUSIVE",  # before the first access: so SQLite needs no shared memory
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = NORMAL",
            "BEGIN IMMEDIATE",
        ):
            self._connection.execute(statement).fetchall()
        self._create()
        self._connection.execute("COMMIT")

    def _write_error(self, error: sqlite3.Error) -> JournalError:
        hint = "Free some space on its disk"
        return JournalError(f"The journal {self.location} cannot be written any more", str(error), hint)


def read_journal(path: Path) -> Journal:
    """A copy of a journal, for a run that sends nothing and writes nothing. Raises `JournalError`."""
    journal = Journal()
    try:
        if _is_version_1(path):
            journal.add(_read_version_1(path))
        elif path.exists():
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", timeout=0, uri=True)
            journal.add(fingerprint for (fingerprint,) in connection.execute("SELECT fingerprint FROM sent"))
            connection.close()
    except (OSError, sqlite3.Error) as error:
        raise _open_error(path, "read", error) from error
    return journal


def _open_error(path: Path, verb: str, error: Exception) -> JournalError:
    if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
        hint = "Wait until it ends, or give each one a share with --shard"
        return JournalError(f"The journal {path} is in use", "another backfill is sending the same file", hint)
    hint = "Choose another file with --journal, or use --journal off"
    return JournalError(f"The journal {path} cannot be {verb}", str(error), hint)


def _is_version_1(path: Path) -> bool:
    with suppress(FileNotFoundError), path.open("rb") as file:
        return file.read(len(VERSION_1)) == VERSION_1
    return False


def _read_version_1(path: Path) -> Iterable[bytes]:
    with path.open("rb") as file:
        for line in file:
            if len(line) == 2 * SIZE + 1 and line.endswith(b"\n"):  # a truncated line is ignored
                with suppress(ValueError):
                    yield bytes.fromhex(line.decode("ascii"))


def _migrate(path: Path) -> None:
    """Rewrites a journal of version 0.1; the old one stays until the new one is complete."""
    if not _is_version_1(path):
        return
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    journal = FileJournal(part)
    journal.add(_read_version_1(path))
    journal.close()
    part.replace(path)
