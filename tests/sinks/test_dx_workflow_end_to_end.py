"""A CI run that a DX workflow started reports to it, over HTTP: at its start, at its end, late, or not at all."""

from __future__ import annotations

import time

import pytest

import github_step
from cibeacon.sandbox.dx_workflow import RUN
from cibeacon.sandbox.server import Sandbox
from living import SECONDS
from mishaps import mishaps
from processes import cibeacon
from wrapped import EXEC, Running, job, observe, puppet

MESSAGE, LINK, STATUS = (f"/workflowRuns.{name}" for name in ("postMessage", "addLink", "changeStatus"))
PAGE = "https://github.com/acme/shop/actions/runs/77/attempts/1"


class Place:
    """A sandbox, a folder, and the command in a step of GitHub Actions that a workflow run started."""

    def __init__(self, sandbox, folder):
        self.sandbox, self.folder, self.mishaps = sandbox, folder, mishaps(sandbox, "dx_workflow")
        self.environ = {
            **github_step.pushed(folder),
            **sandbox.dx_workflow.exports(sandbox.url),
            "CIBEACON_DX_URL": sandbox.url,
            "DX_API_TOKEN": "good-key-of-dx",
            "GITHUB_WORKFLOW": "build",
            "CIBEACON_DX_WORKFLOW_RUN": RUN,
        }

    def run(self, *argv, stage="single", **environ):
        given = {name: text for name, text in {**self.environ, **environ}.items() if text is not None}
        return cibeacon(*argv, environ=given, cwd=self.folder, stage=stage)

    def rows(self, ended):
        return {row["sink"]: row for row in ended.document["signals"] if row["kind"] == "pipeline-run"}

    @property
    def held(self):
        return self.sandbox.dx_workflow.document().get(RUN)

    @property
    def messages(self):
        return [event["message"] for event in self.held["events"] if event["message"]]


@pytest.fixture
def place(tmp_path):
    with Sandbox(token="good-key-of-dx") as sandbox:
        yield Place(sandbox, tmp_path)
        assert not sandbox.faults


def report(place, *flags, **environ):
    return place.run("report", "--format=json", "--signals=pipeline-run", *flags, **environ)


def test_a_workflow_run_sees_its_ci_run_start_and_end(place):
    for stage, status in (("main", None), ("post", "failure")):
        ended = place.run(stage=stage, INPUT_SIGNALS="pipeline-run", INPUT_JOB_STATUS=status)
        assert ended.code == 0, ended.out
    assert place.messages == ["build: running", "build: failure"]
    assert place.held["links"] == [{"url": PAGE, "label": "GitHub Actions: build"}]
    assert place.held["status"] == "FAILED"
    assert next(iter(place.sandbox.ledger.document()["pipeline_runs"].values()))["status"] == "failure"


def test_both_sinks_of_dx_have_a_row_and_a_key_of_their_own(place):
    rows = place.rows(report(place, "--status=success", "--strict", CIBEACON_DX_WORKFLOW_MESSAGE="Version 1.2"))
    assert {sink: row["outcome"] for sink, row in rows.items()} == {"dx": "sent", "dx_workflow": "sent"}
    assert rows["dx_workflow"]["method"] == "workflowRuns.changeStatus"
    assert rows["dx_workflow"]["key"] == f"dx_workflow/{rows['dx']['key']}"
    assert place.messages == ["build: success\n\nVersion 1.2"]


def test_reporting_the_same_twice_leaves_nothing_twice(place):
    report(place, "--status=success")
    again = place.rows(report(place, "--status=success"))
    assert again["dx_workflow"]["outcome"] == "duplicate"
    assert (len(place.held["events"]), place.held["status"]) == (3, "SUCCEEDED")


@pytest.mark.parametrize("run_id", [None, ""])
def test_a_run_that_no_workflow_started_does_not_mention_it(place, run_id):
    ended = report(place, "--status=success", "--strict", CIBEACON_DX_WORKFLOW_RUN=run_id)
    assert (ended.code, list(place.rows(ended)), place.held) == (0, ["dx"], None)


def test_a_dry_run_shows_the_request_and_sends_none(place):
    row = place.rows(report(place, "--status=success", "--dry-run", CIBEACON_DX_WORKFLOW_TOKEN=None))["dx_workflow"]
    assert (row["outcome"], row["request"]["url"]) == ("dry-run", place.sandbox.url + "/webapi" + STATUS)
    assert row["request"]["body"] == {"workflow_run_id": RUN, "status": "SUCCEEDED"}
    assert place.sandbox.ledger.document()["received"] == 0


def test_a_missing_token_is_a_fault_for_this_sink_alone(place):
    ended = report(place, "--status=success", "--strict", CIBEACON_DX_WORKFLOW_TOKEN=None)
    rows = place.rows(ended)
    assert (ended.code, rows["dx"]["outcome"], rows["dx_workflow"]["outcome"]) == (1, "sent", "invalid")
    assert "set the secret dx_workflow_token" in rows["dx_workflow"]["reason"]


