"""Keeps signals in a bucket, one object each, and takes them away again. Knows no network beyond `bucket`.

A name holds the key, the time and the content of a statement, so an object never changes: whoever removes what was read
cannot remove anything newer, and two who write or remove the same do no harm. There is no lock, so two replays at once
may send a signal twice; it has the same id both times.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

from cibeacon.model.spool_record import LARGEST, Record, file_name
from cibeacon.runtime.errors import SpoolError
from cibeacon.spool.file_store import ENDING
from cibeacon.spool.object_store import Bucket

_DIGITS = 16
_MOMENT = 15
"""Digits of a time in milliseconds, so that names stand in its order."""


class BucketSpool:
    """A spool in a bucket. It has no limit of its own: the bucket has rules for what grows old."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket

    def keep(self, records: Sequence[Record]) -> None:
        """Writes all records. Raises `SpoolError`; some may be there all the same then."""
        objects = {_name(record): record.line() for record in records}
        if any(len(line) > LARGEST for line in objects.values()):
            raise SpoolError(
                f"Signals cannot be kept in {self.bucket.address}",
                f"a signal is over {LARGEST >> 20} MiB",
                "Send less metadata.",
            )
        if objects:
            self.bucket.put_in_time(objects)  # what waits for nobody would be told after all, some day

    def let_go(self) -> None:
        """A bucket has no locks."""

    def take_in(self, lines: bytes) -> str:
        """The address of an object with lines that came from elsewhere. Raises `SpoolError`."""
        name = f"{hashlib.sha256(lines).hexdigest()}{ENDING}"
        self.bucket.put({name: lines})
        return f"{self.bucket.address}/{name}"

    def forget(self, record: Record) -> None:
        """Takes a record away, and older statements of the same fact. What stays is sent again, which changes nothing."""
        with suppress(SpoolError):
            there = [found.name for found in self.bucket.list(f"{_key(record)}-")]
            self.bucket.delete([name for name in there if name[: len(_dated(record))] <= _dated(record)])

    def holds(self, key: str) -> bool:
        """Whether a signal of that key waits in the bucket; true where nobody can tell."""
        try:
            return any(True for _ in self.bucket.list(f"{file_name(key).removesuffix(ENDING)}-"))
        except SpoolError:
            return True

    def tidy(self, now: float) -> None:
        """There is nothing unfinished in a bucket."""


class Object(NamedTuple):
    """Where lines wait in a bucket."""

    bucket: Bucket
    name: str

    def __str__(self) -> str:
        return f"{self.bucket.address}/{self.name}" if self.name else self.bucket.address

    @contextmanager
    def claimed(self, line: bytes) -> Iterator[bool]:
        """Whether the line is still there. Nobody can be kept from sending it, too."""
        yield line in self._lines()

    def drop(self, lines: Collection[bytes]) -> None:
        """Takes lines out; an object without lines goes. Raises `SpoolError`."""
        there = self._lines()
        rest = [line for line in there if line not in lines]
        if rest and len(rest) < len(there):
            self.bucket.put({self.name: b"".join(rest)})
        elif there and not rest:
            self.bucket.delete([self.name])

    def set_aside(self, lines: Collection[bytes], ending: str) -> None:
        """Moves lines to an object beside theirs, which no replay reads. Raises `SpoolError`."""
        moved = [line.rstrip(b"\n") + b"\n" for line in self._lines() if line in lines]
        if moved:
            aside = f"{self.name}{ending}"
            before = dict(self.bucket.get([aside])).get(aside, b"")
            self.bucket.put({aside: before + b"".join(moved)})
            self.drop(lines)

    def _lines(self) -> list[bytes]:
        content = dict(self.bucket.get([self.name])).get(self.name, b"")
        return [line for line in content.splitlines(keepends=True) if line.strip()]


def objects(bucket: Bucket, largest: int) -> Iterator[tuple[Object, list[bytes] | None]]:
    """Every spool object below the address with its lines; None for one that is over `largest` bytes."""
    found = [each for each in bucket.list() if f"{bucket.address}/{each.name}".rstrip("/").endswith(ENDING)]
    for each in found:
        if each.size > largest:
            yield Object(bucket, each.name), None
    for name, content in bucket.get([each.name for each in found if each.size <= largest]):
        yield Object(bucket, name), content.splitlines(keepends=True)


def _key(record: Record) -> str:
    return record.name.removesuffix(ENDING)


def _dated(record: Record) -> str:
    return f"{_key(record)}-{round(record.created_at * 1000):0{_MOMENT}}"


def _name(record: Record) -> str:
    content = hashlib.sha256(record.line()).hexdigest()[:_DIGITS]
    return f"{_dated(record)}-{content}{ENDING}"
