"""Inputs and journals in a bucket: the same command continues where the last one stopped, on any machine."""

from __future__ import annotations

import json
from threading import Event
from typing import NamedTuple

import pytest

from backfills import BEGAN, WELL, ScriptedDX, reply, run_backfill
from cibeacon.backfill import object_input
from cibeacon.runtime.errors import SpoolError
from faults import FaultServer

ADDRESS = "s3://bucket/rows.csv"
ROWS = 500


class Entry(NamedTuple):
    name: str


class MemoryBucket:
    """The part of a bucket that backfills use, in memory; `objects` are those of all buckets."""

    objects: dict[str, bytes]

    def __init__(self, address, seconds) -> None:
        self._address = address

    def size(self):
        return len(self.piece(0, None))

    def piece(self, start, end):
        if self._address not in self.objects:
            raise SpoolError("Nothing can be read", "there is no such bucket or object", "Check the address")
        return self.objects[self._address][start:end]

    def list(self, beginning=""):
        top = f"{self._address}/"
        return [Entry(name.removeprefix(top)) for name in self.objects if name.startswith(top)]

    def get(self, names):
        return [(name, self.objects[f"{self._address}/{name}"]) for name in names]

    def put(self, objects):
        for name, content in objects.items():  # the tests' tokens for names are the same in each run
            self.objects[f"{self._address}/{name}-{len(self.objects)}"] = content


@pytest.fixture
def objects(monkeypatch):
    rows = [f"{BEGAN + number},service-{number % 7},acme/shop" for number in range(ROWS)]
    content = "\n".join(["deployed_at,service,repository", *rows]).encode()
    monkeypatch.setattr(MemoryBucket, "objects", {ADDRESS: content}, raising=False)
    monkeypatch.setattr(object_input, "Bucket", MemoryBucket)
    return MemoryBucket.objects


def counts(ended):
    return {name: number for name, number in json.loads(ended.out)["rows"].items() if number}


def test_a_file_in_a_bucket_is_sent_once_by_any_number_of_runs(tmp_path, objects):
    refused = reply({"ok": False, "error": "invalid_auth"}, "401 No")
    is_well = Event()
    dx = ScriptedDX(lambda _, number: WELL if number <= 200 or is_well.is_set() else refused)
    with FaultServer(dx) as server:
        first = run_backfill(tmp_path, server.url, ADDRESS, "--format=json")
        dry_run = run_backfill(tmp_path, server.url, ADDRESS, "--format=json", "--dry-run")
        is_well.set()
        second, third = (run_backfill(tmp_path, server.url, ADDRESS, "--format=json") for _ in range(2))
    assert first.code == 1
    assert counts(first)["sent"] == 200
    assert counts(dry_run) == {"read": ROWS, "already": 200, "valid": ROWS - 200}
    assert counts(second) == {"read": ROWS, "already": 200, "sent": ROWS - 200}
    assert counts(third) == {"read": ROWS, "already": ROWS}
    assert third.document["files"][0]["journal"] == f"{ADDRESS}.cibeacon-journal"
    assert [name for name in objects if name.startswith(f"{ADDRESS}.cibeacon-journal/")]
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv.failed.csv"]


def test_a_file_that_is_not_in_the_bucket_is_named(tmp_path, objects):
    ended = run_backfill(tmp_path, "https://dx.example", "s3://bucket/none.csv", "--check")
    assert ended.code == 2
    assert "there is no such bucket or object" in ended.out
