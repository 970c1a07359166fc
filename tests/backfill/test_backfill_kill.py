"""Backfills that are killed, terminated or run in parallel: every row arrives, exactly once."""

from __future__ import annotations

import csv
import json
import random
import re
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from threading import Event, Lock

import pytest

from backfills import BEGAN, TOKEN
from cibeacon.sandbox.server import Sandbox
from faults import FaultServer
from living import SECONDS, Living

ROWS = 800
KILLS = 5
SEED = 7


def history(folder, rows=ROWS):
    """A file of different rows about thirty services."""
    with (folder / "d.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["deployed_at", "service", "repository", "commit_sha", "source_name"])
        for number in range(rows):
            writer.writerow(
                [BEGAN + number, f"service-{number % 30}", "acme/shop", f"{number + 1:040x}", f"row-{number}"]
            )


def living(folder, url, *argv, environ=None):
    told = {"DX_API_TOKEN": TOKEN, "CIBEACON_DX_URL": url, "HOME": str(folder), **(environ or {})}
    return Living("backfill", "deployments", "d.csv", "--rps=0", "--format=json", *argv, environ=told, cwd=folder)


def names(sandbox):
    return sorted(each["source_name"] for each in sandbox.ledger.document()["deployments"].values())


def journal_rows(folder):
    """The number of rows in the journal, in whatever state a killed run left it."""
    with closing(sqlite3.connect(folder / "d.csv.cibeacon-journal")) as journal:
        return journal.execute("SELECT count(*) FROM sent").fetchone()[0]


class Counted:
    """Counts the sandbox's requests, and rings at a certain number."""

    def __init__(self, ring_at=0) -> None:
        self.rung, self._ring_at, self._lock = Event(), ring_at, Lock()
        self.number = 0

    def __call__(self, entry) -> None:
        with self._lock:
            self.number += 1
            if self.number == self._ring_at:
                self.rung.set()


def test_killed_five_times_and_taken_up_again_dx_holds_every_row_once(tmp_path):
    history(tmp_path)
    chance = random.Random(SEED)
    counted = Counted()
    with Sandbox(token=TOKEN, log=lambda entry: counted(entry)) as sandbox:
        for _ in range(KILLS):
            counted = Counted(chance.randint(1, ROWS // (KILLS + 2)))
            with living(tmp_path, sandbox.url) as running:
                assert counted.rung.wait(SECONDS)
                running.told(signal.SIGKILL)
                assert running.ended().code == -signal.SIGKILL
        known = journal_rows(tmp_path)
        assert 0 < known < ROWS, "the moments were not those that matter"
        with living(tmp_path, sandbox.url) as running:
            out, _ = running.process.communicate(timeout=120)
        rows = json.loads(out)["rows"]
        assert running.process.returncode == 0
        assert rows["already"] + rows["sent"] == ROWS
        assert rows["already"] > 0
        assert names(sandbox) == sorted(f"row-{number}" for number in range(ROWS))
        received = sandbox.ledger.document()["received"]
    assert received < ROWS + KILLS * 60, "a killed run tells again only what it did not come to write down"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_writes_down_what_was_told_says_so_and_exits_1(tmp_path, number):
    history(tmp_path, ROWS // 2)
    counted = Counted(100)
    with Sandbox(token=TOKEN, log=counted) as sandbox:
        with living(tmp_path, sandbox.url) as running:
            assert counted.rung.wait(SECONDS)
            running.told(number)
            ended = running.ended()
        document = json.loads(ended.out)
        assert ended.code == 1
        assert document["status"] == "partial"
        assert "interrupted" in document["stopped"]
        assert journal_rows(tmp_path) == document["rows"]["sent"] == len(names(sandbox))
        with living(tmp_path, sandbox.url) as running:
            out, _ = running.process.communicate(timeout=120)
        assert json.loads(out)["rows"]["already"] == document["rows"]["sent"]
        assert sandbox.ledger.document()["received"] == ROWS // 2, "nothing was told twice"


def test_told_to_end_while_a_host_hangs_it_ends_all_the_same(tmp_path):
    history(tmp_path, 50)

    def hangs(connection, server):
        server.read(connection)
        server.over.wait()

    with FaultServer(hangs) as server, living(tmp_path, server.url) as running:
        server.waited_for()
        running.told(signal.SIGTERM)
        ended = running.ended()
    assert ended.code == 1
    assert json.loads(ended.out)["rows"]["sent"] == 0


def test_four_shards_side_by_side_send_every_row_and_none_twice(tmp_path, sandbox):
    history(tmp_path, 400)
    jobs = [{"CI_NODE_INDEX": str(number), "CI_NODE_TOTAL": "4"} for number in range(1, 5)]
    running = [living(tmp_path, sandbox.url, environ=job) for job in jobs]
    documents = [json.loads(each.ended().out) for each in running]
    assert [each["shard"] for each in documents] == ["1/4", "2/4", "3/4", "4/4"]
    assert [each["rows"]["read"] for each in documents] == [400] * 4
    assert sum(each["rows"]["sent"] for each in documents) == 400
    assert all(each["rows"]["sent"] + each["rows"]["elsewhere"] == 400 for each in documents)
    assert sandbox.ledger.document()["received"] == 400
    assert names(sandbox) == sorted(f"row-{number}" for number in range(400))


def test_four_shards_tell_every_faulty_row_once(tmp_path, sandbox):
    history(tmp_path, 40)
    with (tmp_path / "d.csv").open("a") as file:
        file.writelines(f"2025,service-{number},acme/shop,,bad-{number}\n" for number in range(40))
        file.write("1,2\n")
    for number in range(1, 5):
        with living(tmp_path, sandbox.url, f"--shard={number}/4") as running:
            assert running.ended().code in (0, 1)
    told = [
        row["source_name"] or row["deployed_at"]
        for path in Path(tmp_path).glob("d.csv.*of4.failed.csv")
        for row in csv.DictReader(path.read_text().splitlines())
    ]
    assert sorted(told) == sorted(["1", *(f"bad-{number}" for number in range(40))])


def test_memory_does_not_grow_with_the_rows(tmp_path):
    """Checking thirty thousand rows takes little more memory than checking a thousand."""
    peaks = []
    for rows in (1000, 30_000):
        history(tmp_path, rows)
        script = (
            "import sys; from cibeacon.__main__ import main; sys.argv = ['cibeacon', 'backfill', 'deployments', "
            "'d.csv', '--check']; main(); print(open('/proc/self/status').read(), file=sys.stderr)"
        )
        with Living("-c", script, environ={}, cwd=tmp_path, command=(sys.executable,)) as running:
            _, err = running.process.communicate(timeout=120)
        peaks.append(int(re.search(r"VmHWM:\s+(\d+) kB", err)[1]))
    assert peaks[1] < peaks[0] + 6 * 1024
    assert peaks[1] < 120 * 1024
