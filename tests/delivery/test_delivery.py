"""Whatever a network does to whatever signals: each is delivered, kept or refused, and nothing is told in two ways."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import signal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import faults
from cibeacon.delivery import deliver
from cibeacon.delivery.write_ahead import WriteAhead, preview_steps
from cibeacon.http.client import TRIES
from cibeacon.model import spool_record
from cibeacon.model.report import Outcome
from cibeacon.model.signals import Deployment, PipelineRun, PullServices
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import OutOfTime
from cibeacon.runtime.signal_handling import FAREWELL
from cibeacon.sandbox.server import Sandbox
from cibeacon.settings import load_settings
from cibeacon.signals.plan import PlannedSignal
from cibeacon.sinks import dx
from cibeacon.spool import Spool
from disks import read_only
from faults import FaultServer, Refusing, answers, carried, in_turn, resets, response
from living import Living, Stopped
from processes import cibeacon
from still_environment import still_environment

TOKEN = "tok-ZGVsaXZlcnk"


def status(line, code=None, **headers):
    return answers(
        response(json.dumps({"ok": False, **({"error": code} if code else {})}).encode(), status=line, **headers)
    )


ACTS = {
    "passes": carried,
    "recorded, then lost": lambda url: carried(url, resets),
    "recorded, then 502": lambda url: carried(url, status("502 Bad Gateway")),
    "lost": lambda url: resets,
    "500": lambda url: status("500 Oops"),
    "503": lambda url: status("503 Down"),
    "429": lambda url: status("429 Slow Down", Retry_After="2"),
    "429 for an hour": lambda url: status("429 Slow Down", Retry_After="3600"),
    "refused": lambda url: status("422 No", "invalid_arguments"),
    "unknown": lambda url: status("401 Who", "invalid_auth"),
    "page": lambda url: answers(response(b"<html>", kind="text/html")),
    "redirect": lambda url: answers(response(b"", status="302 Found", Location="http://127.0.0.1:9/")),
    "garbage": lambda url: answers(b"SSH-2.0\r\n"),
}
"""What may become of one request; no act takes time."""
NAMES = st.sampled_from(["cart", "pay ments", "sö", "a/b", "\U0001f680"])
PULLS = st.tuples(
    st.lists(NAMES, min_size=1, max_size=3, unique=True), st.integers(1, 3), st.sampled_from([None, True])
).map(lambda told: PullServices(tuple(told[0]), repository="acme/shöp", pr_number=told[1], replace=told[2]))
DEPLOYMENTS = st.tuples(NAMES, st.integers(1, 10**9), st.integers(1, 20), st.booleans()).map(
    lambda told: Deployment(
        told[0],
        told[1],
        f"d{told[2]}",
        told[3],
        "acme/shop",
        metadata={"u": 10**30, "a": [1.5, "ü"]} if told[3] else None,
    )
)
RUN_STATES = st.tuples(
    NAMES, st.integers(1, 4), st.integers(1, 10**9), st.sampled_from(["running", "success", None])
).map(lambda told: PipelineRun(told[0], "x", f"r{told[1]}", told[2], told[3]))
SIGNALS = st.lists(PULLS | DEPLOYMENTS | RUN_STATES, min_size=1, max_size=12, unique_by=lambda signal: signal.key)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in list(os.environ):
        if name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)


def env(folder, **variables):
    return still_environment(folder, **{"DX_API_TOKEN": TOKEN, "CIBEACON_SPOOL": str(folder / "spool"), **variables})


def delivered(here, signals, url, *, dry_run=False, interrupted=None):
    """The rows of the signals, and what is said of the spool."""
    settings = load_settings({"dx_url": url}, here.environ, {})
    deadline = Deadline(30.0, here.clock, here.sleep, 0.0)
    steps = [
        PlannedSignal(one, Outcome(one.kind, "dx", "skipped", subject=one.subject, key=one.key)) for one in signals
    ]
    if dry_run:
        return preview_steps(steps, settings.endpoints), ()
    return deliver(here, settings, steps, WriteAhead(here, settings, None), deadline, interrupted)


def spooled(folder):
    """The record of each key in a spool; nothing else is there."""
    found = [spool_record.read(path.read_bytes()) for path in (folder / "spool").glob("*")]
    return {each.key: each for each in found}


def replayed(folder, url):
    return cibeacon(
        "replay", "--strict", "--format=json", cwd=folder,
        environ={"CIBEACON_DX_URL": url, "DX_API_TOKEN": TOKEN, "CIBEACON_SPOOL": str(folder / "spool")},
    )  # fmt: skip


def recorded(sandbox, planned):
    """The key of each request that DX took; every one of them has exactly the planned values."""
    taken = [entry for entry in sandbox.ledger.document()["requests"] if entry["status"] == 200]
    return [planned[entry["path"], json.dumps(entry["body"])] for entry in taken]


def calls(signals):
    """(path, body) → the signal's key."""
    first = {one.key: next(dx.send(one, "classic")) for one in signals}
    return {(call.path, json.dumps(call.body)): key for key, call in first.items()}


