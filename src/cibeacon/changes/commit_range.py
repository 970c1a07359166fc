"""Decides which two commits to compare for a run; a `History` answers its questions. Does not know git.

The rules are made for comparing trees, and never compare with a stale base: the change of a merged pull request is what
its merge brought to the base branch, that of an open one is what its merge would bring.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from cibeacon.changes import History
from cibeacon.ci.ci_system import asked_with
from cibeacon.ci.detect import named
from cibeacon.git import tag_series
from cibeacon.model.changes import CommitRange, Unknown
from cibeacon.model.ci_systems import ACTIONS
from cibeacon.model.context import Context, NamedCommit, PullRequest

NO_COMMIT = "the repository has no commits yet"
_PART_OF_AN_ID = r"[0-9a-f]{4,39}"
_WITH_BEFORE = ACTIONS | {"gitlab"}
"""CI systems whose `before` is the commit before the push; on others it may be the commit of any earlier run."""

RangeOrUnknown: TypeAlias = CommitRange | Unknown


def find_commit_range(
    context: Context, history: History, base: str | None = None, head: str | None = None
) -> RangeOrUnknown:
    """The commits to compare for the run. A `base` or `head` that the user set takes precedence."""
    if base or head:
        return _given(context, history, base, head)
    pull_request = context.pull_request
    if pull_request and (pull_request.merged or pull_request.head_sha):
        return (_merged if pull_request.merged else _open)(context, pull_request, history)
    if context.merge_group:
        return _between(context.merge_group.before, context.merge_group.after, "merge queue entry")
    if context.tag:
        return _tagged(context, history)
    if context.push:
        return _pushed(context, history)
    if context.host == "local" and not context.ci:
        return _here(context, history)
    if pull_request and not pull_request.named:
        return Unknown("the head commit of the pull request is unknown", "set base and head")
    if not context.event and not context.branch:
        why = "neither a branch nor a pull request is known, so there is no commit to compare with"
        return Unknown(why, "set head_branch, or base and head")
    what = f"a {context.event} event" if context.event else "this run"
    return Unknown(f"{what} has no commit to compare with", "set base and head")


def deepen(context: Context) -> str:
    """How to get the missing history into the checkout, in the words of the run's CI system."""
    return named(context.host).deepen


def _between(base: str | None, head: str | None, how: str) -> RangeOrUnknown:
    """The range, if both commits are known. The comparison finds out whether the repository has them."""
    if not base or not head:
        return Unknown(f"the event does not name both commits ({how})")
    return CommitRange(base, head, how)


def missing(context: Context, between: CommitRange, history: History) -> Unknown | None:
    """Why a range cannot be compared: the first of its commits that is missing here."""
    for sha in (between.base, between.head):
        if history.commit(sha) is None:
            return Unknown(f"commit {sha[:12]} is not in this checkout ({between.how})", deepen(context))
    return None


def _name(context: Context, named: NamedCommit) -> str:
    """A ref as shown in `how`. In CI a ref in the checkout may be left over from an earlier job."""
    return f"{named.name} as this checkout has it" if named.local and context.ci else named.name


def _given(context: Context, history: History, base: str | None, head: str | None) -> RangeOrUnknown:
    head = head or context.checkout_sha or "HEAD"
    if not base:
        return Unknown("head is set but base is not", "set both")
    commits = []
    for revision in (base, head):
        named = history.named(revision)
        if named is None:
            return _explain_name(context, revision)
        commits.append(named)
    local = [_name(context, named) for named in commits if named.local and context.ci]
    return CommitRange(commits[0].sha, commits[1].sha, ", ".join(("base and head as set", *local)))


def _explain_name(context: Context, revision: str) -> Unknown:
    """Why a revision that the user set does not name a commit."""
    why, part = f"{revision[:100]} is not a commit in this checkout", re.fullmatch(_PART_OF_AN_ID, revision)
    if not context.ci:
        name = "id" if part else "name (use origin/NAME for a branch that is only fetched)"
        return Unknown(why, f"correct the {name}, or fetch the commit first (git fetch)")
    if part:
        return Unknown(why, "give the commit's full id: git cannot fetch an abbreviated one")
    return Unknown(why, f"correct the name; if it is right, {deepen(context)}")


