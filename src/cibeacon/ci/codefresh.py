"""Knows a run on Codefresh. Does not know git.

https://codefresh.io/docs/docs/pipelines/variables/
"""

from __future__ import annotations

from cibeacon.ci.ci_system import CISystem, Variables, push
from cibeacon.git.remote_url import RemoteUrl, parse_remote_url
from cibeacon.model.context import Context, PullRequest

_MILLISECONDS = 10**11
"""Times at or above this are in milliseconds."""


class Codefresh(CISystem):
    """Codefresh."""

    name = "codefresh"
    title = "Codefresh"
    check_out = "clone before this step (a git-clone step named main_clone)"

    def read(self, env: Variables) -> Context:
        """The run as the variables describe it. Only the commit's URL shows the repository's server."""
        pull_request, tag = _pull_request(env), _tag(env)
        head = pull_request.head_sha if pull_request else env.commit("CF_REVISION")
        is_push = env.text("CF_BUILD_TRIGGER") == "webhook" and pull_request is None and tag is None
        return Context(
            host=self.name,
            server=env.server("CF_COMMIT_URL"),
            repository=env.join("CF_REPO_OWNER", "CF_REPO_NAME"),
            event=env.text("CF_BUILD_TRIGGER"),
            action=env.text("CF_PULL_REQUEST_ACTION") if pull_request else None,
            commit_sha=head,
            checkout_sha=env.commit("CF_REVISION"),
            ref=f"refs/tags/{tag}" if tag else None,
            branch=None if tag else (pull_request and pull_request.head_ref) or env.ref("CF_BRANCH"),
            pull_request=pull_request,
            push=push(None, head) if is_push else None,
            pipeline_id=_pipeline_id(env),
            run_id=env.text("CF_BUILD_ID"),
            run_url=env.url("CF_BUILD_URL"),
            pipeline=env.text("CF_PIPELINE_NAME"),
            job=env.text("CF_STEP_NAME"),
            actor=env.text("CF_BUILD_INITIATOR"),
            started_at=_started(env),
            ci=True,
            base_config=pull_request is not None,
        )

    def repository_url(self, env: Variables) -> RemoteUrl | None:
        """The repository on the server of the commit's URL."""
        server, repository = env.server("CF_COMMIT_URL"), env.join("CF_REPO_OWNER", "CF_REPO_NAME")
        return parse_remote_url(f"https://{server}/{repository}") if server and repository else None


def _pipeline_id(env: Variables) -> str | None:
    """The server, account and pipeline, as far as they are set."""
    parts = (env.server("CF_URL", "CF_BUILD_URL"), env.text("CF_ACCOUNT"), env.text("CF_PIPELINE_NAME"))
    return "/".join(part for part in parts if part) or None


def _tag(env: Variables) -> str | None:
    """The tag: that of a release, or `CF_BRANCH` if `CF_BASE_BRANCH` is set, which it is only for tags."""
    return env.text("CF_RELEASE_TAG") or (env.ref("CF_BRANCH") if env.text("CF_BASE_BRANCH") else None)


def _pull_request(env: Variables) -> PullRequest | None:
    """The pull request. Codefresh says only on GitHub whether it was merged; without that, its commit may be a test merge."""
    number = env.number("CF_PULL_REQUEST_NUMBER")
    if number is None:
        return None
    merged = env.is_true("CF_PULL_REQUEST_MERGED")
    return PullRequest(
        number=number,
        merged=merged,
        closed=merged or env.text("CF_PULL_REQUEST_ACTION") == "closed",
        merge_commit_sha=env.commit("CF_PULL_REQUEST_MERGED_COMMIT_SHA") if merged else None,
        base_ref=env.ref("CF_PULL_REQUEST_TARGET"),
        head_ref=env.ref("CF_PULL_REQUEST_HEAD_BRANCH", "CF_BRANCH"),
        head_sha=env.commit("CF_PULL_REQUEST_HEAD_COMMIT_SHA", "CF_REVISION"),
        fork=True,
    )


def _started(env: Variables) -> int | None:
    time = env.number("CF_BUILD_TIMESTAMP")
    return time // 1000 if time and time >= _MILLISECONDS else time


SYSTEM = Codefresh()
