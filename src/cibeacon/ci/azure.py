"""Knows a run on Azure Pipelines, for repositories of Azure Repos, GitHub and others. Does not know git.

https://learn.microsoft.com/azure/devops/pipelines/build/variables
"""

from __future__ import annotations

import re
from urllib.parse import quote

from cibeacon.ci.ci_system import CISystem, Variables, push
from cibeacon.git.remote_url import RemoteUrl
from cibeacon.model.context import Context, PullRequest

_PUSHES = ("IndividualCI", "BatchedCI")
_PULL_REQUEST_REF = r"refs/pull/([1-9][0-9]{0,17})/.+"
_MERGE = r"Merge ([0-9a-f]{40}) into ([0-9a-f]{40})"
"""The message of the test merge that GitHub makes for a pull request."""
_COLLECTION = ("SYSTEM_COLLECTIONURI", "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI")
"""The organisation's URL; older servers set only the second variable."""


class AzurePipelines(CISystem):
    """Azure Pipelines."""

    name = "azure"
    title = "Azure Pipelines"
    deepen = "fetch the whole history (fetchDepth: 0 in the checkout step)"
    check_out = "let the job check out the repository (checkout: self)"

    def read(self, env: Variables) -> Context:
        """The run as the variables describe it. Rerunning a stage starts another attempt, which began later."""
        url, pull_request = self.repository_url(env), _pull_request(env)
        sha, event, ref = env.commit("BUILD_SOURCEVERSION"), env.text("BUILD_REASON"), env.text("BUILD_SOURCEBRANCH")
        is_branch = not pull_request and not (ref or "").startswith("refs/tags/")
        attempt = env.number("SYSTEM_STAGEATTEMPT", "SYSTEM_JOBATTEMPT")
        fork = pull_request is not None and pull_request.fork
        return Context(
            host=self.name,
            server=url.server if url else None,
            repository=url.repository if url else _repository(env),
            event=event,
            commit_sha=pull_request.head_sha if pull_request else sha,
            checkout_sha=sha,
            ref=ref,
            branch=pull_request.head_ref if pull_request else env.ref("BUILD_SOURCEBRANCH") if is_branch else None,
            pull_request=pull_request,
            push=push(None, sha) if is_branch and event in _PUSHES else None,
            pipeline_id=_pipeline_id(env),
            run_id=env.text("BUILD_BUILDID"),
            run_attempt=attempt,
            run_url=_run_url(env),
            pipeline=env.text("BUILD_DEFINITIONNAME"),
            job=env.text("SYSTEM_JOBDISPLAYNAME", "AGENT_JOBNAME"),
            job_id=env.text("SYSTEM_JOBID"),
            actor=env.text("BUILD_REQUESTEDFOR"),
            email=env.text("BUILD_REQUESTEDFOREMAIL"),
            status=env.text("AGENT_JOBSTATUS"),
            provisional=True,
            started_at=None if attempt and attempt > 1 else env.seconds("SYSTEM_PIPELINESTARTTIME"),
            ci=True,
            secrets_withheld=fork,
            base_config=fork,
        )

    def repository_url(self, env: Variables) -> RemoteUrl | None:
        """The repository that the run is for, which may be in another project than the pipeline."""
        return env.repository("BUILD_REPOSITORY_URI")


def _repository(env: Variables) -> str | None:
    """The repository's name without its URL. On Azure Repos it lacks the project."""
    if env.get("BUILD_REPOSITORY_PROVIDER") == "TfsGit":
        return env.join("SYSTEM_TEAMPROJECT", "BUILD_REPOSITORY_NAME")
    return env.text("BUILD_REPOSITORY_NAME")


def _pipeline_id(env: Variables) -> str | None:
    """The organisation, the project and the number of the pipeline's definition, whose name is not unique."""
    names = (env.url(*_COLLECTION), env.text("SYSTEM_TEAMPROJECT"), env.text("SYSTEM_DEFINITIONID"))
    return "/".join(name.partition("://")[2].strip("/") or name for name in names if name) or None


def _run_url(env: Variables) -> str | None:
    organisation, project, run = env.url(*_COLLECTION), env.text("SYSTEM_TEAMPROJECT"), env.number("BUILD_BUILDID")
    if not organisation or not project or run is None:
        return None
    return f"{organisation.rstrip('/')}/{quote(project)}/_build/results?buildId={run}"


def _pull_request(env: Variables) -> PullRequest | None:
    """The open pull request. On GitHub it has a number and Azure's own id; elsewhere the id is the number that people see."""
    match = re.fullmatch(_PULL_REQUEST_REF, env.get("BUILD_SOURCEBRANCH") or "")
    number = env.number("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER") or (int(match[1]) if match else None)
    number = number or env.number("SYSTEM_PULLREQUEST_PULLREQUESTID")
    if not number:
        return None
    head = env.commit("SYSTEM_PULLREQUEST_SOURCECOMMITID")
    merge = re.fullmatch(_MERGE, env.get("BUILD_SOURCEVERSIONMESSAGE") or "")
    return PullRequest(
        number=number,
        base_ref=env.ref("SYSTEM_PULLREQUEST_TARGETBRANCH"),
        base_sha=merge[2] if merge and merge[1] == head else None,
        head_ref=env.ref("SYSTEM_PULLREQUEST_SOURCEBRANCH"),
        head_sha=head,
        fork=not env.is_false("SYSTEM_PULLREQUEST_ISFORK"),
    )


SYSTEM = AzurePipelines()
