"""Missing commits are fetched into scratch space: the answer is exactly right or unknown, and the clone does not change."""

from __future__ import annotations

import json
import os
import time
from contextlib import closing
from pathlib import Path

import pytest

import githttp
from cibeacon.changes.diff import between_commits
from cibeacon.ci.ci_system import Variables
from cibeacon.ci.github import GitHub
from cibeacon.ci.gitlab import GitLab
from cibeacon.git.fetching_repository import FetchingRepository
from cibeacon.model.context import PullRequest, Push
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import CheckoutError
from cibeacon.settings import load_settings
from fetching import fetching, tokens
from filesapi import Api
from githttp import GitServer
from odd_paths import ODD_PATHS
from processes import cibeacon
from repositories import (
    CHANGED,
    CHANGED_SERVICES,
    COURSES,
    SERVICES,
    Worktree,
    ample,
    crossed,
    fingerprint,
    open_crossed,
)
from run_contexts import (
    HOSTILE_REVISIONS,
    WHILE_OPEN,
    closed_event,
    github,
    gitlab,
    landing_push,
    landing_push_at_gitlab,
    open_event,
    push,
)

github_host, gitlab_host = GitHub(), GitLab()
CHANGE = load_settings({}, {}, {}).change
CLONES = {
    "depth 1": ("--depth=1",),
    "depth 50": ("--depth=50",),
    "full": (),
    "blobless": ("--filter=blob:none",),
    "treeless": ("--filter=tree:0",),
    "treeless, depth 1": ("--filter=tree:0", "--depth=1"),
    "stale refs": (),
    "stale refs, depth 50": ("--depth=50",),
    "no clone": None,
}
GENEROUS = {
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "remote.origin.uploadpack",
    "GIT_CONFIG_VALUE_0": "git -c uploadpack.allowFilter=true -c uploadpack.allowAnySHA1InWant=true upload-pack",
}
"""Makes the other side filter, as `GitServer` does."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """The server for a story; each story has its own."""
    running = {}

    def serving(story):
        if story.root not in running:
            running[story.root] = GitServer(story.root).__enter__()
        return running[story.root]

    yield serving
    for server in running.values():
        server.__exit__()


@pytest.fixture(scope="module")
def ci_clone(tmp_path_factory, servers):
    """A clone as a CI host makes it, with the server as its origin; None if nothing is checked out."""
    folder, made = tmp_path_factory.mktemp("ci"), {}

    def clone(story, kind, ref="refs/heads/main"):
        options = CLONES[kind]
        key = (story.root, kind, ref)
        if key not in made:
            root = folder / str(len(made))
            if options is None:
                root.mkdir()
            else:
                tree = Worktree.new(root)
                tree.git(
                    "remote", "add", "origin", story.root.as_uri()
                )  # over http, this took a third of the test time
                wanted = f"+{ref}:refs/remotes/origin/it"
                tree.git("fetch", "--quiet", "--no-tags", *options, "origin", wanted, **GENEROUS)
                tree.git("checkout", "--quiet", "--detach", "refs/remotes/origin/it", **GENEROUS)
                if kind.startswith("stale refs"):
                    _spoil(tree, story)
                tree.git("remote", "set-url", "origin", f"{servers(story).url}/{githttp.REPOSITORY}.git")
            made[key] = root
        return made[key]

    return clone


def _spoil(tree: Worktree, story) -> None:
    """Leftovers of earlier jobs on a runner: branches and tags that moved on the host, here at the head."""
    tree.git("fetch", "--quiet", "--no-tags", story.root.as_uri(), "feature")
    names = ("remotes/origin/main", "remotes/origin/feature", "heads/main", "heads/feature", "tags/v1", "tags/main")
    for name in names:
        tree.git("update-ref", f"refs/{name}", "FETCH_HEAD")


def compared(context, root, server, **told):
    """The answer and the number of requests. Asserts that the clone is unchanged."""
    before, asked = fingerprint(root), len(server.requests)
    host = gitlab_host if context.host == "gitlab" else github_host
    variables = server.gitlab if context.host == "gitlab" else server.github
    with fetching(root, variables, host=host) as source:
        found = between_commits(context, CHANGE._replace(**told), SERVICES, source)
    assert fingerprint(root) == before, "the clone was changed"
    return found, server.requests[asked:]


def right(found) -> None:
    """Asserts that the answer is exactly right."""
    assert found.status == "ok", str(found.unknown)
    assert found.services == CHANGED_SERVICES
    assert found.changed_files == len(CHANGED)
    assert found.unmatched == 1


# The matrix ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "course", "kind"), crossed(CLONES))
def test_every_merge_is_known_from_every_kind_of_clone(method, course, kind, stories, servers, ci_clone):
    story = stories(method, course)

    found, requests = compared(closed_event(story), ci_clone(story, kind), servers(story))

    right(found)
    assert len(requests) <= 6, requests


@pytest.mark.parametrize(
    ("method", "course", "event", "kind"),
    crossed([landing_push, landing_push_at_gitlab], ["depth 1", "stale refs", "no clone"]),
)
def test_every_push_that_merged_is_known(method, course, event, kind, stories, servers, ci_clone):
    story = stories(method, course)

    found, requests = compared(event(story), ci_clone(story, kind), servers(story))

    right(found)
    assert len(requests) <= 6, requests


@pytest.mark.parametrize(
    ("course", "event", "kind"),
    open_crossed(WHILE_OPEN, ["depth 1", "depth 50", "treeless", "stale refs", "stale refs, depth 50", "no clone"]),
)
def test_every_open_pull_request_is_known(course, event, kind, open_stories, servers, ci_clone):
    story = open_stories(course)
    ref = "refs/pull/7/merge" if event is open_event else "refs/heads/main"

    found, requests = compared(event(story), ci_clone(story, kind, ref), servers(story))

    right(found)
    assert len(requests) <= 6 + (kind == "depth 50"), "a whole history is not sent again, which is asked for first"


@pytest.mark.parametrize("course", COURSES)
def test_two_known_commits_cost_three_requests_at_most(course, stories, open_stories, servers, ci_clone):
    """At depth 1, the default of every checkout: a merge commit, a single commit, GitLab's diff base, a test merge."""
    for context, story, ref in (
        (closed_event(stories("merge", course)), stories("merge", course), "refs/heads/main"),
        (landing_push_at_gitlab(stories("squash", course)), stories("squash", course), "refs/heads/main"),
        (landing_push_at_gitlab(stories("rebase", course)), stories("rebase", course), "refs/heads/main"),
        (open_event(open_stories(course)), open_stories(course), "refs/pull/7/merge"),
    ):
        found, requests = compared(context, ci_clone(story, "depth 1", ref), servers(story))

        right(found)
        assert len(requests) <= 3, requests
        assert found.how.endswith(", fetched")


