"""Knows what is in each signal: which status, which SHA, which ids. Does not know whether it goes, or to whom.

Ids are made from the run, so that a retry, a replay and a second step of the same attempt name the same fact.
"""

from __future__ import annotations

import hashlib
import json

from cibeacon.model import status_words
from cibeacon.model.context import PullRequest
from cibeacon.model.signals import Deployment, PipelineRun, PullServices, reference
from cibeacon.signals.plan_input import NotPlanned, PlanInput

_SKEW = 600
"""Seconds by which the clock of a runner may be behind its host's."""


def numbered(plan_input: PlanInput) -> None:
    """Without a run id every run at one commit would be the same run."""
    if not plan_input.numbered:
        raise NotPlanned(
            "invalid", "this CI system is not known, so the run has no id: set run_id, such as its build number"
        )


def alone(plan_input: PlanInput) -> None:
    """Nor may runs of two repositories be one: numbers begin at 1 in each of them."""
    numbered(plan_input)
    if not plan_input.placed:
        raise NotPlanned(
            "invalid",
            "no repository is known, and another one may have a run of this id: set repository, such as acme/shop",
        )


def pull_services(plan_input: PlanInput, pull_request: PullRequest, services: tuple[str, ...]) -> PullServices:
    """The services of a merged pull request. Only GitHub's ids are `github_pull_id`s."""
    context, settings = plan_input.context, plan_input.settings
    return PullServices(
        services=services,
        github_pull_id=settings.change.github_pull_id or (pull_request.id if context.host == "github" else None),
        repository=context.repository,
        pr_number=pull_request.number,
        replace=settings.dx.replace_services,
    )


def deployment(plan_input: PlanInput, service: str, *, alone: bool) -> Deployment:
    """One service's deployment; an id that a person chose is told apart by service where there are several."""
    context, settings = plan_input.context, plan_input.settings
    deploy, own = settings.deploy, settings.deploy.reference_id
    sha = deployed_sha(plan_input)
    made = _deployment_reference(plan_input, service, sha or ",".join(deploy.merge_commit_shas))
    return Deployment(
        service=service,
        deployed_at=deploy.deployed_at or plan_input.now,
        reference_id=(own if alone else f"{own}:{service}") if own else made,
        own_reference=own is not None,
        repository=context.repository,
        commit_sha=sha,
        merge_commit_shas=deploy.merge_commit_shas,
        integration_branch=deploy.integration_branch,
        environment=deploy.environment,
        success=deploy.deploy_success,
        source_name=deploy.source_name or plan_input.host_title,
        source_url=settings.change.source_url or context.run_url,
        metadata=deploy.metadata,
    )


def deployed_sha(plan_input: PlanInput) -> str | None:
    """The SHA to attribute by; a given one always stands, so that giving both kinds is noticed."""
    context, settings = plan_input.context, plan_input.settings
    if settings.deploy.attribution == "repository":
        return None
    if settings.deploy.merge_commit_shas or settings.change.commit_sha:
        return settings.change.commit_sha
    pull_request = context.pull_request
    merged = pull_request.merge_commit_sha if pull_request and not pull_request.named else None
    return _sha(merged or context.commit_sha)


def _sha(found: str | None) -> str | None:
    """A commit id of at most 40 digits: the longer ones of SHA-256 repositories are cut, which still names the commit."""
    return found[:40] if found else None


def pipeline_run(plan_input: PlanInput) -> PipelineRun:
    """How the run stands now. Clocks differ by a little, so of two clocks' times the end is not before the start."""
    context, settings = plan_input.context, plan_input.settings
    change, run = settings.change, settings.run
    status, started = run_status(plan_input), started_at(plan_input)
    finished = run.finished_at or context.finished_at or max(plan_input.now, started)
    if not run.started_at and 0 < started - finished <= _SKEW:
        finished = started
    name = run.pipeline_name or context.pipeline or context.repository or "pipeline"
    by_job = change.run_scope == "job" and context.job and not run.pipeline_name
    return PipelineRun(
        pipeline_name=f"{name} / {context.job}" if by_job else name,
        pipeline_source=run.pipeline_source or plan_input.host_title,
        reference_id=_run_reference(plan_input),
        started_at=started,
        status=status_words.recorded(status),
        finished_at=finished if status in status_words.FINAL else None,
        repository=context.repository,
        commit_sha=_sha(context.commit_sha) if context.repository else None,
        pr_number=context.pull_request.number if context.pull_request else None,
        source_url=change.source_url or context.run_url,
        head_branch=context.branch,
        email=run.email or (context.email if run.send_email else None),
        github_username=run.github_username or (context.actor if context.host == "github" else None),
        gitlab_username=run.gitlab_username or (context.actor if context.host == "gitlab" else None),
    )


