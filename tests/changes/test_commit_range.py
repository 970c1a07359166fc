"""The commit range on real histories, for every merge method and every event."""

from __future__ import annotations

import pytest

from cibeacon.changes.commit_range import find_commit_range, missing
from cibeacon.changes.diff import between_commits
from cibeacon.model.changes import CommitRange, Unknown
from cibeacon.model.context import Context, PullRequest, Push
from cibeacon.settings import load_settings
from repositories import CHANGED, COURSES, PLOTS, SERVICES, Worktree, copied, fingerprint, repository
from run_contexts import (
    HOSTILE_REVISIONS,
    WHEN_MERGED,
    WHILE_OPEN,
    by_name,
    closed_event,
    github,
    gitlab,
    laptop,
    merged,
    open_at_head,
    open_event,
    pull,
    push,
)


def spanned(context: Context, root, base: str | None = None, head: str | None = None) -> tuple[str, str]:
    found = find_commit_range(context, repository(root), base, head)
    assert isinstance(found, CommitRange), found
    return found.base, found.head


def unknown(context: Context, root, base: str | None = None, head: str | None = None) -> str:
    found = find_commit_range(context, repository(root), base, head)
    assert isinstance(found, Unknown), found
    return str(found)


def paths(context: Context, root) -> set[str]:
    return set(repository(root).paths(*spanned(context, root)))


# Pull requests ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", WHEN_MERGED, ids=by_name)
@pytest.mark.parametrize(("method", "course"), PLOTS)
def test_a_merged_pull_request_has_exactly_its_own_changes(method, course, event, stories):
    story = stories(method, course)

    assert paths(event(story), story.root) == CHANGED


@pytest.mark.parametrize("event", WHILE_OPEN, ids=by_name)
@pytest.mark.parametrize("course", COURSES)
def test_an_open_pull_request_has_the_changes_that_its_merge_would_bring(course, event, open_stories):
    story = open_stories(course)

    assert paths(event(story), story.root) == CHANGED


@pytest.mark.parametrize("method", ["merge", "rebase", "squash"])
def test_a_pull_request_of_one_commit_is_its_commit(method, tmp_path):
    tree = Worktree.new(tmp_path / "one")
    first = tree.commit({"services/cart/a": "1"})
    tree.git("checkout", "--quiet", "-b", "feature")
    head = tree.commit({"services/payments/a": "1"})
    tree.git("checkout", "--quiet", "main")
    base = tree.commit({"services/search/a": "1"})
    if method == "merge":
        tree.git("merge", "--quiet", "--no-ff", "--message=merge", "feature")
    else:
        tree.git("cherry-pick", "feature")
    request = PullRequest(
        7, merged=True, merge_commit_sha=tree.tip(), base_ref="main", base_sha=first, head_sha=head, commits=1
    )
    context = github("pull_request", pull_request=request, checkout_sha=tree.tip())

    assert spanned(context, tree.root) == (base, tree.tip())
    assert paths(context, tree.root) == {"services/payments/a"}


def test_the_test_merge_is_read_from_the_commit_itself_since_a_shallow_clone_hides_its_parents(open_stories, clone_of):
    story = open_stories("moved")
    shallow = clone_of(story, "--depth=1", ref="refs/pull/7/merge")

    assert repository(shallow).commit(f"{story.test_merge}^1") is None
    assert spanned(open_event(story), shallow) == (story.base, story.test_merge)


def test_a_test_merge_of_another_head_is_not_used(open_stories):
    """A push arrived between the event and the checkout, so the checked-out merge is not the event's."""
    story = open_stories("moved")
    older = repository(story.root).parents(story.head)[0]
    context = open_event(story)._replace(pull_request=pull(story, head_sha=older))

    assert spanned(context, story.root) == (story.fork, older)


def test_an_open_pull_request_that_was_merged_while_the_job_waited_still_has_changes(stories, whole):
    """The base branch contains the head by now, so the merge base is the head itself and useless."""
    story = stories("merge", "moved")

    assert paths(open_at_head(story), whole(story)) == CHANGED


