"""Knows what is in each signal: which status, which SHA, which ids. Does not know whether it goes, or to whom.

Ids are made from the run, so that a retry, a replay and a second step of the same attempt name the same fact.
"""

from __future__ import annotations

import hashlib
import json

from cibeacon.model import status_words
from cibeacon.model.context import PullRequest
from cibeacon.model.reference import reference
from cibeacon.model.signals import Deployment, PipelineRun, PullServices
from cibeacon.signals.plan_input import Settled, Situation

_SKEW = 600
"""Seconds by which the clock of a runner may be behind its host's."""


def numbered(situation: Situation) -> None:
    """Without a run id every run at one commit would be the same run."""
    if not situation.numbered:
        raise Settled(
            "invalid", "this CI system is not known, so the run has no id: set run_id, such as its build number"
        )


def alone(situation: Situation) -> None:
    """Nor may runs of two repositories be one: numbers begin at 1 in each of them."""
    numbered(situation)
    if not situation.placed:
        raise Settled(
            "invalid",
            "no repository is known, and another one may have a run of this id: set repository, such as acme/shop",
        )


def pull_services(situation: Situation, pull_request: PullRequest, services: tuple[str, ...]) -> PullServices:
    """The services of a merged pull request. Only GitHub's ids are `github_pull_id`s."""
    context, settings = situation.context, situation.settings
    return PullServices(
        services=services,
        github_pull_id=settings.change.github_pull_id or (pull_request.id if context.host == "github" else None),
        repository=context.repository,
        pr_number=pull_request.number,
        replace=settings.dx.replace_services,
    )


def deployment(situation: Situation, service: str, *, alone: bool) -> Deployment:
    """One service's deployment; an id that a person chose is told apart by service where there are several."""
    context, settings = situation.context, situation.settings
    deploy, own = settings.deploy, settings.deploy.reference_id
    sha = deployed_sha(situation)
    made = _deployment_reference(situation, service, sha or ",".join(deploy.merge_commit_shas))
    return Deployment(
        service=service,
        deployed_at=deploy.deployed_at or situation.now,
        reference_id=(own if alone else f"{own}:{service}") if own else made,
        own_reference=own is not None,
        repository=context.repository,
        commit_sha=sha,
        merge_commit_shas=deploy.merge_commit_shas,
        integration_branch=deploy.integration_branch,
        environment=deploy.environment,
        success=deploy.deploy_success,
        source_name=deploy.source_name or situation.host_title,
        source_url=settings.change.source_url or context.run_url,
        metadata=deploy.metadata,
    )


def deployed_sha(situation: Situation) -> str | None:
    """The SHA to attribute by; a given one always stands, so that giving both kinds is noticed."""
    context, settings = situation.context, situation.settings
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


def pipeline_run(situation: Situation) -> PipelineRun:
    """How the run stands now. Clocks differ by a little, so of two clocks' times the end is not before the start."""
    context, settings = situation.context, situation.settings
    change, run = settings.change, settings.run
    status, started = run_status(situation), started_at(situation)
    finished = run.finished_at or context.finished_at or max(situation.now, started)
    if not run.started_at and 0 < started - finished <= _SKEW:
        finished = started
    name = run.pipeline_name or context.pipeline or context.repository or "pipeline"
    by_job = change.run_scope == "job" and context.job and not run.pipeline_name
    return PipelineRun(
        pipeline_name=f"{name} / {context.job}" if by_job else name,
        pipeline_source=run.pipeline_source or situation.host_title,
        reference_id=_run_reference(situation),
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


def started_at(situation: Situation) -> int:
    """When the run began, in Unix seconds."""
    return situation.settings.run.started_at or situation.context.started_at or situation.now


def ending(situation: Situation) -> str | None:
    """How the job stands, as far as a person or the host says; None where neither does. A word of `status_words`.

    A run that follows another one has gone well only where that one has, too.
    """
    run, followed = situation.settings.run, situation.context.about_upstream
    host = _host_status(situation) if followed else None
    if followed and host != "success":
        return host or "running"
    if situation.stage != "whole":
        return run.job_status or "unknown"
    return run.status or run.job_status or host or _ended(situation)


def run_status(situation: Situation) -> str:
    """`running` in the action's main stage, the job's status in post; elsewhere the most explicit word there is.

    A run that follows another one tells how that one stands, in whatever stage: that closes records of dead runners.
    """
    run = situation.settings.run
    if situation.context.about_upstream:
        return run.status or _host_status(situation) or "running"
    if situation.stage == "main":
        return "running"
    if situation.stage == "post":
        return run.job_status or "unknown"
    return run.status or run.job_status or _ended(situation) or "running"


def may_go_on(status: str) -> None:
    """A conclusion that the same run may outlive ends no record: DX's never becomes better again."""
    if status in status_words.NO_END:
        raise Settled("skipped", f'the run is "{status}", which ends no record: it may still go on')


def _ended(situation: Situation) -> str | None:
    """How the host says that this run ended, where it says that it did."""
    status = _host_status(situation)
    return status if status in status_words.FINAL else None


def _host_status(situation: Situation) -> str | None:
    """The host's word for how the run stands; None where it says nothing. One that is not known is not guessed at."""
    word = situation.context.status
    if not word:
        return None
    if status := status_words.meaning(word):
        return status
    said = f'{situation.host_title} says that the run is "{word[:40]}", which is no known status word'
    raise Settled("invalid", f"{said}: set status")


def leg(situation: Situation) -> str:
    """A short name of the matrix leg; empty outside a matrix, and where the host's own id of the job tells legs apart."""
    matrix, job_run_id = situation.settings.change.matrix, situation.settings.change.job_run_id
    if not matrix or job_run_id:
        return ""
    canonical = json.dumps(matrix, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def _attempt_parts(situation: Situation) -> tuple[object, ...]:
    context = situation.context
    pipeline = ("pipelines", context.pipeline_id) if context.pipeline_id else ()
    attempt = ("attempts", context.run_attempt) if context.run_attempt else ()
    return (*pipeline, "runs", context.run_id or "", *attempt)


def _job_parts(situation: Situation) -> tuple[object, ...]:
    context, leg_name = situation.context, leg(situation)
    job = context.job_id or context.job
    return (*(("jobs", job) if job else ()), *(("matrix", leg_name) if leg_name else ()))


def _run_reference(situation: Situation) -> str:
    context = situation.context
    job = _job_parts(situation) if situation.settings.change.run_scope == "job" else ()
    return reference(context.server or context.host, context.repository or "", *_attempt_parts(situation), *job)


def _deployment_reference(situation: Situation, service: str, sha: str) -> str:
    context, environment = situation.context, situation.settings.deploy.environment
    where = ("deployments", service, environment or "", sha)
    return reference(
        context.server or context.host,
        context.repository or "",
        *where,
        *_attempt_parts(situation),
        *_job_parts(situation),
    )