def test_what_is_here_already_costs_no_request(stories, open_stories, servers, ci_clone):
    for method in ("merge", "rebase"):
        story = stories(method, "moved")
        tree = ci_clone(story, "full")
        found, requests = compared(landing_push_at_gitlab(story)._replace(pull_request=None), tree, servers(story))

        assert found.status == "ok"
        assert requests == []
        assert "fetched" not in found.how


# Retargeting and queues ---------------------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path):
    """A repository with one commit, its server, and a function that makes a clone of depth 1."""
    tree = Worktree.new(tmp_path / "served")
    tree.commit({"services/cart/a": "1", "services/old/a": "1"})
    with GitServer(tree.root) as server:
        yield tree, server


def shallow(tree: Worktree, server: GitServer, revision: str = "main") -> Path:
    """A clone of depth 1 of a branch's current commit."""
    clone = Worktree.new(tree.root.parent / f"clone-of-{tree.tip(revision)[:12]}")
    clone.git("fetch", "--quiet", "--no-tags", "--depth=1", f"{server.url}/{githttp.REPOSITORY}.git", revision)
    clone.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    return clone.root


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_a_retargeted_pull_request_has_the_changes_for_its_new_base(method, served):
    """It was opened against a release branch, and its `base.sha` is still a commit of that branch."""
    tree, server = served
    tree.git("checkout", "--quiet", "-b", "release")
    stale = tree.commit({"services/release/a": "1"})
    tree.git("checkout", "--quiet", "-b", "feature", "main")
    for number in range(3):
        head = tree.commit({f"services/mine-{number}/a": "1"})
    tree.git("checkout", "--quiet", "main")
    tree.commit({"services/theirs/a": "1"})
    if method == "merge":
        tree.git("merge", "--quiet", "--no-ff", "--message=merge", "feature")
    elif method == "squash":
        tree.git("merge", "--quiet", "--squash", "feature")
        tree.git("commit", "--quiet", "--message=squash")
    else:
        tree.git("cherry-pick", "main..feature")
    request = PullRequest(
        7, merged=True, closed=True, merge_commit_sha=tree.tip(), base_ref="main", base_sha=stale, head_sha=head,
        commits=3,
    )  # fmt: skip
    context = github("pull_request", action="closed", pull_request=request, checkout_sha=tree.tip())

    found, requests = compared(context, shallow(tree, server), server)

    assert found.services == ("mine-0", "mine-1", "mine-2")
    assert len(requests) <= 6