def test_an_outdated_base_of_the_pull_request_does_no_harm(open_stories, whole):
    """The host's `base.sha` becomes outdated when the base branch is merged into the branch; the fetched branch does not."""
    story = open_stories("updated")
    first = Worktree(story.root).tip("main~6")
    context = open_at_head(story)._replace(pull_request=pull(story, base_sha=first))

    assert paths(context, whole(story)) == CHANGED


def test_a_merged_pull_request_whose_event_names_no_merge_commit_is_unknown(stories):
    story = stories("merge", "still")
    context = closed_event(story)._replace(pull_request=merged(story)._replace(merge_commit_sha=None))

    assert "does not name the merge commit" in unknown(context, story.root)


def test_a_fast_forward_without_its_old_base_is_unknown(stories):
    story = stories("fast-forward", "still")
    request = merged(story)._replace(base_sha=None)

    assert "its old base is unknown" in unknown(
        github("pull_request", pull_request=request, checkout_sha=story.merge), story.root
    )


@pytest.mark.parametrize("method", ["merge", "fast-forward"])
def test_a_commit_after_the_merge_is_not_mistaken_for_it(method, stories, tmp_path):
    """The branch was pushed manually with more commits; the host reports the tip, whose parent already contains the head."""
    story = stories(method, "moved")
    tree = Worktree(copied(story.root, tmp_path / "copy"))
    later = tree.commit({"services/later/a": "1"})
    request = merged(story)._replace(merge_commit_sha=later, commits=None)

    unknown(github("pull_request", pull_request=request, checkout_sha=later), tree.root)


def test_a_missing_merge_commit_is_named(stories):
    story = stories("merge", "still")
    gone = "ab" * 20
    request = merged(story)._replace(merge_commit_sha=gone)

    reason = unknown(github("pull_request", pull_request=request), story.root)

    assert gone[:12] in reason
    assert "fetch-depth: 0" in reason


def test_a_missing_head_is_named(stories):
    story = stories("squash", "still")
    gone = "cd" * 20
    request = merged(story)._replace(head_sha=gone)

    assert gone[:12] in unknown(github("pull_request", pull_request=request), story.root)


# Pushes -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pushed(tmp_path):
    """A default branch with three commits, and a branch that starts at the second."""
    tree = Worktree.new(tmp_path / "pushed")
    shas = [tree.commit({f"services/s{number}/a": "1"}) for number in range(3)]
    tree.git("checkout", "--quiet", "-b", "topic", shas[1])
    shas += [tree.commit({f"services/t{number}/a": "1"}) for number in range(2)]
    return tree, shas


@pytest.mark.parametrize("host", [github, gitlab])
def test_a_push_has_the_changes_from_before_to_after(host, pushed):
    tree, shas = pushed

    assert paths(push(shas[0], shas[2], host, "main"), tree.root) == {"services/s1/a", "services/s2/a"}


@pytest.mark.parametrize("host", [github, gitlab])
def test_a_force_push_has_the_changes_since_the_merge_base(host, pushed):
    """GitLab does not report force pushes: only the history shows them. Comparing before with after would show the reverted work."""
    tree, shas = pushed
    tree.git("reset", "--quiet", "--hard", "HEAD^")
    after = tree.commit({"services/new/a": "1"})

    assert paths(push(shas[4], after, host, forced=host is github), tree.root) == {"services/new/a"}


@pytest.mark.parametrize("host", [github, gitlab])
def test_a_force_push_in_a_shallow_clone_is_unknown_although_both_commits_are_there(host, pushed, tmp_path):
    """A runner that keeps its clone has the branch's old tip from the previous job."""
    tree, shas = pushed
    kept = Worktree.new(tmp_path / "kept")
    kept.git("remote", "add", "origin", tree.root.as_uri())
    kept.git("fetch", "--quiet", "--depth=1", "origin", "topic")
    tree.git("reset", "--quiet", "--hard", "main")
    after = tree.commit({"services/new/a": "1"})
    kept.git("fetch", "--quiet", "--depth=1", "origin", "topic")
    assert repository(kept.root).commit(shas[4])

    unknown(push(shas[4], after, host, forced=host is github), kept.root)


