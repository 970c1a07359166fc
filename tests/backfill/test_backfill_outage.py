"""A host that takes no rows: what is said of it and when, how long it is waited for, and what an interruption tells."""

from __future__ import annotations

import json
import re
import signal
import socket
from threading import Event, Lock

import pytest

from cibeacon.backfill import workers
from faults import FaultServer, hangs, response
from living import SECONDS, Living
from processes import cibeacon

TOKEN = "sandbox-token-1"
WELL = response(b'{"ok": true}', Connection="")
TROUBLE = response(b"<html>", status="503 No", kind="text/html", Connection="")
TRIES = 5
"""Requests that a courier makes for one row before it says that it did not get through."""


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Rests that can be told from each other by their sums, and cost little."""
    monkeypatch.setattr(workers, "RESTS", (0.6, 0.01, 0.02))


@pytest.fixture
def nobody():
    """An address at which nobody listens, nor will while the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


class Scripted:
    """Answers the n-th request as a function says."""

    def __init__(self, answer) -> None:
        self._answer, self._lock = answer, Lock()
        self.number = 0

    def __call__(self, connection, server) -> None:
        while server.read(connection):
            with self._lock:
                self.number += 1
                answer = self._answer(self.number)
            connection.sendall(answer)


def history(folder, rows):
    lines = [f"{1_680_000_000 + number},cart,acme/shop" for number in range(rows)]
    (folder / "d.csv").write_text("\n".join(["deployed_at,service,repository", *lines]) + "\n")


def backfill(folder, url, *argv):
    environ = {"DX_API_TOKEN": TOKEN, "CIBEACON_DX_URL": url}
    return cibeacon("backfill", "deployments", "d.csv", "--rps=0", *argv, environ=environ, cwd=folder)


def test_a_host_that_refuses_is_told_once_with_the_reason_and_when_it_is_given_up(tmp_path, nobody, monkeypatch):
    history(tmp_path, 2)
    told = []

    class Pace(workers.Pace):
        def hold(self, seconds):
            told.append(seconds)
            super().hold(seconds)

    monkeypatch.setattr(workers, "Pace", Pace)
    ended = backfill(tmp_path, nobody)
    host = nobody.removeprefix("http://")
    first, *others = ended.err.splitlines()
    assert re.fullmatch(
        rf"backfill: {host} does not answer \(connection refused\): left alone for 1 s, tried once more, "
        rf"and given up in about \d+ s if that changes nothing\. {host} cannot be reached: check the URL, .*",
        first,
    )
    assert others == [], "one rest is told once, whatever number of rows wait"
    assert set(told) == {0.6}, "who never answered is not worth the longer rests"
    assert ended.code == 1
    assert ended.out.count("connection refused.") == 2
    assert ended.out.count(f"{host} cannot be reached") == 1, "advice that holds for both rows is said once"


def test_a_host_that_never_answered_is_waited_for_once_and_the_next_rows_are_tried_once_each(tmp_path):
    history(tmp_path, 9)
    with FaultServer(hangs) as server:
        ended = backfill(tmp_path, server.url, "--timeout=1", "--workers=1", "--format=json")
        assert len(server.requests) == 2 + 1 + 1
    assert (ended.document["rows"]["failed"], ended.document["rows"]["left"]) == (3, 6)
    assert "timed out" in ended.document["stopped"]
    assert ended.err.count("left alone") == 1


def test_a_host_that_has_answered_is_waited_for_thrice_and_the_next_rows_are_tried_once_each(tmp_path):
    history(tmp_path, 9)
    dx = Scripted(lambda number: WELL if number == 1 else TROUBLE)
    with FaultServer(dx) as server:
        ended = backfill(tmp_path, server.url, "--workers=1", "--format=json")
    assert dx.number == 1 + TRIES * (4 + 1 + 1)
    assert (ended.document["rows"]["sent"], ended.document["rows"]["failed"]) == (1, 3)
    assert re.search(r"is in trouble \(HTTP 503.*?\): left alone for 1 s, tried 3 times more", ended.err)


def test_when_the_host_is_back_that_is_said_and_the_rest_is_sent(tmp_path):
    history(tmp_path, 9)
    dx = Scripted(lambda number: TROUBLE if number <= TRIES else WELL)
    with FaultServer(dx) as server:
        ended = backfill(tmp_path, server.url, "--workers=1")
    assert ended.code == 0
    said = [line for line in ended.err.splitlines() if "left alone" in line or "answers again" in line]
    assert ["left alone" in line for line in said] == [True, False]


def test_a_row_that_alone_upsets_the_host_costs_the_next_such_row_its_patience_again(tmp_path):
    """What was waited for in vain is forgotten with the next row that gets through."""
    history(tmp_path, 4)
    bad = range(1, TRIES * 4 + 1), range(TRIES * 4 + 2, TRIES * 8 + 2)
    dx = Scripted(lambda number: TROUBLE if any(number in each for each in bad) else WELL)
    with FaultServer(dx) as server:
        ended = backfill(tmp_path, server.url, "--workers=1", "--format=json")
    assert (ended.document["rows"]["sent"], ended.document["rows"]["failed"]) == (2, 2)
    assert dx.number == 2 * TRIES * 4 + 2


def test_a_host_is_told_while_it_is_waited_for_and_an_interruption_names_it_and_why_nothing_was_sent(tmp_path, nobody):
    history(tmp_path, 2)
    environ = {"DX_API_TOKEN": TOKEN, "CIBEACON_DX_URL": nobody, "HOME": str(tmp_path)}
    argv = ("backfill", "deployments", "d.csv", "--format=json", "--timeout=3")
    with Living(*argv, environ=environ, cwd=tmp_path) as running:
        first = running.process.stderr.readline()
        assert "does not answer (connection refused): left alone for 15 s" in first
        running.told(signal.SIGINT)
        out, err = running.process.communicate(timeout=SECONDS)
    document = json.loads(out)
    host = nobody.removeprefix("http://")
    assert document["stopped"].startswith(
        f"cibeacon was interrupted while {host} does not answer (connection refused). {host} cannot be reached"
    )
    assert (document["rows"]["left"], "s left" in err) == (2, False)


def test_an_interruption_without_trouble_says_nothing_of_the_host(tmp_path):
    history(tmp_path, 50)
    first, more = Event(), Event()

    def answers_once(connection, server):
        while server.read(connection):
            if first.is_set():
                more.set()
                server.over.wait()
                return
            first.set()
            connection.sendall(WELL)

    with FaultServer(answers_once) as server:
        environ = {"DX_API_TOKEN": TOKEN, "CIBEACON_DX_URL": server.url, "HOME": str(tmp_path)}
        argv = ("backfill", "deployments", "d.csv", "--format=json", "--workers=1")
        with Living(*argv, environ=environ, cwd=tmp_path) as running:
            assert more.wait(SECONDS)
            running.told(signal.SIGTERM)
            ended = running.ended()
    assert json.loads(ended.out)["stopped"] == "cibeacon was interrupted"
