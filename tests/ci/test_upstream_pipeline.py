"""A scheduled GitLab pipeline closes the record of one whose runner died: its end is read from GitLab and told once."""

from __future__ import annotations

import json

import pytest

from cibeacon.demo import runs
from cibeacon.sandbox.server import Sandbox
from gitlab_pipeline import RECORD, SHA, GitLab
from processes import cibeacon

STARTED, FINISHED = 1_767_520_800, 1_767_521_220


@pytest.fixture
def dx():
    with Sandbox(token="dx-token") as sandbox:
        yield sandbox


def close(dx, tmp_path, *flags, stage="single", record=(), **variables):
    with GitLab(RECORD | dict(record)) as gitlab:
        environ = runs.gitlab("6" * 40, "7" * 40, 8001, gitlab.url, tmp_path)
        environ |= {"CI_PIPELINE_SOURCE": "schedule", "CI_JOB_STATUS": "running", "GITLAB_TOKEN": "gitlab-token"}
        environ |= {"CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": "dx-token", "CIBEACON_RUN_ID": "77", **variables}
        ended = cibeacon("report", "--format=json", *flags, environ=environ, cwd=tmp_path, stage=stage)
    return ended, gitlab.seen


def told(dx):
    return [each["body"] for each in dx.ledger.document()["requests"]]


def outcomes(ended):
    return {row["kind"]: (row["outcome"], row["reason"]) for row in ended.document["signals"]}


def test_the_end_of_the_pipeline_is_told_with_its_own_times_commit_and_branch(dx, tmp_path):
    ended, seen = close(dx, tmp_path, CIBEACON_STRICT="true")
    assert ended.code == 0
    assert seen == ["/api/v4/projects/acme%2Fshop/pipelines/77"]
    assert told(dx) == [
        {
            "pipeline_name": "acme/shop",
            "pipeline_source": "GitLab CI",
            "reference_id": "gitlab.example.com/acme%2Fshop/runs/77",
            "started_at": str(STARTED),
            "finished_at": str(FINISHED),
            "status": "cancelled",
            "repository": "acme/shop",
            "commit_sha": SHA,
            "source_url": RECORD["web_url"],
            "head_branch": "feature/wheel",
            "gitlab_username": "robin",
        }
    ]


def test_it_is_the_same_record_that_the_pipeline_itself_opened(dx, tmp_path):
    its_own = runs.gitlab("6" * 40, SHA, 77, "http://127.0.0.1:9", tmp_path)
    its_own |= {"CI_PIPELINE_CREATED_AT": RECORD["created_at"], "CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": "dx-token"}
    cibeacon("report", environ=its_own | {"CI_JOB_TOKEN": ""}, cwd=tmp_path, stage="main")
    close(dx, tmp_path)
    (record,) = dx.ledger.document()["pipeline_runs"].values()
    assert (record["status"], record["started_at"], record["duration"]) == ("cancelled", STARTED, FINISHED - STARTED)


@pytest.mark.parametrize(
    ("word", "status"),
    [("success", "success"), ("failed", "failure"), ("canceled", "cancelled"), ("running", "running")],
)
def test_gitlabs_words_become_those_that_everybody_knows(dx, tmp_path, word, status):
    close(dx, tmp_path, record={"status": word})
    assert [body["status"] for body in told(dx)] == [status]
    assert ["finished_at" in body for body in told(dx)] == [status != "running"]


def test_nothing_else_is_told_of_it(dx, tmp_path):
    ended, _ = close(dx, tmp_path, record={"status": "success"}, CIBEACON_DEPLOY_SERVICES="pay")
    assert outcomes(ended) == {
        "pull-services": ("skipped", "this run is not about a merged pull request"),
        "deployment": ("skipped", "pipeline 77 reports its own deployments"),
        "pipeline-run": ("sent", None),
    }


def test_the_components_two_jobs_tell_it_once(dx, tmp_path):
    close(dx, tmp_path, stage="main")
    close(dx, tmp_path, stage="post", CIBEACON_JOB_STATUS="success")
    assert [body["status"] for body in told(dx)] == ["cancelled"]


@pytest.mark.parametrize(
    ("record", "absent"),
    [
        ({"ref": "refs/merge-requests/7/merge"}, {"commit_sha", "head_branch"}),
        ({"ref": "refs/merge-requests/7/head"}, {"head_branch"}),
        ({"ref": "v1.0", "tag": True}, {"head_branch"}),
    ],
)
def test_what_is_no_branch_and_no_commit_of_a_persons_is_not_told_as_one(dx, tmp_path, record, absent):
    close(dx, tmp_path, record=record)
    (body,) = told(dx)
    assert {"commit_sha", "head_branch"} - set(body) == absent


def test_a_pipeline_that_never_ran_gets_no_record(dx, tmp_path):
    ended, _ = close(dx, tmp_path, record={"status": "skipped"})
    word, reason = outcomes(ended)["pipeline-run"]
    assert (word, 'the run is "skipped", which is not final' in reason) == ("skipped", True)
    assert told(dx) == []


@pytest.mark.parametrize("variables", [{"GITLAB_TOKEN": ""}, {"CIBEACON_RUN_ID": "78"}, {"CIBEACON_RUN_ID": "../77"}])
def test_where_nobody_says_how_it_ended_no_record_is_closed_by_a_guess(dx, tmp_path, variables):
    ended, _ = close(dx, tmp_path, CIBEACON_STRICT="true", **variables)
    assert ended.code == 1
    named = variables.get("CIBEACON_RUN_ID", "77")
    assert outcomes(ended)["pipeline-run"] == ("failed", f"the status of pipeline {named} is unknown")
    assert any(f"the status of pipeline {named}" in notice["text"] for notice in ended.document["notices"])
    assert told(dx) == []


def test_a_dry_run_asks_nobody(dx, tmp_path):
    ended, seen = close(dx, tmp_path, "--dry-run")
    assert (ended.code, seen, told(dx)) == (0, [], [])
    assert outcomes(ended)["pipeline-run"][0] == "skipped"


def test_its_own_id_changes_nothing(dx, tmp_path):
    ended, seen = close(dx, tmp_path, CIBEACON_RUN_ID="8001")
    assert seen == []
    assert json.loads(ended.out)["context"]["event"] == "schedule"
    assert [body["status"] for body in told(dx)] == ["running"]


@pytest.mark.parametrize("field", ["ref", "status"])
def test_an_answer_that_is_no_pipeline_closes_no_record(dx, tmp_path, field):
    ended, _ = close(dx, tmp_path, record={field: None})
    assert ended.code == 0
    assert outcomes(ended)["pipeline-run"] == ("failed", "the status of pipeline 77 is unknown")
    assert told(dx) == []