@pytest.mark.parametrize("method", ["merge", "squash"])
def test_each_of_three_pull_requests_that_a_queue_merged_at_once_has_its_own_services(method, served):
    tree, server = served
    first = tree.tip()
    merges = []
    for number in range(3):
        tree.git("checkout", "--quiet", "-b", f"feature-{number}", first)
        tree.commit({f"services/s{number}/a": "1"})
        head = tree.commit({f"services/s{number}/b": "1"})
        tree.git("checkout", "--quiet", "main")
        if method == "merge":
            tree.git("merge", "--quiet", "--no-ff", "--message=merge", head)
        else:
            tree.git("merge", "--quiet", "--squash", head)
            tree.git("commit", "--quiet", "--message=squash")
        merges.append((tree.tip(), head))
    root = shallow(tree, server)
    for number, (merge, head) in enumerate(merges):
        request = PullRequest(
            number + 1, merged=True, merge_commit_sha=merge, base_ref="main", base_sha=first, head_sha=head, commits=2
        )
        context = github("push", pull_request=request, push=Push(first, tree.tip()), checkout_sha=tree.tip())

        found, requests = compared(context, root, server)

        assert found.services == (f"s{number}",)
        assert len(requests) <= 6 + 2, "merge commits that are not checked out are looked at first"

    whole, requests = compared(push(first, tree.tip(), branch="main"), root, server)
    assert whole.services == ("s0", "s1", "s2")
    assert len(requests) <= 3


# Other events -------------------------------------------------------------------------------------------------------


def test_a_merge_queue_entry_is_known_at_depth_1(served):
    tree, server = served
    base, head = tree.tip(), tree.commit({"services/new/a": "1"})

    found, requests = compared(github("merge_group", merge_group=Push(base, head)), shallow(tree, server), server)

    assert found.services == ("new",)
    assert len(requests) <= 3


@pytest.mark.parametrize("host", [github, gitlab])
def test_a_new_branch_is_known_at_depth_1(host, served):
    tree, server = served
    tree.git("checkout", "--quiet", "-b", "topic")
    after = [tree.commit({f"services/s{number}/a": "1"}) for number in range(3)][-1]
    tree.git("checkout", "--quiet", "main")
    tree.commit({"services/theirs/a": "1"})

    found, requests = compared(push(None, after, host, created=True), shallow(tree, server, "topic"), server)

    assert found.services == ("s0", "s1", "s2")
    assert len(requests) <= 6


@pytest.mark.parametrize("host", [github, gitlab])
def test_a_force_push_is_known_at_depth_1(host, served):
    """The server still has the tip from before the force push."""
    tree, server = served
    tree.git("checkout", "--quiet", "-b", "topic")
    before = [tree.commit({f"services/s{number}/a": "1"}) for number in range(3)][-1]
    tree.git("reset", "--quiet", "--hard", "HEAD~2")
    after = tree.commit({"services/new/a": "1"})

    found, requests = compared(push(before, after, host, forced=host is github), shallow(tree, server, "topic"), server)

    assert found.services == ("new",)
    assert len(requests) <= 6


def test_a_force_push_whose_old_tip_is_lost_is_compared_with_the_default_branch(served):
    tree, server = served
    tree.git("checkout", "--quiet", "-b", "topic")
    after = tree.commit({"services/new/a": "1"})

    found, _ = compared(push("ab" * 20, after, forced=True), shallow(tree, server, "topic"), server)

    assert found.services == ("new",)


def test_the_previous_tag_is_found_at_depth_1(served):
    tree, server = served
    tree.git("tag", "--annotate", "--message=one", "v1")
    tree.commit({"services/new/a": "1"})
    head = tree.commit({"services/newer/a": "1"})
    tree.git("tag", "v2")
    context = github("push", ref="refs/tags/v2", commit_sha=head, push=Push(None, head, created=True))

    found, requests = compared(context, shallow(tree, server), server)

    assert found.services == ("new", "newer")
    assert len(requests) <= 6


