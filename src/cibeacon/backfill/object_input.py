"""Reads inputs in a bucket piece by piece, and keeps a journal there as one object per batch of rows.

Objects cannot be appended to, so each batch is written as a new object; together they are the journal. There is no lock:
two simultaneous runs of the same file send its rows twice, which changes nothing.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from cibeacon.backfill.journal import SIZE, Journal
from cibeacon.runtime.errors import SpoolError
from cibeacon.spool.object_store import Bucket

_SECONDS = 60.0
_PIECE = 4 << 20
"""Bytes per read."""


def open_object(address: str) -> tuple[io.BufferedReader[Any], int]:
    """An object at its beginning, and its size in bytes. Raises `SpoolError`, also while it is read."""
    bucket = Bucket(address, lambda: _SECONDS)
    size = bucket.size()
    return io.BufferedReader(_Pieces(bucket, size), _PIECE), size


class _Pieces(io.RawIOBase):
    """An object, from its beginning to its end."""

    def __init__(self, bucket: Bucket, size: int) -> None:
        self._bucket, self._size, self._position = bucket, size, 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        end = min(self._position + len(buffer), self._size)
        piece = self._bucket.piece(self._position, end) if end > self._position else b""
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)


class BucketJournal(Journal):
    """A journal in a bucket. Every method raises `SpoolError`."""

    def __init__(self, address: str, run: str, *, writes: bool) -> None:
        super().__init__()
        self.location = address if writes else None
        self._run, self._writes = run, writes
        self._bucket, self._batch, self._batches = Bucket(address, lambda: _SECONDS), bytearray(), 0
        for _, content in self._bucket.get([entry.name for entry in self._bucket.list()]):
            super().add(content[start : start + SIZE] for start in range(0, len(content) - SIZE + 1, SIZE))

    def add(self, fingerprints: Iterable[bytes]) -> None:
        """Adds rows that were sent; `sync` writes them."""
        for fingerprint in fingerprints:
            if self.add_new(fingerprint):
                self._batch += fingerprint

    def sync(self) -> None:
        """Writes the rows that were added since the last call."""
        if self._batch and self._writes:
            self._batches += 1
            self._bucket.put({f"{self._run}-{self._batches:06}": bytes(self._batch)})
            self._batch.clear()

    def close(self) -> None:
        """Writes the last batch. Rows that cannot be written are sent again by the next run, which changes nothing."""
        with suppress(SpoolError):
            self.sync()
        super().close()