def test_a_forced_push_whose_old_tip_is_gone_is_compared_with_the_default_branch(pushed):
    tree, shas = pushed

    assert spanned(push("ef" * 20, shas[4], forced=True), tree.root) == (shas[1], shas[4])


def test_a_forced_push_to_the_default_branch_whose_old_tip_is_gone_is_unknown_and_names_it(pushed):
    tree, shas = pushed
    gone = "ef" * 20

    assert gone[:12] in unknown(push(gone, shas[2], branch="main", forced=True), tree.root)


@pytest.mark.parametrize("host", [github, gitlab])
def test_a_new_branch_has_the_changes_since_the_default_branch(host, pushed):
    tree, shas = pushed

    assert spanned(push(None, shas[4], host, created=True), tree.root) == (shas[1], shas[4])


def test_a_new_branch_in_a_clone_without_the_default_branch_is_unknown(pushed):
    tree, shas = pushed
    tree.git("branch", "--quiet", "-D", "main")

    assert "default branch" in unknown(push(None, shas[4], created=True), tree.root)


def test_the_first_push_of_a_default_branch_is_unknown(pushed):
    tree, shas = pushed

    assert "first push" in unknown(push(None, shas[2], branch="main", created=True), tree.root)


def test_a_deleted_branch_is_unknown(pushed):
    tree, shas = pushed

    assert "deleted" in unknown(push(shas[4], None, deleted=True), tree.root)


@pytest.mark.parametrize("absent", ["before", "after"])
def test_a_push_whose_commits_are_not_here_names_the_one_that_is_missing(absent, pushed):
    tree, shas = pushed
    ends = {"before": shas[0], "after": shas[2]} | {absent: "ab" * 20}
    found = find_commit_range(push(**ends, branch="main"), repository(tree.root))

    reason = missing(github("push"), found, repository(tree.root))

    assert ("ab" * 20)[:12] in str(reason)


# Other events -------------------------------------------------------------------------------------------------------


def test_a_merge_queue_entry_is_compared_from_its_base_to_its_head(pushed):
    tree, shas = pushed

    assert spanned(github("merge_group", merge_group=Push(shas[0], shas[2])), tree.root) == (shas[0], shas[2])


def test_a_merge_queue_entry_without_its_base_is_unknown(pushed):
    tree, shas = pushed

    assert "merge queue" in unknown(github("merge_group", merge_group=Push(None, shas[2])), tree.root)


def test_a_tag_has_the_changes_since_the_previous_tag(pushed):
    tree, shas = pushed
    tree.git("tag", "v1", shas[0])
    tree.git("tag", "--annotate", "--message=two", "v2", shas[2])
    context = github("push", ref="refs/tags/v2", commit_sha=shas[2], push=Push(None, shas[2], created=True))

    assert spanned(context, tree.root) == (shas[0], shas[2])


def test_two_tags_on_one_commit_are_not_each_others_predecessor(pushed):
    tree, shas = pushed
    for name, sha in (("v1", shas[1]), ("v2", shas[2]), ("latest", shas[2])):
        tree.git("tag", name, sha)

    assert spanned(github("push", ref="refs/tags/v2", commit_sha=shas[2]), tree.root) == (shas[1], shas[2])


def test_a_first_tag_is_unknown(pushed):
    tree, shas = pushed
    tree.git("tag", "v1", shas[2])

    said = unknown(github("push", ref="refs/tags/v1", commit_sha=shas[2]), tree.root)
    assert "no earlier tag" in said
    assert "if this is the first tag, set base" in said


