"""`exec`: what is reported of a command, and what is said where it cannot be. The command never notices."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time

import pytest

import disks
from cibeacon.model import spool_record
from cibeacon.sandbox.server import Sandbox
from cibeacon.settings import own_secret_variables
from faults import FaultServer, Refusing, answers, drips, hangs, hangs_unread, response
from living import SECONDS, records
from processes import cibeacon
from wrapped import CIBEACON, EXEC, PATH, PATIENT, Running, job, observe, only_run, puppet, runs

REFUSED = response(b'{"ok": false, "error": "invalid_auth"}', status="401 Unauthorized")
NOT_BESIDE = "the run is not reported, because no second process can be started"
BROKEN = response(b'{"ok": false}', status="500 Internal Server Error")


@pytest.fixture
def dx():
    with Sandbox(token="good") as sandbox:
        yield sandbox


@pytest.fixture
def environ(dx, tmp_path):
    return job(dx.url, tmp_path)


def flagged(*flags):
    return (CIBEACON, "exec", PATIENT, *flags, "--")


def spooled(tmp_path):
    return records(tmp_path / "spool")


# What is reported -----------------------------------------------------------------------------------------------------


def test_a_run_is_reported_when_it_starts_and_when_it_ends(environ, tmp_path, dx):
    with Running((*EXEC, *puppet("TERM", ends_at="TERM", code=0)), environ=environ, cwd=tmp_path) as running:
        running.line()
        until(lambda: runs(dx))
        assert only_run(dx)["status"] == "running"
        running.send("TERM")
        assert running.observed().code == 0
    run = only_run(dx)
    assert (run["status"], run["pipeline_name"], run["repository"], run["notifications"]) == (
        *("success", "build", "acme/shop"),
        2,
    )
    assert run["started_at"] <= run["finished_at"]
    assert spooled(tmp_path) == {}


def until(holds):
    """Waits until something holds that nobody tells of."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("flags", "more", "command", "name"),
    [
        ((), {}, ["true"], "build"),
        (("--name", "unit tests"), {}, ["true"], "unit tests"),
        (("--name=x",), {}, ["true"], "x"),
        (("--name", " "), {}, ["true"], "build"),
        ((), {"CI_JOB_NAME": ""}, ["/bin/true", "--token=s3cret"], "true"),
        ((), {"CI_JOB_NAME": ""}, ["sh", "-c", "true s3cret"], "sh"),
        ((), {"CI_JOB_NAME": "", "CIBEACON_PIPELINE_NAME": "ship"}, ["true"], "true"),
        (("--name", "a\nb\x1b[31m" + 300 * "c"), {}, ["true"], "a\\nb\\x1b[31m" + 187 * "c" + "…"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_its_name_is_the_flag_or_the_job_or_the_program_and_never_an_argument(
    flags, more, command, name, environ, tmp_path, dx
):
    assert observe(flagged(*flags), command, environ={**environ, **more}, cwd=tmp_path).code == 0
    assert only_run(dx)["pipeline_name"] == name
    assert "s3cret" not in json.dumps(dx.ledger.document())


@pytest.mark.parametrize(
    ("codes", "code", "status"),
    [("0,2", 2, "success"), ("0,2", 0, "success"), ("2", 0, "failure"), ("0,2", 1, "failure"), (" 3 ", 3, "success")],
)
def test_codes_that_count_as_success_change_the_report_and_not_the_code(codes, code, status, environ, tmp_path, dx):
    end = observe(flagged("--success-codes", codes), ["sh", "-c", f"exit {code}"], environ=environ, cwd=tmp_path)
    assert (end.code, end.err) == (code, b"")
    assert only_run(dx)["status"] == status


def test_on_github_the_job_gives_the_name_and_the_attempt_is_in_the_id(dx, tmp_path):
    environ = {
        "PATH": PATH,
        "GITHUB_ACTIONS": "true",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_RUN_ID": "7001",
        "GITHUB_RUN_ATTEMPT": "2",
        "GITHUB_JOB": "lint",
        "GITHUB_SHA": "b" * 40,
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "RUNNER_TEMP": str(tmp_path),
        "CIBEACON_DX_URL": dx.url,
        "DX_API_TOKEN": "good",
    }
    (tmp_path / "event.json").write_text('{"ref": "refs/heads/main"}')
    end = observe(EXEC, ["true"], environ=environ, cwd=tmp_path)
    run = only_run(dx)
    assert (end.code, end.err) == (0, b"")
    assert (run["pipeline_name"], run["pipeline_source"], run["status"]) == ("lint", "GitHub Actions", "success")
    assert run["reference_id"].startswith("github.com/acme%2Fshop/exec/")
    assert run["reference_id"].endswith("/runs/7001/attempts/2/jobs/lint")


def test_a_merge_request_of_a_fork_without_secrets_costs_no_line(environ, tmp_path, dx):
    fork = {"CI_MERGE_REQUEST_IID": "7", "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2", "CI_MERGE_REQUEST_PROJECT_ID": "1"}
    end = observe(EXEC, ["true"], environ={**environ, **fork, "DX_API_TOKEN": ""}, cwd=tmp_path)
    assert (end.code, end.err, runs(dx)) == (0, b"", {})


def test_two_commands_of_one_job_are_two_runs_and_neither_is_the_pipelines(environ, tmp_path, dx):
    for _ in range(2):
        observe(EXEC, ["true"], environ=environ, cwd=tmp_path)
    cibeacon("report", "--status=success", environ=environ, cwd=tmp_path)
    references = sorted(runs(dx))
    assert len(references) == 3
    assert [reference for reference in references if "/exec/" not in reference] == [
        "gitlab.example.com/acme%2Fshop/runs/900"
    ]


def test_outside_ci_nothing_is_sent_and_only_verbose_says_what_would_be(environ, tmp_path, dx):
    plain = {"PATH": PATH, **{name: environ[name] for name in ("CIBEACON_DX_URL", "DX_API_TOKEN", "CIBEACON_SPOOL")}}
    assert observe(EXEC, ["true"], environ=plain, cwd=tmp_path).err == b""
    shown = observe(flagged("--verbose"), ["true"], environ=plain, cwd=tmp_path).err.decode()
    assert shown.startswith(f"cibeacon: would send pipeline-run true: success: POST {dx.url}/api/pipelineRuns.sync {{")
    assert shown.count("\n") == 1
    assert runs(dx) == {}
    assert observe(flagged("--no-dry-run"), ["true"], environ=plain, cwd=tmp_path).err == b""
    assert only_run(dx)["status"] == "success"


def test_on_a_ci_system_that_is_named_it_is_sent_as_a_report_is(environ, tmp_path, dx):
    plain = {"PATH": PATH, **{name: environ[name] for name in ("CIBEACON_DX_URL", "DX_API_TOKEN", "CIBEACON_SPOOL")}}
    observe(EXEC, ["true"], environ=plain | {"CIBEACON_HOST": "local"}, cwd=tmp_path)
    assert only_run(dx)["status"] == "success"


def test_a_ci_system_that_is_not_known_is_named_as_the_reason(environ, tmp_path, dx):
    plain = {"PATH": PATH, "CI": "true", "CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": "good"}
    end = observe(EXEC, ["true"], environ=plain, cwd=tmp_path)
    assert b"this CI system is not known" in end.err
    assert runs(dx) == {}


# What goes wrong ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (answers(BROKEN, BROKEN), "spooled"),
        (answers(REFUSED, REFUSED), "failed"),
        (answers(b"nonsense\r\n\r\n"), "spooled"),
        (hangs, "spooled"),
        (hangs_unread, "spooled"),
        (drips, "spooled"),
    ],
    ids=["500", "401", "nonsense", "hangs", "hangs unread", "drips"],
)
def test_a_server_that_fails_costs_a_line_and_the_signal_waits(fault, says, tmp_path):
    with FaultServer(fault) as server:
        command = (*flagged("--report-timeout=2"), *puppet("USR1", ends_at="USR1", code=4))
        with Running(command, environ=job(server.url, tmp_path), cwd=tmp_path) as running:
            running.line()
            until(lambda: server.accepted)  # it has loaded what it needs
            running.send("USR1")
            end = running.observed(expected_left=[])
    assert (end.code, end.out, end.left) == (4, b"ready\nUSR1\n", [])
    assert end.err.decode().startswith(f"cibeacon: {says} pipeline-run build: failure (")
    assert end.err.count(b"\n") == 1
    ends = [record for key, record in spooled(tmp_path).items() if key.endswith("/end")]
    assert [record.body["status"] for record in ends] == ["failure"]