def started_at(plan_input: PlanInput) -> int:
    """When the run began, in Unix seconds."""
    return plan_input.settings.run.started_at or plan_input.context.started_at or plan_input.now


def ending(plan_input: PlanInput) -> str | None:
    """How the job stands, as far as a person or the host says; None where neither does. A word of `status_words`.

    A run that follows another one has gone well only where that one has, too.
    """
    run, followed = plan_input.settings.run, plan_input.context.about_upstream
    host = _host_status(plan_input) if followed else None
    if followed and host != "success":
        return host or "running"
    if plan_input.stage != "single":
        return run.job_status or "unknown"
    return run.status or run.job_status or host or _ended(plan_input)


def run_status(plan_input: PlanInput) -> str:
    """`running` in the action's main stage, the job's status in post; elsewhere the most explicit word there is.

    A run that follows another one tells how that one stands, in whatever stage: that closes records of dead runners.
    """
    run = plan_input.settings.run
    if plan_input.context.about_upstream:
        return run.status or _host_status(plan_input) or "running"
    if plan_input.stage == "main":
        return "running"
    if plan_input.stage == "post":
        return run.job_status or "unknown"
    return run.status or run.job_status or _ended(plan_input) or "running"


def may_go_on(status: str) -> None:
    """A conclusion that the same run may outlive ends no record: DX's never becomes better again."""
    if status in status_words.NO_END:
        raise NotPlanned("skipped", f'the run is "{status}", which ends no record: it may still go on')


def _ended(plan_input: PlanInput) -> str | None:
    """How the host says that this run ended, where it says that it did."""
    status = _host_status(plan_input)
    return status if status in status_words.FINAL else None


def _host_status(plan_input: PlanInput) -> str | None:
    """The host's word for how the run stands; None where it says nothing. One that is not known is not guessed at."""
    word = plan_input.context.status
    if not word:
        return None
    if status := status_words.meaning(word):
        return status
    said = f'{plan_input.host_title} says that the run is "{word[:40]}", which is no known status word'
    raise NotPlanned("invalid", f"{said}: set status")


def leg(plan_input: PlanInput) -> str:
    """A short name of the matrix leg; empty outside a matrix, and where the host's own id of the job tells legs apart."""
    matrix, job_run_id = plan_input.settings.change.matrix, plan_input.settings.change.job_run_id
    if not matrix or job_run_id:
        return ""
    canonical = json.dumps(matrix, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def _attempt_parts(plan_input: PlanInput) -> tuple[object, ...]:
    context = plan_input.context
    pipeline = ("pipelines", context.pipeline_id) if context.pipeline_id else ()
    attempt = ("attempts", context.run_attempt) if context.run_attempt else ()
    return (*pipeline, "runs", context.run_id or "", *attempt)


def _job_parts(plan_input: PlanInput) -> tuple[object, ...]:
    context, leg_name = plan_input.context, leg(plan_input)
    job = context.job_id or context.job
    return (*(("jobs", job) if job else ()), *(("matrix", leg_name) if leg_name else ()))


def _run_reference(plan_input: PlanInput) -> str:
    context = plan_input.context
    job = _job_parts(plan_input) if plan_input.settings.change.run_scope == "job" else ()
    return reference(context.server or context.host, context.repository or "", *_attempt_parts(plan_input), *job)


def _deployment_reference(plan_input: PlanInput, service: str, sha: str) -> str:
    context, environment = plan_input.context, plan_input.settings.deploy.environment
    where = ("deployments", service, environment or "", sha)
    return reference(
        context.server or context.host,
        context.repository or "",
        *where,
        *_attempt_parts(plan_input),
        *_job_parts(plan_input),
    )
