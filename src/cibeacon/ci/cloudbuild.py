"""Knows a run on Google Cloud Build whose steps get its substitutions as variables. Does not know git.

`automapSubstitutions` sets them: https://cloud.google.com/build/docs/configuring-builds/substitute-variable-values
"""

from __future__ import annotations

import re

from cibeacon.ci.ci_system import CISystem, Variables, push
from cibeacon.git.remote_url import RemoteUrl, parse_remote_url
from cibeacon.model.context import Context, PullRequest

_CONSOLE = "https://console.cloud.google.com/cloud-build/builds"
_PART = r"[\w.:-]+"
"""An id of Google Cloud: a build's, a project's, a region's."""


class CloudBuild(CISystem):
    """Google Cloud Build."""

    name = "cloudbuild"
    title = "Cloud Build"
    deepen = "fetch the whole history in a first step (git fetch --unshallow)"
    check_out = "let a trigger start the build: it clones the repository"

    def read(self, env: Variables) -> Context:
        """The run as the variables describe it. A build that was not started by a trigger has no repository."""
        url, pull_request, tag = self.repository_url(env), _pull_request(env), env.text("TAG_NAME")
        sha, branch = env.commit("COMMIT_SHA", "REVISION_ID"), env.ref("BRANCH_NAME")
        project, region, trigger = (env.text(name) for name in ("PROJECT_ID", "LOCATION", "TRIGGER_NAME"))
        return Context(
            host=self.name,
            server=url.server if url else None,
            repository=env.text("REPO_FULL_NAME"),
            commit_sha=sha,
            checkout_sha=sha,
            ref=f"refs/tags/{tag}" if tag else None,
            branch=pull_request.head_ref if pull_request else None if tag else branch,
            pull_request=pull_request,
            push=push(None, sha) if branch and not pull_request and not tag else None,
            pipeline_id="/".join(filter(None, (project, region, trigger))) or None,
            run_id=env.text("BUILD_ID"),
            run_url=_page(env.text("BUILD_ID"), project, region),
            pipeline=trigger or project,
            ci=True,
            base_config=pull_request is not None and pull_request.fork,
        )

    def repository_url(self, env: Variables) -> RemoteUrl | None:
        """The repository of a pull request, which is on the same server as the repository of its head."""
        head, name = env.repository("_HEAD_REPO_URL"), env.text("REPO_FULL_NAME")
        return parse_remote_url(f"https://{head.server}/{name}") if head and name else None


def _page(build: str | None, project: str | None, region: str | None) -> str | None:
    """The build's page in the console."""
    if not build or not project or not all(re.fullmatch(_PART, part) for part in (build, project, region or "global")):
        return None
    return f"{_CONSOLE};region={region or 'global'}/{build}?project={project}"


def _pull_request(env: Variables) -> PullRequest | None:
    """The open pull request on GitHub, whose head is checked out."""
    number = env.number("_PR_NUMBER")
    if number is None:
        return None
    head = env.repository("_HEAD_REPO_URL")
    return PullRequest(
        number=number,
        base_ref=env.ref("_BASE_BRANCH"),
        head_ref=env.ref("_HEAD_BRANCH"),
        head_sha=env.commit("COMMIT_SHA", "REVISION_ID"),
        fork=head is None or head.repository != env.text("REPO_FULL_NAME"),
    )


SYSTEM = CloudBuild()
