"""Gitea's and Forgejo's runner is GitHub's in kind: stages, state, masks, annotations, outputs and the summary work there."""

from __future__ import annotations

import json

import pytest

import log_grammar
from processes import cibeacon
from repositories import Worktree

PROOFS = {"gitea": {"GITEA_ACTIONS": "true"}, "forgejo": {"FORGEJO_ACTIONS": "true", "GITEA_ACTIONS": "true"}}
SECRET = "dx-secret-of-ours"


@pytest.fixture(params=PROOFS)
def stage(request, tmp_path):
    """Runs a stage of the action on that system."""
    made = Worktree.new(tmp_path / "shop")
    old = made.commit({"services/payments/a.py": "1\n"})
    new = made.commit({"services/payments/a.py": "2\n"})
    event = {"before": old, "after": new, "repository": {"default_branch": "main"}}
    (tmp_path / "event.json").write_text(json.dumps(event))
    environ = {
        "GITHUB_ACTIONS": "true",
        **PROOFS[request.param],
        "GITHUB_SERVER_URL": "https://git.example.com/",
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_RUN_ID": "1017",
        "GITHUB_RUN_NUMBER": "42",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_SHA": new,
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STATE": str(tmp_path / "state"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "GITHUB_WORKSPACE": str(made.root),
        "RUNNER_TEMP": "/nonexistent",
        "INPUT_DX_URL": "acme",
        "INPUT_DX_TOKEN": SECRET,
        "INPUT_DRY_RUN": "true",
        "INPUT_SERVICES": "services/{service}/",
        "INPUT_JOB_STATUS": "failure",
    }

    def run(name, **inputs):
        return cibeacon(environ=environ | inputs, cwd=made.root, stage=name)

    return run


def written(path):
    return dict(log_grammar.assignments(path.read_text()))


def test_the_main_stage_notes_the_start_and_masks_our_secrets(stage, tmp_path):
    ended = stage("main")
    assert f"::add-mask::{SECRET}" in ended.err
    assert written(tmp_path / "state")["stage"] == "main"
    assert "running" in ended.out


def test_the_post_stage_reports_how_the_job_ended(stage):
    assert "failure" in stage("post", STATE_stage="main").out


def test_outputs_and_summary_are_written_and_the_report_lies_where_later_steps_see_it(stage, tmp_path):
    stage("main")
    outputs = written(tmp_path / "output")
    assert json.loads(outputs["services"]) == ["payments"]
    assert json.loads((tmp_path / "shop/.cibeacon/report.json").read_text())["context"]["run_id"] == "1017"
    assert outputs["report"] == str(tmp_path / "shop/.cibeacon/report.json")
    assert "https://git.example.com/acme/shop/compare/" in (tmp_path / "summary").read_text()


def test_what_is_configured_wrong_is_an_annotation(stage):
    ended = stage("main", INPUT_DX_URL="http://")
    assert [each.name for each in log_grammar.commands(ended.out)] == ["warning"] * ended.out.count("::warning")
    assert "::warning title=cibeacon" in ended.out


def test_what_could_not_be_sent_is_spooled_in_the_checkout(stage, tmp_path):
    stage("main", INPUT_DRY_RUN="false", INPUT_DX_URL="http://127.0.0.1:9", INPUT_TIMEOUT="1")
    assert list((tmp_path / "shop/.cibeacon/spool").glob("*.ndjson"))
