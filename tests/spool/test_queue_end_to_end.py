"""A push that merged several pull requests: each is told with its own services, or it is said which were not looked up."""

from __future__ import annotations

from functools import cache

import pytest

import githttp
from cibeacon.changes.pushed_prs import MOST_QUESTIONS
from cibeacon.sandbox.server import Sandbox
from forge import Forge
from githttp import GitServer
from processes import cibeacon
from queues import ID_BASE, Queue, clone

DX_TOKEN = "sandbox-token-1"
SHOP = githttp.REPOSITORY
KINDS = ("full", "depth 1", "no clone")


@pytest.fixture
def dx():
    with Sandbox(token=DX_TOKEN) as sandbox:
        yield sandbox
        assert sandbox.faults == []


@pytest.fixture
def queue(tmp_path):
    return Queue.new(tmp_path / "shop")


@pytest.fixture(scope="module")
def pushed(tmp_path_factory):
    """A queue to which pull requests were merged by one method, made once; nothing is added to it."""
    folder = tmp_path_factory.mktemp("pushed")

    @cache
    def made(method, *numbers, **how):
        queue = Queue.new(folder / "-".join((method, *map(str, numbers))))
        for number in numbers:
            queue.merge(number, method, **how)
        return queue

    return made


class Run:
    """One `cibeacon report` after a push."""

    def __init__(
        self, queue, dx, tmp_path, kind, *argv, host="github", answer=None, forge=None, listed=True, **environ
    ):
        records = {
            "github": {"pulls": {SHOP: [pull.at_github() for pull in queue.pulls]}},
            "gitlab": {"merge_requests": {SHOP: [pull.at_gitlab() for pull in queue.pulls]}},
        }[host]
        given = {**queue.known(), **records, **(forge or {})}
        user = "x-access-token" if host == "github" else "gitlab-ci-token"
        with (
            Forge(**given) as api,
            GitServer(queue.tree.root, token=githttp.TOKEN, user=user, answer=answer) as server,
        ):
            folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            variables = (
                queue.github(server.url, api.url, folder, listed=listed)
                if host == "github"
                else queue.gitlab(server.url, api.url, folder)
            )
            variables |= {"CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": DX_TOKEN, **environ}
            root = clone(queue, folder / "clone", kind)
            self.ended = cibeacon("report", "--format=json", *argv, environ=variables, cwd=root)
            assert api.faults == []
            self.seen, self.fetches = api.seen, server.requests
        self.document = self.ended.document
        bodies = [entry["body"] for entry in dx.ledger.document()["requests"] if entry["path"].endswith("PullServices")]
        self.told = [(body.get("github_pull_id") or body.get("pull_number"), body["services"]) for body in bodies]

    @property
    def rows(self):
        return [row for row in self.document["signals"] if row["kind"] == "pull-services"]


# Several at once ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_each_pull_request_of_a_queue_is_told_in_its_order_with_its_own_services(method, kind, pushed, dx, tmp_path):
    queue = pushed(method, 12, 7, 9)

    run = Run(queue, dx, tmp_path, kind, "--deploy-services=changed", "--status=success")

    assert run.told == [(ID_BASE + 12, ["s12"]), (ID_BASE + 7, ["s7"]), (ID_BASE + 9, ["s9"])]
    assert run.document["changes"]["services"] == ["s12", "s7", "s9"]
    assert (run.document["changes"]["base"], run.document["changes"]["head"]) == (queue.before, queue.after)
    assert [row["outcome"] for row in run.document["signals"]] == ["sent"] * 7
    assert run.document["context"]["pr_number"] is None
    assert len(run.seen) == 6, "one question for each pull request, and one for its record"


def test_one_deployment_is_announced_for_a_service_that_several_changed(queue, dx, tmp_path):
    queue.merge(1, "squash", count=1)
    queue.merge(2, "squash", count=1)
    queue.merge(3, "squash", count=1, service="s1")

    run = Run(queue, dx, tmp_path, "full", "--deploy-services=changed", "--status=success")

    assert run.told == [(ID_BASE + 1, ["s1"]), (ID_BASE + 2, ["s2"]), (ID_BASE + 3, ["s1"])]
    assert [row["kind"] for row in run.document["signals"]].count("deployment") == 2


