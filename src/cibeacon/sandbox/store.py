"""Knows how values are stored by name and key, in memory or in an SQLite file. Does not know what they mean.

https://www.sqlite.org/pragma.html: one sandbox at a time uses the file, and what it writes outlives its process.
"""

from __future__ import annotations

import json
import sqlite3
from collections import UserDict
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

V = TypeVar("V")

_SCHEMA = """
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = MEMORY;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS entry (name TEXT, key TEXT, value BLOB, PRIMARY KEY (name, key));
PRAGMA user_version = 1;
"""
"""The last statement writes, which takes the lock."""
_KEEP = "INSERT INTO entry VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
_DROP = "DELETE FROM entry WHERE name = ? AND key = ?"


class Store:
    """Tables of JSON values and of bytes, by name; safe to use from many threads.

    Without `path` everything is in memory. Raises OSError where the file cannot be used or another sandbox uses it.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.lock = RLock()
        self._tables: dict[str, Table[Any]] = {}
        try:
            self._file = sqlite3.connect(path or ":memory:", timeout=0, isolation_level=None, check_same_thread=False)
            self._file.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise OSError(f"{path}: {error}") from None

    def table(self, name: str) -> MutableMapping[str, Any]:
        """A table of JSON values. Assigning writes: to change a value assign a new one, never change it in place."""
        return self._table(name, lambda value: json.dumps(value, allow_nan=False).encode(), json.loads)

    def blobs(self, name: str) -> MutableMapping[str, bytes]:
        """A table of bytes."""
        return self._table(name, bytes, bytes)

    def close(self) -> None:
        """Close the file; the store cannot be changed afterwards."""
        with self.lock:
            self._file.close()

    def _table(self, name: str, encode: Callable[[Any], bytes], decode: Callable[[bytes], Any]) -> Table[Any]:
        with self.lock:
            if name not in self._tables:
                self._tables[name] = Table(self._file, self.lock, name, encode, decode)
            return self._tables[name]


class Table(UserDict[str, V]):
    """The values of one name, in the order of their keys' arrival; each value as it would be read from the file."""

    def __init__(
        self, db: sqlite3.Connection, lock: RLock, name: str, encode: Callable[[V], bytes], decode: Callable[[bytes], V]
    ) -> None:
        self._db, self._lock, self._name, self._encode, self._decode = db, lock, name, encode, decode
        rows = db.execute("SELECT key, value FROM entry WHERE name = ? ORDER BY rowid", [name])
        self.data = {json.loads(key): decode(value) for key, value in rows}

    def __setitem__(self, key: str, value: V) -> None:
        with self._lock:
            encoded = self._encode(value)
            self._db.execute(_KEEP, [self._name, json.dumps(key), encoded])
            super().__setitem__(key, self._decode(encoded))

    def __delitem__(self, key: str) -> None:
        with self._lock:
            super().__delitem__(key)
            self._db.execute(_DROP, [self._name, json.dumps(key)])

    def __iter__(self) -> Iterator[str]:
        return iter(list(self.data))
