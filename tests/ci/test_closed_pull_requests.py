"""Woodpecker says that a pull request was closed, not that it was merged: the forge is asked, or a setting says so."""

from __future__ import annotations

import pytest

from cibeacon.sandbox.server import Sandbox
from forge import Forge
from processes import cibeacon
from repositories import Worktree

TOKEN = "dx-token-1"


@pytest.fixture
def merged(tmp_path):
    """A clone in which the pull request was merged, and what the forge says of it."""
    made = Worktree.new(tmp_path / "shop")
    base = made.commit({"services/payments/a.py": "1\n"})
    made.git("checkout", "--quiet", "-b", "topic")
    head = made.commit({"services/payments/a.py": "2\n"})
    made.git("checkout", "--quiet", "main")
    made.git("merge", "--quiet", "--no-ff", "--message=merge", "topic")
    record = {
        "iid": 7,
        "state": "merged",
        "merge_commit_sha": made.tip(),
        "sha": head,
        "target_branch": "main",
        "source_branch": "topic",
        "diff_refs": {"base_sha": base, "head_sha": head, "start_sha": base},
    }
    return made, head, record


@pytest.fixture
def report(merged):
    """Reports the closed pull request; the forge knows it in this state, where it may be asked."""
    made, head, record = merged

    def report(state="merged", *flags, token="gitlab-token-1"):
        with Sandbox(token=TOKEN) as dx, Forge(merge_requests={"acme/shop": [record | {"state": state}]}) as forge:
            environ = {
                "CI": "woodpecker",
                "CI_SYSTEM_URL": "https://ci.example.com",
                "CI_REPO": "acme/shop",
                "CI_REPO_CLONE_URL": f"{forge.url}/acme/shop.git",
                "CI_PIPELINE_NUMBER": "8",
                "CI_PIPELINE_EVENT": "pull_request_closed",
                "CI_COMMIT_PULL_REQUEST": "7",
                "CI_COMMIT_TARGET_BRANCH": "main",
                "CI_COMMIT_SHA": head,
                "DX_API_TOKEN": TOKEN,
                "CIBEACON_DX_URL": dx.url,
                "CIBEACON_GIT_URL": forge.url,
                "GITLAB_TOKEN": token,
                "HOME": str(made.root.parent),
            }
            ended = cibeacon("report", "--services", "services/{service}/", *flags, environ=environ, cwd=made.root)
            sent = [(entry["path"], entry["body"]) for entry in dx.ledger.document()["requests"]]
        return ended, [body for path, body in sent if path == "/api/deployments.setPullServices"], sent

    return report


def test_a_pull_request_that_the_forge_knows_as_merged_is_reported(report):
    _, pull_services, _ = report()
    assert pull_services == [{"repository": "acme/shop", "pull_number": 7, "services": ["payments"]}]


def test_its_deployment_is_of_the_commit_that_landed(report, merged):
    flags = ("--deploy-services", "changed", "--status", "success")
    (deployment,) = [body for path, body in report("merged", *flags)[2] if path == "/api/deployments.create"]
    assert (deployment["service"], deployment["commit_sha"]) == ("payments", merged[2]["merge_commit_sha"])


def test_one_that_was_given_up_is_not(report):
    ended, pull_services, sent = report("closed", "--deploy-services", "payments", "--status", "success")
    assert (pull_services, "pull request #7 is not merged" in ended.out) == ([], True)
    assert "/api/deployments.create" not in [path for path, _ in sent]


def test_where_the_forge_may_not_be_asked_only_the_setting_proves_the_merge(report):
    ended, pull_services, _ = report(token="")
    assert (pull_services, "#7 is not known to be merged: set pr_merged if it is" in ended.out) == ([], True)
    made_known = report("merged", "--pr-merged", "--base", "HEAD^1", "--head", "HEAD", token="")[1]
    assert made_known == [{"repository": "acme/shop", "pull_number": 7, "services": ["payments"]}]


def test_a_dry_run_asks_no_forge(report):
    ended, pull_services, sent = report("merged", "--dry-run")
    assert (pull_services, sent, "a dry run calls no API" in ended.out) == ([], [], True)