@settings(max_examples=60)
@given(
    signals=SIGNALS, script=st.lists(st.sampled_from(sorted(ACTS)), max_size=30), for_ever=st.sampled_from(sorted(ACTS))
)
@example(signals=[PullServices(("a",), 1)], script=["recorded, then lost", "refused"], for_ever="passes")
@example(signals=[Deployment("a", 1, f"d{n}", repository="o/r") for n in range(12)], script=[], for_ever="503")
@example(signals=[PipelineRun("a", "x", f"r{n}", 1) for n in range(12)], script=[], for_ever="recorded, then lost")
def test_every_signal_is_delivered_kept_or_refused_and_once_in_effect(signals, script, for_ever):
    planned = calls(signals)
    with TemporaryDirectory() as name, Sandbox(token=TOKEN) as sandbox:
        folder = Path(name)
        acts = [ACTS[act](sandbox.url) for act in (*script, for_ever)]
        with FaultServer(in_turn(*acts)) as server:
            rows, notices = delivered(env(folder), signals, server.url)

        sent = {row.key for row in rows if row.status in ("sent", "duplicate")}
        kept = {row.key for row in rows if row.retryable}
        refused = {row.key for row in rows if row.status == "failed" and not row.retryable}
        assert (notices, [row.key for row in rows]) == ((), [one.key for one in signals])
        assert len(sent) + len(kept) + len(refused) == len(signals), "each is exactly one of them"
        assert not refused or "refused" in (*script, for_ever)
        assert all(row.reason and row.error for row in rows if row.key not in sent)
        assert spooled(folder).keys() == kept
        assert sent <= set(recorded(sandbox, planned))

        ended = replayed(folder, sandbox.url)
        assert (ended.code, {row["key"] for row in ended.document["signals"]}) == (0, kept)
        assert spooled(folder) == {}
        assert sent | kept <= set(recorded(sandbox, planned)) <= set(planned.values())

        before = sandbox.ledger.document()
        again = replayed(folder, sandbox.url)
        assert (again.code, again.document["signals"]) == (0, [])
        assert sandbox.ledger.document() == before
        assert sandbox.faults == []


RUNS = [PipelineRun("ci", "x", f"r{number}", 1) for number in range(4)]


def test_everything_is_on_disk_before_the_first_request(tmp_path):
    seen = []

    def looks(connection, server):
        seen.append(set(spooled(tmp_path)))
        server.read(connection)
        connection.sendall(response(b'{"ok": true}'))

    with FaultServer(looks) as server:
        rows, _ = delivered(env(tmp_path), RUNS, server.url)
    assert [row.status for row in rows] == ["sent"] * 4
    assert seen == [{run.key for run in RUNS[number:]} for number in range(4)]
    assert spooled(tmp_path) == {}


