"""Keeps signals in a bucket, one object each, and removes them. Uses the network only through `object_store`.

A name is made from the key, the time and the content of a record, so an object never changes: a process that removes what
it read cannot remove anything newer, and two processes can safely write or remove the same object. There is no lock, so two
replays at once may send a signal twice; it has the same id both times.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

from cibeacon.model.spool_record import LARGEST, Record, file_name
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import SpoolError
from cibeacon.spool import ENDING, UNFINISHED
from cibeacon.spool.object_store import Bucket

_DIGITS = 16
_TIME_DIGITS = 15
"""Digits of a time in milliseconds, so that names sort by time."""


class BucketSpool:
    """A spool in a bucket. It has no size limit: the bucket's lifecycle rules remove old objects."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket

    def keep(self, records: Sequence[Record]) -> None:
        """Writes all records. Raises `SpoolError`; some may still have been written."""
        objects = {_name(record): record.line() for record in records}
        if any(len(line) > LARGEST for line in objects.values()):
            raise SpoolError(
                f"Signals cannot be stored in {self.bucket.url}",
                f"a signal is over {LARGEST >> 20} MiB",
                "Send less metadata.",
            )
        if objects:
            self.bucket.put_in_time(objects)  # a late record would be sent twice

    @property
    def address(self) -> str:
        """Where it is, for messages."""
        return self.bucket.url

    def hurry(self, deadline: Deadline) -> None:
        """From now on, ends every request with the deadline."""
        self.bucket.limit(deadline)

    def let_go(self) -> None:
        """A bucket has no locks."""

    def try_writing(self, token: str) -> None:
        """Writes an object that no replay reads, and removes it. Raises `SpoolError`."""
        self.bucket.put({f"{token}{UNFINISHED}": b"-"})
        self.bucket.delete([f"{token}{UNFINISHED}"])

    def take_in(self, lines: bytes) -> str:
        """Writes lines from elsewhere to an object, and returns its URL. Raises `SpoolError`."""
        name = f"{hashlib.sha256(lines).hexdigest()}{ENDING}"
        self.bucket.put({name: lines})
        return f"{self.bucket.url}/{name}"

    def forget(self, record: Record) -> None:
        """Removes a record, and older ones with its key. What remains is sent again, which does no harm."""
        with suppress(SpoolError):
            there = [item.name for item in self.bucket.list(f"{_key(record)}-")]
            self.bucket.delete([name for name in there if name[: len(_dated(record))] <= _dated(record)])

    def holds(self, key: str) -> bool:
        """Whether a signal with that key waits in the bucket; true if unknown."""
        try:
            return any(True for _ in self.bucket.list(f"{file_name(key).removesuffix(ENDING)}-"))
        except SpoolError:
            return True

    def tidy(self, now: float) -> None:
        """A bucket has no unfinished objects."""


class SpoolObject(NamedTuple):
    """An object with records on its lines."""

    bucket: Bucket
    name: str

    def __str__(self) -> str:
        return f"{self.bucket.url}/{self.name}" if self.name else self.bucket.url

    @contextmanager
    def claim(self, line: bytes, deadline: Deadline) -> Iterator[bool]:
        """Whether the line still exists. Another replay may send it at the same time: a bucket has no locks."""
        yield line in self._lines()

    def take_out(self, lines: Collection[bytes], aside: str = "") -> None:
        """Removes lines; with `aside`, a suffix, moves them to the object with that suffix. Raises `SpoolError`."""
        present = self._lines()
        moved = [line.rstrip(b"\n") + b"\n" for line in present if line in lines]
        rest = [line for line in present if line not in lines]
        if moved and aside:
            name = f"{self.name}{aside}"
            before = dict(self.bucket.get([name])).get(name, b"")
            self.bucket.put({name: before + b"".join(moved)})
        if moved and rest:
            self.bucket.put({self.name: b"".join(rest)})
        elif moved:
            self.bucket.delete([self.name])

    def _lines(self) -> list[bytes]:
        content = dict(self.bucket.get([self.name])).get(self.name, b"")
        return [line for line in content.splitlines(keepends=True) if line.strip()]


def objects(bucket: Bucket, largest: int) -> Iterator[tuple[SpoolObject, list[bytes] | None]]:
    """Every spool object below the URL with its lines; None for one over `largest` bytes."""
    listed = [item for item in bucket.list() if f"{bucket.url}/{item.name}".rstrip("/").endswith(ENDING)]
    for item in listed:
        if item.size > largest:
            yield SpoolObject(bucket, item.name), None
    for name, content in bucket.get([item.name for item in listed if item.size <= largest]):
        yield SpoolObject(bucket, name), content.splitlines(keepends=True)


def _key(record: Record) -> str:
    return record.name.removesuffix(ENDING)


def _dated(record: Record) -> str:
    return f"{_key(record)}-{round(record.created_at * 1000):0{_TIME_DIGITS}}"


def _name(record: Record) -> str:
    content = hashlib.sha256(record.line()).hexdigest()[:_DIGITS]
    return f"{_dated(record)}-{content}{ENDING}"
