"""Runs of GitHub, GitLab and a laptop as contexts: what happened to the pull request of a story, and pushes."""

from __future__ import annotations

from cibeacon.model.context import Context, PullRequest, Push
from repositories import Story


def github(event: str, **told) -> Context:
    return Context(
        **{
            "host": "github",
            "server": "github.com",
            "repository": "acme/shop",
            "event": event,
            "default_branch": "main",
            "ci": True,
        }
        | told
    )


def gitlab(event: str, **told) -> Context:
    return github(event)._replace(host="gitlab", server="gitlab.com", **told)


def laptop(**told) -> Context:
    return Context(**{"host": "local", "server": None, "repository": None, "event": None} | told)


def pull(story: Story, **told) -> PullRequest:
    """The pull request as GitHub's event describes it while it is open."""
    return PullRequest(
        **{
            "number": 7,
            "id": 1,
            "base_ref": "main",
            "base_sha": story.seen,
            "head_ref": "feature",
            "head_sha": story.head,
            "commits": story.commits,
        }
        | told
    )


def merged(story: Story, **told) -> PullRequest:
    return pull(story, merged=True, closed=True, merge_commit_sha=story.merge, **told)


def merged_at_gitlab(story: Story) -> PullRequest:
    """The merge request as GitLab's API describes it."""
    alone = story.squash is None and story.method == "squash"
    squash = story.merge if alone else story.squash
    return PullRequest(
        number=7,
        merged=True,
        closed=True,
        merge_commit_sha=story.merge,
        base_ref="main",
        head_sha=story.head,
        diff_base_sha=story.fork,
        squashed=bool(squash),
    )


def closed_event(story: Story) -> Context:
    return github(
        "pull_request", action="closed", pull_request=merged(story), commit_sha=story.head, checkout_sha=story.merge
    )


def landing_push(story: Story) -> Context:
    """The push that the merge made, and what GitHub's API says of its pull request (no number of commits)."""
    return github(
        "push",
        pull_request=merged(story, commits=None),
        push=Push(story.base, story.merge),
        branch="main",
        commit_sha=story.merge,
        checkout_sha=story.merge,
    )


def landing_push_at_gitlab(story: Story) -> Context:
    return gitlab(
        "push",
        pull_request=merged_at_gitlab(story),
        push=Push(story.base, story.merge),
        branch="main",
        commit_sha=story.merge,
        checkout_sha=story.merge,
    )


def open_event(story: Story) -> Context:
    return github(
        "pull_request",
        action="synchronize",
        pull_request=pull(story),
        commit_sha=story.head,
        checkout_sha=story.test_merge,
    )


def open_at_head(story: Story) -> Context:
    """A workflow that checks out the head itself, as `pull_request_target` must."""
    return github("pull_request_target", pull_request=pull(story), commit_sha=story.head, checkout_sha=story.base)


def open_at_gitlab(story: Story) -> Context:
    return gitlab(
        "merge_request_event",
        pull_request=PullRequest(7, base_ref="main", head_sha=story.head, diff_base_sha=story.fork),
        commit_sha=story.head,
        checkout_sha=story.head,
    )


def open_at_gitlab_with_merged_results(story: Story) -> Context:
    return gitlab(
        "merge_request_event",
        pull_request=PullRequest(
            7, base_ref="main", base_sha=story.base, head_sha=story.head, diff_base_sha=story.fork
        ),
        commit_sha=story.head,
        checkout_sha=story.test_merge,
    )


WHEN_MERGED = (closed_event, landing_push, landing_push_at_gitlab)
WHILE_OPEN = (open_event, open_at_head, open_at_gitlab, open_at_gitlab_with_merged_results)


def by_name(one) -> str:
    return one.__name__ if callable(one) else str(one)


def push(before, after, host=github, branch="topic", **told) -> Context:
    return host("push", push=Push(before, after, **told), branch=branch, commit_sha=after, checkout_sha=after)


HOSTILE_REVISIONS = {
    "option": "--output=stolen",
    "short option": "-O/etc/passwd",
    "end of options": "--",
    "help": "--help",
    "git dir": "--git-dir=/",
    "all": "--all",
    "range": "main..topic",
    "symmetric": "main...topic",
    "negated": "^main",
    "path": "main:services",
    "nothing": "no-such-branch",
    "reflog": "HEAD@{99999}",
    "newline": "main\n--all",
    "shell": "$(touch stolen)",
    "back ticks": "`touch stolen`",
    "nul": "main\0",
    "surrogate": "\ud800",
    "byte": "\udcff",
    "long": "a" * 300_000,
    "deep": "main" + "^" * 5000,
    "zero": "0" * 40,
    "blank": " ",
    "glob": "*",
    "command": "::set-env name=A::b",
}
"""Texts that a stranger may give as a revision."""