def _merged(context: Context, pull_request: PullRequest, history: History) -> RangeOrUnknown:
    """The change that the merge brought to the base branch, whichever merge method was used."""
    merge, head = pull_request.merge_commit_sha, pull_request.head_sha
    if not merge:
        return Unknown("the event does not name the merge commit")
    parents = history.parents(merge)
    if not parents:
        what = "is not in this checkout" if parents is None else "has no parent"
        return Unknown(f"the merge commit {merge[:12]} {what}", deepen(context))
    if merge == head:
        return _fast_forwarded(context, pull_request, history)
    if parents[1:] == (head,):
        return _between(parents[0], merge, "merge commit, first parent")
    if len(parents) == 2 and parents[0] == head:  # the base branch was merged into the head and pushed as itself
        return _between(parents[1], merge, "merge commit, second parent")
    if pull_request.squashed or pull_request.commits == 1:
        return _between(parents[0], merge, "single commit, its parent")
    if pull_request.diff_base_sha and head:
        return _between(pull_request.diff_base_sha, head, "merge request's diff base")
    return _squashed_or_rebased(context, history, merge, head, parents[0])


def _squashed_or_rebased(
    context: Context, history: History, merge: str, head: str | None, parent: str
) -> RangeOrUnknown:
    """The change of a squash or rebase merge, whose head is not in the base branch; a merge commit contains the head."""
    if not head or history.commit(head) is None:
        return Unknown(f"the pull request's head {(head or 'commit')[:12]} is not in this checkout", deepen(context))
    held = history.is_ancestor(head, merge)
    if held and history.is_ancestor(head, parent) is False:
        return _between(parent, merge, "merge commit, first parent")
    if held:
        return Unknown(f"commit {merge[:12]} may be newer than the merge", "set base and head")
    base = history.merge_base(merge, head) if held is False else None
    if base is None:
        return Unknown("the merge base of the pull request cannot be determined in a shallow checkout", deepen(context))
    return _between(base, head, "merge base to head (squash or rebase)")


def _fast_forwarded(context: Context, pull_request: PullRequest, history: History) -> RangeOrUnknown:
    """The change of a fast-forward: the base branch moved to the head itself, so only its earlier position helps.

    A push in the context is known to contain only this pull request, so it has no change of another one.
    """
    head = pull_request.head_sha
    if pull_request.diff_base_sha:
        return _between(pull_request.diff_base_sha, head, "fast-forward, merge request's diff base")
    before = context.push.before if context.push else None
    if before and head and history.is_ancestor(before, head):
        return _between(before, head, "fast-forward, the push")
    base = history.merge_base(pull_request.base_sha, head) if pull_request.base_sha and head else None
    if base is None or base == head:
        return Unknown("the pull request was fast-forwarded and its old base is unknown", "set base and head")
    return _between(base, head, "fast-forward, merge base of base and head")


def _open(context: Context, pull_request: PullRequest, history: History) -> RangeOrUnknown:
    """The change that a merge would bring: from the test merge's first parent to the test merge, else merge base to head."""
    test_merge, head = context.checkout_sha, pull_request.head_sha
    if test_merge and test_merge != head and context.event != "pull_request_target":  # that one checks out the base
        parents = history.parents(test_merge)
        if parents and len(parents) == 2 and head in parents:
            target_tip, which = (parents[0], "first") if parents[1] == head else (parents[1], "second")
            return _between(target_tip, test_merge, f"test merge, {which} parent")
    if pull_request.diff_base_sha:
        return _between(pull_request.diff_base_sha, head, "merge request's diff base")
    if not head or history.commit(head) is None:
        return Unknown(f"the pull request's head {(head or 'commit')[:12]} is not in this checkout", deepen(context))
    seen = history.commit(pull_request.base_sha) if pull_request.base_sha else None
    target = history.named(f"refs/remotes/origin/{pull_request.base_ref}") if pull_request.base_ref else None
    if not pull_request.base_sha and not pull_request.base_ref:
        why = f"{named(context.host).title} does not provide the pull request's target branch"
        return Unknown(why, "set pr_base, such as main")
    tips = [sha for sha in (seen, target.sha if target else None) if sha]
    base = history.merge_base(head, *tips) if tips else None
    if base == head and seen:  # it was merged while the job waited
        base = history.merge_base(head, seen)
    if base is None or base == head:
        return Unknown("the merge base of the pull request cannot be determined in this checkout", deepen(context))
    how = f"merge base to head, {_name(context, target)}" if target and target.local else "merge base to head"
    return _between(base, head, how)