def test_a_wrong_token_takes_one_request_and_waits_for_the_right_one(place):
    ended = report(place, "--status=success", "--strict", CIBEACON_DX_WORKFLOW_TOKEN="wrong-web-token")
    row = place.rows(ended)["dx_workflow"]
    assert (ended.code, row["outcome"], row["error"].partition(":")[0]) == (1, "failed", "invalid_auth")
    assert row["help"].endswith("#dx-workflow-refused")
    asked = [one["path"] for one in place.sandbox.ledger.document()["requests"] if one["path"].startswith("/webapi")]
    assert len(asked) == 1
    assert "wrong-web-token" not in ended.out + ended.err
    again = place.run("replay", "--strict", CIBEACON_DX_WORKFLOW_RUN=None)
    assert (again.code, place.held["status"]) == (0, "SUCCEEDED"), again.out


def test_trouble_holds_up_no_other_sink_and_a_replay_repeats_nothing(place):
    place.mishaps.fail("POST", STATUS, 503, times=9)
    rows = place.rows(report(place, "--status=success"))
    assert {sink: row["outcome"] for sink, row in rows.items()} == {"dx": "sent", "dx_workflow": "spooled"}
    assert place.held["status"] == "IN_PROGRESS"
    place.sandbox.outage.planned.clear()
    again = place.run("replay", "--strict", CIBEACON_DX_WORKFLOW_RUN=None)
    assert again.code == 0, again.out
    assert (place.messages, len(place.held["links"]), place.held["status"]) == (["build: success"], 1, "SUCCEEDED")


def test_a_lost_answer_repeats_nothing(place):
    for path in (LINK, MESSAGE):
        place.mishaps.lose("POST", path)
    report(place, "--status=success")
    place.run("replay", "--strict")
    assert (place.messages, len(place.held["links"]), place.held["status"]) == (["build: success"], 1, "SUCCEEDED")


def test_a_token_that_may_not_look_is_enough(place):
    place.sandbox.dx_workflow.may_read = False
    assert report(place, "--status=success", "--strict").code == 0
    assert (place.messages, place.held["status"]) == (["build: success"], "SUCCEEDED")


def test_an_unknown_workflow_run_is_not_kept(place):
    ended = report(place, "--status=success", "--strict", CIBEACON_DX_WORKFLOW_RUN="unknown")
    row = place.rows(ended)["dx_workflow"]
    assert (row["outcome"], row["error"].partition(":")[0]) == ("failed", "workflow_run_not_found")
    assert "{{run.id}}" in row["reason"]
    assert (
        "is empty" in place.run("replay").out.lower() or place.run("replay", "--format=json").document["signals"] == []
    )


@pytest.mark.parametrize("answer", ["redirect", "page"])
def test_what_is_not_dx_gets_no_second_request(place, answer):
    if answer == "redirect":
        place.mishaps.redirect("GET", "/workflowRuns.info", "https://elsewhere.example", times=9)
    else:
        place.mishaps.login("GET", "/workflowRuns.info", times=9)
    row = place.rows(report(place, "--status=success"))["dx_workflow"]
    assert (row["outcome"], "dx_workflow_url" in row["reason"], place.held) == ("failed", True, None)


def test_a_host_that_is_away_keeps_the_signal(place):
    row = place.rows(report(place, "--status=success", CIBEACON_DX_WORKFLOW_URL="http://127.0.0.1:9"))["dx_workflow"]
    assert row["outcome"] == "spooled"
    assert place.run("replay", "--strict").code == 0
    assert place.held["status"] == "SUCCEEDED"


def until(condition):
    ends = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def workflow_job(sandbox, folder):
    return job(sandbox.url, folder, CIBEACON_DX_WORKFLOW_RUN=RUN, **sandbox.dx_workflow.exports(sandbox.url))


def test_a_workflow_run_sees_the_command_that_exec_runs(tmp_path):
    with Sandbox(token="good") as sandbox:
        seen = observe(EXEC, ("sh", "-c", "exit 3"), environ=workflow_job(sandbox, tmp_path), cwd=tmp_path)
        held = sandbox.dx_workflow.document()[RUN]
    assert (seen.code, held["status"], held["events"][-2]["message"]) == (3, "FAILED", "build: failure")


def test_a_replay_ends_the_workflow_run_of_a_job_that_was_killed(tmp_path):
    with Sandbox(token="good") as sandbox:
        environ = workflow_job(sandbox, tmp_path)
        with Running((*EXEC, *puppet()), environ=environ, cwd=tmp_path) as running:
            running.line()
            until(lambda: sandbox.dx_workflow.document() and len(list((tmp_path / "spool").glob("*.ndjson"))) == 2)
            running.send("KILL", "group")
            running.observed(expected_left=[])
        again = cibeacon("replay", "--strict", environ=environ, cwd=tmp_path)
        held = sandbox.dx_workflow.document()[RUN]
    assert (again.code, held["status"]) == (0, "FAILED"), again.out
    assert [event["message"] for event in held["events"] if event["message"]][-1] == "build: cancelled"
