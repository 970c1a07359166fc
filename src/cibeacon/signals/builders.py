"""Knows the content of each signal: status, SHA, ids. Does not know whether it is sent.

Ids are derived from the run, so that a retry, a replay and a second step of the same attempt have the same id.
"""

from __future__ import annotations

import hashlib
import json

from cibeacon.model import status_words
from cibeacon.model.context import PullRequest, RunFacts
from cibeacon.model.signals import Deployment, FlowAssignment, PipelineRun, PullServices, reference
from cibeacon.signals import NotPlanned, PlanInput

_SAY = "use success, failure, cancelled, running, error or unknown"
_SKEW = 600
"""Seconds by which a runner's clock may be behind its host's."""


def pull_services(plan_input: PlanInput, pull_request: PullRequest, services: tuple[str, ...]) -> PullServices:
    """The services of a merged pull request. Only ids from GitHub are `github_pull_id`s."""
    context, settings = plan_input.context, plan_input.settings
    return PullServices(
        services=services,
        github_pull_id=settings.change.github_pull_id or (pull_request.id if context.host != "gitlab" else None),
        repository=context.repository,
        pr_number=pull_request.number,
        replace=settings.dx.replace_services,
        run=run_facts(plan_input),
    )


def deployment(plan_input: PlanInput, service: str, *, alone: bool) -> Deployment:
    """One service's deployment; if there are several, the service's name is appended to the user's own id."""
    context, settings = plan_input.context, plan_input.settings
    deploy, own = settings.deploy, settings.deploy.reference_id
    sha = deployed_sha(plan_input)
    subject = ("deployments", service, deploy.environment or "", sha or ",".join(deploy.merge_commit_shas))
    generated = run_reference(plan_input, *subject, by_job=True)
    return Deployment(
        service=service,
        deployed_at=deploy.deployed_at or plan_input.now,
        reference_id=(own if alone else f"{own}:{service}") if own else generated,
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
        run=run_facts(plan_input),
    )


def deployed_sha(plan_input: PlanInput) -> str | None:
    """The SHA to attribute by; a setting always counts, so that DX's rule against both kinds applies."""
    context, settings = plan_input.context, plan_input.settings
    if settings.deploy.attribution == "repository":
        return None
    if settings.deploy.merge_commit_shas or settings.change.commit_sha:
        return settings.change.commit_sha
    pull_request = context.pull_request
    merged = pull_request.merge_commit_sha if pull_request and not pull_request.named else None
    return _sha1_length(merged or context.commit_sha)


def _sha1_length(sha: str | None) -> str | None:
    """A commit id of at most 40 digits: longer ids of SHA-256 repositories are shortened, which is still unique."""
    return sha[:40] if sha else None


def pipeline_name(plan_input: PlanInput) -> str:
    """What people call the pipeline."""
    context = plan_input.context
    return plan_input.settings.run.pipeline_name or context.pipeline or context.repository or "pipeline"


def pipeline_run(plan_input: PlanInput) -> PipelineRun:
    """The run with its status. Clocks differ slightly, so the end is moved if it would be before the start."""
    context, settings = plan_input.context, plan_input.settings
    change, run = settings.change, settings.run
    status, started = run_status(plan_input), run.started_at or context.started_at or plan_input.now
    finished = run.finished_at or context.finished_at or max(plan_input.now, started)
    if not run.started_at and 0 < started - finished <= _SKEW:
        finished = started
    name = pipeline_name(plan_input)
    names_job = change.run_scope == "job" and context.job and not run.pipeline_name
    return PipelineRun(
        pipeline_name=f"{name} / {context.job}" if names_job else name,
        pipeline_source=run.pipeline_source or plan_input.host_title,
        reference_id=run_reference(plan_input, by_job=change.run_scope == "job"),
        started_at=started,
        status=status_words.recorded(status),
        finished_at=finished if status in status_words.FINAL else None,
        repository=context.repository,
        commit_sha=_sha1_length(context.commit_sha) if context.repository else None,
        pr_number=context.pull_request.number if context.pull_request else None,
        source_url=change.source_url or context.run_url,
        head_branch=context.branch,
        email=run.email or (context.email if run.send_email else None),
        github_username=run.github_username or (context.actor if context.host == "github" else None),
        gitlab_username=run.gitlab_username or (context.actor if context.host == "gitlab" else None),
        run=run_facts(plan_input),
    )