def test_a_pull_request_that_changed_no_service_is_skipped_and_the_others_are_told(queue, dx, tmp_path):
    queue.merge(1, "merge")
    queue.tree.git("checkout", "--quiet", "-b", "docs", queue.before)
    pull = queue.merge(2, "merge", count=1)
    queue.tree.git("mv", "services/s2/2a", "notes.txt")
    queue.tree.git("commit", "--quiet", "--amend", "--no-edit")
    pull.merge, pull.introduced = queue.after, [queue.after]

    run = Run(queue, dx, tmp_path, "full")

    assert run.told == [(ID_BASE + 1, ["s1"])]
    assert [(row["outcome"], row["reason"]) for row in run.rows] == [("sent", None), ("skipped", "no service changed")]


def test_methods_may_be_mixed_and_direct_commits_belong_to_nobody(queue, dx, tmp_path):
    queue.direct("by-hand")
    queue.merge(1, "rebase")
    queue.merge(2, "merge")
    queue.direct("in-between")
    queue.merge(3, "squash")

    run = Run(queue, dx, tmp_path, "depth 1")

    assert run.told == [(ID_BASE + 1, ["s1"]), (ID_BASE + 2, ["s2"]), (ID_BASE + 3, ["s3"])]
    assert run.document["changes"]["services"] == ["by-hand", "in-between", "s1", "s2", "s3"]


# One ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["merge", "squash", "rebase", "fast-forward"])
def test_a_push_of_one_pull_request_costs_two_questions(method, kind, pushed, dx, tmp_path):
    queue = pushed(method, 1, count=3)

    run = Run(queue, dx, tmp_path, kind)

    assert run.told == [(ID_BASE + 1, ["s1"])]
    assert run.document["changes"]["services"] == ["s1"]
    assert run.document["context"]["pr_number"] == 1
    assert len(run.seen) == 2
    assert len(run.fetches) <= 6


@pytest.mark.parametrize("kind", KINDS)
def test_a_push_that_merged_nothing_costs_one_question(kind, queue, dx, tmp_path):
    queue.direct("by-hand")

    run = Run(queue, dx, tmp_path, kind)

    assert run.told == []
    assert [(row["outcome"], row["reason"]) for row in run.rows] == [
        ("skipped", "the push does not belong to a merged pull request")
    ]
    assert run.document["changes"]["services"] == ["by-hand"]
    assert len(run.seen) == 1


def test_what_a_direct_commit_changed_is_deployed_and_is_not_the_pull_requests(queue, dx, tmp_path):
    queue.direct("by-hand")
    queue.merge(1, "squash")

    run = Run(queue, dx, tmp_path, "depth 1", "--deploy-services=changed", "--status=success")

    assert run.told == [(ID_BASE + 1, ["s1"])]
    assert run.document["changes"]["services"] == ["by-hand", "s1"]
    assert run.document["context"]["pr_number"] == 1


def test_without_a_token_nobody_is_asked(queue, dx, tmp_path):
    queue.merge(1, "merge")
    queue.merge(2, "merge")

    run = Run(queue, dx, tmp_path, "full", GITHUB_TOKEN="")

    assert (run.told, run.seen) == ([], [])
    assert [row["outcome"] for row in run.rows] == ["skipped"]
    assert "no token to ask " in run.rows[0]["reason"]
    assert run.document["changes"]["services"] == ["s1", "s2"]


def test_a_dry_run_asks_nobody(queue, dx, tmp_path):
    queue.merge(1, "merge")
    queue.merge(2, "merge")

    run = Run(queue, dx, tmp_path, "depth 1", "--dry-run")

    assert (run.told, run.seen, run.fetches) == ([], [], [])
    assert "a dry run does not ask the host" in run.rows[0]["reason"]


# Fast-forwards ------------------------------------------------------------------------------------------------------


def test_a_fast_forward_of_two_pull_requests_compares_each_with_its_own_base(queue, dx, tmp_path):
    """The second began where the first ended, and GitHub counts what it holds from its own base."""
    first = queue.merge(1, "fast-forward")
    second = queue.merge(2, "fast-forward", start=first.head)
    second.base = first.head

    run = Run(queue, dx, tmp_path, "depth 1")

    assert run.told == [(ID_BASE + 1, ["s1"]), (ID_BASE + 2, ["s2"])]
    assert run.document["changes"]["services"] == ["s1", "s2"]


