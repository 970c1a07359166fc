"""Decides whether an event triggers a kind of signal. Does not know the signal's content, or the sinks.

Each function raises `NotPlanned` with the reason if the event does not trigger its kind.
"""

from cibeacon.model import status_words
from cibeacon.model.changes import MergedPR
from cibeacon.model.ci_systems import ACTIONS
from cibeacon.model.context import PullRequest
from cibeacon.model.report import OutcomeStatus
from cibeacon.signals import NotPlanned, PlanInput, builders

NO_PIPELINE = (
    "no Flow pipeline is set: set flow_pipelines; to remove all from a job, run cibeacon flow assign JOB --clear"
)
NOT_A_CI_RUN = "this is not a CI run, so it has no id"
_AS_A_SENTENCE = {
    "failure": "the run failed",
    "cancelled": "the run was cancelled",
    "running": "the run is still running",
}
_NO_PULL_REQUEST = "the event does not say which pull request it is about"


def pull_services(plan_input: PlanInput) -> tuple[MergedPR, ...]:
    """The merged pull requests that the run reports: those that a push merged, or the run's own."""
    if plan_input.merged_prs and not plan_input.context.pull_request:
        return plan_input.merged_prs
    return (MergedPR(_merged_pull_request(plan_input), plan_input.changes),)


def _merged_pull_request(plan_input: PlanInput) -> PullRequest:
    context, pull_request = plan_input.context, plan_input.context.pull_request
    if pull_request and pull_request.named:
        return _named_pull_request(plan_input, pull_request)
    if pull_request:
        if pull_request.merge_unknown:
            return _proven(plan_input, pull_request, f"#{pull_request.number}")
        if not pull_request.merged:
            raise NotPlanned("skipped", f"{context.request_noun} #{pull_request.number} is not merged")
        if context.host in ACTIONS and context.action != "closed":
            raise NotPlanned("skipped", f"{context.request_noun} #{pull_request.number} was merged earlier")
        return pull_request
    if context.about_pull_request:
        raise NotPlanned("failed", _NO_PULL_REQUEST)
    if github_pull_id := plan_input.settings.change.github_pull_id:
        return _proven(plan_input, PullRequest(number=0), f"id {github_pull_id}")
    raise NotPlanned(*(plan_input.unknown_prs or ("skipped", "this run is not about a merged pull request")))


def _named_pull_request(plan_input: PlanInput, pull_request: PullRequest) -> PullRequest:
    """A pull request that the user gave by number: the host's answer counts, if it was asked."""
    context = plan_input.context
    if context.push and not context.on_default_branch and not plan_input.is_named("pull-services"):
        raise NotPlanned("skipped", "only a push to the default branch merges pull requests")
    if pull_request.merged:
        return pull_request
    if pull_request.looked_up:
        raise NotPlanned("skipped", f"{context.request_noun} #{pull_request.number} is not merged")
    return _proven(plan_input, pull_request, f"#{pull_request.number}")


def _proven(plan_input: PlanInput, pull_request: PullRequest, name: str) -> PullRequest:
    """A number alone does not prove a merge."""
    if plan_input.settings.change.pr_merged:
        return pull_request
    if plan_input.unknown_prs:
        raise NotPlanned(*plan_input.unknown_prs)
    hint = "a dry run calls no API; " if plan_input.dry_run else ""
    raise NotPlanned("skipped", f"pull request {name} is not known to be merged: {hint}set pr_merged if it is")


def deployment(plan_input: PlanInput) -> None:
    """A deployment is never reported before it happens."""
    context, pull_request = plan_input.context, plan_input.context.pull_request
    is_named = plan_input.is_named("deployment")
    if not plan_input.settings.deploy.deploy_services:
        raise NotPlanned("invalid" if is_named else "skipped", "deploy_services is not set")
    if plan_input.stage == "main":
        raise NotPlanned("skipped", "it is sent when the job has ended")
    of_event = pull_request and (context.about_pull_request or not pull_request.named)
    if pull_request and of_event and not pull_request.merged and not is_named:
        raise NotPlanned("skipped", f"{context.request_noun} #{pull_request.number} is not merged")
    if context.about_pull_request and not pull_request:
        raise NotPlanned("failed", _NO_PULL_REQUEST)
    if context.about_pull_request and context.host in ACTIONS and context.action != "closed" and not is_named:
        raise NotPlanned("skipped", "the pull request was merged earlier")
    if context.push and context.push.deleted:
        raise NotPlanned("skipped", "the branch was deleted")
    if context.closes:
        raise NotPlanned("skipped", f"pipeline {context.run_id} reports its own deployments")
    _check_success(plan_input)
    _check_attribution(plan_input)


