"""Processes that are killed at any moment: what was on disk arrives by a replay, once in effect, and nothing else does.

A gate before the sandbox counts what passes, so that a process can be killed when a certain request was read, judged
or answered; at other moments it stands still where it is about to import a module, or to call a function for the n-th time.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from pathlib import Path
from threading import Event
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from cibeacon.demo import runs
from cibeacon.demo.monorepo import Merged
from cibeacon.model import spool_record
from cibeacon.sandbox.server import Sandbox
from faults import FaultServer, response
from living import SECONDS, Bell, Living, Stopped, document, outputs, records

AT_A_TIME = 2
TOKEN = "sandbox-token-1"
SIGNALS = 5
"""The services of a pull request, three deployments, a pipeline run."""
AT_A_REQUEST = BEFORE, BETWEEN, AFTER = "before it is judged", "before it is answered", "after it is answered"


class Moment(NamedTuple):
    """When a process is killed: at its n-th request, or where it stands still."""

    where: str
    count: int = 1
    number: int = signal.SIGKILL


REQUESTS = [Moment(where, count) for count in (1, 3, SIGNALS) for where in (BEFORE, BETWEEN, AFTER)]
REMOVALS = [Moment("os.unlink()", count) for count in (1, SIGNALS, SIGNALS + 1, SIGNALS + 3, 2 * SIGNALS)]
"""The first ones remove what was unfinished, if anything was; the last ones what was delivered."""
WRITING = [
    *(Moment(where) for where in ("cibeacon.cli", "cibeacon.delivery")),
    *(Moment("os.fsync()", count) for count in (1, 3, SIGNALS, SIGNALS + 1)),
    *(Moment("os.replace()", count) for count in (1, 2, SIGNALS)),
]
KILLED = [*WRITING, *REMOVALS, *REQUESTS]
MOMENTS = [*KILLED, *(each._replace(number=signal.SIGTERM) for each in KILLED[::3])]
WHILE_REPLAYING = [*REMOVALS, *REQUESTS]
RUNS = len(MOMENTS)


class Gate:
    """Passes requests on to the sandbox, and rings where a moment says so."""

    def __init__(self, sandbox: str, moment: Moment) -> None:
        self._address, self._moment = urlsplit(sandbox), moment
        self.rung = Event()
        self.bodies: list[tuple[str, bytes]] = []

    def __call__(self, connection: socket.socket, server: FaultServer) -> None:
        while request := server.read(connection):
            head, _, body = request.partition(b"\r\n\r\n")
            if len(body) < int(re.search(rb"(?i)content-length: *(\d+)", head)[1]):
                return  # the process was killed while it sent this
            self.bodies.append((head.split(b" ")[1].decode(), body))
            self._at(BEFORE)
            status, kind, content = self._judged(request)
            self._at(BETWEEN)
            connection.sendall(response(content, status=status, kind=kind, Connection=""))
            self._at(AFTER)

    def _judged(self, request: bytes) -> tuple[str, str, bytes]:
        with socket.create_connection((self._address.hostname, self._address.port)) as onward:
            onward.sendall(request)
            answer = HTTPResponse(onward)
            answer.begin()
            return f"{answer.status} {answer.reason}", answer.headers["Content-Type"], answer.read()

    def _at(self, where: str) -> None:
        if (where, len(self.bodies)) == self._moment[:2]:
            self.rung.set()


def killed(argv, environ, cwd, sandbox, moment):
    """The gate, the exit code and the last words of a process that was killed at a moment, unless it had ended by then."""
    gate, place = Gate(sandbox.url, moment), Path(tempfile.mkdtemp(dir=cwd))
    standing = None if moment.where in AT_A_REQUEST else Stopped(place / "stop", moment.where, moment.count)
    with FaultServer(gate) as server, tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "cibeacon", *argv],
            cwd=cwd,
            env=environ | {"CIBEACON_DX_URL": server.url} | (standing.environ if standing else {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        while process.poll() is None and not (standing.reached if standing else gate.rung.wait(0.02)):
            time.sleep(0.01)
        process.send_signal(moment.number)
        if standing:
            standing.goes_on()
        code = process.wait(SECONDS)
        if standing:
            standing.close()
        said.seek(0)
        return gate, code, said.read()


class Run(NamedTuple):
    """One job: its folder, what it wrote to its spool before it was killed, and what it sent."""

    folder: Path
    moment: Moment
    code: int
    said: str
    kept: dict[str, spool_record.Record]
    seen: list[tuple[str, bytes]]

    @property
    def statements(self) -> set[tuple[str, bytes]]:
        """Every call that it put on disk or made."""
        waiting = {(each.path, json.dumps(each.body, separators=(",", ":")).encode()) for each in self.kept.values()}
        return waiting | {(path, body) for path, body in self.seen}


def environment(folder: Path, number: int) -> dict[str, str]:
    """A merged pull request of its own, whose services are named, so that no repository is needed."""
    sha = f"{number:040x}"
    merged = Merged(number, "merge", "b" * 40, "c" * 40, sha, f"change-{number}", ("payments",))
    return {
        "PATH": os.environ["PATH"],
        **runs.github("pull_request", runs.closed(merged), sha, 9000 + number, folder),
        "DX_API_TOKEN": TOKEN,
        "CIBEACON_SERVICES": "payments,orders",
        "CIBEACON_DEPLOY_SERVICES": "payments,orders,search",
        "CIBEACON_STATUS": "success",
    }


def reported(sandbox, folder, number, moment):
    folder.mkdir()
    gate, code, said = killed(["report"], environment(folder, number), folder, sandbox, moment)
    return Run(folder, moment, code, said, records(folder / "cibeacon/spool"), gate.bodies)


def replayed(sandbox, run, moment):
    """The same run after its replay was killed, too."""
    spool = run.folder / "cibeacon/spool"
    environ = {"PATH": os.environ["PATH"], "DX_API_TOKEN": TOKEN, "HOME": str(run.folder)}
    gate, _, _ = killed(["replay", str(spool)], environ, run.folder, sandbox, moment)
    left = records(spool)  # reads every file: one that was written by halves is an error
    assert left.items() <= run.kept.items()
    return run._replace(seen=run.seen + gate.bodies)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(token=TOKEN) as sandbox:
        yield sandbox
        assert sandbox.faults == []


def replay(*spools, sandbox):
    """A replay that nobody disturbs."""
    environ = {
        "PATH": os.environ["PATH"],
        "DX_API_TOKEN": TOKEN,
        "CIBEACON_DX_URL": sandbox.url,
        "CIBEACON_STRICT": "true",
    }
    with Living("replay", "--timeout=120", *map(str, spools), environ=environ, cwd=spools[0]) as living:
        living.process.communicate(timeout=120)
        assert living.process.returncode == 0


def held(sandbox) -> Iterator[tuple[str, object]]:
    """What DX would hold: all that it was told, however often."""
    document = sandbox.ledger.document()
    for kind in ("pull_services", "deployments", "pipeline_runs"):
        for key, value in document[kind].items():
            told = {**value, "notifications": 1} if kind == "pipeline_runs" else value
            yield f"{kind} {key}", told


def told_once(statements):
    """What DX would hold if everything had been told once."""
    with Sandbox(token=TOKEN) as other:
        for path, body in sorted(statements):
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
            with urlopen(Request(other.url + path, body, headers, method="POST"), timeout=SECONDS) as answer:
                assert answer.status == 200
        return dict(held(other))


def test_what_was_on_disk_arrives_once_in_effect_whenever_a_process_is_killed(sandbox, tmp_path):
    def one(number):
        run = reported(sandbox, tmp_path / str(number), number + 1, MOMENTS[number])
        if run.seen:
            assert len(run.statements) == SIGNALS, f"{run.moment}: something left before everything was on disk"
        again = WHILE_REPLAYING[number % len(WHILE_REPLAYING)]
        return replayed(sandbox, run, again) if run.kept and number % 2 else run

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        done = list(pool.map(one, range(RUNS)))
    for run in done:
        known = run.statements
        if not known and "did not stop in time" in run.said:
            continue  # a busy machine gave it no time for anything in the two seconds that it had
        if run.code == 0:
            assert len(known) == SIGNALS, f"{run.moment}: a signal of the run is lost: {run.said}"
            assert sum(row["sink"] == "dx" for row in document(run.folder)["signals"]) == SIGNALS
        elif run.code == -signal.SIGTERM:
            assert not known, f"{run.moment}: a handler was missing"
        else:
            assert (run.code, run.moment.number) == (-signal.SIGKILL, signal.SIGKILL), run.moment
    last = [run.folder / "cibeacon/spool" for run in done if run.kept]
    replay(*last, sandbox=sandbox)
    assert [path for run in done for path in run.folder.rglob("*.ndjson*")] == []
    assert dict(held(sandbox)) == told_once(set().union(*(run.statements for run in done)))
    counts = {len(run.statements) for run in done}
    assert counts >= {0, SIGNALS}, "the moments were not those that matter"


def test_killed_between_two_records_there_is_one_and_nothing_else_is_ever_read_as_one(sandbox, tmp_path):
    stopped = Stopped(tmp_path / "stop", "os.replace()", 2)
    environ = environment(tmp_path / "job", RUNS + 1) | stopped.environ | {"CIBEACON_DX_URL": sandbox.url}
    with Living("report", environ=environ, cwd=tmp_path) as living:
        stopped.waited_for()
        living.told(signal.SIGKILL)
        assert living.ended().code == -signal.SIGKILL
    spool = tmp_path / "job/cibeacon/spool"
    assert (len(records(spool)), len(list(spool.glob("*.part")))) == (1, SIGNALS - 1)
    before = dict(held(sandbox))
    assert not {key for key in before if f"{RUNS + 1:040x}" in key}
    replay(spool, sandbox=sandbox)
    assert len(dict(held(sandbox))) == len(before) + 1
    assert list(spool.glob("*.ndjson*")) == []


@pytest.mark.parametrize("verb", ["report", "replay"])
def test_what_a_killed_process_left_unfinished_is_removed_an_hour_later(sandbox, tmp_path, verb):
    environ = environment(tmp_path / "job", RUNS + 2) | {"CIBEACON_DX_URL": sandbox.url}
    spool = tmp_path / "job/cibeacon/spool"
    spool.mkdir(parents=True)
    old, young, foreign = spool / f"{'a' * 32}.part", spool / f"{'b' * 32}.part", spool / "film.part"
    for path in (old, young, foreign):
        path.write_text("{")
    for path in (old, foreign):
        os.utime(path, (1, 1))
    with Living(verb, environ=environ, cwd=tmp_path) as living:
        assert living.ended().code == 0
    assert sorted(spool.iterdir()) == [young, foreign]


def test_an_output_is_never_written_by_halves(sandbox, tmp_path):
    """A process that is killed after its files are written has written them whole."""
    bell = Bell(tmp_path / "bell")
    environ = environment(tmp_path / "job", RUNS + 3) | {"CIBEACON_DX_URL": sandbox.url}
    with Living("report", environ=environ | {"GITHUB_STEP_SUMMARY": str(bell.path)}, cwd=tmp_path) as living:
        bell.waited_for()
        living.told(signal.SIGKILL)
        living.ended()
    bell.close()
    assert outputs((tmp_path / "job/output").read_text())["status"] == "sent"
    assert document(tmp_path / "job")["status"] == "sent"