def test_a_server_that_refuses_connections_costs_a_line_and_the_signal_waits(tmp_path):
    with Refusing() as server:
        end = observe(flagged("--report-timeout=5"), ["true"], environ=job(server.url, tmp_path), cwd=tmp_path)
    assert end.code == 0
    assert b"spooled pipeline-run build: success" in end.err
    assert [record.body["status"] for record in spooled(tmp_path).values()] == ["success"]


def test_a_report_that_takes_longer_than_it_may_is_left_to_the_spool(tmp_path):
    """It may take five seconds; the bound is ten times that."""
    command = (CIBEACON, "exec", "--", *puppet("USR1", ends_at="USR1", code=0))
    with FaultServer(hangs) as server, Running(command, environ=job(server.url, tmp_path), cwd=tmp_path) as running:
        running.line()
        server.waited_for()
        running.send("USR1")
        assert running.process.wait(timeout=50) == 0
    assert [record.body["status"] for record in spooled(tmp_path).values()] == ["success"]


@pytest.mark.parametrize("name", ["TERM", "INT"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_signal_during_the_report_ends_it_and_not_the_code(name, times, tmp_path):
    with FaultServer(hangs) as server:
        command = (*flagged("--report-timeout=600"), "sh", "-c", "exit 6")
        with Running(command, environ=job(server.url, tmp_path), cwd=tmp_path) as running:
            server.waited_for()
            for _ in range(times):
                running.send(name, "group" if times == 1 else "alone")
            end = running.observed(expected_left=[])
    assert (end.code, end.left) == (6, [])
    assert [record.body["status"] for record in spooled(tmp_path).values()] == ["failure"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"DX_API_TOKEN": ""}, "invalid pipeline-run build: success: DX's token is missing"),
        ({"CIBEACON_DX_URL": ""}, "invalid pipeline-run build: success: DX's URL is missing"),
        ({"CIBEACON_DX_URL": "", "DX_API_TOKEN": ""}, "invalid pipeline-run build: success: DX is not configured"),
        ({"CIBEACON_TIMEOUT": "soon"}, 'invalid pipeline-run build: success: timeout "soon" cannot be used'),
        ({"CIBEACON_STRICT": "true", "DX_API_TOKEN": "bad"}, "failed pipeline-run build: success ("),
        ({"CIBEACON_SPOOL": "/proc/nowhere"}, "Signals cannot be stored in /proc/nowhere"),
        ({"CIBEACON_DX_URL": "http://dx.example.com"}, "would carry the token unencrypted"),
        ({"CIBEACON_DX_URL": "http://no-such-host.invalid", "CIBEACON_ALLOW_HTTP": "true"}, "spooled pipeline-run"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_setting_that_cannot_be_used_costs_a_line(more, says, environ, tmp_path):
    flags = ["--report-timeout=5"] if says.startswith("spooled") else []
    end = observe(flagged(*flags), ["sh", "-c", "echo out"], environ={**environ, **more}, cwd=tmp_path)
    assert (end.code, end.out) == (0, b"out\n")
    assert says in end.err.decode()
    assert end.err.count(b"\n") == 1
    assert b"good" not in end.err
    assert observe(flagged("--quiet", *flags), ["true"], environ={**environ, **more}, cwd=tmp_path).err == b""


@pytest.mark.parametrize(
    ("flag", "value"), [("--kill-after", "soon"), ("--success-codes", "none"), ("--report-timeout", "-1")]
)
def test_a_flag_whose_value_cannot_be_used_costs_a_line(flag, value, environ, tmp_path, dx):
    end = observe(flagged(f"{flag}={value}"), ["true"], environ=environ, cwd=tmp_path)
    assert end.code == 0
    assert end.err.decode().startswith(f"cibeacon: {flag} was ignored: '{value}' is not a ")
    assert only_run(dx)["status"] == "success"


@pytest.mark.parametrize(
    "line",
    [[], ["make"], ["--"], ["--name"], ["--name", "--"], ["--naem=x", "--", "true"], ["--group=yes", "--", "true"]],
    ids=" ".join,
)
def test_a_line_that_cannot_be_read_runs_nothing_and_exits_2(line, environ, tmp_path, dx):
    end = observe((CIBEACON, "exec"), line, environ=environ, cwd=tmp_path)
    assert (end.code, end.out) == (2, b"")
    assert b"Error: " in end.err
    assert runs(dx) == {}


def test_a_full_disk_costs_a_line_and_the_run_is_reported_all_the_same(environ, tmp_path, dx):
    with disks.small(tmp_path / "spool") as _:
        (tmp_path / "spool/filler").write_bytes(bytes(1 << 16))
        end = observe(EXEC, ["true"], environ=environ, cwd=tmp_path)
    assert end.code == 0
    assert b"No space left on device" in end.err
    assert end.err.count(b"\n") == 1
    assert only_run(dx)["status"] == "success"


def test_a_read_only_disk_costs_a_line_and_the_run_is_reported_all_the_same(environ, tmp_path, dx):
    folder = tmp_path / "work"
    folder.mkdir()
    with disks.read_only(folder):
        end = observe(EXEC, ["true"], environ={**environ, "CIBEACON_SPOOL": str(folder / "spool")}, cwd=folder)
    assert (end.code, end.err.count(b"\n")) == (0, 1)
    assert only_run(dx)["status"] == "success"


def test_without_a_home_or_a_path_the_command_runs(environ, tmp_path, dx):
    bare = {name: value for name, value in environ.items() if name != "PATH"}
    end = observe(EXEC, ["true"], environ=bare, cwd=tmp_path)
    assert (end.code, end.err) == (0, b"")
    assert only_run(dx)["status"] == "success"


@pytest.mark.parametrize(
    ("allowed", "says"),
    [
        (0, f"{NOT_BESIDE}: Resource temporarily unavailable"),
        (1, f"{NOT_BESIDE}: Resource temporarily unavailable"),
        (2, "the run was not reported: the reporting process ended early"),
    ],
)
def test_where_no_process_can_be_made_the_command_runs_unreported(allowed, says, environ, tmp_path, dx):
    text = (
        "import errno, os, sys; from cibeacon import __main__; sys.argv = ['cibeacon', 'exec', '--', 'echo', 'out']\n"
        f"fork, left = os.fork, [None] * {allowed}\n"
        "def limited():\n"
        "    if not left: raise OSError(errno.EAGAIN, 'no more')\n"
        "    left.pop()\n"
        "    return fork()\n"
        "os.fork = limited; __main__.console()"
    )
    end = observe((), [sys.executable, "-c", text], environ=environ, cwd=tmp_path, expected_left=[])
    assert (end.code, end.out) == (0, b"out\n")
    assert end.err.decode() == f"cibeacon: {says}\n"
    assert (end.left, runs(dx)) == ([], {})


@pytest.mark.parametrize("limit", [5, 6, 7, 8, 9, 10, 12, 16])
def test_where_no_files_can_be_opened_the_command_runs(limit, environ, tmp_path):
    """However far we come with so many descriptors; Python itself needs five."""
    line = f"ulimit -n {limit}; exec {CIBEACON} exec -- sh -c 'echo out; exit 3'"
    end = observe((), ["sh", "-c", line], environ=environ, cwd=tmp_path, expected_left=[])
    assert (end.code, end.out, end.left) == (3, b"out\n", [])
    assert end.err.count(b"\n") <= 1


def test_a_helper_that_is_killed_costs_a_line(environ, tmp_path, dx):
    with Running((*EXEC, *puppet("TERM", ends_at="TERM", code=2)), environ=environ, cwd=tmp_path) as running:
        running.line()
        until(lambda: runs(dx))
        for pid in running.beside():
            os.kill(pid, signal.SIGKILL)
        running.send("TERM")
        end = running.observed()
    assert end.code == 2
    assert end.err == b"cibeacon: the run was not reported: the reporting process ended early\n"


# A run whose end nobody lives to report -------------------------------------------------------------------------------


@pytest.fixture
def killed(environ, tmp_path, dx):
    """A job that was killed while its command ran."""
    with Running((*EXEC, *puppet()), environ=environ, cwd=tmp_path) as running:
        running.line()
        until(lambda: runs(dx) and len(list((tmp_path / "spool").glob("*.ndjson"))) == 1)
        running.send("KILL", "group")
        running.observed(expected_left=[])
    assert only_run(dx)["status"] == "running"


@pytest.mark.usefixtures("killed")
def test_a_replay_closes_the_run_of_a_job_that_was_killed(environ, tmp_path, dx):
    replayed = cibeacon("replay", environ=environ, cwd=tmp_path)
    assert replayed.code == 0
    assert "the end time is unknown" in replayed.out
    run = only_run(dx)
    assert (run["status"], run["finished_at"]) == ("cancelled", None)
    assert spooled(tmp_path) == {}


def test_a_replay_leaves_a_run_alone_that_goes_on(environ, tmp_path, dx):
    with Running((*EXEC, *puppet("TERM", ends_at="TERM", code=0)), environ=environ, cwd=tmp_path) as running:
        running.line()
        until(lambda: runs(dx) and len(list((tmp_path / "spool").glob("*.ndjson"))) == 1)
        replayed = cibeacon("replay", "--strict", environ=environ, cwd=tmp_path)
        assert (replayed.code, only_run(dx)["status"]) == (0, "running")
        running.send("TERM")
        assert running.observed().code == 0
    assert only_run(dx)["status"] == "success"
    assert spooled(tmp_path) == {}


@pytest.mark.usefixtures("killed")
def test_a_dry_run_of_a_replay_does_not_claim_that_the_command_is_over(environ, tmp_path):
    replayed = cibeacon("replay", "--dry-run", environ=environ, cwd=tmp_path)
    assert "does not check whether the command is still running" in replayed.out
    assert "cancelled" in next(record.body["status"] for record in spooled(tmp_path).values())


@pytest.mark.usefixtures("killed")
@pytest.mark.parametrize(
    ("boot", "node", "status"),
    [(None, "another", "cancelled"), ("another", None, "cancelled"), ("another", "another", "running")],
    ids=["another container", "started again", "another machine"],
)
def test_only_the_machine_that_ran_the_command_closes_its_run(boot, node, status, environ, tmp_path, dx):
    (path,) = (tmp_path / "spool").glob("*.ndjson")
    record = spool_record.read(path.read_bytes())
    assert record.signal["node"] == socket.gethostname()
    marks = {"boot": boot or record.signal["boot"], "node": node or record.signal["node"]}
    path.write_bytes(record._replace(signal={**record.signal, **marks}).line())
    replayed = cibeacon("replay", "--strict", environ=environ, cwd=tmp_path)
    assert (replayed.code, only_run(dx)["status"]) == (0, status)
    assert ("Replay it there" in replayed.out) == (status == "running") == path.exists()


def test_the_variables_that_are_hidden_are_those_of_our_own_secrets():
    hidden = own_secret_variables()
    assert {"DX_API_TOKEN", "CIBEACON_DX_TOKEN", "DCI_API_SECRET", "CIBEACON_GITHUB_TOKEN"} <= set(hidden)
    assert not {"GITHUB_TOKEN", "GITLAB_TOKEN", "CI_JOB_TOKEN"} & set(hidden)
