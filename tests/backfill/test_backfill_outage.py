"""A host that accepts no rows: what is shown and when, how long cibeacon waits, and what an interruption reports."""

from __future__ import annotations

import json
import re
import signal
import socket
from threading import Event

import pytest

from backfills import TOKEN, WELL, ScriptedDX, run_backfill
from cibeacon.backfill import sender
from cibeacon.http.client import TRIES
from faults import FaultServer, hangs, response
from living import SECONDS, Living

TROUBLE = response(b"<html>", status="503 No", kind="text/html", Connection="")


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Short pauses."""
    monkeypatch.setattr(sender, "PAUSE", 0.6)
    monkeypatch.setattr(sender, "FIRST_PATIENCE", 1.0)


@pytest.fixture
def nobody():
    """A URL where no server listens while the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def history(folder, rows):
    lines = [f"{1_680_000_000 + number},cart,acme/shop" for number in range(rows)]
    (folder / "d.csv").write_text("\n".join(["deployed_at,service,repository", *lines]) + "\n")


def backfill(folder, url, *argv):
    return run_backfill(folder, url, "d.csv", *argv)


def test_a_host_that_refuses_is_told_once_with_the_reason_and_is_given_up(tmp_path, nobody, monkeypatch):
    monkeypatch.setattr(sender, "FIRST_PATIENCE", 6.0)
    history(tmp_path, 2)
    ended = backfill(tmp_path, nobody, "--timeout=1")
    host = nobody.removeprefix("http://")
    first, *others = ended.err.splitlines()
    assert re.fullmatch(
        rf"backfill: {host} does not answer \(connection refused\): waiting \d+ s before trying again\. "
        rf"cibeacon could not connect to {host}\. Check dx_url, .*",
        first,
    )
    assert others == [], "an outage is told once, whatever number of rows wait"
    assert ended.code == 1
    assert ended.out.count("connection refused.") == 2
    assert ended.out.count(f"could not connect to {host}") == 1, "advice that holds for both rows is said once"


def test_a_host_that_never_answered_is_given_up_after_three_rows(tmp_path):
    history(tmp_path, 9)
    with FaultServer(hangs) as server:
        ended = backfill(tmp_path, server.url, "--timeout=1", "--workers=1", "--format=json")
        assert len(server.requests) == 3
    assert (ended.document["rows"]["failed"], ended.document["rows"]["left"]) == (3, 6)
    assert "timed out" in ended.document["stopped"]
    assert "before trying again" not in ended.err, "its patience is over with the first row's time"


def test_a_host_that_has_answered_is_tried_again_while_there_is_patience(tmp_path, monkeypatch):
    monkeypatch.setattr(sender, "PAUSE", 0.05)
    monkeypatch.setattr(sender, "PATIENCE", 4.0)
    history(tmp_path, 9)
    dx = ScriptedDX(lambda _, number: WELL if number == 1 else TROUBLE)
    with FaultServer(dx) as server:
        ended = backfill(tmp_path, server.url, "--timeout=0.2", "--workers=1", "--format=json")
    assert len(dx.bodies) > 1 + 4, "one row was tried again, the others once"
    assert (ended.document["rows"]["sent"], ended.document["rows"]["failed"]) == (1, 3)
    assert re.search(r"(answers with an error|does not answer) \(.*?\): waiting \d+ s before trying again", ended.err)


def test_when_the_host_is_back_that_is_said_and_the_rest_is_sent(tmp_path):
    history(tmp_path, 9)
    dx = ScriptedDX(lambda _, number: TROUBLE if number <= TRIES else WELL)
    with FaultServer(dx) as server:
        ended = backfill(tmp_path, server.url, "--workers=1")
    assert ended.code == 0
    said = [line for line in ended.err.splitlines() if "before trying again" in line or "answers again" in line]
    assert ["before trying again" in line for line in said] == [True, False]


def test_a_host_is_told_while_it_is_waited_for_and_an_interruption_names_it_and_why_nothing_was_sent(tmp_path, nobody):
    history(tmp_path, 2)
    environ = {"DX_API_TOKEN": TOKEN, "CIBEACON_DX_URL": nobody, "HOME": str(tmp_path)}
    argv = ("backfill", "deployments", "d.csv", "--format=json", "--timeout=3")
    with Living(*argv, environ=environ, cwd=tmp_path) as running:
        first = running.process.stderr.readline()
        assert "does not answer (connection refused): waiting 15 s" in first
        running.told(signal.SIGINT)
        out, err = running.process.communicate(timeout=SECONDS)
    document = json.loads(out)
    host = nobody.removeprefix("http://")
    assert document["stopped"].startswith(
        f"cibeacon was interrupted while {host} does not answer (connection refused). cibeacon could not connect to {host}"
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