def test_the_zero_id_and_an_empty_difference_stay_what_they_are(served):
    tree, server = served
    tip = tree.tip()
    root = shallow(tree, server)

    first, requests = compared(push(None, tip, branch="main", created=True), root, server)
    assert first.status == "unknown"
    assert requests == []

    same = tree.commit({})
    nothing, _ = compared(push(tip, same, branch="main"), root, server)
    assert nothing.status == "none"


@pytest.mark.parametrize("base", ["main", "refs/heads/main", "v1", "refs/tags/v1"])
def test_a_base_may_be_named_as_the_server_names_it(base, served):
    tree, server = served
    tree.git("tag", "--annotate", "--message=one", "v1")
    tree.git("checkout", "--quiet", "-b", "topic")
    tree.commit({"services/new/a": "1"})

    found, _ = compared(github("workflow_dispatch"), shallow(tree, server, "topic"), server, base=base)

    assert found.services == ("new",)
    assert found.how == "base and head as set, fetched"


@pytest.mark.parametrize("base", ["dev@x", "a+b", "@x", "x@"])
def test_a_base_may_have_any_name_that_git_allows(base, served):
    tree, server = served
    tree.git("branch", base)
    tree.git("checkout", "--quiet", "-b", "topic")
    tree.commit({"services/new/a": "1"})

    found, _ = compared(github("workflow_dispatch"), shallow(tree, server, "topic"), server, base=base)

    assert found.services == ("new",)


def test_names_with_the_same_prefix_are_fetched_together(served):
    tree, server = served
    tree.git("tag", "rel")
    tree.git("checkout", "--quiet", "-b", "rel/2")
    tree.commit({"services/new/a": "1"})
    tree.git("checkout", "--quiet", "main")

    found, _ = compared(github("workflow_dispatch"), shallow(tree, server), server, base="rel", head="rel/2")

    assert found.services == ("new",)


@pytest.mark.parametrize("revision", HOSTILE_REVISIONS.values(), ids=HOSTILE_REVISIONS.keys())
def test_a_hostile_name_is_not_fetched_as_anything_else(revision, served, tmp_path):
    tree, server = served
    tree.git("checkout", "--quiet", "-b", "topic")
    tree.commit({"services/new/a": "1"})

    found, _ = compared(github("workflow_dispatch"), shallow(tree, server, "topic"), server, base=revision)

    assert found.status == "unknown"
    assert not sorted(tmp_path.rglob("stolen*"))


def test_odd_names_modes_links_and_submodules_survive_a_fetch(served, tmp_path):
    tree, server = served
    base = tree.tip()
    inner = Worktree.new(tmp_path / "inner")
    sha = inner.commit({"a": "1"})
    tree.commit(
        dict.fromkeys(ODD_PATHS.values(), "1") | {".gitmodules": '[submodule "m"]\n\tignore = all\n\tpath = m\n'}
    )
    (tree.root / "services/old/a").chmod(0o755)
    (tree.root / "services/link").symlink_to("cart")
    tree.git("add", "--all")
    tree.git("update-index", "--add", "--cacheinfo", f"160000,{sha},services/sub")
    tree.git("commit", "--quiet", "--message=odd")

    with fetching(shallow(tree, server), server.github) as source:
        found = set(source.paths(base, tree.tip()))

    assert found == {*ODD_PATHS.values(), ".gitmodules", "services/old/a", "services/link", "services/sub"}


# Unusual clones ------------------------------------------------------------------------------------------------------


def test_a_linked_worktree_and_a_clone_that_borrows_are_followed_to_their_objects(served, tmp_path):
    tree, server = served
    base, head = tree.tip(), tree.commit({"services/new/a": "1"})
    first = shallow(tree, server)
    Worktree(first).git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    borrower = Worktree.new(tmp_path / "borrower")
    (borrower.root / ".git/objects/info/alternates").write_text(f"{first}/.git/objects\n")
    borrower.git("update-ref", "HEAD", head)
    (borrower.root / ".git/shallow").write_text(f"{head}\n")

    for root in (tmp_path / "linked", borrower.root):
        before, asked = fingerprint(first), len(server.requests)
        with fetching(root, server.github) as source:
            assert list(source.paths(base, head)) == ["services/new/a"]
        assert len(server.requests) - asked <= 3
        assert fingerprint(first) == before


