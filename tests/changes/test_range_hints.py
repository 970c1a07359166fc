"""The hint about unknown changes fits the place where the run is, and helps there."""

from __future__ import annotations

import pytest

from processes import cibeacon
from repositories import Worktree

GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "workflow_dispatch", "GITHUB_REPOSITORY": "acme/shop"}
GITLAB = {"GITLAB_CI": "true", "CI_PIPELINE_SOURCE": "web", "CI_PROJECT_PATH": "acme/shop"}
FOREIGN = {
    "github": ("GIT_", "git fetch", "gitlab"),
    "gitlab": ("fetch-depth", "actions/checkout", "contents: read", "git fetch"),
    "laptop": ("fetch-depth", "actions/checkout", "GIT_"),
}
PLACES = {"github": GITHUB, "gitlab": GITLAB, "laptop": {}}


@pytest.fixture
def clone(tmp_path):
    """A clone of a branch that starts at `main`; git does not know which branch is the default."""
    host = Worktree.new(tmp_path / "host")
    host.commit({"services/old/a": "1"})
    host.commit({"services/theirs/a": "1"})
    host.git("checkout", "--quiet", "-b", "topic")
    host.commit({"services/mine/a": "1"})
    host.git("checkout", "--quiet", "main")
    here = Worktree(tmp_path / "clone")
    here.root.mkdir()
    here.git("clone", "--quiet", "--branch=topic", host.root.as_uri(), ".")
    here.git("remote", "set-head", "-d", "origin")
    return here


def changes(clone, *argv, place="laptop"):
    environ = PLACES[place] | {"CIBEACON_SERVICES": "services/{service}/"}
    found = cibeacon("services", "--format=json", *argv, environ=environ, cwd=clone.root).document["changes"]
    assert not [word for word in FOREIGN[place] if word in (found["reason"] or "")]
    return found


def renamed(clone, name):
    """The same clone from a host whose default branch has this name."""
    tip = clone.tip("origin/main")
    clone.git("update-ref", "-d", "refs/remotes/origin/main")
    clone.git("update-ref", f"refs/remotes/origin/{name}", tip)


@pytest.mark.parametrize("name", ["main", "master"])
def test_the_default_branch_is_the_remotes_main_or_master_if_git_does_not_know_it(name, clone):
    renamed(clone, name)

    found = changes(clone)

    how = f"this branch, merge base with origin/{name}, without uncommitted changes"
    assert (found["services"], found["how"]) == (["mine"], how)


def test_a_branch_of_this_clone_alone_does_not_pass_for_the_remotes_default(clone):
    renamed(clone, "master")
    clone.git("branch", "main", "HEAD~2")

    assert changes(clone)["services"] == ["mine"]


def test_with_another_default_branch_the_hint_is_how_git_learns_it(clone):
    renamed(clone, "trunk")

    reason = changes(clone)["reason"]

    assert "default branch is unknown" in reason
    assert "git remote set-head origin --auto" in reason
    clone.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    assert changes(clone)["services"] == ["mine"]
    clone.git("symbolic-ref", "--delete", "refs/remotes/origin/HEAD")
    assert changes(clone, "--base=origin/trunk^{}", "--head=HEAD")["services"] == ["mine"]


@pytest.mark.parametrize("place", ["github", "gitlab", "laptop"])
@pytest.mark.parametrize("base", ["abcdef0", "mian", "v1~2", "HEAD~99"])
def test_a_base_that_is_not_a_commit_gets_a_fitting_hint(base, place, clone):
    reason = changes(clone, f"--base={base}", place=place)["reason"]

    assert f"{base} is not a commit in this checkout" in reason
    assert ("full id" in reason) == (base == "abcdef0" and place != "laptop")


@pytest.mark.parametrize("place", ["github", "gitlab"])
def test_a_missing_checkout_gets_a_fitting_hint(place, tmp_path):
    (tmp_path / "nothing").mkdir()

    reason = changes(Worktree(tmp_path / "nothing"), "--base=v1", place=place)["reason"]

    assert "there is no git repository here" in reason.casefold()
