"""Knows a run on Cirrus CI. Does not know git.

https://cirrus-ci.org/guide/writing-tasks/#environment-variables
"""

from cibeacon.ci.ci_system import CISystem, Variables, push
from cibeacon.git.remote_url import RemoteUrl
from cibeacon.model.context import Context, PullRequest

_SERVER = "cirrus-ci.com"
_MAY_WRITE = ("admin", "write")


class Cirrus(CISystem):
    """Cirrus CI."""

    name = "cirrus"
    title = "Cirrus CI"
    deepen = "clone the whole history (no CIRRUS_CLONE_DEPTH)"
    check_out = "let the task clone (no clone_script)"

    def read(self, env: Variables) -> Context:
        """The run as the variables describe it. For a pull request `CIRRUS_BRANCH` is not a branch."""
        url, pull_request, tag = self.repository_url(env), _pull_request(env), env.text("CIRRUS_TAG")
        sha, build = env.commit("CIRRUS_CHANGE_IN_REPO"), env.number("CIRRUS_BUILD_ID")
        of_branch = not pull_request and not tag
        is_push = of_branch and not env.text("CIRRUS_CRON") and not env.is_true("CIRRUS_API_CREATED")
        return Context(
            host=self.name,
            server=url.server if url else None,
            repository=env.text("CIRRUS_REPO_FULL_NAME"),
            commit_sha=sha,
            checkout_sha=sha,
            ref=f"refs/tags/{tag}" if tag else None,
            branch=env.ref("CIRRUS_BRANCH") if of_branch else None,
            default_branch=env.ref("CIRRUS_DEFAULT_BRANCH"),
            pull_request=pull_request,
            push=push(None, sha) if is_push else None,
            pipeline_id=_SERVER,
            run_id=env.text("CIRRUS_BUILD_ID"),
            run_url=f"https://{_SERVER}/build/{build}" if build else None,
            pipeline=env.text("CIRRUS_REPO_FULL_NAME"),
            job=env.text("CIRRUS_TASK_NAME"),
            job_id=env.text("CIRRUS_TASK_ID"),
            ci=True,
            secrets_withheld=pull_request is not None and env.text("CIRRUS_USER_PERMISSION") not in _MAY_WRITE,
            base_config=pull_request is not None,
        )

    def repository_url(self, env: Variables) -> RemoteUrl | None:
        """The URL that the task clones."""
        return env.repository("CIRRUS_REPO_CLONE_URL")


def _pull_request(env: Variables) -> PullRequest | None:
    """The open pull request, whose head Cirrus checks out. Cirrus does not say whether it comes from a fork."""
    number = env.number("CIRRUS_PR")
    if number is None:
        return None
    return PullRequest(
        number=number,
        base_ref=env.ref("CIRRUS_BASE_BRANCH"),
        base_sha=env.commit("CIRRUS_BASE_SHA"),
        head_sha=env.commit("CIRRUS_CHANGE_IN_REPO"),
        fork=True,
    )


SYSTEM = Cirrus()
