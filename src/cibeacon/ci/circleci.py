"""Knows a run on CircleCI: its variables, and the pipeline values that a configuration passes on. Does not know git.

CircleCI sets few variables about a pull request. `docs/ci/circleci.md` maps pipeline values to variables of the same
names, such as `PIPELINE_GIT_BASE_REVISION`; `<nil>` is no value. https://circleci.com/docs/reference/variables/
"""

from __future__ import annotations

import re

from cibeacon.ci.ci_system import CISystem, Variables, push
from cibeacon.git.remote_url import RemoteUrl
from cibeacon.model.context import Context, PullRequest

_FORK_BRANCH = r"pull/([1-9][0-9]{0,17})(?:/.*)?"
"""CircleCI's name for the branch of a fork's pull request."""
_PULL_REQUEST_URL = r"https?://[^\s,@]+/(?:pulls?|pull-requests)/([1-9][0-9]{0,17})"
_MAPPED = "PIPELINE_EVENT_CONTEXT_GITHUB_PR_URL"
_MAPPED_BASE = "PIPELINE_EVENT_GITHUB_PULL_REQUEST_BASE_"


class CircleCI(CISystem):
    """CircleCI."""

    name = "circleci"
    title = "CircleCI"
    deepen = "check out the whole history (checkout: method: full)"
    check_out = "add the step checkout"

    def read(self, env: Variables) -> Context:
        """The run as the variables describe it. Rerunning a workflow makes a new workflow with its own id."""
        url, pull_request, tag = self.repository_url(env), _pull_request(env), env.text("CIRCLE_TAG")
        sha, branch = env.commit("CIRCLE_SHA1"), _branch(env)
        is_branch = branch is not None and not pull_request and not tag
        fork = pull_request is not None and pull_request.fork
        return Context(
            host=self.name,
            server=url.server if url else None,
            repository=url.repository if url else None,
            commit_sha=sha,
            checkout_sha=sha,
            ref=f"refs/tags/{tag}" if tag else f"refs/heads/{branch}" if is_branch else None,
            branch=None if tag else branch,
            pull_request=pull_request,
            push=push(env.sha("PIPELINE_GIT_BASE_REVISION"), sha) if is_branch else None,
            pipeline_id=env.server("CIRCLE_BUILD_URL"),
            run_id=env.text("CIRCLE_WORKFLOW_ID", "CIRCLE_BUILD_NUM"),
            run_url=env.url("CIRCLE_BUILD_URL"),
            pipeline=env.text("PIPELINE_NAME", "CIRCLE_PROJECT_REPONAME"),
            job=env.text("CIRCLE_JOB"),
            job_id=env.text("CIRCLE_WORKFLOW_JOB_ID"),
            actor=env.text("CIRCLE_USERNAME"),
            ci=True,
            secrets_withheld=fork,
            base_config=fork,
        )

    def repository_url(self, env: Variables) -> RemoteUrl | None:
        """The URL that CircleCI clones; it may be unset for projects of the GitHub App and of GitLab."""
        return env.repository("CIRCLE_REPOSITORY_URL")


def _branch(env: Variables) -> str | None:
    """The branch, unless it is in a fork: CircleCI does not give its name then."""
    branch = env.ref("CIRCLE_BRANCH")
    return None if branch and re.fullmatch(_FORK_BRANCH, branch) else branch


def _pull_request(env: Variables) -> PullRequest | None:
    """The open pull request of the branch; if there are several, the oldest, since CircleCI picks any of them.

    Only if CircleCI's own variables list the pull request, its branch is known to be in the repository.
    """
    named = _numbers(env.text("CIRCLE_PULL_REQUEST"), env.text("CIRCLE_PULL_REQUESTS"))
    mapped = _numbers(env.text(_MAPPED))
    fork_branch = re.fullmatch(_FORK_BRANCH, env.ref("CIRCLE_BRANCH") or "")
    forked = env.number("CIRCLE_PR_NUMBER") or (int(fork_branch[1]) if fork_branch else None)
    number = forked or min(mapped or named, default=None)
    if number is None:
        return None
    return PullRequest(
        number=number,
        base_ref=env.ref(f"{_MAPPED_BASE}REF"),
        base_sha=env.sha(f"{_MAPPED_BASE}SHA"),
        head_ref=_branch(env),
        head_sha=env.commit("CIRCLE_SHA1"),
        fork=forked is not None or number not in named,
        url=named.get(number),
    )


def _numbers(*urls: str | None) -> dict[int, str]:
    """The numbers of the pull requests that these texts link to, each with its page."""
    matches = (match for text in urls for match in re.finditer(_PULL_REQUEST_URL, text or ""))
    return {int(match[1]): match[0] for match in matches}


SYSTEM = CircleCI()