def _pushed(context: Context, history: History) -> RangeOrUnknown:
    push = context.push
    if push is None or not push.after:
        why = (
            "the branch was deleted" if push and push.deleted else "the event does not name the commit that was pushed"
        )
        return Unknown(why, "set base and head")
    moved = CommitRange(push.before, push.after, "push, before to after") if push.before else None
    if moved and _advanced(context, moved, history):
        return moved
    after, base = push.after, history.merge_base(push.after, push.before) if push.before else None
    if base == after and context.host not in _WITH_BEFORE:  # a rebuild of an older commit
        push = push._replace(before=None)
    elif base:
        return _between(base, after, "force push, merge base to after")
    if context.on_default_branch and push.before:
        return Unknown(
            f"no common ancestor of the push and commit {push.before[:12]} can be found in this checkout",
            deepen(context),
        )
    if context.on_default_branch and not push.created and context.host not in ("github", "gitlab"):
        why = f"{named(context.host).title} does not provide the branch's previous commit"
        token = asked_with(context)
        ask = f", or set {token}" if token else ""
        return Unknown(why, f"set base, such as the commit of the last run{ask}")
    if context.on_default_branch:
        return Unknown("this is the first push, without an earlier commit to compare with", "the next push has one")
    what = "new branch" if push.created else "force push" if push.before else "this branch"
    return _since_default_branch(context, history, after, what)


def _advanced(context: Context, moved: CommitRange, history: History) -> bool:
    """Whether a push only added commits. Only GitHub reports force pushes, and a kept workspace may have the old commits."""
    if context.host == "github":
        return not (context.push and context.push.forced)
    held = history.is_ancestor(moved.base, moved.head)
    return held or (held is None and missing(context, moved, history) is not None)


def _since_default_branch(context: Context, history: History, head: str, what: str) -> RangeOrUnknown:
    name = context.default_branch
    if history.commit(head) is None:
        return Unknown(f"commit {head[:12]} is not in this checkout ({what})", deepen(context))
    if not name:
        ask = "" if context.ci else "let git look it up (git remote set-head origin --auto), or "
        return Unknown(f"the default branch is unknown ({what})", f"{ask}set base, such as origin/NAME")
    tip = history.named(f"refs/remotes/origin/{name}") or history.named(f"refs/heads/{name}")
    base = history.merge_base(head, tip.sha) if tip else None
    if tip is None or base is None:
        why = f"the merge base with the default branch {name[:100]} cannot be determined in this checkout ({what})"
        return Unknown(why, deepen(context))
    return _between(base, head, f"{what}, merge base with {_name(context, tip)}")


def _tagged(context: Context, history: History) -> RangeOrUnknown:
    """The change since the previous tag of the same series. Tags of other services in between do not count."""
    head, series = context.commit_sha, tag_series(context.tag or "")
    previous = history.previous_tag(head, lambda name: tag_series(name) == series) if head else None
    if previous is None:
        of_series = f" of the series {series[:100]}" if series else ""
        hint = f"if this is the first tag{of_series and ' of the series'}, set base; otherwise {deepen(context)}"
        return Unknown(f"this checkout has no earlier tag{of_series}", hint)
    return _between(previous.sha, head, f"previous tag {_name(context, previous)}")


def _here(context: Context, history: History) -> RangeOrUnknown:
    """On a laptop: the branch since it left the default branch, or the last commit on the default branch."""
    head = context.commit_sha
    if not head:
        return Unknown(NO_COMMIT)
    if context.on_default_branch:
        parents = history.parents(head)
        if not parents:
            return Unknown(
                "this is the first commit, without an earlier one to compare with", "the next commit has one"
            )
        between = _between(parents[0], head, f"last commit on {context.branch}")
    else:
        between = _since_default_branch(context, history, head, "this branch")
    if isinstance(between, CommitRange) and not context.ci:
        return between._replace(how=f"{between.how}, without uncommitted changes")
    return between
