"""Fetching works the same from repositories with SHA-256 object ids."""

from __future__ import annotations

import pytest

import githttp
from cibeacon.changes.diff import between_commits
from cibeacon.model.context import Push
from cibeacon.settings import load_settings
from fetching import fetching
from githttp import GitServer
from repositories import SERVICES, Worktree, fingerprint
from run_contexts import github, push

CHANGE = load_settings({}, {}, {}).change


@pytest.fixture
def wide(tmp_path):
    """A repository with three commits, one of them not in the branch, and its server."""
    root = tmp_path / "wide"
    root.mkdir()
    tree = Worktree(root)
    tree.git("init", "--quiet", "--initial-branch=main", "--object-format=sha256")
    tree.commit({"services/cart/a": "1", "services/old/a": "1"})
    with GitServer(root) as server:
        yield tree, server


def cloned(tree, server, root, kind):
    """A clone as a CI host makes it, or None."""
    if kind == "no clone":
        root.mkdir()
        return root
    root.mkdir()
    made = Worktree(root)
    made.git("init", "--quiet", "--initial-branch=main", "--object-format=sha256")
    depth = () if kind == "full" else ("--depth=1",)
    made.git("fetch", "--quiet", *depth, f"{server.url}/{githttp.REPOSITORY}.git", "main")
    made.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    return root


@pytest.mark.parametrize("kind", ["depth 1", "no clone"])
def test_two_commits_are_fetched_by_their_ids(kind, wide, tmp_path):
    tree, server = wide
    base, head = tree.tip(), tree.commit({"services/new/a": "1"})
    assert len(head) == 64
    root = cloned(tree, server, tmp_path / "clone", kind)
    before = fingerprint(root)

    with fetching(root, server.github) as source:
        found = between_commits(push(base, head, branch="main"), CHANGE, SERVICES, source)

    assert (found.services, found.how) == (("new",), "push, before to after, fetched")
    assert fingerprint(root) == before


@pytest.mark.parametrize("kind", ["depth 1", "no clone"])
def test_the_commit_graph_is_fetched_for_a_merge_base(kind, wide, tmp_path):
    tree, server = wide
    tree.git("checkout", "--quiet", "-b", "topic")
    before = tree.commit({"services/gone/a": "1"})
    tree.git("checkout", "--quiet", "main")
    head = [tree.commit({f"services/s{number}/a": "1"}) for number in range(3)][-1]
    root = cloned(tree, server, tmp_path / "clone", kind)

    with fetching(root, server.github) as source:
        found = between_commits(push(before, head, branch="main", forced=True), CHANGE, SERVICES, source)
        chain = source.first_parents(tree.tip("main~3"), head)

    assert found.services == ("s0", "s1", "s2")
    assert chain == tuple(tree.git("rev-list", "--reverse", "main~3..main").split())


@pytest.mark.parametrize("kind", ["depth 1", "no clone"])
def test_files_are_read_at_a_commit_that_is_not_here(kind, wide, tmp_path):
    tree, server = wide
    base = tree.tip()
    tree.commit({"services/old/a": "2"})
    root = cloned(tree, server, tmp_path / "clone", kind)

    with fetching(root, server.github) as source:
        assert source.text(base, "services/old/a") == b"1"
        assert source.text(base, "services/none") is None


def test_a_name_is_fetched_in_the_form_of_the_clones_own_ids(wide, tmp_path):
    tree, server = wide
    tree.git("tag", "v1")
    tree.commit({"services/new/a": "1"})
    root = cloned(tree, server, tmp_path / "clone", "depth 1")

    with fetching(root, server.github) as source:
        change = CHANGE._replace(base="v1")
        found = between_commits(github("workflow_dispatch"), change, SERVICES, source)

    assert found.services == ("new",)


def test_a_queue_entry_between_ids_of_the_other_form_is_unknown(wide, tmp_path):
    tree, server = wide
    root = cloned(tree, server, tmp_path / "clone", "depth 1")

    with fetching(root, server.github) as source:
        context = github("merge_group", merge_group=Push("ab" * 20, "cd" * 20))
        assert between_commits(context, CHANGE, SERVICES, source).status == "unknown"
