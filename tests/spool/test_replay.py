"""`cibeacon replay`: what waits is sent as it was written, once in effect, whoever sends it and however often."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cibeacon.http.client import HttpClient
from cibeacon.model.report import Outcome
from cibeacon.model.request import Endpoint
from cibeacon.runtime.deadline import Deadline
from cibeacon.sandbox.server import Sandbox
from cibeacon.sinks import dx
from cibeacon.spool import Spool, spool_reader
from disks import read_only
from faults import FaultServer, Refusing, answers, hangs, response
from processes import cibeacon
from spool_records import deployment, fresh, kept, pull, run

TOKEN = "tok-cmVwbGF5"
DOWN = response(b'{"ok": false}', status="503 Service Unavailable")
REFUSED = response(b'{"ok": false, "error": "invalid_arguments"}', status="422 Unprocessable Content")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in list(os.environ):
        if name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)


@pytest.fixture
def sandbox():
    with Sandbox(token=TOKEN) as running:
        yield running
        assert running.faults == []


@pytest.fixture
def place(tmp_path):
    return Spool(tmp_path / "spool", fresh)


@pytest.fixture
def replay(tmp_path, sandbox):
    """Runs the command with a configuration that is right, but for what is told."""

    def run(*argv, environ=None, stdin="", url=None, cwd=tmp_path):
        told = {"CIBEACON_DX_URL": url or sandbox.url, "DX_API_TOKEN": TOKEN, "CIBEACON_SPOOL": str(tmp_path / "spool")}
        return cibeacon("replay", "--format=json", *argv, environ={**told, **(environ or {})}, cwd=cwd, stdin=stdin)

    return run


def words(ended):
    return [signal["outcome"] for signal in ended.document["signals"]]


def notices(ended, weight="error"):
    return [notice["text"] for notice in ended.document["notices"] if notice["weight"] == weight]


def bodies(sandbox):
    return [entry["body"] for entry in sandbox.ledger.document()["requests"]]


def files(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# What is sent -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["classic", "current"])
def test_the_hosts_own_spool_is_sent_in_the_order_of_time_and_is_empty_then(replay, place, sandbox, form):
    signals = [(deployment(), 3.0), (run(), 1.0), (pull("a", "b"), 2.0)]
    place.keep([kept(signal, at, form) for signal, at in signals])
    ended = replay("--strict")
    assert (ended.code, ended.document["status"], words(ended)) == (0, "sent", ["sent"] * 3)
    assert [signal["kind"] for signal in ended.document["signals"]] == ["pipeline-run", "pull-services", "deployment"]
    assert len(bodies(sandbox)) == 3
    assert files(place.folder) == {}
    again = replay("--strict")
    assert (again.code, words(again), notices(again, "info")) == (
        0,
        [],
        [f"No signals are waiting in {place.folder}. For another spool, run cibeacon replay FOLDER."],
    )
    assert len(bodies(sandbox)) == 3


def test_without_a_spool_nothing_waits(replay):
    ended = replay("--strict")
    assert (ended.code, ended.document["status"], notices(ended)) == (0, "skipped", [])
    assert replay("--spool=off", "--strict").code == 0


@pytest.mark.parametrize("shape", ["files", "folder", "glob", "one file of many lines", "standard input"])
def test_records_are_sent_from_wherever_they_were_kept(replay, sandbox, tmp_path, shape):
    records = [kept(run(number), float(number)) for number in range(5)]
    lines, stdin = b"".join(each.line() for each in records), ""
    if shape == "standard input":
        names, stdin = ["-"], lines.decode()
    elif shape == "one file of many lines":
        names = ["all.txt"]
        (tmp_path / "all.txt").write_bytes(lines[:-1])
    else:
        Spool(tmp_path / "artifacts" / "job-1" / "spool", fresh).keep(records)
        found = [str(path) for path in tmp_path.rglob("*.ndjson")]
        names = {"files": found, "folder": ["artifacts"], "glob": ["artifacts/*/spool"]}[shape]
    ended = replay("--strict", *names, stdin=stdin)
    assert (ended.code, words(ended)) == (0, ["sent"] * 5)
    assert [body["reference_id"] for body in bodies(sandbox)] == [f"r{number}" for number in range(5)]
    assert files(tmp_path) == {}


@pytest.mark.parametrize(
    "signal",
    [
        deployment(metadata={"ö": "ümlaut", "z": 1, "a": [1.5, -0.0, 10**40, True, None], "n": {"\u2028": "\udc80"}}),
        deployment(service="caf\u00e9 \U0001f680 \ud83d", environment='"\\\x7f'),
        run(head_branch="feature/ö\udcff\u202e", pipeline_name="x" * 5000),
        pull("ä", "b", github_pull_id=2**62),
    ],
    ids=["metadata", "surrogates", "branch", "big id"],
)
def test_the_body_on_the_wire_is_that_of_the_first_attempt_to_the_byte(replay, place, signal):
    with FaultServer(answers(DOWN)) as first:
        client = HttpClient(
            {"dx": Endpoint(first.url, TOKEN)}, Deadline(30.0, time.monotonic, time.sleep, time.monotonic()),
            random=lambda: 0.0, now=time.time, user_agent="cibeacon/0",
        )  # fmt: skip
        client.send(dx.send(signal, "classic"), Outcome(signal.kind, "dx", "skipped"))
        client.close()
    place.keep([kept(signal)])
    with FaultServer(answers(response(b'{"ok": true}'))) as later:
        assert words(replay(url=later.url)) == ["sent"]
    sent = {request.partition(b"\r\n\r\n")[2] for request in (*first.requests, *later.requests)}
    assert sent == {next(dx.send(signal, "classic")).content()}
    assert later.requests[0].startswith(b"POST /api/")


def test_of_a_pull_requests_replacing_statements_the_newest_is_sent_and_the_others_go(replay, sandbox, tmp_path):
    for number, (at, services) in enumerate([(2.0, ("b",)), (3.0, ("c", "d")), (1.0, ("a",))]):
        Spool(tmp_path / "artifacts" / str(number), fresh).keep([kept(pull(*services, replace=True), at)])
    other = kept(pull("x", replace=True, pr_number=8), 0.5)
    (tmp_path / "artifacts" / "more.ndjson").write_bytes(kept(pull("z", replace=True), 0.1).line() + other.line())
    ended = replay("artifacts", "--strict")
    assert (ended.code, words(ended)) == (0, ["sent"] * 2)
    assert [(body["pull_number"], body["services"]) for body in bodies(sandbox)] == [(7, ["c", "d"]), (8, ["x"])]
    assert files(tmp_path / "artifacts") == {}


def test_statements_that_add_to_each_other_all_go(replay, sandbox, tmp_path):
    for number, services in enumerate([("a",), ("b", "c"), ("a",)]):
        Spool(tmp_path / "artifacts" / str(number), fresh).keep([kept(pull(*services), float(number))])
    assert words(replay("artifacts")) == ["sent"] * 2
    assert sandbox.ledger.document()["pull_services"] == {"o/r#7": ["a", "b", "c"]}


@pytest.mark.parametrize("own", [False, True])
def test_a_deployment_that_is_there_already_is_ours_or_a_conflict(replay, place, own):
    place.keep([kept(deployment(own_reference=own))])
    exists = response(b'{"ok": false, "error": "reference_id_exists"}', status="409 Conflict")
    with FaultServer(answers(exists)) as server:
        ended = replay("--strict", url=server.url)
    assert (ended.code, words(ended)) == ((1, ["failed"]) if own else (0, ["duplicate"]))
    assert [name.rpartition(".")[2] for name in files(place.folder)] == (["refused"] if own else [])


# What stays ---------------------------------------------------------------------------------------------------------


def test_what_cannot_be_delivered_now_stays_to_the_byte_and_goes_the_next_time(replay, place, tmp_path):
    place.keep([kept(run(number)) for number in range(3)])
    before = files(place.folder)
    with FaultServer(answers(DOWN)) as down:
        lenient, strict = replay(url=down.url), replay("--strict", url=down.url)
    assert (lenient.code, strict.code) == (0, 1)
    assert words(strict) == ["spooled"] * 3
    assert files(place.folder) == before
    assert words(replay()) == ["sent"] * 3


def test_what_is_refused_for_what_it_says_is_set_aside_and_not_tried_again(replay, place):
    place.keep([kept(run())])
    with FaultServer(answers(REFUSED)) as server:
        ended = replay("--strict", url=server.url)
    assert (ended.code, words(ended)) == (1, ["failed"])
    assert files(place.folder) == {kept(run()).name + ".refused": kept(run()).line()}
    assert words(replay("--strict")) == []


def test_a_file_that_does_not_exist_is_the_only_problem_named(replay):
    ended = replay("nowhere.ndjson")
    assert (ended.document["status"], words(ended), notices(ended, "info")) == ("failed", [], [])
    assert notices(ended) == ["nowhere.ndjson cannot be replayed: there is no such file or folder. Correct the name."]


def test_the_log_of_a_replay_tells_runs_apart_by_time(replay, place):
    place.keep([kept(run(), 60.0)])
    assert "(of 1970-01-01T00:01:00Z)" in replay().err


def test_when_the_newest_is_refused_an_older_statement_does_not_get_the_last_word(replay, sandbox, tmp_path):
    (tmp_path / "all.ndjson").write_bytes(
        kept(pull("old", replace=True), 1.0).line() + kept(pull("new", replace=True), 2.0).line()
    )
    with FaultServer(answers(REFUSED)) as server:
        assert words(replay("all.ndjson", url=server.url)) == ["failed"]
    assert replay("all.ndjson").document["signals"] == []
    assert bodies(sandbox) == []
    assert len((tmp_path / "all.ndjson.refused").read_bytes().splitlines()) == 2


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"CIBEACON_DX_URL": "", "DX_API_TOKEN": ""}, "DX is not configured"),
        ({"DX_API_TOKEN": ""}, "token is missing"),
        ({"CIBEACON_DX_URL": ""}, "URL is missing"),
        ({"CIBEACON_DX_URL": "http://dx.example"}, "unencrypted"),
        ({"CIBEACON_TIMEOUT": "abc"}, "not a number of seconds"),
    ],
)
def test_without_the_right_settings_nothing_is_touched(replay, place, environ, says):
    place.keep([kept(run(1)), kept(run(2))])
    before = files(place.folder)
    lenient, strict = replay(environ=environ), replay("--strict", environ=environ)
    assert (lenient.code, strict.code, words(strict)) == (0, 1, ["invalid"] * 2)
    assert says in strict.document["signals"][0]["reason"]
    assert files(place.folder) == before


@pytest.mark.parametrize(
    "change",
    [
        {"path": "//evil.example/api/deployments.create"}, {"path": "/api/users.delete"}, {"path": "/api/../../x"},
        {"method": "DELETE"}, {"sink": "../dci"}, {"sink": "elsewhere"}, {"body": None}, {"path": "@evil.example/"},
    ],
)  # fmt: skip
def test_a_record_that_is_no_call_of_ours_is_never_sent_and_stays(replay, place, sandbox, change):
    place.keep([kept(run(), **change), kept(run(2))])
    ended = replay("--strict")
    assert ended.code == 1
    assert sorted(words(ended)) == ["invalid", "sent"]
    assert [body["reference_id"] for body in bodies(sandbox)] == ["r2"]
    assert len(files(place.folder)) == 1


def test_hostile_words_in_a_record_obey_nobody(replay, place, tmp_path):
    evil = "x\x1b[31m\r\n::set-output name=a::b\n##[error]y\u2028<b>|`"
    place.keep([kept(run(), path="/api/none", kind=evil, subject=evil, reference_id=evil, key=evil)])
    environ = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(tmp_path / "out"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "sum"),
    }
    ended = cibeacon(
        "replay",
        cwd=tmp_path,
        environ={
            "CIBEACON_SPOOL": str(place.folder),
            "CIBEACON_DX_URL": "https://x.example",
            "DX_API_TOKEN": TOKEN,
            **environ,
        },
    )
    said = ended.out + ended.err + (tmp_path / "sum").read_text()
    assert "\x1b" not in said
    assert "\r" not in said
    assert "##[" not in said
    commands = [line for line in ended.out.splitlines() if line.startswith("::")]
    assert all(line.startswith(("::add-mask::", "::warning title=")) for line in commands)
    assert "<b>" not in (tmp_path / "sum").read_text()


def test_a_dry_run_shows_the_calls_and_touches_nothing(replay, place, sandbox, tmp_path):
    place.keep([kept(run(1)), kept(run(2))])
    (place.folder / "x.ndjson").write_bytes(b"bad\n" + kept(run(3)).line())
    before = files(tmp_path)
    ended = replay("--dry-run", environ={"DX_API_TOKEN": ""})
    assert (ended.code, ended.document["status"], words(ended)) == (0, "dry-run", ["dry-run"] * 3)
    assert [signal["request"]["body"]["reference_id"] for signal in ended.document["signals"]].count("r3") == 1
    assert replay("--dry-run", "-", stdin=kept(run(4)).line().decode()).document["status"] == "dry-run"
    assert files(tmp_path) == before
    assert bodies(sandbox) == []


def test_bad_lines_are_said_and_set_aside_and_the_rest_is_sent(replay, place):
    place.keep([kept(run(number)) for number in range(3)])
    cut = place.folder / kept(run(1)).name
    cut.write_bytes(cut.read_bytes()[:100])
    ended = replay("--strict")
    assert (ended.code, words(ended)) == (1, ["sent"] * 2), "a signal may be lost: strict says so"
    assert "a line cannot be read" in notices(ended)[0]
    assert files(place.folder) == {cut.name + ".corrupt": kept(run(1)).line()[:100] + b"\n"}
    assert replay("--strict").code == 0


def test_a_name_of_nothing_is_trouble_and_the_others_are_sent(replay, place):
    place.keep([kept(run())])
    ended = replay("--strict", "nowhere", "spool")
    assert (ended.code, words(ended)) == (1, ["sent"])
    assert "nowhere cannot be replayed" in notices(ended)[0]
    assert replay("nowhere").code == 0


def test_what_was_delivered_and_cannot_be_removed_costs_a_remark(replay, place, sandbox):
    place.keep([kept(run(1)), kept(run(2))])
    with read_only(place.folder):
        ended = replay("--strict")
    assert (ended.code, ended.document["status"], words(ended)) == (0, "sent", ["sent"] * 2)
    assert any("Remove the file, or make it writable" in remark for remark in notices(ended, "info"))
    assert words(replay("--strict")) == ["sent"] * 2
    assert len(sandbox.ledger.document()["pipeline_runs"]) == 2


def test_a_default_spool_that_is_a_link_is_not_read(replay, tmp_path):
    Spool(tmp_path / "elsewhere", fresh).keep([kept(run())])
    (tmp_path / "spool").symlink_to(tmp_path / "elsewhere")
    ended = replay("--strict")
    assert (ended.code, words(ended)) == (1, [])
    assert "symbolic link" in notices(ended)[0]


@pytest.mark.parametrize("refused", range(4))
def test_a_signal_that_is_never_taken_starves_no_other(replay, place, sandbox, refused):
    place.keep([kept(run(number), float(number)) for number in range(4)])

    def takes_all_but_one(connection, server):
        request = server.read(connection)
        mine = json.loads(request.partition(b"\r\n\r\n")[2])["reference_id"]
        connection.sendall(DOWN if mine == f"r{refused}" else response(b'{"ok": true}'))

    with FaultServer(takes_all_but_one) as server:
        ended = replay("--strict", url=server.url)
    assert words(ended) == ["spooled" if number == refused else "sent" for number in range(4)]
    assert list(files(place.folder)) == [kept(run(refused)).name]
    assert words(replay()) == ["sent"]


def test_a_server_that_is_down_is_left_alone_after_a_few_requests(replay, place):
    place.keep([kept(run(number), float(number)) for number in range(50)])
    with FaultServer(answers(DOWN)) as server:
        ended = replay("--strict", url=server.url)
    assert words(ended) == ["spooled"] * 50
    assert len(server.requests) <= 5 + 3
    assert "did not accept an earlier signal" in ended.document["signals"][49]["reason"]


def test_a_folder_that_a_stopped_process_holds_costs_a_remark_and_what_was_sent_stays_there(replay, place, sandbox):
    place.keep([kept(run(number)) for number in range(3)])
    holder = os.open(place.folder, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        ended = replay("--strict", "--timeout=8")
    finally:
        os.close(holder)
    assert (ended.code, words(ended)) == (0, ["sent"] * 3)
    assert all("another process does not release the folder's lock" in remark for remark in notices(ended, "info"))
    assert words(replay("--strict")) == ["sent"] * 3
    assert len(sandbox.ledger.document()["pipeline_runs"]) == 3


# Standard input -----------------------------------------------------------------------------------------------------


def test_what_came_by_a_pipe_and_cannot_be_delivered_is_in_the_spool(replay, place):
    lines = kept(run(1)).line() + b"bad\n" + kept(run(2)).line()
    with FaultServer(answers(DOWN)) as down:
        ended = replay("--strict", "-", stdin=lines.decode(), url=down.url)
    assert (ended.code, words(ended)) == (1, ["spooled"] * 2)
    assert b"".join(files(place.folder).values()).count(b"\n") == 3, "the bad line too, aside"
    assert sorted(words(replay())) == ["sent"] * 2
    assert [name for name in files(place.folder) if not name.endswith(".corrupt")] == []


def test_what_came_by_a_pipe_and_has_no_spool_is_never_called_kept(replay, tmp_path):
    line = kept(run(1)).line().decode()
    with Refusing() as nobody:
        ended = replay("--strict", "-", stdin=line, url=nobody.url, environ={"CIBEACON_SPOOL": "off"})
    (signal,) = ended.document["signals"]
    assert (ended.code, signal["outcome"]) == (1, "failed")
    assert "is not spooled" in signal["reason"]
    (tmp_path / "spool").write_text("no folder")
    assert words(replay("-", stdin=line)) == ["sent"], "it goes all the same"


def test_a_pipe_of_nothing_is_nothing(replay, place):
    assert replay("--strict", "-", stdin=" \n\n").code == 0
    assert not place.folder.exists()


def test_a_pipe_of_garbage_is_named_and_waits_nowhere_for_ever(replay, place):
    ended = replay("--strict", "-", stdin="curl: (6) could not resolve\n")
    assert (ended.code, words(ended)) == (1, [])
    assert replay("--strict").code == 0


def test_a_pipe_without_an_end_in_size_is_not_read(replay, monkeypatch, place):
    monkeypatch.setattr(spool_reader, "LARGEST", 100)
    ended = replay("--strict", "-", stdin=kept(run()).line().decode())
    assert (ended.code, words(ended)) == (1, [])
    assert "standard input was not read" in notices(ended)[0]


# Time, and others ---------------------------------------------------------------------------------------------------


def test_out_of_time_everything_stays(replay, place):
    place.keep([kept(run(number)) for number in range(20)])
    began = time.monotonic()
    with FaultServer(hangs) as server:
        ended = replay("--strict", "--timeout=1", url=server.url)
    assert time.monotonic() - began < 3.0, "a watchdog, not a measure"
    assert (ended.code, words(ended)) == (1, ["spooled"] * 20)
    assert len(files(place.folder)) == 20


def test_an_interruption_leaves_what_was_not_sent_and_says_so(replay, place, sandbox, monkeypatch):
    place.keep([kept(run(number), float(number)) for number in range(4)])
    carry, sent = HttpClient.send, []

    def interrupted(self, exchange, row, **named):
        if len(sent) == 2:
            raise KeyboardInterrupt
        sent.append(row)
        return carry(self, exchange, row, **named)

    monkeypatch.setattr(HttpClient, "send", interrupted)
    ended = replay("--strict")
    assert (ended.code, words(ended)) == (1, ["sent", "sent", "spooled", "spooled"])
    assert "interrupted" in ended.document["signals"][3]["reason"]
    monkeypatch.undo()
    assert words(replay()) == ["sent", "sent"]
    assert len(bodies(sandbox)) == 4


@pytest.mark.parametrize("shape", ["a file each", "one file"])
def test_two_replays_at_once_deliver_everything_and_never_disagree(replay, sandbox, tmp_path, shape):
    """Each with a world of its own; a deployment sent twice would be a duplicate, and is sent by one of them alone."""
    records = [kept(deployment(number) if number % 2 else run(number), float(number)) for number in range(24)]
    if shape == "one file":
        (tmp_path / "spool").mkdir()
        (tmp_path / "spool" / "all.ndjson").write_bytes(b"".join(each.line() for each in records))
    else:
        Spool(tmp_path / "spool", fresh).keep(records)
    together = threading.Barrier(3)

    def one():
        together.wait()
        return replay("--strict")

    with ThreadPoolExecutor(3) as pool:
        ended = [future.result() for future in [pool.submit(one) for _ in range(3)]]
    assert [each.code for each in ended] == [0] * 3
    assert {word for each in ended for word in words(each)} <= {"sent", "skipped"}
    assert sum(words(each).count("sent") for each in ended) == 24
    assert files(tmp_path / "spool") == {}
    ledger = sandbox.ledger.document()
    assert (len(ledger["deployments"]), len(ledger["pipeline_runs"]), len(ledger["requests"])) == (12, 12, 24)


def test_an_older_statement_goes_with_a_newer_one_that_another_replay_has(replay, tmp_path, sandbox):
    older, newer = kept(pull("old", replace=True), 1.0), kept(pull("new", replace=True), 2.0)
    for name, each in (("old", older), ("new", newer)):
        (tmp_path / f"{name}.ndjson").write_bytes(each.line())
    with (tmp_path / "new.ndjson").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert words(replay("old.ndjson", "new.ndjson", "--timeout=2")) == ["skipped"]
    assert files(tmp_path) == {"new.ndjson": newer.line()}
    assert bodies(sandbox) == []


def test_a_file_of_many_lines_is_sent_line_by_line(replay, sandbox, tmp_path):
    lines = [kept(run(number), float(number)).line() for number in range(300)]
    (tmp_path / "all.ndjson").write_bytes(b"".join(lines))
    ended = replay("--strict", "--timeout=60", "all.ndjson")
    assert (ended.code, set(words(ended))) == (0, {"sent"})
    assert len(sandbox.ledger.document()["pipeline_runs"]) == 300
    assert not (tmp_path / "all.ndjson").exists()


def test_what_is_written_while_a_replay_sends_is_not_lost(replay, place, sandbox):
    """A job states a fact anew at the moment when its older statement is delivered."""
    newer = kept(pull("new", replace=True), 2.0)
    place.keep([kept(pull("old", replace=True), 1.0)])

    def states_anew(connection, server):
        server.read(connection)
        Spool(place.folder, fresh).keep([newer])
        connection.sendall(response(b'{"ok": true}'))

    with FaultServer(states_anew) as server:
        assert words(replay(url=server.url)) == ["sent"]
    assert files(place.folder) == {newer.name: newer.line()}
    assert words(replay()) == ["sent"]
    assert [body["services"] for body in bodies(sandbox)] == [["new"]]


def test_the_report_is_one_document_like_any_other(replay, place):
    place.keep([kept(run())])
    document = replay().document
    assert set(document) == {"version", "status", "context", "changes", "signals", "notices"}
    assert json.loads(json.dumps(document)) == document
    assert document["context"] is None
