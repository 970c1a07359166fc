"""Names the services of a run, and of each pull request that its push merged: by git, then by the host's own lists.

A list that is not whole names nothing: it is `unknown`, with the reason.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from cibeacon.changes import diff
from cibeacon.changes.diff_fallback import Fallback
from cibeacon.model.changes import Changes, MergedPR, PushedPRs, Unknown
from cibeacon.model.context import Context, PullRequest
from cibeacon.runtime.errors import HostError
from cibeacon.services.service_map import ServiceMap
from cibeacon.settings import Change

FROM_PULL_REQUEST = "the pull request's files, as the host's API lists them"
FROM_COMPARISON = "files as the host's API compares them"
_TOGETHER = Unknown(
    "the push merged several pull requests, and what was given is for all of them", "report each with pr_number"
)


class Ground(NamedTuple):
    """Where changes are looked for, and with which map."""

    context: Context
    change: Change
    drawn: ServiceMap
    history: Fallback
    told: Callable[[Changes], Changes]
    """Adds the plainest reason to what is unknown."""


def reckoned(ground: Ground, landing: PushedPRs, *, each: bool) -> tuple[Changes, tuple[Changes, ...]]:
    """The changes of the run, and, where they are others, those of each pull request that its push merged.

    `each` is False where nobody wants to know of them.
    """
    context, pull_requests = ground.context, landing.pull_requests
    if landing.alone or not pull_requests:
        return _between(ground, context.with_pull_request(pull_requests[0]) if pull_requests else context), ()
    if not each or ground.change.base or ground.change.head:
        return _between(ground, context), ()
    for pull_request in pull_requests:  # named before, so that one fetch brings the history of all
        for sha in (pull_request.merge_commit_sha, pull_request.head_sha):
            ground.history.commit(sha or "")
    parts = tuple(_between(ground, _by_itself(context, pull_request)) for pull_request in pull_requests)
    return _between(ground, context), parts


def landed(landing: PushedPRs, changes: Changes | None, parts: tuple[Changes, ...]) -> tuple[MergedPR, ...]:
    """Each pull request with its own changes. What is known of several together is known of none of them."""
    pull_requests = landing.pull_requests
    if parts:
        return tuple(MergedPR(*pair) for pair in zip(pull_requests, parts, strict=True))
    if len(pull_requests) > 1 and changes and changes.status != "unknown":
        changes = Changes("unknown", unknown=_TOGETHER)
    return tuple(MergedPR(pull_request, changes) for pull_request in pull_requests)


def _by_itself(context: Context, pull_request: PullRequest) -> Context:
    """The context of one pull request. What the push held besides is not its own, so the push says nothing of it."""
    return context.with_pull_request(pull_request)._replace(push=None)


def _between(ground: Ground, context: Context) -> Changes:
    """By git, asking the host for a merge base that git cannot tell; else by the host's list of files, if that is whole."""
    forge, change = ground.history.forge, ground.change
    pull_request, given = context.pull_request, bool(change.base or change.head)
    try:
        if pull_request and not given and not (pull_request.merged or pull_request.head_sha):
            pull_request = ground.history.pull_request(pull_request.number) or pull_request
            context = context.with_pull_request(pull_request)
        ground.history.begin()
        changes = diff.between_commits(context, change, ground.drawn, ground.history.source, ground.history)
        if ground.history.relied and changes.how:
            changes = changes._replace(how=f"{changes.how}, merge base from the host's API")
        changes = ground.told(changes)
        rules = ground.drawn.rules
        compared = changes.status != "unknown" or changes.changed_files is not None
        if compared or not forge or rules.discover or rules.everywhere:
            return _refused(changes, ground.history)
        if pull_request and not given:
            files = forge.changed_files(pull_request.number)
            return _given(ground, files, changes._replace(how=FROM_PULL_REQUEST, base=None, head=None))
        return _compared(ground, changes)
    except HostError as error:
        return Changes("unknown", unknown=Unknown(f"{error.what} ({error.why})", error.hint))


def _compared(ground: Ground, changes: Changes) -> Changes:
    """By the host's comparison of two commits whose trees git cannot reach."""
    if not changes.base or not changes.head or not changes.unknown:
        return _refused(changes, ground.history)
    try:
        listed = ground.history.listed(changes.base, changes.head)
    except HostError as error:
        return changes._replace(
            unknown=changes.unknown._replace(why=f"{changes.unknown.why}; {error.what} ({error.why})")
        )
    if listed.files is None:
        return changes._replace(unknown=changes.unknown._replace(why=f"{changes.unknown.why}; {listed.fault}"))
    return _given(ground, listed.files, changes._replace(how=f"{changes.how}, {FROM_COMPARISON}"))


def _given(ground: Ground, files: Sequence[str], between: Changes) -> Changes:
    found = diff.given(ground.drawn, files, ground.history.source)
    return found._replace(how=between.how, base=between.base, head=between.head)


def _refused(changes: Changes, history: Fallback) -> Changes:
    """What is unknown because the host would not tell a merge base, with what it said."""
    if not changes.unknown or not history.refusals:
        return changes
    error = history.refusals[-1]
    return changes._replace(unknown=changes.unknown._replace(why=f"{changes.unknown.why}; {error.what} ({error.why})"))
