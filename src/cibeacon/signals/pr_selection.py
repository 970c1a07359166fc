"""Knows which merged pull requests a run tells of, and why it tells of none. Does not know their services or the API."""

from cibeacon.model.changes import Landed
from cibeacon.model.context import PullRequest
from cibeacon.signals.plan_input import Settled, Situation


def told_pull_requests(situation: Situation) -> tuple[Landed, ...]:
    """The merged pull requests that the run is about: those that a push merged, or the one that it is about itself."""
    if situation.landed and not situation.context.pull_request:
        return situation.landed
    return (Landed(_told_pull_request(situation), situation.changes),)


def _told_pull_request(situation: Situation) -> PullRequest:
    """The merged pull request that the run is about itself."""
    context, pull_request = situation.context, situation.context.pull_request
    if pull_request and pull_request.named:
        return _named(situation, pull_request)
    if pull_request:
        if not pull_request.merged:
            raise Settled("skipped", f"pull request #{pull_request.number} is not merged")
        if context.host == "github" and context.action != "closed":
            raise Settled("skipped", f"pull request #{pull_request.number} was merged earlier")
        return pull_request
    if context.about_pull_request:
        raise Settled("failed", "the event does not say which pull request it is about")
    if github_pull_id := situation.settings.change.github_pull_id:
        return _proven(situation, PullRequest(number=0), f"id {github_pull_id}")
    word, reason = situation.unlanded or ("skipped", "this run is not about a merged pull request")
    raise Settled(word, reason)


def _named(situation: Situation, pull_request: PullRequest) -> PullRequest:
    """One that a person named: what the host says of it counts, where it was asked."""
    context = situation.context
    if context.push and not context.on_default_branch and not situation.asked_by_name("pull-services"):
        raise Settled("skipped", "a push to another branch than the default one merges no pull request")
    if pull_request.merged:
        return pull_request
    if pull_request.looked_up:
        raise Settled("skipped", f"pull request #{pull_request.number} is not merged")
    return _proven(situation, pull_request, f"#{pull_request.number}")


def _proven(situation: Situation, pull_request: PullRequest, name: str) -> PullRequest:
    """A number alone is no proof of a merge."""
    if situation.settings.change.pr_merged:
        return pull_request
    if situation.unlanded:
        raise Settled(*situation.unlanded)
    why = "a dry run asks nobody; " if situation.rehearsed else ""
    raise Settled("skipped", f"pull request {name} is not known to be merged: {why}set pr_merged if it is")