def test_a_clone_that_git_cannot_read_counts_as_missing(served, tmp_path):
    """A linked worktree whose main repository is not mounted into the container."""
    tree, server = served
    base, head = tree.tip(), tree.commit({"services/new/a": "1"})
    root = tmp_path / "broken"
    root.mkdir()
    (root / ".git").write_text("gitdir: /nowhere/at/all\n")

    found, _ = compared(push(base, head, branch="main"), root, server)

    assert found.services == ("new",)


def test_a_clone_that_lacks_a_folder_it_should_have_is_not_trusted(served):
    tree, server = served
    base, head = tree.tip(), tree.commit({"services/new/a": "1"})
    root = shallow(tree, server)
    clone = Worktree(root)
    for pack in (root / ".git/objects/pack").glob("*.pack"):
        moved = pack.rename(root / pack.name)
        pack.with_suffix(".idx").unlink()
        clone.git("unpack-objects", "-q", stdin=moved.read_bytes())
    gone = clone.git("rev-parse", "HEAD:services")
    (root / ".git/objects" / gone[:2] / gone[2:]).unlink()

    found, _ = compared(push(base, head, branch="main"), root, server)

    assert found.services == ("new",)
    assert found.changed_files == 1


# Servers that refuse or fail ----------------------------------------------------------------------------------------


def test_a_server_without_filters_sends_more_and_the_answer_is_the_same(stories, tmp_path, ci_clone):
    story = stories("squash", "moved")
    with GitServer(story.root, config={"uploadpack.allowFilter": "false"}) as server:
        for kind in ("depth 1", "no clone"):
            found, _ = compared(closed_event(story), ci_clone(story, kind), server)
            right(found)


def test_a_server_that_refuses_the_tree_filter_sends_the_trees(stories, ci_clone):
    story = stories("squash", "moved")
    config = {"uploadpackfilter.allow": "false", "uploadpackfilter.blob:none.allow": "true"}
    with GitServer(story.root, config=config) as server:
        found, _ = compared(closed_event(story), ci_clone(story, "depth 1"), server)
        right(found)


def test_the_token_goes_only_to_the_server(stories, ci_clone, tmp_path):
    story = stories("squash", "moved")
    for user, host, name, event in (
        ("x-access-token", github_host, "github", closed_event),
        ("oauth2", gitlab_host, "gitlab", landing_push_at_gitlab),
    ):
        with GitServer(story.root, token=githttp.TOKEN, user=user) as server:
            root = ci_clone(story, "depth 1")
            with fetching(root, getattr(server, name), token=githttp.TOKEN, host=host) as source:
                right(between_commits(event(story), CHANGE, SERVICES, source))
                kept = [path.read_bytes() for path in source.folder.rglob("*") if path.is_file()]
            assert all(server.signatures)
            assert not [content for content in kept if githttp.TOKEN.encode() in content or b"Basic" in content]


def test_a_job_token_uses_gitlabs_own_user(stories, ci_clone):
    story = stories("merge", "moved")
    with GitServer(story.root, token=githttp.TOKEN, user="gitlab-ci-token") as server:
        variables = server.gitlab | {"CI_JOB_TOKEN": githttp.TOKEN}
        with fetching(ci_clone(story, "depth 1"), variables, host=gitlab_host) as source:
            right(between_commits(landing_push_at_gitlab(story), CHANGE, SERVICES, source))


@pytest.mark.parametrize("answer", [None, 403, 404, 500, 502], ids=["wrong token", "403", "404", "500", "502"])
@pytest.mark.parametrize("method", ["merge", "squash"])
def test_a_server_that_refuses_leaves_the_services_unknown_and_says_why(method, answer, stories, ci_clone):
    story = stories(method, "moved")
    root = ci_clone(story, "depth 1")
    with (
        GitServer(story.root, token=githttp.TOKEN, answer=answer) as server,
        fetching(root, server.github, token="wrong") as source,
    ):
        found = between_commits(closed_event(story), CHANGE, SERVICES, source)
    assert found.status == "unknown"
    assert found.services == ()
    assert server.url in str(found.unknown)
    assert "wrong" not in str(found.unknown)
    assert len(str(found.unknown)) < 900
    assert len(server.requests) <= 4


def test_a_server_that_does_not_listen_is_reported(stories, ci_clone):
    story = stories("merge", "moved")
    variables = {"GITHUB_SERVER_URL": "http://127.0.0.1:9", "GITHUB_REPOSITORY": "acme/shop"}
    with fetching(ci_clone(story, "depth 1"), variables) as source:
        found = between_commits(closed_event(story), CHANGE, SERVICES, source)
    assert found.status == "unknown"
    assert "network" in str(found.unknown)
    assert "token" not in str(found.unknown)


