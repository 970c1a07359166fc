"""Inputs and journals in a bucket: a file is read piece by piece, a journal is one object for each batch of rows.

Nothing can be appended to an object, so a batch is written whole under a name of its own; reading them all is the journal.
There is no lock: two who send the same file at once send its rows twice, which changes nothing.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import IO, Any

from cibeacon.backfill.digests import Digests
from cibeacon.backfill.identity import SIZE
from cibeacon.runtime.errors import SpoolError
from cibeacon.spool.object_store import Bucket

_SECONDS = 60.0
_PIECE = 4 << 20
"""Bytes that are read at once."""


def opened(address: str) -> tuple[IO[bytes], int]:
    """An object to be read from its beginning, and its size in bytes. Raises `SpoolError`, also while it is read."""
    bucket = Bucket(address, lambda: _SECONDS)
    size = bucket.size()
    return io.BufferedReader(_Pieces(bucket, size), _PIECE), size


class _Pieces(io.RawIOBase):
    """An object, from its beginning to its end."""

    def __init__(self, bucket: Bucket, size: int) -> None:
        self._bucket, self._size, self._at = bucket, size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        piece = self._bucket.piece(self._at, end) if end > self._at else b""
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


class BucketJournal:
    """What was told of a file, in a bucket. Everything raises `SpoolError`."""

    def __init__(self, address: str, word: str, *, writes: bool) -> None:
        self.path, self._word, self._writes = address, word, writes
        self._bucket, self._batch, self._batches = Bucket(address, lambda: _SECONDS), bytearray(), 0
        self.told = Digests()
        for _, content in self._bucket.get([found.name for found in self._bucket.list()]):
            for start in range(0, len(content) - SIZE + 1, SIZE):
                self.told.add(content[start : start + SIZE])

    def __contains__(self, address: bytes) -> bool:
        return address in self.told

    def add(self, addresses: Iterable[bytes]) -> None:
        """Notes rows that were told; `sync` writes them down."""
        for address in addresses:
            if self.told.add(address):
                self._batch += address

    def sync(self) -> None:
        """Writes down what was told since."""
        if self._batch and self._writes:
            self._batches += 1
            self._bucket.put({f"{self._word}-{self._batches:06}": bytes(self._batch)})
            self._batch.clear()

    def close(self) -> None:
        """The last batch, too."""
        try:
            self.sync()
        except SpoolError:
            return  # those rows are sent again, which changes nothing
