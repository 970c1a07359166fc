"""Asks the host which merged pull request a push belongs to. Commit messages are never parsed for it."""

from typing import Literal, NamedTuple

from cibeacon.asking import Forge
from cibeacon.context import Context, PullRequest
from cibeacon.errors import HostError
from cibeacon.hosts import gitlab
from cibeacon.settings import Settings


class Landing(NamedTuple):
    """The pull request that a push merged, or why none is known. Neither, where nothing was asked."""

    pull_request: PullRequest | None = None
    word: Literal["skipped", "failed"] = "skipped"
    reason: str | None = None


def landing(context: Context, settings: Settings, forge: Forge, *, rehearsed: bool) -> Landing:
    """What a push to the default branch merged. A dry run asks nothing; without a token nothing can be asked."""
    push = context.push
    if not push or push.deleted or not context.on_default_branch:
        return Landing()
    if context.pull_request or settings.given("github_pull_id"):
        return Landing()
    name = "merge request" if context.host == gitlab.NAME else "pull request"
    if rehearsed:
        return Landing(reason=f"{name} unknown: a dry run asks nobody; set pr_number")
    if not forge.credential:
        return Landing(reason=f"{name} unknown: there is no token to ask with; set {context.host}_token or pr_number")
    try:
        found = forge.landed(context.checkout_sha or "")
    except HostError as error:
        return Landing(word="failed", reason=str(error))
    return Landing(found, reason=None if found else f"the push belongs to no merged {name}")
