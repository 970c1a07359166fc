"""Knows how GitLab CI describes a run: its predefined variables. Does not call GitLab's API or write files.

Variables: https://docs.gitlab.com/ci/variables/predefined_variables/. There is no event for a merge: it shows as a
push to the target branch, and only the API tells which merge request it was.
"""

from __future__ import annotations

from collections.abc import Mapping

from cibeacon.git.remote import Remote, remote
from cibeacon.model.context import Context, PullRequest, Push
from cibeacon.model.payload import commit, number, seconds, server, variable

NAME = "gitlab"
TITLE = "GitLab CI"
_ACCESS = (
    "Let this project's job tokens into the project (its Job token permissions), or set gitlab_token (read_repository)"
)


def here(environ: Mapping[str, str]) -> bool:
    """True inside GitLab CI, or an emulator of it."""
    return environ.get("GITLAB_CI") == "true" or bool(environ.get("CI_PIPELINE_ID") and environ.get("CI_PROJECT_PATH"))


def remotes(environ: Mapping[str, str], token: str | None, *, allow_http: bool = False) -> tuple[Remote, ...]:
    """Where the objects are: the merge request's target project, then the project whose pipeline this is."""
    user, secret = ("oauth2", token) if token else ("gitlab-ci-token", variable(environ, "CI_JOB_TOKEN"))
    projects = (variable(environ, name) for name in ("CI_MERGE_REQUEST_PROJECT_PATH", "CI_PROJECT_PATH"))
    found = [
        remote(variable(environ, "CI_SERVER_URL"), path, user, secret, _ACCESS, allow_http=allow_http)
        for path in dict.fromkeys(projects)
    ]
    return tuple(each for each in found if each)


def spool_folder(environ: Mapping[str, str]) -> str | None:
    """Inside the checkout, since only there artifacts and caches reach."""
    folder = variable(environ, "CI_PROJECT_DIR")
    return f"{folder}/.cibeacon/spool" if folder else None


def read(environ: Mapping[str, str]) -> Context:
    """The run as GitLab describes it."""
    merge_request = _merge_request(environ)
    tag, source = variable(environ, "CI_COMMIT_TAG"), variable(environ, "CI_PIPELINE_SOURCE")
    built = commit(variable(environ, "CI_COMMIT_SHA"))
    fork = merge_request is not None and merge_request.fork
    return Context(
        host=NAME,
        server=server(variable(environ, "CI_SERVER_URL")),
        repository=variable(environ, "CI_MERGE_REQUEST_PROJECT_PATH", "CI_PROJECT_PATH"),
        event=source,
        commit_sha=merge_request.head_sha if merge_request else built,
        checkout_sha=built,
        ref=_ref(environ, tag, merge_request),
        branch=None if tag else variable(environ, "CI_COMMIT_BRANCH", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"),
        default_branch=variable(environ, "CI_DEFAULT_BRANCH"),
        pull_request=merge_request,
        push=_push(environ, built) if source == "push" and not tag else None,
        run_id=variable(environ, "CI_PIPELINE_ID"),
        run_url=variable(environ, "CI_PIPELINE_URL"),
        pipeline=variable(environ, "CI_PIPELINE_NAME", "CI_PROJECT_PATH"),
        job=variable(environ, "CI_JOB_NAME"),
        job_id=variable(environ, "CI_JOB_ID"),
        actor=variable(environ, "GITLAB_USER_LOGIN"),
        email=variable(environ, "GITLAB_USER_EMAIL"),
        status=variable(environ, "CI_JOB_STATUS"),
        started_at=seconds(variable(environ, "CI_PIPELINE_CREATED_AT")),
        ci=True,
        secrets_withheld=fork,
        base_config=fork,
    )


def _merge_request(environ: Mapping[str, str]) -> PullRequest | None:
    """The open merge request of a merge request pipeline; CI_COMMIT_SHA may be a temporary merge there."""
    iid = number(variable(environ, "CI_MERGE_REQUEST_IID"))
    if iid is None:
        return None
    project = variable(environ, "CI_MERGE_REQUEST_PROJECT_URL")
    source, target = (variable(environ, f"CI_MERGE_REQUEST_{side}PROJECT_ID") for side in ("SOURCE_", ""))
    return PullRequest(
        number=iid,
        base_ref=variable(environ, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME"),
        base_sha=commit(variable(environ, "CI_MERGE_REQUEST_TARGET_BRANCH_SHA")),
        head_ref=variable(environ, "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"),
        head_sha=commit(variable(environ, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "CI_COMMIT_SHA")),
        diff_base_sha=commit(variable(environ, "CI_MERGE_REQUEST_DIFF_BASE_SHA")),
        fork=source is None or source != target,
        url=f"{project}/-/merge_requests/{iid}" if project else None,
    )


def _ref(environ: Mapping[str, str], tag: str | None, merge_request: PullRequest | None) -> str | None:
    if tag:
        return f"refs/tags/{tag}"
    if merge_request:
        return variable(environ, "CI_MERGE_REQUEST_REF_PATH") or f"refs/merge-requests/{merge_request.number}/head"
    branch = variable(environ, "CI_COMMIT_BRANCH")
    return f"refs/heads/{branch}" if branch else None


def _push(environ: Mapping[str, str], after: str | None) -> Push:
    before = commit(variable(environ, "CI_COMMIT_BEFORE_SHA"))
    return Push(before=before, after=after, created=before is None)
