"""From an event and a clone to the changed services: either exactly right or unknown."""

from __future__ import annotations

import shutil

import pytest

from cibeacon import run
from cibeacon.changes.diff import between_commits
from cibeacon.model.changes import given_services
from cibeacon.services import templates
from cibeacon.settings import load_settings
from repositories import (
    CHANGED,
    CHANGED_SERVICES,
    COURSES,
    PLOTS,
    SERVICES,
    Worktree,
    copied,
    crossed,
    fingerprint,
    open_crossed,
    repository,
)
from run_contexts import (
    WHEN_MERGED,
    WHILE_OPEN,
    by_name,
    closed_event,
    github,
    gitlab,
    landing_push,
    laptop,
    merged_at_gitlab,
    open_at_gitlab,
    open_event,
    push,
)

CHANGE = load_settings({}, {}, {}).change
CLONES = {
    "depth 1": ("--depth=1",),
    "depth 2": ("--depth=2",),
    "depth 4": ("--depth=4",),
    "depth 1, the head besides": ("--depth=1", "head"),
    "depth 2, the head besides": ("--depth=2", "head"),
}


def compared(context, root, **told):
    return between_commits(context, CHANGE._replace(**told), SERVICES, repository(root))


def right(found) -> bool:
    """Asserts that the answer is exactly right, or `unknown` with a reason."""
    if found.status == "unknown":
        assert found.services == ()
        assert found.why is None
        assert found.changed_files is None
        assert str(found.unknown)
        return False
    assert found.services == CHANGED_SERVICES
    assert found.changed_files == len(CHANGED)
    assert found.unmatched == 1
    return True


def shallow(clone_of, story, options, ref):
    """A shallow clone; with `head`, one that a runner keeps and that fetched the head in an earlier job."""
    root = clone_of(story, *(option for option in options if option != "head"), ref=ref)
    if "head" in options:
        kept = root.parent / f"{root.name}-kept"
        if not kept.exists():
            copied(root, kept)
            Worktree(kept).git("fetch", "--quiet", options[0], "origin", "refs/pull/7/head")
        return kept
    return root


# Whole clones -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", WHEN_MERGED, ids=by_name)
@pytest.mark.parametrize(("method", "course"), PLOTS)
def test_a_whole_clone_knows_every_merged_pull_request(method, course, event, stories, whole):
    story = stories(method, course)

    assert right(compared(event(story), whole(story)))


@pytest.mark.parametrize("event", WHILE_OPEN, ids=by_name)
@pytest.mark.parametrize("course", COURSES)
def test_a_whole_clone_knows_every_open_pull_request(course, event, open_stories, whole):
    story = open_stories(course)

    assert right(compared(event(story), whole(story)))


def test_the_answer_has_the_range_the_rule_and_the_reasons(stories):
    story = stories("merge", "moved")

    found = compared(closed_event(story), story.root)

    assert (found.base, found.head, found.how) == (story.base, story.merge, "merge commit, first parent")
    assert found.why == {
        "cart": "services/cart/new.py",
        "old": "services/old/gone.py",
        "payments": "services/payments/api.py",
    }


# Shallow clones -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "course", "event", "kind"), crossed(WHEN_MERGED, CLONES))
def test_a_shallow_clone_of_a_merge_is_right_or_unknown(method, course, event, kind, stories, clone_of):
    story = stories(method, course)

    right(compared(event(story), shallow(clone_of, story, CLONES[kind], "refs/heads/main")))


@pytest.mark.parametrize(
    ("course", "event", "kind", "ref"),
    open_crossed(WHILE_OPEN, CLONES, ["refs/pull/7/merge", "refs/heads/feature", "refs/heads/main"]),
)
def test_a_shallow_clone_of_an_open_pull_request_is_right_or_unknown(course, event, kind, ref, open_stories, clone_of):
    story = open_stories(course)

    right(compared(event(story), shallow(clone_of, story, CLONES[kind], ref)))


@pytest.mark.parametrize("course", COURSES)
def test_two_commits_are_enough_for_an_open_pull_request_at_github(course, open_stories, clone_of):
    """The clone that `fetch-depth: 2` makes: the test merge and both its parents."""
    story = open_stories(course)

    assert right(compared(open_event(story), clone_of(story, "--depth=2", ref="refs/pull/7/merge")))


