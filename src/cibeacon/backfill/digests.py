"""A set of digests that costs little more than their bytes, so that millions of rows fit into memory. Knows nothing else."""

from __future__ import annotations

from cibeacon.backfill.identity import SIZE

_BUCKETS = 4096


class Digests:
    """Digests of `SIZE` bytes. The first bits choose a bucket, in which the digests stand side by side."""

    def __init__(self) -> None:
        self._buckets: list[bytearray | None] = [None] * _BUCKETS
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def __contains__(self, digest: bytes) -> bool:
        bucket = self._buckets[_place(digest)]
        at = bucket.find(digest) if bucket else -1
        while at % SIZE and at >= 0:  # found across two neighbours
            at = bucket.find(digest, at + 1) if bucket else -1
        return at >= 0

    def add(self, digest: bytes) -> bool:
        """Takes a digest in; false when it was there."""
        if digest in self:
            return False
        place = _place(digest)
        bucket = self._buckets[place]
        if bucket is None:
            bucket = self._buckets[place] = bytearray()
        bucket += digest
        self._number += 1
        return True


def _place(digest: bytes) -> int:
    return (digest[0] << 4) | (digest[1] >> 4)
