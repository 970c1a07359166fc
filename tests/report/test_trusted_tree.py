"""Events that have secrets although a stranger can cause them: the configuration is the trusted tree's, whatever is checked out."""

from __future__ import annotations

import json

import pytest

from processes import cibeacon
from repositories import Worktree

OURS = "services:\n  pay: pay/\n"
THEIRS = "services:\n  evil: '**'\nreport:\n  deploy_services: evil\n  signals: deployment\n  environment: production\n"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A checkout of a stranger's commit, which changed the configuration; the trusted one is its parent."""
    made = Worktree.new(tmp_path_factory.mktemp("trusted") / "shop")
    made.ours = made.commit({".cibeacon.yml": OURS, "pay/main.py": "1\n"})
    made.theirs = made.commit({".cibeacon.yml": THEIRS, "pay/main.py": "2\n"})
    return made


def pull_request(tree, *, fork=False, repo=True, **more):
    sides = {"base": {"ref": "main", "sha": tree.ours}, "head": {"ref": "topic", "sha": tree.theirs}}
    if repo:
        sides["base"]["repo"], sides["head"]["repo"] = {"full_name": "o/r"}, {"full_name": "x/r" if fork else "o/r"}
    return {"pull_request": {"number": 7, "id": 70, "state": "open", **sides}, "number": 7, **more}


def run(tree, tmp_path, name, payload, sha, *argv):
    """The report that a run would send; no payload at all stands for an event that cannot be read."""
    environ = {
        "GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": name, "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "5",
        "GITHUB_SHA": sha, "GITHUB_REF": "refs/heads/main", "DX_API_TOKEN": "x", "CIBEACON_DX_URL": "acme",
        "RUNNER_TEMP": str(tmp_path), "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
    }  # fmt: skip
    if payload is not None:
        (tmp_path / "event.json").write_text(json.dumps(payload))
    flags = ("--dry-run", "--format=json", "--status=success", *argv)
    ended = cibeacon("report", *flags, environ=environ, cwd=tree.root)
    assert ended.code == 0
    return ended.document


def deployed(document):
    return [
        row["request"]["body"]["service"]
        for row in document["signals"]
        if row["kind"] == "deployment" and row["request"]
    ]


COMMENT = {"action": "created", "issue": {"number": 7, "pull_request": {"url": "https://api.github.com/x"}}}
PRIVILEGED = {
    "pull_request_target": lambda tree: pull_request(tree, fork=True),
    "workflow_run": lambda tree: {
        "action": "completed",
        "workflow_run": {"id": 4, "head_sha": tree.theirs, "head_branch": "topic", "conclusion": "success"},
    },
    "issue_comment": lambda tree: COMMENT,
    "issues": lambda tree: {"action": "opened"},
    "discussion_comment": lambda tree: {"action": "created"},
    "check_suite": lambda tree: {"action": "completed", "check_suite": {"head_sha": tree.theirs}},
    "an_event_of_next_year": lambda tree: {},
}
REVIEWS = ("pull_request_review", "pull_request_review_comment")


@pytest.mark.parametrize("name", [*PRIVILEGED, *REVIEWS])
def test_a_stranger_who_causes_a_privileged_event_configures_nothing(tree, tmp_path, name):
    review = name in REVIEWS
    payload = pull_request(tree) if review else PRIVILEGED[name](tree)
    sha = tree.theirs if review else tree.ours
    document = run(tree, tmp_path, name, payload, sha, f"--base={tree.ours}", f"--head={tree.theirs}")
    assert deployed(document) == []
    assert document["changes"]["services"] == ["pay"]


@pytest.mark.parametrize("name", [*PRIVILEGED, *REVIEWS, "pull_request"])
def test_an_event_that_cannot_be_read_trusts_no_checkout_either(tree, tmp_path, name):
    document = run(tree, tmp_path, name, None, tree.theirs if "pull_request" in name else tree.ours)
    assert deployed(document) == []
    assert "evil" not in json.dumps(document["changes"])


def test_where_the_trusted_commit_is_not_here_nothing_is_known(tree, tmp_path):
    document = run(tree, tmp_path, "issue_comment", COMMENT, "c" * 40)
    assert deployed(document) == []
    assert document["changes"]["status"] == "unknown"
    assert "trusted commit" in json.dumps(document["changes"])


def test_a_pull_request_of_which_nobody_knows_where_it_comes_from_counts_as_a_forks(tree, tmp_path):
    document = run(tree, tmp_path, "pull_request", pull_request(tree, repo=False), tree.theirs)
    assert document["context"]["pull_request"]["fork"]
    assert deployed(document) == []


@pytest.mark.parametrize("name", ["push", "workflow_dispatch", "schedule", "release"])
def test_whoever_may_push_configures_what_is_checked_out(tree, tmp_path, name):
    payload = {"before": tree.ours, "after": tree.theirs, "repository": {"default_branch": "main"}}
    assert deployed(run(tree, tmp_path, name, payload, tree.theirs)) == ["evil"]


@pytest.mark.parametrize("source", ["", "41"])
def test_on_gitlab_a_merge_request_from_an_unknown_project_counts_as_a_forks(tree, source):
    environ = {
        "GITLAB_CI": "true", "CI_PROJECT_PATH": "o/r", "CI_PIPELINE_ID": "5", "CI_COMMIT_SHA": tree.theirs,
        "CI_MERGE_REQUEST_IID": "7", "CI_MERGE_REQUEST_PROJECT_ID": "40", "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": source,
        "CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": tree.ours,
        "CIBEACON_DX_URL": "acme", "CI_PROJECT_DIR": str(tree.root),
    }  # fmt: skip
    ended = cibeacon("report", "--dry-run", "--format=json", environ=environ, cwd=tree.root)
    assert deployed(ended.document) == []
    assert ended.document["context"]["base_config"]


@pytest.mark.parametrize("payload", [None, {}, {"ref": "refs/heads/main"}])
def test_a_push_that_cannot_be_read_is_no_branch_that_was_deleted(tree, tmp_path, payload):
    document = run(tree, tmp_path, "push", payload, tree.theirs)
    assert document["changes"]["status"] == "unknown"
    assert "was deleted" not in json.dumps(document)


def test_a_branch_that_was_deleted_is_called_so(tree, tmp_path):
    payload = {"before": tree.ours, "after": "0" * 40, "deleted": True}
    assert "the branch was deleted" in json.dumps(run(tree, tmp_path, "push", payload, tree.theirs))
