"""Knows a run on Semaphore, where a run is one pipeline of a workflow. Does not know git.

https://docs.semaphoreci.com/reference/env-vars
"""

from __future__ import annotations

from cibeacon.ci.ci_system import CISystem, Variables, push
from cibeacon.git.remote_url import RemoteUrl
from cibeacon.model.context import Context, PullRequest, Push
from cibeacon.model.payload import commit


class Semaphore(CISystem):
    """Semaphore."""

    name = "semaphore"
    title = "Semaphore"
    deepen = "check out the whole history (checkout --use-cache)"
    check_out = "run checkout first"

    def read(self, env: Variables) -> Context:
        """The run as the variables describe it. A rerun has its own id."""
        url, pull_request, tag = self.repository_url(env), _pull_request(env), env.text("SEMAPHORE_GIT_TAG_NAME")
        sha, event = env.commit("SEMAPHORE_GIT_SHA"), env.text("SEMAPHORE_GIT_REF_TYPE")
        branch = None if tag else env.ref("SEMAPHORE_GIT_WORKING_BRANCH", "SEMAPHORE_GIT_BRANCH")
        fork = pull_request is not None and pull_request.fork
        return Context(
            host=self.name,
            server=url.server if url else None,
            repository=env.text("SEMAPHORE_GIT_REPO_SLUG") or (url.repository if url else None),
            event=event,
            commit_sha=pull_request.head_sha if pull_request else sha,
            checkout_sha=sha,
            ref=f"refs/tags/{tag}" if tag else env.text("SEMAPHORE_GIT_REF"),
            branch=pull_request.head_ref if pull_request else branch,
            pull_request=pull_request,
            push=_push(env) if branch and not pull_request else None,
            pipeline_id=_pipeline_id(env),
            run_id=env.text("SEMAPHORE_PIPELINE_ID", "SEMAPHORE_WORKFLOW_ID"),
            run_url=_run_url(env),
            pipeline=env.text("SEMAPHORE_PIPELINE_NAME", "SEMAPHORE_PROJECT_NAME"),
            job=env.text("SEMAPHORE_JOB_NAME"),
            job_id=env.text("SEMAPHORE_JOB_ID"),
            actor=env.text("SEMAPHORE_WORKFLOW_TRIGGERED_BY"),
            status=env.text("SEMAPHORE_PIPELINE_RESULT", "SEMAPHORE_JOB_RESULT"),
            started_at=env.number("SEMAPHORE_PIPELINE_STARTED_AT"),
            finished_at=env.number("SEMAPHORE_PIPELINE_DONE_AT"),
            ci=True,
            secrets_withheld=fork,
            base_config=fork,
        )

    def repository_url(self, env: Variables) -> RemoteUrl | None:
        """The URL that `checkout` clones."""
        return env.repository("SEMAPHORE_GIT_URL")


def _pipeline_id(env: Variables) -> str | None:
    names = (env.server("SEMAPHORE_ORGANIZATION_URL"), env.text("SEMAPHORE_PROJECT_NAME"))
    return "/".join(name for name in names if name) or None


def _run_url(env: Variables) -> str | None:
    organisation, workflow = env.url("SEMAPHORE_ORGANIZATION_URL"), env.text("SEMAPHORE_WORKFLOW_ID")
    return f"{organisation.rstrip('/')}/workflows/{workflow}" if organisation and workflow else None


def _push(env: Variables) -> Push | None:
    """The push, unless a person, a task or the API started the workflow. The range is empty for a new branch."""
    if env.is_false("SEMAPHORE_WORKFLOW_TRIGGERED_BY_HOOK"):
        return None
    pushed = env.environ.get("SEMAPHORE_GIT_COMMIT_RANGE")
    before = commit((pushed or "").partition("...")[0])
    return push(before, env.commit("SEMAPHORE_GIT_SHA"), created=pushed == "")


def _pull_request(env: Variables) -> PullRequest | None:
    """The open pull request. Its commit range may not start at the base, so git determines the base."""
    number = env.number("SEMAPHORE_GIT_PR_NUMBER")
    if number is None:
        return None
    source = env.text("SEMAPHORE_GIT_PR_SLUG")
    return PullRequest(
        number=number,
        base_ref=env.ref("SEMAPHORE_GIT_BRANCH"),
        head_ref=env.ref("SEMAPHORE_GIT_PR_BRANCH", "SEMAPHORE_GIT_WORKING_BRANCH"),
        head_sha=env.commit("SEMAPHORE_GIT_PR_SHA"),
        fork=source is None or source != env.text("SEMAPHORE_GIT_REPO_SLUG"),
    )


SYSTEM = Semaphore()
