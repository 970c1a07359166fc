"""Knows a run on Buildkite. Does not know git.

https://buildkite.com/docs/pipelines/configure/environment-variables
"""

from __future__ import annotations

from cibeacon.ci.ci_system import CISystem, Variables, push
from cibeacon.git.remote_url import RemoteUrl
from cibeacon.model.context import Context, PullRequest, Push


class Buildkite(CISystem):
    """Buildkite."""

    name = "buildkite"
    title = "Buildkite"
    deepen = "clone the whole history (no --depth in BUILDKITE_GIT_CLONE_FLAGS and BUILDKITE_GIT_FETCH_FLAGS)"
    check_out = "let the agent check out the repository (checkout: skip: false)"

    def read(self, env: Variables) -> Context:
        """The run as the variables describe it. Retrying a job starts another attempt."""
        url, pull_request, tag = self.repository_url(env), _pull_request(env), env.text("BUILDKITE_TAG")
        sha, event, queue = env.commit("BUILDKITE_COMMIT"), env.text("BUILDKITE_SOURCE"), _merge_group(env)
        retries, branch = env.number("BUILDKITE_RETRY_COUNT"), None if tag else _branch(env)
        is_branch = branch is not None and not pull_request and not queue
        fork = pull_request is not None and pull_request.fork
        return Context(
            host=self.name,
            server=url.server if url else None,
            repository=url.repository if url else None,
            event=event,
            commit_sha=sha,
            checkout_sha=sha,
            ref=f"refs/tags/{tag}" if tag else f"refs/heads/{branch}" if is_branch else None,
            branch=branch,
            default_branch=env.ref("BUILDKITE_PIPELINE_DEFAULT_BRANCH"),
            pull_request=pull_request,
            push=push(None, sha) if is_branch and _is_push(env) else None,
            merge_group=queue,
            pipeline_id=_pipeline_id(env),
            run_id=env.text("BUILDKITE_BUILD_ID", "BUILDKITE_BUILD_NUMBER"),
            run_attempt=retries + 1 if retries is not None else None,
            run_url=env.url("BUILDKITE_BUILD_URL"),
            pipeline=env.text("BUILDKITE_PIPELINE_NAME", "BUILDKITE_PIPELINE_SLUG"),
            job=env.text("BUILDKITE_STEP_KEY", "BUILDKITE_LABEL"),
            job_id=env.text("BUILDKITE_JOB_ID"),
            actor=env.text("BUILDKITE_BUILD_CREATOR"),
            email=env.text("BUILDKITE_BUILD_CREATOR_EMAIL"),
            status="cancelled" if env.is_true("BUILDKITE_JOB_CANCELLED") else env.text("BUILDKITE_COMMAND_EXIT_STATUS"),
            ci=True,
            base_config=fork,
        )

    def repository_url(self, env: Variables) -> RemoteUrl | None:
        """The pipeline's repository; its name may differ from the pipeline's."""
        return env.repository("BUILDKITE_REPO")


def _pipeline_id(env: Variables) -> str | None:
    names = (env.server("BUILDKITE_BUILD_URL"), env.join("BUILDKITE_ORGANIZATION_SLUG", "BUILDKITE_PIPELINE_SLUG"))
    return "/".join(name for name in names if name) or None


def _branch(env: Variables) -> str | None:
    """The branch. Buildkite puts the owner and a colon before a fork's; git allows no colon in the name of a branch."""
    return (env.ref("BUILDKITE_BRANCH") or "").rpartition(":")[2] or None


def _is_push(env: Variables) -> bool:
    """Whether the webhook that started the build was for a push, not for a release, a comment or a review."""
    is_webhook = env.text("BUILDKITE_SOURCE") in (None, "webhook")
    return is_webhook and env.text("BUILDKITE_GITHUB_EVENT") in (None, "push")


def _merge_group(env: Variables) -> Push | None:
    """An entry of GitHub's merge queue, with the commit of the target branch that it is built on."""
    base = env.sha("BUILDKITE_MERGE_QUEUE_BASE_COMMIT")
    return Push(before=base, after=env.commit("BUILDKITE_COMMIT")) if base else None


def _pull_request(env: Variables) -> PullRequest | None:
    """The open pull request. Its repository shows whether it comes from a fork."""
    number = env.number("BUILDKITE_PULL_REQUEST")
    if number is None:
        return None
    source, target = env.repository("BUILDKITE_PULL_REQUEST_REPO"), env.repository("BUILDKITE_REPO")
    same = source is not None and target is not None and source[:2] == target[:2]
    return PullRequest(
        number=number,
        base_ref=env.ref("BUILDKITE_PULL_REQUEST_BASE_BRANCH"),
        head_ref=_branch(env),
        head_sha=env.commit("BUILDKITE_COMMIT"),
        fork=not same or ":" in (env.text("BUILDKITE_BRANCH") or ""),
    )


SYSTEM = Buildkite()
