"""Every fault of delivery/faults.json × report and replay, lenient and strict in turn: outcome, exit code, spool, ledger.

Hanging takes time, so all of it is played at once, some at a time, before the first row is judged.
"""

from __future__ import annotations

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import NamedTuple

import pytest

import faults
from cibeacon.model import spool_record
from cibeacon.model.report import Outcome
from cibeacon.model.signals import PipelineRun
from cibeacon.sandbox.server import Sandbox
from cibeacon.sinks import dx
from cibeacon.spool import Spool
from faults import FaultServer, Refusing
from processes import Ended, cibeacon

ROWS = json.loads((Path(__file__).parent / "faults.json").read_text("utf-8"))
CASES = [
    (row, verb, (order + turn) % 2 == 1)
    for order, row in enumerate(ROWS)
    for turn, verb in enumerate(("report", "replay"))
]
"""(row, verb, strict): one verb is strict, the other lenient, and with the next row it is the other way round."""
AT_ONCE = 8
TOKEN = "tok-Zm9yIHRlc3Rz"
UNRESOLVED = "dx-whose-name-look-up-hangs.example"
SIGNAL = PipelineRun(
    pipeline_name="shop ö", pipeline_source="local", reference_id="local/acme%2Fshop/runs/7", started_at=1_700_000_000,
    status="success", finished_at=1_700_000_100, repository="acme/shop", commit_sha="abcdef1234",
)  # fmt: skip
ARGUMENTS = (
    "--no-dry-run", "--signals=pipeline-run", "--run-id=7", "--repository=acme/shop", "--commit-sha=abcdef1234",
    "--pipeline-name=shop ö", "--pipeline-source=local", "--status=success", "--started-at=1700000000",
    "--finished-at=1700000100",
)  # fmt: skip


