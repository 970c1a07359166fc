"""What is checked out completes what a CI system says, unless it is something else: another repository, another commit."""

from __future__ import annotations

import pytest

from processes import cibeacon
from repositories import Worktree

OTHER = "https://github.com/acme/tools.git"
OURS = "https://github.com/acme/shop.git"
DRONE = {"DRONE": "true", "DRONE_REPO": "acme/shop", "DRONE_BUILD_NUMBER": "42"}
ON_MAIN = {
    "drone": DRONE | {"DRONE_BUILD_EVENT": "push", "DRONE_BRANCH": "main"},
    "codefresh": {"CF_BUILD_ID": "1", "CF_REPO_OWNER": "acme", "CF_REPO_NAME": "shop", "CF_BRANCH": "main"},
    "buildkite": {"BUILDKITE": "true", "BUILDKITE_REPO": OURS, "BUILDKITE_COMMIT": "HEAD", "BUILDKITE_BRANCH": "main"},
}
"""Runs of which the system does not say the commit."""
REQUEST = DRONE | {"DRONE_BUILD_EVENT": "pull_request", "DRONE_PULL_REQUEST": "7", "DRONE_TARGET_BRANCH": "main"}


@pytest.fixture
def shop(tmp_path):
    """Two commits of main, and a branch with two from the first of them."""
    made = Worktree.new(tmp_path / "shop")
    old = made.commit({"services/payments/a.py": "1\n", "services/cart/a.py": "1\n"})
    made.git("checkout", "--quiet", "-b", "topic")
    head = made.commit({"services/payments/a.py": "2\n"})
    later = made.commit({"services/payments/a.py": "3\n"})
    made.git("checkout", "--quiet", "main")
    base = made.commit({"services/cart/a.py": "2\n"})
    made.git("remote", "add", "origin", OURS)
    made.git("update-ref", "refs/remotes/origin/main", base)
    return made, {"old": old, "head": head, "later": later, "base": base}


def report(made, environ, **more):
    said = ("--dry-run", "--format=json", "--dx-url=acme", "--services=services/{service}/")
    document = cibeacon("report", *said, environ={**environ, **more}, cwd=made.root).document
    return document["context"], document["changes"]


@pytest.mark.parametrize("name", ON_MAIN)
def test_the_commit_of_another_repository_is_not_the_runs(name, shop):
    made, ids = shop
    assert report(made, ON_MAIN[name])[0]["commit_sha"] == ids["base"]
    made.git("remote", "set-url", "origin", OTHER)
    context, _ = report(made, ON_MAIN[name])
    assert (context["repository"], context["commit_sha"]) == ("acme/shop", None)


def test_nor_is_it_the_head_of_the_runs_pull_request(shop):
    made, ids = shop
    assert report(made, REQUEST)[0]["commit_sha"] == ids["base"]
    made.git("remote", "set-url", "origin", OTHER)
    assert report(made, REQUEST)[0]["commit_sha"] is None


def test_the_head_of_a_pull_request_is_no_other_commit_than_the_one_that_was_built(shop):
    made, ids = shop
    environ = {
        "TF_BUILD": "True", "BUILD_BUILDID": "1", "SYSTEM_PULLREQUEST_PULLREQUESTID": "7", "BUILD_REASON": "PullRequest",
        "BUILD_REPOSITORY_URI": OURS, "SYSTEM_PULLREQUEST_TARGETBRANCH": "main", "BUILD_SOURCEVERSION": "ab" * 20,
    }  # fmt: skip
    context, _ = report(made, environ)
    assert (context["pull_request"]["head_sha"], context["checkout_sha"]) == (None, "ab" * 20)
    assert context["commit_sha"] != ids["base"]


def test_a_head_that_is_a_merge_itself_is_the_head(shop):
    made, _ = shop
    made.git("checkout", "--quiet", "topic")
    made.git("merge", "--quiet", "--no-ff", "--message=main into topic", "main")
    context, changes = report(made, REQUEST, DRONE_COMMIT_SHA=made.tip())
    assert (context["commit_sha"], context["pull_request"]["base_sha"]) == (made.tip(), None)
    assert changes["services"] == ["payments"]


def test_a_merge_of_more_than_two_commits_has_no_base(shop):
    made, ids = shop
    made.git("checkout", "--quiet", "-b", "third", ids["old"])
    made.commit({"services/search/a.py": "1\n"})
    made.git("checkout", "--quiet", "main")
    made.git("merge", "--quiet", "--no-ff", "--message=three", "topic", "third")
    context, _ = report(made, REQUEST, DRONE_COMMIT_SHA=ids["later"])
    assert (context["commit_sha"], context["pull_request"]["base_sha"]) == (ids["later"], None)


@pytest.mark.parametrize("kind", ["tag", "branch"])
def test_a_ref_that_is_called_like_the_beginning_of_a_commits_id_is_not_that_commit(kind, shop):
    made, ids = shop
    made.git(kind, ids["head"][:12], ids["old"])
    environ = {"BITBUCKET_BUILD_NUMBER": "1", "BITBUCKET_REPO_FULL_NAME": "acme/shop", "BITBUCKET_BRANCH": "topic"}
    context, _ = report(made, environ, BITBUCKET_COMMIT=ids["head"][:12])
    assert context["commit_sha"] in (ids["head"], ids["head"][:12])


OLDER_COMMIT = {
    "woodpecker": {
        "CI": "woodpecker", "CI_REPO": "acme/shop", "CI_PIPELINE_EVENT": "push", "CI_COMMIT_BRANCH": "main",
        "CI_REPO_DEFAULT_BRANCH": "main", "CI_COMMIT_SHA": "old", "CI_PREV_COMMIT_SHA": "base",
        "CI_PREV_PIPELINE_EVENT": "push", "CI_PIPELINE_NUMBER": "5",
    },
    "jenkins": {
        "BUILD_TAG": "jenkins-shop-5", "JOB_NAME": "shop", "BUILD_NUMBER": "5", "GIT_URL": OURS,
        "GIT_BRANCH": "origin/main", "GIT_COMMIT": "old", "GIT_PREVIOUS_COMMIT": "base",
    },
    "travis": {
        "TRAVIS": "true", "TRAVIS_REPO_SLUG": "acme/shop", "TRAVIS_COMMIT": "base", "TRAVIS_BRANCH": "main",
        "TRAVIS_BUILD_ID": "1", "TRAVIS_COMMIT_RANGE": "cut",
    },
}  # fmt: skip
"""Runs after one for a newer commit, or for the same one whose id is cut."""


@pytest.mark.parametrize("name", OLDER_COMMIT)
def test_a_commit_that_is_built_again_does_not_have_no_changes(name, shop):
    made, ids = shop
    named = ids | {"cut": f"{ids['base'][:12]}...{ids['base'][:12]}"}
    environ = {variable: named.get(text, text) for variable, text in OLDER_COMMIT[name].items()}
    _, changes = report(made, environ)
    assert changes["status"] == "unknown"
    assert "previous commit" in changes["reason"]