WATCHDOG = 60.0


@pytest.mark.parametrize("method", ["merge", "squash"])
def test_a_server_that_hangs_is_left_when_the_time_is_up_and_no_helper_stays_behind(method, stories, ci_clone):
    story = stories(method, "moved")
    began = time.monotonic()
    with GitServer(story.root, answer="hang") as server:
        deadline = Deadline(1.5, time.monotonic, time.sleep, began)
        with fetching(ci_clone(story, "depth 1"), server.github, deadline=deadline) as source:
            found = between_commits(closed_event(story), CHANGE, SERVICES, source)
        seconds = time.monotonic() - began
    assert found.status == "unknown"
    assert "too long" in str(found.unknown)
    assert seconds < 1.5 + 2
    while helpers(server.url) and time.monotonic() < began + WATCHDOG:  # a killed process disappears after a moment
        time.sleep(0.01)
    assert not helpers(server.url)


def helpers(url: str) -> list[bytes]:
    """The command line of every process that got a URL."""
    return [line for path in Path("/proc").glob("[0-9]*/cmdline") if url.encode() in (line := read(path))]


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_redirect_is_not_followed_and_the_token_does_not_leak(stories, ci_clone):
    story = stories("merge", "moved")
    root = ci_clone(story, "depth 1")
    with (
        GitServer(story.root) as other,
        GitServer(story.root, answer=other.url) as server,
        fetching(root, server.github, token=githttp.TOKEN) as source,
    ):
        found = between_commits(closed_event(story), CHANGE, SERVICES, source)
    assert found.status == "unknown"
    assert other.requests == []


@pytest.mark.parametrize(
    "told",
    [
        {"GITHUB_SERVER_URL": "http://git.example.com", "GITHUB_REPOSITORY": "acme/shop"},
        {"GITHUB_SERVER_URL": "file:///etc", "GITHUB_REPOSITORY": "acme/shop"},
        {"GITHUB_SERVER_URL": "ext::sh -c touch", "GITHUB_REPOSITORY": "acme/shop"},
        {"GITHUB_SERVER_URL": "https://user:pass@example.com", "GITHUB_REPOSITORY": "acme/shop"},
        {"GITHUB_SERVER_URL": 'https://example.com"\n[core]\n\thooksPath="/', "GITHUB_REPOSITORY": "acme/shop"},
        {"GITHUB_SERVER_URL": "https://example.com", "GITHUB_REPOSITORY": "../../etc"},
        {"GITHUB_SERVER_URL": "https://example.com", "GITHUB_REPOSITORY": "acme/shop?x=1"},
        {"GITHUB_SERVER_URL": "https://example.com"},
        {"GITHUB_REPOSITORY": "acme/shop"},
        {},
    ],
)
def test_a_malformed_url_is_not_a_remote(told):
    assert github_host.remotes(Variables(told), tokens("token")) == ()


def test_an_encrypted_url_and_this_machine_are_remotes():
    assert github_host.remotes(
        Variables({"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b"}), tokens()
    )[0].url == ("https://github.com/a/b.git")
    plain = {"CI_SERVER_URL": "http://gitlab.lan:8080/git", "CI_PROJECT_PATH": "a/b/c"}
    assert gitlab_host.remotes(Variables(plain), tokens()) == ()
    assert (
        gitlab_host.remotes(Variables(plain), tokens(), allow_http=True)[0].url
        == "http://gitlab.lan:8080/git/a/b/c.git"
    )


def test_gitlab_asks_the_target_project_first_and_then_the_forks(stories, ci_clone):
    story = stories("merge", "moved")
    with GitServer(story.root) as server:
        variables = server.gitlab | {"CI_MERGE_REQUEST_PROJECT_PATH": "acme/target"}
        with fetching(ci_clone(story, "depth 1"), variables, host=gitlab_host) as source:
            right(between_commits(landing_push_at_gitlab(story), CHANGE, SERVICES, source))
    assert "/acme/target.git/" in server.requests[0]
    assert f"/{githttp.REPOSITORY}.git/" in server.requests[-1]


