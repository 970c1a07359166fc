"""Knows a run on Bitbucket Pipelines, which builds only repositories of Bitbucket Cloud. Does not know git.

https://support.atlassian.com/bitbucket-cloud/docs/variables-and-secrets/
"""

from __future__ import annotations

from cibeacon.ci.ci_system import CISystem, Variables, push
from cibeacon.git.remote_url import RemoteUrl, parse_remote_url
from cibeacon.model.context import Context, PullRequest

_SERVER = "bitbucket.org"


class BitbucketPipelines(CISystem):
    """Bitbucket Pipelines."""

    name = "bitbucket"
    title = "Bitbucket Pipelines"
    deepen = "clone the whole history (clone: depth: full)"
    check_out = "let the step clone (clone: enabled: true)"

    def read(self, env: Variables) -> Context:
        """The run as the variables describe it. In a pull request's pipeline, commit ids have twelve digits."""
        url, sha, tag = self.repository_url(env), env.commit("BITBUCKET_COMMIT"), env.text("BITBUCKET_TAG")
        pull_request, run = _pull_request(env), env.number("BITBUCKET_BUILD_NUMBER")
        branch = None if tag else env.ref("BITBUCKET_BRANCH")
        return Context(
            host=self.name,
            server=_SERVER,
            repository=url.repository if url else None,
            commit_sha=sha,
            checkout_sha=None if pull_request else sha,
            ref=f"refs/tags/{tag}" if tag else f"refs/heads/{branch}" if branch else None,
            branch=branch,
            pull_request=pull_request,
            push=push(None, sha) if branch and not pull_request else None,
            pipeline_id=_SERVER,
            run_id=str(run) if run is not None else None,
            run_attempt=env.number("BITBUCKET_STEP_RUN_NUMBER"),
            run_url=f"https://{_SERVER}/{url.repository}/pipelines/results/{run}" if url and run else None,
            pipeline=env.text("BITBUCKET_REPO_SLUG"),
            job_id=env.text("BITBUCKET_STEP_UUID"),
            status=env.text("BITBUCKET_EXIT_CODE"),
            ci=True,
        )

    def repository_url(self, env: Variables) -> RemoteUrl | None:
        """The repository by its name, since the URL that Bitbucket sets starts with http."""
        name = env.text("BITBUCKET_REPO_FULL_NAME")
        return parse_remote_url(f"https://{_SERVER}/{name}.git") if name else None


def _pull_request(env: Variables) -> PullRequest | None:
    """The open pull request, never a fork's: Bitbucket runs no pipeline for those. Its base is the target branch's tip."""
    number = env.number("BITBUCKET_PR_ID")
    if number is None:
        return None
    return PullRequest(
        number=number,
        base_ref=env.ref("BITBUCKET_PR_DESTINATION_BRANCH"),
        base_sha=env.commit("BITBUCKET_PR_DESTINATION_COMMIT"),
        head_ref=env.ref("BITBUCKET_BRANCH"),
        head_sha=env.commit("BITBUCKET_COMMIT"),
    )


SYSTEM = BitbucketPipelines()