@pytest.mark.parametrize("event", ["workflow_dispatch", "schedule", "repository_dispatch", None])
def test_an_event_without_a_commit_to_compare_with_is_unknown_and_the_hint_names_base(event, pushed):
    tree, shas = pushed

    assert "set base and head" in unknown(github(event, commit_sha=shas[2], branch="main"), tree.root)


def test_an_unknown_ci_system_is_not_mistaken_for_a_laptop(pushed):
    tree, shas = pushed

    assert "set base and head" in unknown(laptop(commit_sha=shas[2], branch="main", ci=True), tree.root)


# As set ------------------------------------------------------------------------------------------------------------


def test_base_and_head_take_precedence_over_every_event(stories):
    story = stories("squash", "moved")

    assert spanned(closed_event(story), story.root, "feature", "main") == (story.head, story.merge)


def test_a_base_alone_is_compared_with_what_is_checked_out(pushed):
    tree, shas = pushed

    assert spanned(github("workflow_dispatch", checkout_sha=shas[2]), tree.root, shas[0]) == (shas[0], shas[2])
    assert spanned(laptop(), tree.root, "main") == (shas[2], shas[4])


def test_a_head_alone_is_unknown(pushed):
    tree, shas = pushed

    assert "set both" in unknown(laptop(), tree.root, None, shas[0])


@pytest.mark.parametrize("spelling", ["refs/heads/main", "main", "main~0", "v1", "main@{0}"])
def test_a_base_may_have_any_form_that_git_allows(spelling, pushed):
    tree, shas = pushed
    tree.git("tag", "--annotate", "--message=one", "v1", shas[2])
    tree.git("update-ref", "--create-reflog", "-m", "again", "refs/heads/main", shas[2])

    assert spanned(laptop(), tree.root, spelling, "topic")[0] == shas[2]


@pytest.mark.parametrize("side", ["base", "head"])
@pytest.mark.parametrize("revision", HOSTILE_REVISIONS.values(), ids=HOSTILE_REVISIONS.keys())
def test_a_hostile_revision_is_not_a_commit_and_does_nothing(revision, side, pushed, tmp_path):
    tree, _ = pushed
    before, around = fingerprint(tree.root), sorted(map(str, tmp_path.rglob("stolen*")))

    told = load_settings({}, {}, {}).change._replace(**{"base": "main", "head": "topic"} | {side: revision})
    found = between_commits(laptop(), told, SERVICES, repository(tree.root))

    assert found.status == "unknown"
    assert found.services == ()
    assert len(str(found.unknown)) < 400
    assert fingerprint(tree.root) == before
    assert sorted(map(str, tmp_path.rglob("stolen*"))) == around


# On a laptop --------------------------------------------------------------------------------------------------------


def here(tree: Worktree) -> Context:
    checkout = repository(tree.root).checkout()
    return laptop(commit_sha=checkout.head, branch=checkout.branch, default_branch=checkout.default_branch)


def test_on_a_branch_the_changes_are_those_since_it_left_the_default_branch(pushed):
    tree, shas = pushed

    assert spanned(here(tree), tree.root) == (shas[1], shas[4])


def test_on_the_default_branch_the_changes_are_those_of_the_last_commit(pushed):
    tree, shas = pushed
    tree.git("checkout", "--quiet", "main")

    assert spanned(here(tree), tree.root) == (shas[1], shas[2])


def test_the_first_commit_is_unknown(tmp_path):
    tree = Worktree.new(tmp_path / "first")
    tree.commit({"services/cart/a": "1"})

    assert "first commit" in unknown(here(tree), tree.root)


def test_a_repository_without_a_commit_is_unknown(tmp_path):
    tree = Worktree.new(tmp_path / "empty")

    assert "no commits yet" in unknown(here(tree), tree.root)


def test_a_detached_head_is_compared_with_the_default_branch(pushed):
    tree, shas = pushed
    tree.git("checkout", "--quiet", "--detach", shas[4])

    assert spanned(here(tree), tree.root) == (shas[1], shas[4])
