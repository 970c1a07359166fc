"""Knows which merged pull requests a run tells of, and why it tells of none. Does not know their services or the API."""

from cibeacon.changes import Landed
from cibeacon.context import PullRequest
from cibeacon.planning.situation import Settled, Situation


def told_pull_requests(situation: Situation) -> tuple[Landed, ...]:
    """The merged pull requests that the run is about: those that a push merged, or the one that it is about itself."""
    if situation.landed and not situation.context.pull_request:
        return situation.landed
    return (Landed(_told_pull_request(situation), situation.changes),)


def _told_pull_request(situation: Situation) -> PullRequest:
    """The merged pull request that the run is about itself."""
    context, pull_request = situation.context, situation.context.pull_request
    if pull_request and (context.about_pull_request or described(pull_request)):
        if not pull_request.merged:
            raise Settled("skipped", f"pull request #{pull_request.number} is not merged")
        if context.host == "github" and context.action != "closed":
            raise Settled("skipped", f"pull request #{pull_request.number} was merged earlier")
        return pull_request
    if pull_request:
        if context.push and not context.on_default_branch and not situation.asked_by_name("pull-services"):
            raise Settled("skipped", "a push to another branch than the default one merges no pull request")
        return pull_request
    if context.about_pull_request:
        raise Settled("failed", "the event does not say which pull request it is about")
    if situation.settings.change.github_pull_id:
        return PullRequest(number=0)
    word, reason = situation.unlanded or ("skipped", "this run is not about a merged pull request")
    raise Settled(word, reason)


def described(pull_request: PullRequest) -> bool:
    """True when the host told of it; of a pull request that a person named, only the number is known."""
    return pull_request.merged or pull_request.head_sha is not None
