"""The SQLite file beside a file that holds which of its rows were sent, so that a second run goes on where the first ended.

A row is known by its fingerprint: what it says and to which DX, not its position. https://www.sqlite.org/wal.html
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
    """A journal cannot be read, written, or had alone."""


class Journal:
    """A set of fingerprints. This one is a temporary file of SQLite's: it is empty at first, and forgotten at the end."""

    location: str | None = None
    """Where it is, for the document; None for one that is forgotten."""

    def __init__(self, database: str = "") -> None:
        self._connection = sqlite3.connect(database, timeout=0, isolation_level=None)
        if not database:
            self._connection.execute("PRAGMA journal_mode = OFF")
            self._create()

    def __contains__(self, fingerprint: bytes) -> bool:
        rows = self._connection.execute("SELECT 1 FROM sent WHERE fingerprint = ?", (fingerprint,))
        return rows.fetchone() is not None

    def add_new(self, fingerprint: bytes) -> bool:
        """Adds one; False when it was there already. Raises `JournalError` where there is no room for it."""
        try:
            return self._connection.execute(_INSERT, (fingerprint,)).rowcount > 0
        except sqlite3.Error as error:
            hint = "Set TMPDIR to a folder with more room"
            raise JournalError("The rows that were read cannot be remembered", str(error), hint) from error

    def add(self, fingerprints: Iterable[bytes]) -> None:
        """Adds rows that were sent. Raises `JournalError`."""
        self._connection.executemany(_INSERT, ((fingerprint,) for fingerprint in fingerprints))

    def sync(self) -> None:
        """Makes what was added survive a crash of the machine. Raises `JournalError`."""

    def close(self) -> None:
        """Lets other processes have it."""
        self._connection.close()

    def _create(self) -> None:
        self._connection.execute("CREATE TABLE IF NOT EXISTS sent (fingerprint BLOB PRIMARY KEY) WITHOUT ROWID")


class FileJournal(Journal):
    """A journal that stays, for one process at a time: what `add` wrote survives the end of the process."""

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
        """Adds rows that were sent, all or none of them. Raises `JournalError`."""
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
        """Leaves a single file, and lets other processes have it."""
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
        hint = "Make room and run the same command again: it goes on where it ended"
        return JournalError(f"The journal {self.location} cannot be written further", str(error), hint)


def read_journal(path: Path) -> Journal:
    """What a journal holds, for a run that sends nothing and writes nothing there. Raises `JournalError`."""
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
        hint = "Wait for it, or give each its share with --shard"
        return JournalError(f"The journal {path} is in use", "another backfill sends the same file", hint)
    hint = "Name another file with --journal, or --journal off for none"
    return JournalError(f"The journal {path} cannot be {verb}", str(error), hint)


def _is_version_1(path: Path) -> bool:
    with suppress(FileNotFoundError), path.open("rb") as file:
        return file.read(len(VERSION_1)) == VERSION_1
    return False


def _read_version_1(path: Path) -> Iterable[bytes]:
    with path.open("rb") as file:
        for line in file:
            if len(line) == 2 * SIZE + 1 and line.endswith(b"\n"):  # a line that was cut off counts for nothing
                with suppress(ValueError):
                    yield bytes.fromhex(line.decode("ascii"))


def _migrate(path: Path) -> None:
    """Rewrites a journal of version 0.1; until the new one is whole, the old one is there."""
    if not _is_version_1(path):
        return
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    journal = FileJournal(part)
    journal.add(_read_version_1(path))
    journal.close()
    part.replace(path)