def _check_success(plan_input: PlanInput) -> None:
    """A running or failed run has deployed nothing, unless deploy_success says so. A run without a status has."""
    context, settings = plan_input.context, plan_input.settings
    if settings.deploy.deploy_success is not None:
        return
    if context.deployment_state not in (None, "success"):
        raise NotPlanned("skipped", f"the deployment's state is {context.deployment_state}")
    for problem in settings.problems:
        if problem.option in ("status", "job_status"):
            raise NotPlanned("invalid", f"{problem.message}.")
    status = builders.job_status(plan_input)
    if status not in (None, "success"):
        so_far = status == "running" and context.provisional
        hint = ": set last_step in its last step, or deploy_success once it has deployed" if so_far else ""
        so = _AS_A_SENTENCE.get(str(status), f'the run is "{status}"')
        raise NotPlanned("skipped", f"{so}{hint}")


def _check_attribution(plan_input: PlanInput) -> None:
    """A deployment needs a commit to be attributed by, and outside a known CI system a run id."""
    settings = plan_input.settings
    by_commit = settings.deploy.attribution == "commit" and not settings.deploy.merge_commit_shas
    if by_commit and not builders.deployed_sha(plan_input):
        raise NotPlanned(
            "invalid", "there is no commit to attribute the deployment by: set commit_sha, or attribution: repository"
        )
    if not settings.deploy.reference_id:
        _check_run_id(plan_input)


def pipeline_run(plan_input: PlanInput) -> None:
    """A run has a record in any event; by job only if one job sees all of it."""
    context = plan_input.context
    check_identity(plan_input)
    if context.closes and not context.status:  # only the host's status closes a record, never a guess
        status: OutcomeStatus = "skipped" if plan_input.dry_run else "failed"
        raise NotPlanned(status, f"the status of pipeline {context.run_id} is unknown")
    if context.about_upstream and plan_input.stage == "post":
        raise NotPlanned("skipped", "the run that this one follows was reported at the start")
    check_final(builders.run_status(plan_input))
    if context.host == "gitlab" and plan_input.stage != "single" and plan_input.settings.change.run_scope == "job":
        raise NotPlanned(
            "invalid",
            "run_scope job cannot be reported from jobs before and after the pipeline: "
            "call cibeacon report in the job itself",
        )


def flow(plan_input: PlanInput) -> None:
    """An incomplete configuration is a fault: the step that provides the job's id may have failed."""
    settings = plan_input.settings.flow
    if not settings.flow_job_id:
        raise NotPlanned("invalid", "the Instabase Flow job is missing or empty: set flow_job_id")
    if not settings.flow_pipelines:
        raise NotPlanned("invalid", NO_PIPELINE)


def check_identity(plan_input: PlanInput) -> None:
    """Without a run id all runs of a commit would be one, and without a repository those of several repositories."""
    _check_run_id(plan_input)
    if not plan_input.has_repository:
        raise NotPlanned("invalid", "the repository is unknown: set repository, such as acme/shop")


def _check_run_id(plan_input: PlanInput) -> None:
    if not plan_input.has_run_id:
        if not plan_input.context.ci:
            raise NotPlanned("invalid", f"{NOT_A_CI_RUN}: set run_id, such as 1")
        raise NotPlanned(
            "invalid",
            "the CI system gives no run id: set run_id to a value that no other run has, such as PIPELINE/42",
        )


def check_final(status: str) -> None:
    """A conclusion after which the run may continue ends no record: in DX a status cannot improve again."""
    if status in status_words.NO_END:
        raise NotPlanned("skipped", f'the run is "{status}", which is not final: it may still continue')