def test_a_fast_forward_with_a_direct_commit_before_it_is_not_compared_with_the_push(queue, dx, tmp_path):
    direct = queue.direct("by-hand")
    queue.merge(1, "fast-forward", start=direct).base = direct

    run = Run(queue, dx, tmp_path, "full")

    assert run.told == [(ID_BASE + 1, ["s1"])]
    assert run.document["changes"]["services"] == ["by-hand", "s1"]


def test_a_branch_that_took_others_along_is_told_alone(queue, dx, tmp_path):
    """A release branch with a pull request of its own: those that were merged into it landed there."""
    inner = queue.merge(1, "squash")
    outer = queue.merge(2, "squash")
    outer.head = outer.merge
    outer.commits = outer.introduced = [inner.merge, outer.merge]
    run = Run(queue, dx, tmp_path, "full", forge={"pulls": {SHOP: [into("release", inner), outer.at_github()]}})

    assert run.told == [(ID_BASE + 2, ["s1", "s2"])]


def into(branch, pull):
    """A pull request into another branch than the one that is pushed."""
    record = pull.at_github()
    return record | {"base": record["base"] | {"ref": branch}}


def test_a_branch_without_a_pull_request_of_its_own_brings_those_that_were_merged_into_it(queue, dx, tmp_path):
    pulls = [into("release", queue.merge(number, "merge")) for number in (1, 2)]

    run = Run(queue, dx, tmp_path, "full", forge={"pulls": {SHOP: pulls}})

    assert run.told == [(ID_BASE + 1, ["s1"]), (ID_BASE + 2, ["s2"])]


# Trouble ------------------------------------------------------------------------------------------------------------


def asked_of(sha):
    return f"/repos/{SHOP}/commits/{sha}/pulls"


def test_a_question_that_fails_hides_no_other_pull_request_and_is_told(queue, dx, tmp_path):
    pulls = [queue.merge(number, "squash") for number in (1, 2, 3)]

    run = Run(queue, dx, tmp_path, "full", "--strict", forge={"troubles": {asked_of(pulls[1].merge): 502}})

    assert run.told == [(ID_BASE + 1, ["s1"]), (ID_BASE + 3, ["s3"])]
    assert [row["outcome"] for row in run.rows] == ["sent", "sent", "failed"]
    assert pulls[1].merge[:12] in run.rows[2]["reason"]
    assert "502" in run.rows[2]["reason"] or "no usable answer" in run.rows[2]["reason"]
    assert (run.document["status"], run.ended.code) == ("partial", 1)
    assert run.document["changes"]["services"] == ["s1", "s2", "s3"]


def test_two_failures_in_a_row_are_enough(queue, dx, tmp_path):
    pulls = [queue.merge(number, "squash") for number in (1, 2, 3, 4, 5)]
    refused = {asked_of(pull.merge): 403 for pull in pulls[1:]}

    run = Run(queue, dx, tmp_path, "full", forge={"troubles": refused})

    assert run.told == [(ID_BASE + 1, ["s1"])]
    assert run.rows[1]["reason"].startswith("4 of the push's commits")
    assert all(pull.merge[:12] in run.rows[1]["reason"] for pull in pulls[1:])
    assert len(run.seen) == 4


def test_a_push_of_one_commit_whose_question_fails_says_only_why(queue, dx, tmp_path):
    pull = queue.merge(1, "squash")

    run = Run(queue, dx, tmp_path, "full", forge={"troubles": {asked_of(pull.merge): 403}})

    assert [row["outcome"] for row in run.rows] == ["failed"]
    assert "403" in run.rows[0]["reason"]
    assert "were not looked up" not in run.rows[0]["reason"]


