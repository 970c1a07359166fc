"""The command as a process: it ends in time after a signal, and leaves complete outputs for later steps."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys

import pytest
from markdown_it import MarkdownIt

from cibeacon.sandbox.dataops_account import DataOpsAccount, Job, Script
from cibeacon.sandbox.server import Sandbox
from driving import asked, started
from faults import FaultServer, hangs, in_turn, response
from living import Bell, Living, outputs

BOUND = 2.5
"""Two seconds are promised; a loaded machine is given half a second more."""
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
WAIT = ("dataops", "trigger", "--ref=main", "--pipeline-file=this-ci.yml", "--wait")


@pytest.fixture
def endless():
    """A pipeline that never ends, on a server that rings when it is polled."""
    with Sandbox(
        dataops=DataOpsAccount(scripts={"this-ci.yml": Script([Job("a", pending=0, running=None)])})
    ) as running:
        yield running
        assert running.faults == []


def settings(sandbox, folder):
    return sandbox.dataops.account.exports(sandbox.url) | {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        "PYTHONUNBUFFERED": "1",
    }


def until(living, words):
    """Reads the output up to a line with this text."""
    seen = []
    for line in living.process.stdout:
        seen.append(line)
        if words in line:
            return "".join(seen)
    raise AssertionError("".join(seen))


@pytest.mark.parametrize("cancel", [True, False], ids=["cancel", "let go"])
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_ends_the_wait_and_cancels_where_that_is_wanted(endless, tmp_path, number, cancel):
    flags = ("--cancel",) if cancel else ()
    with Living(*WAIT, *flags, environ=settings(endless, tmp_path), cwd=tmp_path) as living:
        until(living, "pipeline 74774 running")
        living.told(number)
        ended = living.ended()
    assert (ended.code, ended.seconds < BOUND) == (11, True)
    assert asked(endless, "POST", "/pipelines/74774/cancel") == int(cancel)
    assert started(endless)["74774"]["status"] == ("canceled" if cancel else "running")
    assert ("Pipeline 74774 was canceled." in ended.out) is cancel
    told = outputs((tmp_path / "output").read_text())
    assert (told["pipeline_id"], told["pipeline_status"]) == ("74774", "canceled")


def test_a_server_that_does_not_answer_the_cancel_keeps_nobody(tmp_path):
    bell = Bell(tmp_path / "bell")

    def answer(body, status="200 OK"):
        def fault(connection, server):
            server.read(connection)
            connection.sendall(response(json.dumps(body).encode(), status=status))

        return fault

    def silent(connection, server):
        request = server.read(connection)
        if request.startswith(b"POST"):
            server.over.wait()
        bell.path.write_text("looked at")
        server.over.wait()

    running = {"id": 7, "status": "running"}
    acts = (answer([running]), answer(running, "201 Created"), answer(running), answer([]), answer([]), silent)
    with FaultServer(in_turn(*acts)) as server:
        environ = {"CIBEACON_DATAOPS_URL": server.url, "CIBEACON_DATAOPS_PROJECT": "1"}
        environ |= {"CIBEACON_DATAOPS_TOKEN": "token-1", "CIBEACON_DATAOPS_TRIGGER_TOKEN": "token-2"}
        with Living(*WAIT, "--cancel", environ=environ, cwd=tmp_path) as living:
            bell.waited_for()
            living.told(signal.SIGTERM)
            ended = living.ended()
        assert [request[:4] for request in server.requests].count(b"POST") == 2
    assert (ended.code, ended.seconds < BOUND) == (11, True)
    bell.close()


def test_a_signal_during_the_trigger_says_that_nobody_knows(tmp_path):
    with FaultServer(hangs) as server:
        environ = {"CIBEACON_DATAOPS_URL": server.url, "CIBEACON_DATAOPS_PROJECT": "1"}
        environ |= {"CIBEACON_DATAOPS_TRIGGER_TOKEN": "token-2"}
        with Living(*WAIT[:-1], environ=environ, cwd=tmp_path) as living:
            server.waited_for()
            living.told(signal.SIGTERM)
            ended = living.ended()
    assert (ended.code, ended.seconds < BOUND) == (15, True)
    assert "not known whether a pipeline was started" in ended.out
    assert "CIBEACON_TRIGGER_ID=" in ended.out


def test_outputs_are_there_before_any_waiting(endless, tmp_path):
    with Living(*WAIT, environ=settings(endless, tmp_path), cwd=tmp_path) as living:
        until(living, "pipeline 74774 running")
        told = outputs((tmp_path / "output").read_text())
    assert told == {"pipeline_id": "74774", "web_url": f"{endless.url}/airline/flights/-/pipelines/74774"}


def test_on_github_there_are_outputs_a_summary_and_one_annotation(sandbox, dataops, tmp_path):
    environ = settings(sandbox, tmp_path)
    ended = dataops("trigger", "--ref=main", "--pipeline-file=new-ci.yml", "--wait", **environ)
    assert ended.code == 10
    text = (tmp_path / "output").read_text()
    assert "pipeline_status<<" in text
    summary = (tmp_path / "summary.md").read_text()
    assert "### DataOps: pipeline 74774 failed" in summary
    html = MarkdownIt("commonmark").enable("table").render(summary)
    assert html.count("<tr>") == 5
    assert "Build all Models" in html
    assert len([line for line in ended.out.splitlines() if line.startswith("::error ")]) == 1


def test_on_gitlab_the_outputs_are_a_dotenv_report(sandbox, dataops, tmp_path):
    environ = {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(tmp_path)}
    assert dataops("trigger", "--ref=main", "--pipeline-file=full-ci.yml", "--wait", **environ).code == 0
    told = dict(line.split("=", 1) for line in (tmp_path / "cibeacon.env").read_text().splitlines())
    assert told == {
        "CIBEACON_OUT_PIPELINE_ID": "74774",
        "CIBEACON_OUT_WEB_URL": f"{sandbox.url}/airline/flights/-/pipelines/74774",
        "CIBEACON_OUT_PIPELINE_STATUS": "success",
    }


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://x.example/\nY=1", "https://x.example/$(id)`id`", 7])
def test_an_address_of_a_stranger_is_no_more_than_an_address(dataops, tmp_path, url):
    made = json.dumps({"id": 7, "status": "created", "web_url": url}).encode()
    environ = {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(tmp_path), "CIBEACON_DATAOPS_TOKEN": ""}
    with FaultServer(
        lambda connection, server: (server.read(connection), connection.sendall(response(made)))
    ) as server:
        ended = dataops("trigger", "--ref=main", CIBEACON_DATAOPS_URL=server.url, **environ)
    assert ended.code == 0
    lines = (tmp_path / "cibeacon.env").read_text().splitlines()
    assert len(lines) == 2
    assert not set("$`\n") & set("".join(lines))
    assert "javascript" not in "".join(lines)


def test_on_a_terminal_a_table_keeps_up(sandbox, tmp_path):
    sandbox.dataops.scripts["this-ci.yml"] = Script([Job("Ingest", pending=0, running=1, log="a row\n")])
    ours, theirs = pty.openpty()
    environ = {"PATH": os.environ["PATH"], "TERM": "xterm", **sandbox.dataops.account.exports(sandbox.url)}
    command = [sys.executable, "-m", "cibeacon", *WAIT, "--logs=all"]
    with subprocess.Popen(command, env=environ, cwd=tmp_path, stdout=theirs, stderr=theirs) as running:
        os.close(theirs)
        seen = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                seen += os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
    os.close(ours)
    assert running.returncode == 0, seen.decode()
    assert "┃" in seen.decode()
    assert b"Ingest | a row" in seen
    assert b"\x1b[?25h" in seen  # the cursor is back
