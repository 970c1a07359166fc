"""Asks the host which merged pull request a push belongs to. Commit messages are never parsed for it."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from cibeacon.budget import Budget
from cibeacon.context import Context, PullRequest
from cibeacon.errors import HostError
from cibeacon.hosts import github, gitlab
from cibeacon.settings import Settings


class Landing(NamedTuple):
    """The pull request that a push merged, or why none is known. Neither, where nothing was asked."""

    pull_request: PullRequest | None = None
    word: Literal["skipped", "failed"] = "skipped"
    reason: str | None = None


class _Question(NamedTuple):
    """Where to ask, and with which credential."""

    url: str
    credential: Mapping[str, str]


def landing(
    context: Context, settings: Settings, environ: Mapping[str, str], budget: Budget, *, rehearsed: bool
) -> Landing:
    """What a push to the default branch merged. A dry run asks nothing; without a token nothing can be asked."""
    push = context.push
    if not push or push.deleted or not context.on_default_branch:
        return Landing()
    if context.pull_request or settings.given("github_pull_id"):
        return Landing()
    name = "merge request" if context.host == gitlab.NAME else "pull request"
    if rehearsed:
        return Landing(reason=f"{name} unknown: a dry run asks nobody; set pr_number")
    question = _question(context, settings, environ)
    if not question.credential:
        return Landing(reason=f"{name} unknown: there is no token to ask with; set {context.host}_token or pr_number")
    try:
        found = _asked(question, context, budget, allow_http=settings.core.allow_http)
    except HostError as error:
        return Landing(word="failed", reason=str(error))
    return Landing(found, reason=None if found else f"the push belongs to no merged {name}")


def _question(context: Context, settings: Settings, environ: Mapping[str, str]) -> _Question:
    if context.host == github.NAME:
        token = settings.forge.github_token
        url = environ.get("GITHUB_API_URL") or "https://api.github.com"
        return _Question(url, {"token": token} if token else {})
    url = environ.get("CI_API_V4_URL") or environ.get("CI_SERVER_URL") or ""
    private, job = settings.forge.gitlab_token, environ.get("CI_JOB_TOKEN")
    credential = {"private_token": private} if private else {"job_token": job} if job else {}
    return _Question(url.removesuffix("/api/v4"), credential)


def _asked(question: _Question, context: Context, budget: Budget, *, allow_http: bool) -> PullRequest | None:
    """The answer. The libraries are imported here: they take a third of a second, and few runs ask."""
    from cibeacon.courier import HardenedSession, plain_http_refused

    if plain_http_refused(question.url) and not allow_http:
        raise HostError(
            f"{question.url or 'The host'} was not asked", "the token would travel unencrypted", "Use https."
        )
    repository, sha = context.repository or "", context.checkout_sha or ""
    if context.host == github.NAME:
        from cibeacon.hosts import github_api

        return github_api.landed(question.url, question.credential["token"], repository, sha, budget)
    from cibeacon.hosts import gitlab_api

    with HardenedSession() as session:
        return gitlab_api.landed(question.url, question.credential, repository, sha, session, budget)