@pytest.mark.parametrize("course", COURSES)
@pytest.mark.parametrize("event", WHEN_MERGED, ids=by_name)
def test_two_commits_are_enough_for_a_merge_commit(event, course, stories, clone_of):
    story = stories("merge", course)

    assert right(compared(event(story), clone_of(story, "--depth=2")))


@pytest.mark.parametrize("method", ["squash", "squash-and-merge"])
@pytest.mark.parametrize("course", COURSES)
def test_two_commits_are_enough_for_what_gitlab_squashed(course, method, stories, clone_of):
    """The head of a squashed merge request is in no branch, so no clone depth fetches it."""
    story = stories(method, course)
    context = github("push")._replace(host="gitlab", pull_request=merged_at_gitlab(story), checkout_sha=story.merge)

    assert right(compared(context, clone_of(story, "--depth=2")))


@pytest.mark.parametrize("course", COURSES)
def test_one_commit_is_never_enough_and_the_missing_one_is_named(course, stories, open_stories, clone_of):
    landed, waiting = stories("merge", course), open_stories(course)

    for context, story, ref in (
        (closed_event(landed), landed, "refs/heads/main"),
        (landing_push(landed), landed, "refs/heads/main"),
        (open_event(waiting), waiting, "refs/pull/7/merge"),
    ):
        found = compared(context, clone_of(story, "--depth=1", ref=ref))
        assert found.status == "unknown"
        assert story.base[:12] in str(found.unknown)
        assert "fetch-depth: 0" in str(found.unknown)
        assert (found.base, bool(found.head), bool(found.how)) == (story.base, True, True)


def test_gitlabs_missing_diff_base_is_named(open_stories, clone_of):
    story = open_stories("moved")

    found = compared(open_at_gitlab(story), clone_of(story, "--depth=1", ref="refs/heads/feature"))

    assert found.status == "unknown"
    assert story.fork[:12] in str(found.unknown)
    assert 'GIT_DEPTH: "0"' in str(found.unknown)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("host", [github, gitlab])
def test_a_push_to_a_shallow_clone_is_right_or_names_what_is_missing(host, depth, stories, clone_of):
    story = stories("merge", "moved")
    root = clone_of(story, f"--depth={depth}")

    found = compared(push(story.base, story.merge, host, "main"), root)

    assert right(found) == (depth > 1)
    if depth == 1:
        assert story.base[:12] in str(found.unknown)


@pytest.mark.parametrize(("method", "course"), PLOTS)
def test_no_question_writes_to_the_clone(method, course, stories, clone_of):
    story = stories(method, course)
    for root in (story.root, clone_of(story, "--depth=2")):
        before = fingerprint(root)
        for event in WHEN_MERGED:
            compared(event(story), root)
        assert fingerprint(root) == before


# Errors make the answer unknown -----------------------------------------------------------------------------------------------


def test_no_repository_is_unknown(tmp_path):
    for context in (laptop(commit_sha="ab" * 20), push("ab" * 20, "cd" * 20), github("merge_group")):
        found = compared(context, tmp_path, base="main", head="HEAD")
        assert found.status == "unknown"
        assert "no git repository" in str(found.unknown)


def test_a_push_outside_a_repository_is_unknown_for_the_right_reason(tmp_path):
    found = compared(push("ab" * 20, "cd" * 20), tmp_path)

    assert found.status == "unknown"
    assert "no git repository" in str(found.unknown)


def test_an_empty_repository_is_unknown(tmp_path):
    tree = Worktree.new(tmp_path / "empty")

    for context in (laptop(), push("ab" * 20, "cd" * 20)):
        assert compared(context, tree.root).status == "unknown"


def test_git_missing_is_unknown(stories, tmp_path):
    story = stories("merge", "still")
    reader = repository(story.root, PATH=str(tmp_path))

    found = between_commits(closed_event(story), CHANGE, SERVICES, reader)

    assert found.status == "unknown"
    assert "git cannot be run" in str(found.unknown)


