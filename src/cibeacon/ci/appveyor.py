"""Knows a run on AppVeyor. Does not know git.

https://www.appveyor.com/docs/environment-variables/
"""

from __future__ import annotations

from cibeacon.ci.ci_system import CISystem, Variables, push
from cibeacon.git.remote_url import RemoteUrl, parse_remote_url
from cibeacon.model.context import Context, PullRequest

_SERVERS = {"github": "github.com", "bitbucket": "bitbucket.org", "gitlab": "gitlab.com"}
"""Provider as AppVeyor spells it, in any case → its server. AppVeyor does not give the server of other providers."""


class AppVeyor(CISystem):
    """AppVeyor."""

    name = "appveyor"
    title = "AppVeyor"
    deepen = "clone the whole history (no clone_depth)"
    check_out = "clone the repository (no shallow_clone, which downloads only the files)"

    def read(self, env: Variables) -> Context:
        """The run as the variables describe it."""
        url, pull_request, sha = self.repository_url(env), _pull_request(env), env.commit("APPVEYOR_REPO_COMMIT")
        tag = env.text("APPVEYOR_REPO_TAG_NAME") if env.is_true("APPVEYOR_REPO_TAG") else None
        branch = pull_request.head_ref if pull_request else None if tag else env.ref("APPVEYOR_REPO_BRANCH")
        server, project = env.url("APPVEYOR_URL"), env.join("APPVEYOR_ACCOUNT_NAME", "APPVEYOR_PROJECT_SLUG")
        run = env.text("APPVEYOR_BUILD_ID")
        page = f"{server.rstrip('/')}/project/{project}/builds/{run}" if server and project and run else None
        return Context(
            host=self.name,
            server=url.server if url else None,
            repository=env.text("APPVEYOR_REPO_NAME"),
            commit_sha=pull_request.head_sha if pull_request else sha,
            checkout_sha=sha,
            ref=f"refs/tags/{tag}" if tag else f"refs/heads/{branch}" if branch else None,
            branch=branch,
            pull_request=pull_request,
            push=None if pull_request or tag else push(None, sha),
            pipeline_id="/".join(filter(None, (env.address("APPVEYOR_URL"), project))) or None,
            run_id=run,
            run_url=page,
            pipeline=env.text("APPVEYOR_PROJECT_NAME", "APPVEYOR_PROJECT_SLUG"),
            job=env.text("APPVEYOR_JOB_NAME"),
            job_id=env.text("APPVEYOR_JOB_ID"),
            ci=True,
            secrets_withheld=pull_request is not None,
            base_config=pull_request is not None and pull_request.fork,
        )

    def repository_url(self, env: Variables) -> RemoteUrl | None:
        """The repository's URL, if its server is known."""
        server, name = _SERVERS.get((env.text("APPVEYOR_REPO_PROVIDER") or "").lower()), env.text("APPVEYOR_REPO_NAME")
        return parse_remote_url(f"https://{server}/{name}.git") if server and name else None


def _pull_request(env: Variables) -> PullRequest | None:
    number, source = env.number("APPVEYOR_PULL_REQUEST_NUMBER"), env.text("APPVEYOR_PULL_REQUEST_HEAD_REPO_NAME")
    if number is None:
        return None
    return PullRequest(
        number,
        base_ref=env.ref("APPVEYOR_REPO_BRANCH"),
        head_ref=env.ref("APPVEYOR_PULL_REQUEST_HEAD_REPO_BRANCH"),
        head_sha=env.commit("APPVEYOR_PULL_REQUEST_HEAD_COMMIT"),
        fork=source is None or source != env.text("APPVEYOR_REPO_NAME"),
    )


SYSTEM = AppVeyor()