def flow_assignment(plan_input: PlanInput) -> FlowAssignment:
    """The Flow pipelines of the job in the settings."""
    flow = plan_input.settings.flow
    return FlowAssignment(flow.flow_job_id or "", flow.flow_pipelines)


def job_status(plan_input: PlanInput) -> str | None:
    """The job's status according to a setting or the host, or else None. A word of `status_words`.

    A run that follows another one succeeds only if that one does.
    """
    follows = plan_input.context.about_upstream
    host_status = _host_status(plan_input) if follows else None
    if follows and host_status != "success":
        return host_status or "running"
    if plan_input.stage != "single":
        return _given(plan_input, "job_status") or "unknown"
    given = _given(plan_input, "status") or _given(plan_input, "job_status")
    return given or host_status or _final_host_status(plan_input) or _so_far(plan_input)


def run_status(plan_input: PlanInput) -> str:
    """`running` in the action's main stage, the job's status in post; elsewhere the most explicit word.

    A run that follows another one reports that one's status in any stage, to close records of dead runners.
    """
    given = _given(plan_input, "status")
    if plan_input.context.about_upstream:
        return given or _host_status(plan_input) or "running"
    if plan_input.stage == "main":
        return "running"
    if plan_input.stage == "post":
        return _given(plan_input, "job_status") or "unknown"
    return given or _given(plan_input, "job_status") or _final_host_status(plan_input) or "running"


def _given(plan_input: PlanInput, name: str) -> str | None:
    """The status in a setting. A word may have a meaning only on one CI system."""
    word: str | None = getattr(plan_input.settings.run, name)
    if not word or (status := status_words.meaning(word, plan_input.context.host)):
        return status if word else None
    raise NotPlanned("invalid", f'{name} "{word[:40]}" cannot be used because it is not a known status word; {_SAY}')


def _final_host_status(plan_input: PlanInput) -> str | None:
    """The host's status if it is final: an intermediate result is final only in the last step."""
    if plan_input.context.provisional and not plan_input.settings.run.last_step:
        return None
    status = _host_status(plan_input)
    return status if status in status_words.FINAL else None


def _so_far(plan_input: PlanInput) -> str | None:
    """The status from an intermediate result: a failure counts, and otherwise the run continues."""
    status = _host_status(plan_input) if plan_input.context.provisional else None
    return "running" if status == "success" else status


def _host_status(plan_input: PlanInput) -> str | None:
    """The host's status, or None. Raises `NotPlanned` for an unknown word instead of guessing."""
    word = plan_input.context.status
    if not word:
        return None
    if status := status_words.meaning(word, plan_input.context.host):
        return status
    reason = f'{plan_input.host_title} reports the status "{word[:40]}", which is not a known status word: set status'
    raise NotPlanned("invalid", reason)


def matrix_leg(plan_input: PlanInput) -> str:
    """A short name of the matrix leg; empty outside a matrix, and if the host's job id differs between legs."""
    matrix, job_run_id = plan_input.settings.change.matrix, plan_input.settings.change.job_run_id
    if not matrix or job_run_id:
        return ""
    canonical = json.dumps(matrix, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def run_facts(plan_input: PlanInput) -> RunFacts:
    """What is known about the run. Without a run id it has no reference, since another run would have the same."""
    context, change = plan_input.context, plan_input.settings.change
    is_known = plan_input.has_run_id and plan_input.has_repository
    return RunFacts(
        reference=run_reference(plan_input, by_job=False) if is_known else "",
        reported_at=plan_input.now,
        pipeline=pipeline_name(plan_input),
        run_id=context.run_id if is_known else None,
        url=context.run_url,
        host=context.host,
        server=context.server,
        repository=context.repository,
        commit_sha=context.commit_sha,
        branch=context.branch,
        tag=context.tag,
        pr_number=context.pull_request.number if context.pull_request else None,
        traceparent=change.traceparent,
    )


def run_reference(plan_input: PlanInput, *subject: str, by_job: bool) -> str:
    """The id of something in this run, or in this job and matrix leg."""
    context, leg = plan_input.context, matrix_leg(plan_input)
    parts: list[object] = [context.server or context.host, context.repository or "", *subject]
    if context.pipeline_id:
        parts += ["pipelines", context.pipeline_id]
    parts += ["runs", context.run_id or ""]
    if context.run_attempt:
        parts += ["attempts", context.run_attempt]
    if by_job and (job := context.job_id or context.job):
        parts += ["jobs", job]
    if by_job and leg:
        parts += ["matrix", leg]
    return reference(*parts)