class Played(NamedTuple):
    """What a command left behind under a fault, and what a replay made of it afterwards."""

    ended: Ended
    spool: dict[str, bytes]
    requests: list[bytes]
    before: dict
    """The ledger."""
    replayed: Ended
    spool_after: dict[str, bytes]
    after: dict
    elsewhere: int
    """Connections to the host that a redirect named."""


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Everything: (why, verb, strict) → `Played`."""
    folder = tmp_path_factory.mktemp("faults")
    over = Event()
    real = socket.getaddrinfo

    def look_up(host, *given, **named):
        if host == UNRESOLVED:
            over.wait()
        return real(host, *given, **named)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(AT_ONCE) as pool:
        for name in list(os.environ):
            if name.upper().endswith("_PROXY") or name.upper().endswith("CA_BUNDLE"):
                patch.delenv(name)
        patch.setattr(socket, "getaddrinfo", look_up)
        tls = faults.encrypted(*faults.self_signed(folder))
        plays = [pool.submit(_play, folder / str(number), tls, *case) for number, case in enumerate(CASES)]
        yield {
            (row["why"], verb, strict): play.result() for (row, verb, strict), play in zip(CASES, plays, strict=True)
        }
        over.set()


def _play(folder, tls, row, verb, strict):
    folder.mkdir()
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(token=TOKEN))
        elsewhere = stack.enter_context(FaultServer(faults.closes))
        server = _server(row, sandbox.url, elsewhere.url, tls)
        if server:
            stack.enter_context(server)
        place = folder / "spool"
        if verb == "replay":
            Spool(place, lambda: os.urandom(16).hex()).keep([_record()])
        arguments = ARGUMENTS if verb == "report" else (str(place),)
        flags = (f"--timeout={_timeout(row)}", *(["--strict"] if strict else []))
        ended = _run(folder, verb, *arguments, *flags, url=_address(row, server))
        spool, requests, before = _files(place), list(getattr(server, "requests", [])), sandbox.ledger.document()
        replayed = _run(folder, "replay", "--strict", url=sandbox.url)
        assert sandbox.faults == []
        return Played(
            ended,
            spool,
            requests,
            before,
            replayed,
            _files(place),
            sandbox.ledger.document(),
            elsewhere.accepted,
        )


def _run(folder, *argv, url):
    environ = {"CIBEACON_DX_URL": url, "DX_API_TOKEN": TOKEN, "CIBEACON_SPOOL": str(folder / "spool")}
    return cibeacon(*argv, environ=environ | {"CIBEACON_FORMAT": "json"}, cwd=folder)


def _record():
    return spool_record.Record.of(
        next(dx.send(SIGNAL, "classic")),
        Outcome("pipeline-run", "dx", "skipped", subject=SIGNAL.subject, key=SIGNAL.key),
        1_700_000_000.0,
    )


def _server(row, url, elsewhere, tls):
    if row.get("place") == "refusing":
        return Refusing()
    if row.get("place") == "unresolved":
        return None
    acts = [_act(act, url, elsewhere) for act in row["acts"]]
    return FaultServer(faults.in_turn(*acts), tls if row.get("place") == "untrusted" else None)


def _address(row, server):
    if server is None:
        return f"https://{UNRESOLVED}"
    return server.url.replace("http:", "https:") if row.get("place") == "misspelt" else server.url


def _act(act, url, elsewhere):
    if act == "carried":
        return faults.carried(url)
    if isinstance(act, str):
        return faults.PLAYS[act]
    if "carried" in act:
        return faults.carried(url, _act(act["carried"], url, elsewhere))
    body = act["body"] if isinstance(act["body"], str) else json.dumps(act["body"])
    headers = {
        name.replace("-", "_"): text.format(elsewhere=elsewhere) for name, text in act.get("headers", {}).items()
    }
    kind = act.get("kind", "application/json")
    return faults.answers(faults.response(body.encode(), status=act["status"], kind=kind, **headers))


def _files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def _timeout(row):
    """Seconds: short only where their end is what happens."""
    return 10 if row.get("error") == "timed out" else 60


def _kept(row):
    return row.get("kept", row.get("outcome") == "spooled")


everything = pytest.mark.parametrize(
    ("row", "verb", "strict"),
    CASES,
    ids=lambda value: value["why"] if isinstance(value, dict) else {True: "strict", False: "lenient"}.get(value, value),
)


@everything
def test_what_comes_of_it(played, row, verb, strict):
    found = played[row["why"], verb, strict]
    (signal,) = found.ended.document["signals"]
    if "outcome" in row:
        assert signal["outcome"] == row["outcome"], signal
    good = signal["outcome"] == "sent"
    assert good is (row.get("outcome") == "sent")
    assert row.get("error", "") in (signal["error"] or "")
    assert bool(signal["reason"]) is not good, "a failure says what to do"
    assert row.get("advice", "") in (signal["reason"] or "")
    assert found.ended.code == (1 if strict and not good else 0)
    assert found.ended.document["status"] == ("sent" if good else "failed")
    if "requests" in row:
        assert len(found.requests) == signal["attempts"] == row["requests"]


@everything
def test_the_spool_holds_what_may_go_later_and_nothing_else(played, row, verb, strict):
    found = played[row["why"], verb, strict]
    waiting = {name: line for name, line in found.spool.items() if name.endswith(".ndjson")}
    refused = {name: line for name, line in found.spool.items() if name.endswith(".refused")}
    assert len(waiting) == _kept(row)
    assert len(refused) == (verb == "replay" and row.get("outcome") == "failed" and not _kept(row))
    assert found.spool.keys() == waiting.keys() | refused.keys(), "no part of anything is left"
    for line in {**waiting, **refused}.values():
        assert spool_record.read(line)[:6] == _record()[:6]
        assert TOKEN.encode() not in line


@everything
def test_the_ledger_and_the_row_agree(played, row, verb, strict):
    found = played[row["why"], verb, strict]
    recorded = row.get("recorded") or ("carried" in row.get("acts", ()) and row["outcome"] == "sent")
    assert bool(found.before["pipeline_runs"]) is bool(recorded)
    assert found.elsewhere == 0, "a redirect was followed"


@everything
def test_once_the_fault_is_over_a_replay_delivers_what_was_kept_once_in_effect(played, row, verb, strict):
    found = played[row["why"], verb, strict]
    outcomes = [signal["outcome"] for signal in found.replayed.document["signals"]]
    assert outcomes == ["sent"] * _kept(row), found.replayed
    assert found.replayed.code == 0
    assert not [name for name in found.spool_after if name.endswith(".ndjson")]
    bodies = [entry["body"] for entry in found.after["requests"]]
    assert all(body == _record().body for body in bodies), "the same key with the same values, every time"
    told = _kept(row) or row.get("recorded") or (row.get("outcome") == "sent" and "carried" in row["acts"])
    assert len(found.after["pipeline_runs"]) == bool(told)


@everything
def test_nothing_of_it_shows_a_token_or_a_traceback(played, row, verb, strict):
    found = played[row["why"], verb, strict]
    said = found.ended.out + found.ended.err + found.replayed.out + found.replayed.err
    assert TOKEN not in said
    assert "Traceback (most recent" not in said
    assert "because of a bug" not in said


@everything
def test_every_attempt_is_the_same_to_the_byte(played, row, verb, strict):
    bodies = {request.partition(b"\r\n\r\n")[2] for request in played[row["why"], verb, strict].requests}
    assert bodies <= {next(dx.send(SIGNAL, "classic")).content()}