def test_a_corrupted_clone_is_unknown(stories, tmp_path):
    story = stories("merge", "still")
    root = copied(story.root, tmp_path / "corrupted")
    tree = Worktree(root).git("rev-parse", f"{story.head}:services/cart")
    loose = root / ".git/objects" / tree[:2] / tree[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"garbage")

    found = compared(closed_event(story), root)

    assert found.status == "unknown"
    assert "git could not compare the commits" in str(found.unknown)


def test_a_clone_whose_objects_are_gone_is_unknown(stories, tmp_path):
    story = stories("merge", "still")
    root = copied(story.root, tmp_path / "hollow")
    shutil.rmtree(root / ".git/objects")
    (root / ".git/objects").mkdir()

    for event in WHEN_MERGED:
        assert compared(event(story), root).status == "unknown"


# Services -----------------------------------------------------------------------------------------------------------


def test_a_change_outside_every_service_is_none_and_not_unknown(tmp_path):
    tree = Worktree.new(tmp_path / "docs")
    base, head = tree.commit({"services/cart/a": "1"}), tree.commit({"docs/a.md": "1"})

    found = compared(push(base, head), tree.root)

    assert (found.status, found.services, found.changed_files, found.unmatched) == ("none", (), 1, 1)


def test_a_move_from_one_service_to_another_touches_both(tmp_path):
    tree = Worktree.new(tmp_path / "move")
    base = tree.commit({"services/cart/a": "same content\n" * 50, "services/payments/b": "1"})
    tree.git("mv", "services/cart/a", "services/payments/a")
    head = tree.commit({})

    assert compared(push(base, head), tree.root).services == ("cart", "payments")


def test_a_deleted_service_is_found_although_the_checkout_lacks_its_folder(tmp_path):
    tree = Worktree.new(tmp_path / "deleted")
    base = tree.commit({"services/old/a": "1", "services/cart/a": "1"})
    head = tree.commit({"services/old/a": None})

    assert compared(push(base, head), tree.root).services == ("old",)


def test_a_folder_with_an_invalid_name_makes_the_services_unknown(tmp_path):
    """Folder names are untrusted: a command or a line break never becomes a service, and is not silently left out either."""
    tree = Worktree.new(tmp_path / "names")
    base = tree.commit({"services/cart/a": "1"})
    odd = ("$(id)", "::set-env name=A::b", "two\nlines", "-rf", 'a"b', " blank", "é")
    head = tree.commit({f"services/{name}/a": "1" for name in odd} | {"services/payments/a": "1"})

    found = compared(push(base, head), tree.root)

    assert (found.status, found.services) == ("unknown", ())
    assert "is not a valid service name" in found.unknown.why


def test_a_submodule_in_place_of_a_services_folder_is_that_service_and_a_file_is_not(tmp_path):
    tree = Worktree.new(tmp_path / "submodules")
    first = tree.commit({"services/README.md": "1", "other/a": "1"})
    tree.git("update-index", "--add", "--cacheinfo", f"160000,{first},services/payments")
    tree.git("commit", "--quiet", "--message=add")
    added = tree.tip()
    tree.git("update-index", "--cacheinfo", f"160000,{added},services/payments")
    tree.git("commit", "--quiet", "--message=move")
    moved = tree.tip()
    (tree.root / "services/README.md").write_text("2")
    tree.git("commit", "--quiet", "--message=read", "services/README.md")

    assert compared(push(added, moved), tree.root).why == {"payments": "services/payments"}
    both = compared(push(added, tree.tip()), tree.root)
    assert (both.services, both.unmatched) == (("payments",), 1)


def test_services_by_name_are_used_unchanged():
    found = given_services(("payments", "cart"))

    assert (found.status, found.services) == ("ok", ("cart", "payments"))
    assert found.changed_files is None


@pytest.mark.parametrize(
    ("given", "templates_given", "status"),
    [("cart,payments", (), "ok"), ("[]", (), "none"), ("services/{service}/", ("services/{service}/",), None)],
)
def test_templates_find_services_and_names_are_the_changed_services(given, templates_given, status):
    settings = load_settings({"services": given}, {}, {})
    found = run.named_services(settings)
    assert templates(settings.change.services) == templates_given
    assert (found and found.status) == status
