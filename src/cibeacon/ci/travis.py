"""Knows a run on Travis CI. Does not know git.

https://docs.travis-ci.com/user/environment-variables/
"""

from cibeacon.ci.ci_system import CISystem, Variables, push
from cibeacon.model.context import Context, PullRequest


class Travis(CISystem):
    """Travis CI."""

    name = "travis"
    title = "Travis CI"
    deepen = "clone the whole history (git: depth: false)"
    check_out = "let the job clone (git: clone: true)"

    def read(self, env: Variables) -> Context:
        """The run as the variables describe it. A restarted build keeps its id, and Travis does not count restarts."""
        pull_request, tag = _pull_request(env), env.text("TRAVIS_TAG")
        sha, event = env.commit("TRAVIS_COMMIT"), env.text("TRAVIS_EVENT_TYPE")
        branch = env.ref("TRAVIS_PULL_REQUEST_BRANCH" if pull_request else "TRAVIS_BRANCH")
        is_push = event in (None, "push") and not pull_request and not tag
        is_fork = pull_request is not None and pull_request.fork
        return Context(
            host=self.name,
            repository=env.text("TRAVIS_REPO_SLUG"),
            event=event,
            commit_sha=pull_request.head_sha if pull_request else sha,
            checkout_sha=sha,
            ref=f"refs/tags/{tag}" if tag else None,
            branch=None if tag else branch,
            pull_request=pull_request,
            push=push(env.range_start("TRAVIS_COMMIT_RANGE"), sha, created=_is_new(env)) if is_push else None,
            pipeline_id=env.server("TRAVIS_BUILD_WEB_URL"),
            run_id=env.text("TRAVIS_BUILD_ID"),
            run_attempt=2 if env.is_true("TRAVIS_JOB_RESTARTED") else None,
            run_url=env.url("TRAVIS_BUILD_WEB_URL"),
            pipeline=env.text("TRAVIS_REPO_SLUG"),
            job=env.text("TRAVIS_JOB_NAME", "TRAVIS_JOB_NUMBER"),
            job_id=env.text("TRAVIS_JOB_ID"),
            status=env.text("TRAVIS_TEST_RESULT"),
            ci=True,
            secrets_withheld=is_fork and not env.is_true("TRAVIS_SECURE_ENV_VARS"),
            base_config=is_fork,
        )


def _is_new(env: Variables) -> bool:
    """Whether the branch is new: its first build has an empty range."""
    return env.environ.get("TRAVIS_COMMIT_RANGE") == ""


def _pull_request(env: Variables) -> PullRequest | None:
    """The open pull request. Its commit range starts at the base branch."""
    number = env.number("TRAVIS_PULL_REQUEST")
    if number is None:
        return None
    repository, head_repository = env.text("TRAVIS_REPO_SLUG"), env.text("TRAVIS_PULL_REQUEST_SLUG")
    return PullRequest(
        number=number,
        base_ref=env.ref("TRAVIS_BRANCH"),
        base_sha=env.range_start("TRAVIS_COMMIT_RANGE"),
        head_ref=env.ref("TRAVIS_PULL_REQUEST_BRANCH"),
        head_sha=env.commit("TRAVIS_PULL_REQUEST_SHA"),
        fork=head_repository is None or head_repository != repository,
    )


SYSTEM = Travis()