def test_the_jobs_own_git_variables_and_configuration_reach_no_child(stories, ci_clone, tmp_path):
    """An earlier step of the job can set them, and they could send the token elsewhere or run a program."""
    story = stories("merge", "moved")
    (tmp_path / "home").mkdir()
    with GitServer(story.root) as server, GitServer(story.root) as other:
        (tmp_path / "home/.gitconfig").write_text(f'[url "{other.url}"]\n\tinsteadOf = {server.url}\n')
        spoiled = {
            "HOME": str(tmp_path / "home"),
            "GIT_TRACE": str(tmp_path / "trace"),
            "GIT_TRACE_CURL": str(tmp_path / "curl"),
            "GIT_ASKPASS": "/bin/echo",
            "GIT_DIR": "/nonexistent",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{other.url}.insteadOf",
            "GIT_CONFIG_VALUE_0": server.url,
        }
        with fetching(ci_clone(story, "depth 1"), server.github | spoiled, token=githttp.TOKEN) as source:
            right(between_commits(closed_event(story), CHANGE, SERVICES, source))
    assert other.requests == []
    assert not (tmp_path / "trace").exists()
    assert not (tmp_path / "curl").exists()


def test_the_scratch_space_is_thrown_away(stories, ci_clone, servers):
    story = stories("squash", "moved")
    with fetching(ci_clone(story, "depth 1"), servers(story).github) as source:
        between_commits(closed_event(story), CHANGE, SERVICES, source)
        folder = source.folder
        assert folder.exists()
    assert not folder.exists()


# Files --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CLONES)
def test_a_file_of_a_commit_that_is_not_here_is_read(kind, stories, servers, ci_clone):
    """For a fork's pull request, the configuration comes from the base commit."""
    story = stories("merge", "moved")
    root = ci_clone(story, kind)
    before = fingerprint(root)
    with fetching(root, servers(story).github) as source:
        assert source.text(story.fork, "services/payments/api.py") == b"one\ntwo\n"
        assert source.text(story.fork, ".cibeacon.yml") is None
        with pytest.raises(CheckoutError):
            source.text("ab" * 20, "README.md")
    assert fingerprint(root) == before


@pytest.mark.parametrize("kind", CLONES)
def test_many_files_that_are_not_here_are_read_at_once(kind, stories, servers, ci_clone):
    """The files that discovery by marker reads from both trees."""
    story, server = stories("merge", "moved"), servers(stories("merge", "moved"))
    with fetching(ci_clone(story, kind), server.github) as source:
        lines = [line.split("\t") for commit in (story.fork, story.merge) for line in source.entries(commit)]
        asked = len(server.requests)
        blobs = list(dict.fromkeys(about.split(" ")[2] for about, _ in lines))
        sizes = source.batch("--batch-check", blobs).decode().splitlines()
        contents = source.batch("--batch", blobs)
    assert len(server.requests) - asked <= 2
    assert all(line.split(" ")[1] == "blob" for line in sizes)
    assert contents.count(b" blob ") == len(blobs)


# The whole command --------------------------------------------------------------------------------------------------

CONFIGURATION = "discover:\n  - root: services/{service}/\n"


@pytest.fixture
def forked(served, tmp_path):
    """A fork's pull request that was merged by squash, the runner's variables, and a clone of depth 1."""
    tree, server = served
    base = tree.commit({".cibeacon.yml": CONFIGURATION})
    tree.git("checkout", "--quiet", "-b", "fork")
    tree.commit({".cibeacon.yml": "services: {stolen: services/}\n"})
    head = tree.commit({"services/mine/a": "1"})
    tree.git("checkout", "--quiet", "main")
    tree.git("merge", "--quiet", "--squash", "fork")
    tree.git("commit", "--quiet", "--message=squash")
    request = {
        "number": 7,
        "id": 70,
        "merged": True,
        "state": "closed",
        "merge_commit_sha": tree.tip(),
        "commits": 2,
        "head": {"ref": "fork", "sha": head, "repo": {"full_name": "stranger/shop"}},
        "base": {"ref": "main", "sha": base, "repo": {"full_name": githttp.REPOSITORY}},
    }
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"action": "closed", "pull_request": request}))
    variables = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "pull_request_target",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_SHA": tree.tip(),
        "GITHUB_REF": "refs/heads/main",
        "HOME": str(tmp_path),
        **server.github,
    }
    return variables, shallow(tree, server), server