def test_a_push_of_very_many_commits_is_looked_up_so_far_and_at_its_tip_and_says_so(queue, dx, tmp_path):
    queue.merge(1, "squash")
    left = [queue.direct(f"d{number}") for number in range(MOST_QUESTIONS + 5)]
    queue.merge(2, "squash")

    run = Run(queue, dx, tmp_path, "full")

    assert run.told == [(ID_BASE + 1, ["s1"]), (ID_BASE + 2, ["s2"])]
    assert run.rows[2]["outcome"] == "failed"
    assert left[MOST_QUESTIONS - 2][:12] in run.rows[2]["reason"]
    assert f"{MOST_QUESTIONS} commits" in run.rows[2]["reason"]
    assert sum(line.endswith("/pulls") for line in run.seen) == MOST_QUESTIONS


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_where_git_cannot_be_reached_the_hosts_comparison_tells_the_commits_and_the_files(method, queue, dx, tmp_path):
    for number in (1, 2):
        queue.merge(number, method)

    run = Run(queue, dx, tmp_path, "depth 1", answer=403)

    assert run.told == [(ID_BASE + 1, ["s1"]), (ID_BASE + 2, ["s2"])]
    assert run.document["changes"]["services"] == ["s1", "s2"]
    assert "API" in run.document["changes"]["how"]
    assert sum("/compare/" in line for line in run.seen) >= 1


def test_where_nothing_tells_the_commits_the_payloads_are_asked_about(queue, dx, tmp_path):
    for number in (1, 2):
        queue.merge(number, "merge")
    compare = f"/repos/{SHOP}/compare/{queue.before}...{queue.after}"

    run = Run(queue, dx, tmp_path, "depth 1", answer=403, forge={"troubles": {compare: 404}})

    assert run.told == [(ID_BASE + 1, ["s1"]), (ID_BASE + 2, ["s2"])]
    assert run.document["changes"]["status"] == "unknown"
    assert [row["outcome"] for row in run.rows] == ["sent", "sent"]


def test_where_nothing_tells_the_commits_at_all_it_is_said(queue, dx, tmp_path):
    for number in (1, 2):
        queue.merge(number, "merge")
    compare = f"/repos/{SHOP}/compare/{queue.before}...{queue.after}"

    run = Run(queue, dx, tmp_path, "depth 1", answer=403, listed=False, forge={"troubles": {compare: 404}})

    assert run.told == [(ID_BASE + 2, ["s2"])]
    assert [row["outcome"] for row in run.rows] == ["sent", "failed"]
    assert "the other commits of the push are unknown here" in run.rows[1]["reason"]


def test_services_that_were_named_for_the_whole_push_are_told_of_no_pull_request(queue, dx, tmp_path):
    for number in (1, 2):
        queue.merge(number, "merge")

    run = Run(queue, dx, tmp_path, "full", CIBEACON_SERVICES="s1,s2")

    assert run.told == []
    assert [row["outcome"] for row in run.rows] == ["failed", "failed"]
    assert "for all of them" in run.rows[0]["reason"]


# GitLab -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["merge", "fast-forward"])
def test_each_merge_request_of_a_push_is_told_at_gitlab(method, kind, queue, dx, tmp_path):
    first = queue.merge(4, method)
    second = queue.merge(2, method, start=first.head if method == "fast-forward" else None)
    if method == "fast-forward":
        second.base = first.head

    run = Run(queue, dx, tmp_path, kind, host="gitlab")

    assert run.told == [(4, ["s4"]), (2, ["s2"])]
    assert run.document["changes"]["services"] == ["s2", "s4"]
    assert len(run.seen) == 4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["merge", "squash", "fast-forward"])
def test_a_push_of_one_merge_request_costs_two_questions(method, kind, pushed, dx, tmp_path):
    queue = pushed(method, 1, count=3)

    run = Run(queue, dx, tmp_path, kind, host="gitlab")

    assert run.told == [(1, ["s1"])]
    assert len(run.seen) == 2


def test_where_gitlabs_git_cannot_be_reached_its_comparison_is_taken(queue, dx, tmp_path):
    for number in (1, 2):
        queue.merge(number, "merge")

    run = Run(queue, dx, tmp_path, "depth 1", host="gitlab", answer=403)

    assert run.told == [(1, ["s1"]), (2, ["s2"])]
    assert run.document["changes"]["services"] == ["s1", "s2"]
    assert "API" in run.document["changes"]["how"]
