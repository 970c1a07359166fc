"""Servers with arbitrary answers: each answer leads to an exit code of the table, never to an error of cibeacon's own."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from cibeacon.dataops.errors import ENDINGS
from cibeacon.sandbox.dataops_account import Job, Script
from driving import API, asked, drive
from faults import FaultServer, answers, response
from log_grammar import commands
from mishaps import mishaps

BAD = {
    "empty": response(b""),
    "no json": response(b"["),
    "null": response(b"null"),
    "number": response(b"7"),
    "text": response(b'"sign in"'),
    "object": response(b"{}"),
    "an id that is none": response(b'{"id": "x", "status": 7}'),
    "statuses of other kinds": response(b'{"id": 5, "status": ["success"]}'),
    "list of text": response(b'["x"]'),
    "list of lists": response(b"[[]]"),
    "list of nulls": response(b"[null]"),
    "list of nothing": response(b"[{}]"),
    "html": response(b"<!doctype html><title>Sign in</title>", kind="text/html"),
    "deep": response(b"[" * 100_000),
    "not allowed, in html": response(b"<h1>No</h1>", status="403 Forbidden", kind="text/html"),
    "too many, with nonsense": response(b"", status="429 Too Many Requests", Retry_After="soon"),
    "garbage": b"SSH-2.0-OpenSSH_9.9\r\n",
    "closed": b"",
    "redirect to nowhere": response(b"", status="302 Found", Location="http://[bad"),
    "redirect to itself": response(b"", status="302 Found", Location="/"),
}
ARGV = {
    "wait": ("wait", "5", "--wait-timeout=20"),
    "trigger": ("trigger", "--ref=main", "--wait", "--wait-timeout=20"),
    "pipelines": ("pipelines", "--timeout=5"),
    "job": ("job", "5", "--timeout=5"),
    "log": ("log", "5", "--timeout=5"),
    "schedule": ("schedule", "--description=x", "--cron=0 1 * * 5", "--ref=main", "--timeout=5"),
}


@pytest.mark.parametrize("raw", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("argv", ARGV.values(), ids=ARGV.keys())
def test_whatever_a_server_answers_the_exit_code_is_one_of_ours(sandbox, time, tmp_path, argv, raw):
    with FaultServer(answers(raw)) as server:
        ended = drive(sandbox, *argv, environ={"CIBEACON_DATAOPS_URL": server.url}, cwd=tmp_path, time=time)
    assert ended.code in {ending.code for ending in ENDINGS.values()}
    assert "because of a bug" not in ended.err + ended.out
    assert "Traceback" not in ended.err + ended.out
    assert API not in ended.out + ended.err


def test_pages_without_an_end_end(sandbox, time, tmp_path):
    circle = response(b"[]", Link='</api/v4/projects/1/pipelines>; rel="next"')
    with FaultServer(answers(circle)) as server:
        environ = {"CIBEACON_DATAOPS_URL": server.url}
        ended = drive(sandbox, "pipelines", "--timeout=1", environ=environ, cwd=tmp_path, time=time)
    assert ended.code == 15


def without_links(rows, following):
    """A list of so many rows behind a proxy that removes `Link`; `following` is the number of the next page."""

    def fault(connection, server):
        path = server.read(connection).split()[1].decode()
        page, size = (int((re.search(rf"[?&]{name}=(\d+)", path) or [0, "1"])[1]) for name in ("page", "per_page"))
        told = [{"id": number} for number in range(1, rows + 1)][(page - 1) * size : page * size]
        connection.sendall(response(json.dumps(told).encode(), X_Next_Page=following(page, -(-rows // size))))

    return fault


@pytest.mark.parametrize("rows", [0, 1, 99, 100, 101, 200, 250])
@pytest.mark.parametrize("kind", ["pipelines", "jobs"])
def test_where_the_links_are_taken_away_the_numbers_of_the_pages_lead_on(sandbox, time, tmp_path, rows, kind):
    with FaultServer(without_links(rows, lambda page, last: str(page + 1) if page < last else "")) as server:
        environ = {"CIBEACON_DATAOPS_URL": server.url}
        ended = drive(sandbox, kind, "--all", "--format=json", environ=environ, cwd=tmp_path, time=time)
        assert len(server.requests) == max(1, -(-rows // 100))
    assert [each["id"] for each in ended.document[kind]] == list(range(1, rows + 1))


@pytest.mark.parametrize("following", ["1", "0", "-1", "", "x"])
def test_a_next_page_that_is_none_ends_the_list(sandbox, time, tmp_path, following):
    with FaultServer(without_links(100, lambda *_: following)) as server:
        environ = {"CIBEACON_DATAOPS_URL": server.url}
        ended = drive(sandbox, "pipelines", "--all", "--format=json", environ=environ, cwd=tmp_path, time=time)
        assert len(server.requests) == 1
    assert (ended.code, len(ended.document["pipelines"])) == (0, 100)


def test_names_of_strangers_reach_no_mouth_unchecked(sandbox, dataops, tmp_path):
    name = "::error::pwned\n##[error]x\r\x1b[31m|`<b>"
    sandbox.dataops.scripts["this-ci.yml"] = Script([Job(name, stage=name, failure_reason=name, ends=("failed",))])
    summary = tmp_path / "summary.md"
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    flags = ("--ref=main", "--pipeline-file=this-ci.yml", "--wait")
    for more in ((), ("--format=json",)):
        ended = dataops("trigger", *flags, *more, **environ)
        assert ended.code == 10
        for text in (ended.out, ended.err):
            assert "pwned" not in str([each for each in commands(text) if not each.properties])
            assert "\x1b" not in text
            assert "##[" not in text
    for argv in (("jobs",), ("job", "4325422")):
        ended = dataops(*argv, **environ)
        assert "pwned" not in str(commands(ended.out))
        assert "\x1b" not in ended.out
    assert "<b>" not in summary.read_text()


def test_what_only_reads_is_asked_again_within_the_time_there_is(sandbox, dataops, time):
    mishaps(sandbox, "dataops").fail("GET", "/projects/*/pipelines", 503, 2)
    mishaps(sandbox, "dataops").limit("GET", "/projects/*/pipelines", 4, date=True)
    ended = dataops("pipelines", CIBEACON_DATAOPS_PROJECT="49187")
    assert (ended.code, asked(sandbox, "GET", "/pipelines")) == (0, 4)
    assert 1 + 2 + 3 <= ended.seconds <= 1 + 2 + 5


def test_a_page_that_is_lost_in_the_middle_costs_no_row(sandbox, dataops, time):
    rows = len(dataops("pipelines", "--all", "--format=json", CIBEACON_DATAOPS_PROJECT="49187").document["pipelines"])
    mishaps(sandbox, "dataops").fail("GET", "/projects/*/pipelines", 503, 1)
    again = dataops("pipelines", "--all", "--format=json", CIBEACON_DATAOPS_PROJECT="49187").document["pipelines"]
    assert len({each["id"] for each in again}) == rows == 45


def test_a_server_that_asks_for_more_time_than_there_is_gets_none(sandbox, dataops):
    mishaps(sandbox, "dataops").limit("GET", "/projects/*/pipelines", 3600)
    ended = dataops("pipelines")
    assert (ended.code, ended.seconds, asked(sandbox, "GET")) == (15, 0, 1)


def test_asking_for_words_loads_no_library_of_ours(tmp_path):
    program = (
        "import sys; from cibeacon.__main__ import main; sys.argv = ['cibeacon', 'dataops', '--help'];"
        "assert main() == 0; print('LOADED', *(set(sys.modules) & {'gitlab', 'requests', 'rich', 'cibeacon.dataops'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED"


def test_no_other_verb_loads_it(tmp_path):
    program = (
        "import sys; from cibeacon.__main__ import main; sys.argv = ['cibeacon', 'report'];"
        "assert main() == 0; print('LOADED', *(name for name in sys.modules if 'dataops' in name))"
    )
    environ = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, env=environ
    )
    assert done.stdout.splitlines()[-1] == "LOADED cibeacon.settings.dataops"