@pytest.mark.parametrize("checked_out", [True, False])
def test_a_forks_merge_is_known_at_depth_1_by_the_bases_own_map(checked_out, forked, tmp_path):
    variables, root, _ = forked
    (tmp_path / "nothing").mkdir()

    ended = cibeacon(
        "services", "--format", "json", environ=variables, cwd=root if checked_out else tmp_path / "nothing"
    )

    assert ended.document["changes"]["services"] == ["mine"]
    assert ended.document["changes"]["how"].endswith("fetched")


def test_a_dry_run_fetches_nothing(forked):
    variables, root, server = forked
    asked = len(server.requests)

    ended = cibeacon("services", "--dry-run", "--format", "json", environ=variables, cwd=root)

    assert ended.document["changes"]["status"] == "unknown"
    assert len(server.requests) == asked


def test_a_base_that_cannot_be_fetched_leaves_a_forks_services_unknown(forked):
    """The head's map, which is checked out, is never read instead."""
    variables, root, server = forked
    server.answer = 403

    ended = cibeacon("services", "--format", "json", environ=variables, cwd=root)

    assert ended.document["changes"]["status"] == "unknown"
    assert ended.document["changes"]["services"] == []
    assert "could not be fetched" in ended.document["changes"]["reason"]


def api_record(variables) -> dict:
    return json.loads(Path(variables["GITHUB_EVENT_PATH"]).read_text())["pull_request"]


def test_the_hosts_own_list_is_used_if_git_cannot_be_reached(forked, served):
    """A proxy that allows the API, but not git."""
    variables, root, server = forked
    server.answer = 403
    files = [{"filename": "services/mine/a", "previous_filename": "services/theirs/a"}]
    with Api(api_record(variables) | {"changed_files": 1}, files) as api:
        environ = variables | {
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_API_URL": api.url,
            "GITHUB_TOKEN": githttp.TOKEN,
            "CIBEACON_SERVICES": "services/{service}/",
        }
        event = json.loads(Path(variables["GITHUB_EVENT_PATH"]).read_text())
        event["pull_request"]["head"]["repo"] = event["pull_request"]["base"]["repo"]
        Path(variables["GITHUB_EVENT_PATH"]).write_text(json.dumps(event))
        Path(root / ".cibeacon.yml").write_text("report: {}\n")
        ended = cibeacon("services", "--format", "json", environ=environ, cwd=root)
        api.files.append({"filename": "services/more/a"})
        api.record["changed_files"] = 3
        cut = cibeacon("services", "--format", "json", environ=environ, cwd=root)

    assert ended.document["changes"]["services"] == ["mine", "theirs"]
    assert "API" in ended.document["changes"]["how"]
    assert cut.document["changes"]["status"] == "unknown"
    assert "does not list all changed files" in cut.document["changes"]["reason"]


def test_a_pull_request_that_the_user_names_is_looked_up(forked):
    """A manual or scheduled run has no commit to compare with."""
    variables, root, _ = forked
    with Api(api_record(variables)) as api:
        environ = variables | {
            "GITHUB_EVENT_NAME": "workflow_dispatch",
            "GITHUB_EVENT_PATH": "",
            "GITHUB_API_URL": api.url,
            "GITHUB_TOKEN": githttp.TOKEN,
            "CIBEACON_SERVICES": "services/{service}/",
        }
        Path(root / ".cibeacon.yml").write_text("report: {}\n")
        ended = cibeacon("services", "--format", "json", "--pr-number", "7", environ=environ, cwd=root)

    assert ended.document["changes"]["services"] == ["mine"], ended.document["changes"]
    assert len(api.seen) == 1


def test_a_netrc_is_read_by_no_fetch(servers, tmp_path):
    """Neither the one in HOME, nor the one in the user's home folder."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text("default login mallory password stolen\n")
    (home / ".netrc").chmod(0o600)
    story = Worktree.new(tmp_path / "shop")
    story.commit({"a": "1\n"})
    head = story.commit({"a": "2\n"})
    with GitServer(story.root, token="the-token") as server:
        environ = {"PATH": os.environ["PATH"], "HOME": str(home), "GITHUB_SERVER_URL": server.url}
        remotes = github_host.remotes(Variables(environ | {"GITHUB_REPOSITORY": githttp.REPOSITORY}), tokens())
        with closing(FetchingRepository(None, remotes, environ, ample())) as repository, pytest.raises(CheckoutError):
            list(repository.paths(head, head.replace(head[0], "0" if head[0] != "0" else "1")))
        assert server.requests
        assert set(server.signatures) == {None}