def test_a_signal_whose_look_up_was_cut_short_is_kept_and_not_sent(tmp_path):
    with FaultServer(faults.closes) as server:
        rows, _ = delivered(env(tmp_path), RUNS, server.url, interrupted="cibeacon was interrupted")
        assert server.accepted == 0
    assert {(row.status, row.reason) for row in rows} == {
        ("spooled", "Cibeacon was interrupted. The signal is in the spool; cibeacon replay sends it.")
    }
    assert spooled(tmp_path).keys() == {run.key for run in RUNS}


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OutOfTime])
@pytest.mark.parametrize("after", range(4))
def test_an_interruption_between_any_two_signals_keeps_the_rest(tmp_path, monkeypatch, stop, after):
    from cibeacon.http.client import HttpClient

    carry, turns = HttpClient.send, itertools.count()

    def interrupted(self, *given, **named):
        if next(turns) == after:
            raise stop
        return carry(self, *given, **named)

    monkeypatch.setattr(HttpClient, "send", interrupted)
    with FaultServer(answers(response(b'{"ok": true}'))) as server:
        rows, _ = delivered(env(tmp_path), RUNS, server.url)
    assert [row.status for row in rows] == ["sent"] * after + ["spooled"] * (4 - after)
    assert spooled(tmp_path).keys() == {run.key for run in RUNS[after:]}


def test_an_interruption_while_it_is_written_down_loses_nothing(tmp_path, monkeypatch):
    keep, turns = Spool.keep, itertools.count()

    def interrupted(self, records):
        if next(turns) == 0:
            raise KeyboardInterrupt
        keep(self, records)

    monkeypatch.setattr(Spool, "keep", interrupted)
    with FaultServer(faults.closes) as server:
        rows, _ = delivered(env(tmp_path), RUNS, server.url)
        assert server.accepted == 0
    assert [row.status for row in rows] == ["spooled"] * 4
    assert spooled(tmp_path).keys() == {run.key for run in RUNS}


def test_a_second_interruption_while_it_is_written_down_leaves_a_row_for_every_signal(tmp_path, monkeypatch):
    def interrupted(self, records):
        raise KeyboardInterrupt

    monkeypatch.setattr(Spool, "keep", interrupted)
    with FaultServer(faults.closes) as server:
        rows, _ = delivered(env(tmp_path), RUNS, server.url)
        assert server.accepted == 0
    assert [(row.key, row.status, row.retryable) for row in rows] == [(run.key, "failed", False) for run in RUNS]
    why = "The signal could not be spooled: there was no time to write it."
    assert {row.reason for row in rows} == {f"Cibeacon was interrupted. {why}"}


