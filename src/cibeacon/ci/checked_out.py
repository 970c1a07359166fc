"""Completes a run with what the checkout shows: full commit ids, and both sides of a merge that was made for the job.

A checkout may be a merge that exists nowhere else, with its parents in either order: the one that is not the pull request's
head is the base. If git does not know a value, the CI system's stays.
"""

from __future__ import annotations

from collections.abc import Iterable

from cibeacon.git.remote_url import split_remote_url
from cibeacon.git.repository import Repository
from cibeacon.model.context import Checkout, Context, PullRequest
from cibeacon.model.payload import SHA
from cibeacon.model.report import Notice
from cibeacon.runtime.errors import CheckoutError


def complete(context: Context, repository: Repository) -> tuple[Context, tuple[Notice, ...]]:
    """The context with what the checkout adds, and notices for the user."""
    try:
        checkout = repository.checkout()
        names_commits = context.pull_request or context.push or context.commit_sha or context.checkout_sha
        parents = (repository.parents(checkout.head) or ()) if checkout.head and names_commits else ()
        context = _with_full_ids(context, checkout, parents, repository)
    except CheckoutError as error:
        return _without_git(context, (Notice("info", str(error)),))
    server, name = split_remote_url(checkout.remote_url)
    is_own = not name or not context.repository or name.lower() == context.repository.lower()
    context = context._replace(
        server=context.server or (server if is_own else None),
        repository=context.repository or name,
        default_branch=context.default_branch or checkout.default_branch,
    )
    return _without_git(_at_head(context, checkout.head, parents, is_own=is_own), ())


def _with_full_ids(context: Context, checkout: Checkout, parents: tuple[str, ...], repository: Repository) -> Context:
    """The context with every commit id in full, as far as git knows it."""
    near = tuple(filter(None, (checkout.head, *parents)))

    def full(sha: str | None) -> str | None:
        if sha is None or SHA.fullmatch(sha):
            return sha
        known = _only(id_ for id_ in near if id_.startswith(sha)) or repository.commit(sha)
        return known if known and known.startswith(sha) else sha  # a branch or tag may have the same name

    pull_request, push = context.pull_request, context.push
    if pull_request:
        pull_request = pull_request._replace(
            head_sha=full(pull_request.head_sha),
            base_sha=full(pull_request.base_sha),
            merge_commit_sha=full(pull_request.merge_commit_sha),
        )
    if push:
        before, after = full(push.before), full(push.after)
        push = push._replace(before=None if before == after else before, after=after)
    return context._replace(
        commit_sha=full(context.commit_sha),
        checkout_sha=full(context.checkout_sha),
        pull_request=pull_request,
        push=push,
    )


def _only(shas: Iterable[str]) -> str | None:
    """The id, if there is exactly one."""
    ids = set(shas)
    return ids.pop() if len(ids) == 1 else None


def _at_head(context: Context, head: str | None, parents: tuple[str, ...], *, is_own: bool) -> Context:
    """The context with the checked-out commit, if it is the run's own. `is_own`: the checkout seems to be of its repository."""
    pull_request, built = context.pull_request, context.checkout_sha
    if head is None:
        return context
    if pull_request is None or pull_request.merged:
        sha = context.commit_sha or built or (head if is_own else None)
        push = context.push
        return context._replace(
            commit_sha=sha,
            checkout_sha=built or sha,
            push=push._replace(after=push.after or sha) if push else None,
        )
    known = pull_request.head_sha
    if known is None and len(parents) < 2 and is_own and built in (None, head):
        known = head
    if known and len(parents) == 2 and known in parents:
        base = parents[0] if parents[1] == known else parents[1]
        if (
            not pull_request.fork
        ):  # an outsider may have made the merge: its base serves for comparison, and is never trusted
            pull_request = pull_request._replace(base_sha=base)
    elif known is None or known != head:  # another commit is checked out, so it is not this run's
        return context._replace(commit_sha=context.commit_sha or known)
    return _for_pull_request(context, pull_request._replace(head_sha=known))._replace(checkout_sha=head)


def _for_pull_request(context: Context, pull_request: PullRequest) -> Context:
    return context._replace(commit_sha=pull_request.head_sha, pull_request=pull_request)


def _without_git(context: Context, notices: tuple[Notice, ...]) -> tuple[Context, tuple[Notice, ...]]:
    """The context without abbreviated ids, except for the run's own commit: only full ids can be compared."""
    pull_request, push, sha = context.pull_request, context.push, context.commit_sha
    if pull_request:
        base, merge = pull_request.base_sha, pull_request.merge_commit_sha
        pull_request = pull_request._replace(
            head_sha=_whole(pull_request.head_sha), base_sha=_whole(base), merge_commit_sha=_whole(merge)
        )
    if push:
        push = push._replace(before=_whole(push.before), after=_whole(push.after))
    context = context._replace(pull_request=pull_request, push=push, checkout_sha=_whole(context.checkout_sha))
    if sha and not SHA.fullmatch(sha):
        text = f"only the first {len(sha)} digits of the commit are known ({sha}): this checkout does not have it"
        return context, (*notices, Notice("info", text))
    return context, notices


def _whole(sha: str | None) -> str | None:
    return sha if sha and SHA.fullmatch(sha) else None
