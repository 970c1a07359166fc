"""Knows which merged pull requests a run tells of, and why it tells of none. Does not know their services or the API."""

from cibeacon.model.changes import MergedPR
from cibeacon.model.context import PullRequest
from cibeacon.signals.plan_input import NotPlanned, PlanInput


def told_pull_requests(plan_input: PlanInput) -> tuple[MergedPR, ...]:
    """The merged pull requests that the run is about: those that a push merged, or the one that it is about itself."""
    if plan_input.landed and not plan_input.context.pull_request:
        return plan_input.landed
    return (MergedPR(_told_pull_request(plan_input), plan_input.changes),)


def _told_pull_request(plan_input: PlanInput) -> PullRequest:
    """The merged pull request that the run is about itself."""
    context, pull_request = plan_input.context, plan_input.context.pull_request
    if pull_request and pull_request.named:
        return _named(plan_input, pull_request)
    if pull_request:
        if not pull_request.merged:
            raise NotPlanned("skipped", f"pull request #{pull_request.number} is not merged")
        if context.host == "github" and context.action != "closed":
            raise NotPlanned("skipped", f"pull request #{pull_request.number} was merged earlier")
        return pull_request
    if context.about_pull_request:
        raise NotPlanned("failed", "the event does not say which pull request it is about")
    if github_pull_id := plan_input.settings.change.github_pull_id:
        return _proven(plan_input, PullRequest(number=0), f"id {github_pull_id}")
    word, reason = plan_input.unlanded or ("skipped", "this run is not about a merged pull request")
    raise NotPlanned(word, reason)


def _named(plan_input: PlanInput, pull_request: PullRequest) -> PullRequest:
    """One that a person named: what the host says of it counts, where it was asked."""
    context = plan_input.context
    if context.push and not context.on_default_branch and not plan_input.asked_by_name("pull-services"):
        raise NotPlanned("skipped", "a push to another branch than the default one merges no pull request")
    if pull_request.merged:
        return pull_request
    if pull_request.looked_up:
        raise NotPlanned("skipped", f"pull request #{pull_request.number} is not merged")
    return _proven(plan_input, pull_request, f"#{pull_request.number}")


def _proven(plan_input: PlanInput, pull_request: PullRequest, name: str) -> PullRequest:
    """A number alone is no proof of a merge."""
    if plan_input.settings.change.pr_merged:
        return pull_request
    if plan_input.unlanded:
        raise NotPlanned(*plan_input.unlanded)
    why = "a dry run asks no host; " if plan_input.dry_run else ""
    raise NotPlanned("skipped", f"pull request {name} is not known to be merged: {why}set pr_merged if it is")