@pytest.mark.parametrize("told", ["before", "meanwhile"])
def test_after_an_interruption_a_folders_lock_is_waited_for_no_longer_than_the_farewell_allows(tmp_path, told):
    (tmp_path / "spool").mkdir()
    waits, stops = [], iter([KeyboardInterrupt] if told == "meanwhile" else [])

    def sleep(seconds):
        for stop in stops:
            raise stop
        waits.append(seconds)

    holder = os.open(tmp_path / "spool", os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        interrupted = "cibeacon was interrupted" if told == "before" else None
        here = env(tmp_path)._replace(sleep=sleep)
        rows, _ = delivered(here, RUNS, "http://127.0.0.1:9", interrupted=interrupted)
    finally:
        os.close(holder)
    assert 0 < sum(waits) < FAREWELL / 2
    assert [(row.status, row.retryable) for row in rows] == [("failed", False)] * 4


def test_a_held_lock_and_a_signal_leave_a_row_with_the_reason_for_every_signal_of_the_run(tmp_path):
    (tmp_path / "spool").mkdir()
    stopped = Stopped(tmp_path / "stop", "fcntl.flock()", 2)
    environ = stopped.environ | {
        "HOME": str(tmp_path), "DX_API_TOKEN": TOKEN, "CIBEACON_SPOOL": str(tmp_path / "spool"),
        "CIBEACON_DRY_RUN": "false", "CIBEACON_REPOSITORY": "acme/shop", "CIBEACON_RUN_ID": "7",
        "CIBEACON_DEPLOY_SERVICES": "web,api", "CIBEACON_STATUS": "success", "CIBEACON_COMMIT_SHA": "a" * 40,
    }  # fmt: skip
    holder = os.open(tmp_path / "spool", os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        with FaultServer(faults.closes) as server:
            environ["CIBEACON_DX_URL"] = server.url
            with Living("report", "--strict", "--format=json", environ=environ, cwd=tmp_path) as living:
                stopped.waited_for()
                living.told(signal.SIGTERM)
                ended = living.ended()
            assert server.accepted == 0
    finally:
        os.close(holder)
    assert ended.code == 1
    rows = [row for row in json.loads(ended.out)["signals"] if row["outcome"] != "skipped"]
    assert [row["kind"] for row in rows] == ["deployment", "deployment", "pipeline-run"]
    assert {row["outcome"] for row in rows} == {"failed"}
    assert all(
        "The signal could not be spooled: another process does not release the folder's lock" in row["reason"]
        for row in rows
    )
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize(
    ("told", "why"),
    [({"CIBEACON_SPOOL": "off"}, "there is no spool"), ({"CIBEACON_SPOOL": "/proc/nowhere"}, "No such file")],
)
def test_without_a_spool_signals_go_all_the_same_and_a_lost_one_is_named(tmp_path, told, why):
    here = env(tmp_path, **told)
    with FaultServer(answers(response(b'{"ok": true}'))) as server:
        rows, notices = delivered(here, RUNS, server.url)
    assert [row.status for row in rows] == ["sent"] * 4
    with Refusing() as nobody:
        rows, notices = delivered(env(tmp_path, **told), RUNS, nobody.url)
    assert {(row.status, row.retryable) for row in rows} == {("failed", False)}
    assert all(f"The signal could not be spooled: {why}" in row.reason for row in rows)
    assert [notice.weight for notice in notices] == (["info"] if "nowhere" in told["CIBEACON_SPOOL"] else [])


def test_a_folder_that_may_not_be_written_costs_a_remark_and_no_signal(tmp_path):
    (tmp_path / "spool").mkdir()
    with FaultServer(answers(response(b'{"ok": true}'))) as server, read_only(tmp_path / "spool"):
        rows, notices = delivered(env(tmp_path), RUNS, server.url)
    assert [row.status for row in rows] == ["sent"] * 4
    assert "Signals cannot be stored in" in notices[0].text


def test_a_folder_that_a_stopped_process_holds_costs_a_remark_and_no_signal(tmp_path):
    (tmp_path / "spool").mkdir()
    holder = os.open(tmp_path / "spool", os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        with FaultServer(answers(response(b'{"ok": true}'))) as server:
            rows, notices = delivered(env(tmp_path), RUNS, server.url)
    finally:
        os.close(holder)
    assert [row.status for row in rows] == ["sent"] * 4
    assert "another process does not release the folder's lock" in notices[0].text
    assert spooled(tmp_path) == {}


def test_a_signal_that_is_too_large_to_be_kept_keeps_no_other_from_being_kept(tmp_path):
    large = PipelineRun("ci", "x" * spool_record.LARGEST, "r9", 1)
    with Refusing() as nobody:
        rows, notices = delivered(env(tmp_path), [*RUNS, large], nobody.url)
    assert [(row.status, row.retryable) for row in rows] == [("spooled", True)] * 4 + [("failed", False)]
    assert "The signal could not be spooled: it is over 1 MiB" in rows[4].reason
    assert [("over 1 MiB" in notice.text, notice.weight) for notice in notices] == [(True, "info")]
    assert spooled(tmp_path).keys() == {run.key for run in RUNS}


@pytest.mark.parametrize("lasts", [True, False])
def test_a_spool_that_the_runner_deletes_is_not_promised_for_later(tmp_path, lasts):
    here = env(tmp_path, RUNNER_TEMP=str(tmp_path / "elsewhere" if lasts else tmp_path))
    with FaultServer(faults.closes) as server:
        rows, notices = delivered(here, RUNS, server.url, interrupted="cibeacon was interrupted")
    assert all(("in the spool until the job ends" in row.reason) is not lasts for row in rows)
    assert [notice.text.partition(", ")[0] for notice in notices] == ([] if lasts else ["The spool is in RUNNER_TEMP"])


@pytest.mark.parametrize("refused", range(4))
def test_a_sink_that_did_not_take_a_signal_is_not_asked_again_and_the_rest_waits(tmp_path, refused):
    def takes_all_but_one(connection, server):
        mine = json.loads(server.read(connection).partition(b"\r\n\r\n")[2])["reference_id"]
        connection.sendall(response(b"{}", status="500 Oops") if mine == f"r{refused}" else response(b'{"ok": true}'))

    with FaultServer(takes_all_but_one) as server:
        rows, _ = delivered(env(tmp_path), RUNS, server.url)
    assert [row.status for row in rows] == ["sent"] * refused + ["spooled"] * (4 - refused)
    assert len(server.requests) == refused + TRIES
    assert all("DX did not accept an earlier signal" in row.reason for row in rows[refused + 1 :])
    assert spooled(tmp_path).keys() == {run.key for run in RUNS[refused:]}


def paused(reference, times):
    """A vendor that answers one signal with a pause of more than half of the time, so many times; and what it was sent."""
    seen = []

    def answer(connection, server):
        mine = json.loads(server.read(connection).partition(b"\r\n\r\n")[2])["reference_id"]
        seen.append(mine)
        slow = mine == reference and seen.count(mine) <= times
        ok = response(b'{"ok": true}')
        connection.sendall(response(b"{}", status="429 Slow Down", Retry_After="16") if slow else ok)

    return answer, seen


def test_a_long_pause_that_the_first_signal_is_answered_with_does_not_change_the_order(tmp_path):
    answer, seen = paused("r0", times=1)
    with FaultServer(answer) as server:
        rows, _ = delivered(env(tmp_path), RUNS, server.url)
    assert [row.status for row in rows] == ["sent"] * 4
    assert seen == ["r0", "r0", "r1", "r2", "r3"]


def test_a_sink_that_asks_for_a_longer_pause_than_there_is_time_is_left_alone(tmp_path):
    answer, seen = paused("r0", times=100)
    with FaultServer(answer) as server:
        rows, _ = delivered(env(tmp_path), RUNS, server.url)
    assert [row.status for row in rows] == ["spooled"] * 4
    assert seen == ["r0", "r0"]
    assert spooled(tmp_path).keys() == {run.key for run in RUNS}


def test_a_signal_that_holds_a_secret_is_sent_but_never_written_down(tmp_path):
    telling = PipelineRun("ci", "x", "r9", 1, head_branch=f"feature/{TOKEN}")
    with Refusing() as nobody:
        rows, _ = delivered(env(tmp_path), [RUNS[0], telling], nobody.url)
    assert [(row.status, row.retryable) for row in rows] == [("spooled", True), ("failed", False)]
    assert "it contains a secret of this job" in rows[1].reason
    assert spooled(tmp_path).keys() == {RUNS[0].key}


def test_of_two_statements_with_one_key_the_later_is_not_lost_when_the_earlier_arrives(tmp_path):
    pulls = [PullServices((name,), github_pull_id=7, replace=True) for name in ("old", "new")]
    acts = in_turn(answers(response(b'{"ok": true}')), status("401 Who", "invalid_auth"))
    with FaultServer(acts) as server:
        rows, _ = delivered(env(tmp_path), pulls, server.url)
    assert [row.status for row in rows] == ["sent", "failed"]
    (kept,) = spooled(tmp_path).values()
    assert kept.body["services"] == ["new"]


def test_a_dry_run_writes_nothing_down(tmp_path):
    rows, _ = delivered(env(tmp_path), RUNS, "https://acme.getdx.net", dry_run=True)
    assert {row.status for row in rows} == {"dry-run"}
    assert not (tmp_path / "spool").exists()
