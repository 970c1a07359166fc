"""What DataOps.live keeps for the next sandbox, and what the ledger shows of a job's log."""

from __future__ import annotations

import pytest
import requests

from cibeacon.sandbox.dataops_account import Job, Log, Script
from cibeacon.sandbox.server import Sandbox
from driving import rewrite

NOON = 1_700_000_000.0
OPEN = {"PRIVATE-TOKEN": "sandbox-private-api"}
FILE = {"_PIPELINE_FILE_NAME": "full-ci.yml"}
CHILD = Script((Job("inner", running=None, log=Log(b"\xff line\n", 90)),))


@pytest.fixture
def restarted(tmp_path):
    """Starts a sandbox on the same file again and again."""
    running = []

    def start():
        for before in running:
            before.close()
        running[:] = [Sandbox(clock=lambda: NOON, db=tmp_path / "sandbox.db").start()]
        return running[0]

    yield start
    for one in running:
        one.close()


def ask(sandbox, method, path, **how):
    reply = requests.request(method, f"{sandbox.url}/api/v4/projects/830{path}", headers=OPEN, **how)
    reply.raise_for_status()
    return reply


def trigger(sandbox, script=None):
    if script:
        sandbox.dataops.ordered.append(script)
    body = {"token": "sandbox-trigger-token", "ref": "main", "variables": FILE}
    return ask(sandbox, "POST", "/trigger/pipeline", json=body).json()["id"]


def test_the_next_sandbox_goes_on_with_pipelines_where_they_were(restarted):
    sandbox = restarted()
    jobs = (Job("down", child=CHILD), Job("b", stage="later", ends=("failed", "success"), retries=1))
    pipeline = trigger(sandbox, Script(jobs))
    sandbox.dataops.advance(2)
    before = sandbox.dataops.document()
    assert [one["status"] for one in before["pipelines"].values()] == ["running", "running"]
    sandbox = restarted()
    assert sandbox.dataops.document() == before
    child = ask(sandbox, "GET", f"/pipelines/{pipeline}/bridges").json()[0]["downstream_pipeline"]["id"]
    inner = ask(sandbox, "GET", f"/pipelines/{child}/jobs").json()[0]["id"]
    sandbox.dataops.advance(30)
    assert ask(sandbox, "GET", f"/jobs/{inner}/trace").content == (b"\xff line\n" * 13)[:90]
    ask(sandbox, "POST", f"/pipelines/{child}/cancel")
    sandbox.dataops.advance(30)
    assert [one["status"] for one in sandbox.dataops.document()["pipelines"].values()] == ["canceled", "canceled"]


def test_ids_go_on_and_are_not_given_twice(restarted):
    sandbox = restarted()
    first = trigger(sandbox)
    jobs = [one["id"] for one in sandbox.dataops.document()["pipelines"][str(first)]["jobs"]]
    sandbox = restarted()
    second = trigger(sandbox)
    assert second == first + 1
    assert min(one["id"] for one in sandbox.dataops.document()["pipelines"][str(second)]["jobs"]) > max(jobs)


def test_schedules_and_what_became_of_old_pipelines_are_kept(restarted):
    sandbox = restarted()
    schedule = {"description": "nightly", "ref": "main", "cron": "0 1 * * *"}
    kept, gone = (ask(sandbox, "POST", "/pipeline_schedules", json=schedule).json()["id"] for _ in range(2))
    ask(sandbox, "POST", f"/pipeline_schedules/{kept}/variables", json={"key": "A", "value": "b"})
    ask(sandbox, "DELETE", f"/pipeline_schedules/{gone}")
    rewrite(sandbox, 47217, Log(b""))
    sandbox = restarted()
    (held,) = ask(sandbox, "GET", "/pipeline_schedules").json()
    shown = ask(sandbox, "GET", f"/pipeline_schedules/{kept}").json()
    assert (held["id"], shown["variables"][0]["key"]) == (kept, "A")
    assert ask(sandbox, "GET", "/jobs/47217/trace").content == b""
    assert [one["id"] for one in ask(sandbox, "GET", "/pipelines").json()] == [74773, 1451]


def tail(sandbox, log):
    pipeline = trigger(sandbox, Script((Job("a", pending=0, running=0, log=log),)))
    return sandbox.dataops.document()["pipelines"][str(pipeline)]["jobs"][0]["log_tail"]


def test_the_ledger_shows_the_last_lines_of_a_log_as_a_person_sees_them(sandbox):
    assert tail(sandbox, None).splitlines() == [
        "Running with gitlab-runner 17.5.3",
        "Executing the script",
        "$ dataops run a",
        "loaded 1 204 rows – a",
        "Job succeeded",
    ]


@pytest.mark.parametrize(
    ("log", "shown"),
    [
        ("a\x1b[31mb\x1b[0m\x00\x07\n", "ab"),
        ("one\r\ntwo\r\n", "one\ntwo"),
        ("".join(f"{number}\n" for number in range(1000)), "\n".join(str(number) for number in range(980, 1000))),
        (Log(b"x", 10**9), "x" * 4096),
        ("<b>\u202e</b>", "<b></b>"),
        ("", ""),
    ],
)
def test_those_lines_are_bounded_and_hold_no_control_characters(log, shown, sandbox):
    assert tail(sandbox, log) == shown


def test_there_is_nothing_of_a_log_before_its_job_begins(sandbox):
    pipeline = trigger(sandbox, Script((Job("a", pending=3),)))
    (job,) = sandbox.dataops.document()["pipelines"][str(pipeline)]["jobs"]
    assert (job["log"], job["log_tail"], job["started_at"], job["finished_at"]) == (0, "", None, None)
