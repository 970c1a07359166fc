"""Knows a run on Jenkins: of a freestyle, Pipeline or multibranch job, also one started by the plugins for GitHub's pull
requests (ghprb) and GitLab. Does not know git, except for the author that Jenkins gives to its own merges.

https://www.jenkins.io/doc/book/pipeline/jenkinsfile/#using-environment-variables, https://plugins.jenkins.io/git/
"""

from __future__ import annotations

from urllib.parse import unquote

from cibeacon.ci.checked_out import complete
from cibeacon.ci.ci_system import CISystem, Variables, push
from cibeacon.git import TRACKING
from cibeacon.git.remote_url import RemoteUrl
from cibeacon.git.repository import Repository
from cibeacon.model.context import Context, PullRequest, Push
from cibeacon.model.report import Notice
from cibeacon.runtime.errors import CheckoutError

_MERGER = "Jenkins <nobody@nowhere>"
"""The author of a merge that Jenkins makes for a job; the merge's first parent is the pull request's head."""
_REMOTES = ("origin", "upstream")
"""Remotes of the target's repository in the clone; with some sources it is `upstream` if the head is in another one."""


class Jenkins(CISystem):
    """Jenkins."""

    name = "jenkins"
    title = "Jenkins"
    deepen = "clone the whole history (turn off Shallow clone in the job's Advanced clone behaviours)"
    check_out = "run in the stage and folder that contain the checkout (checkout scm)"

    def read(self, env: Variables) -> Context:
        """The run as the variables describe it."""
        url, pull_request, tag = self.repository_url(env), _pull_request(env), _tag(env)
        sha = env.commit("GIT_COMMIT")
        branch = pull_request.head_ref if pull_request else None if tag else _branch(env)
        return Context(
            host=self.name,
            server=url.server if url else None,
            repository=url.repository if url else None,
            event=env.text("gitlabActionType"),
            commit_sha=pull_request.head_sha if pull_request and not pull_request.merged else sha,
            checkout_sha=sha,
            ref=f"refs/tags/{tag}" if tag else f"refs/heads/{branch}" if branch else None,
            branch=branch,
            default_branch=branch if env.is_true("BRANCH_IS_PRIMARY") else None,
            pull_request=pull_request,
            push=None if pull_request or tag else _push(env, sha),
            pipeline_id="/".join(filter(None, (env.address("JENKINS_URL"), env.text("JOB_NAME")))) or None,
            run_id=env.text("BUILD_NUMBER"),
            run_url=env.url("BUILD_URL"),
            pipeline=_pipeline(env),
            job=env.text("STAGE_NAME"),
            actor=env.text("BUILD_USER_ID", "ghprbTriggerAuthorLogin", "gitlabUserName", "CHANGE_AUTHOR"),
            email=env.text("BUILD_USER_EMAIL", "ghprbTriggerAuthorEmail", "gitlabUserEmail", "CHANGE_AUTHOR_EMAIL"),
            ci=True,
            base_config=pull_request is not None and pull_request.fork,
        )

    def read_with_notices(self, env: Variables, repository: Repository) -> tuple[Context, tuple[Notice, ...]]:
        """The run, completed by the checkout: Jenkins does not give a pull request's head, and may have merged it."""
        context = self.read(env)
        pull_request = context.pull_request
        if pull_request and pull_request.head_sha is None:
            context = context.with_pull_request(pull_request._replace(head_sha=_head(context, repository)))
        return complete(context, repository)

    def repository_url(self, env: Variables) -> RemoteUrl | None:
        """The URL that the job clones; for a merge request on GitLab that of its target."""
        return env.repository("gitlabTargetRepoHttpUrl", "GIT_URL", "GIT_URL_1")


def _head(context: Context, repository: Repository) -> str | None:
    """The pull request's head: the checked-out commit, or its first parent if Jenkins merged the base into it.

    A fork's commits may claim to be by Jenkins, so for forks the other parent must be on the target branch.
    """
    try:
        sha = context.checkout_sha or repository.checkout().head
        parents = repository.parents(sha) if sha else None
        if sha is None or parents is None:
            return None
        if len(parents) != 2 or repository.author(sha) != _MERGER:
            return sha
        return parents[0] if not context.base_config or _is_of_target(parents[1], context, repository) else None
    except CheckoutError:
        return None


def _is_of_target(sha: str, context: Context, repository: Repository) -> bool:
    """Whether a commit is on the pull request's target branch, as Jenkins fetched it for the merge."""
    target = context.pull_request.base_ref if context.pull_request else None
    tips = (repository.commit(f"{TRACKING}{remote}/{target}") for remote in _REMOTES if target)
    return any(tip and repository.is_ancestor(sha, tip) for tip in tips)


def _pipeline(env: Variables) -> str | None:
    """The job's full name; for a multibranch job without the last part, which is the branch, percent-encoded."""
    name = env.text("JOB_NAME") or ""
    folder, _, last = name.rpartition("/")
    return folder if folder and unquote(last) == env.text("BRANCH_NAME") else name or None


def _branch(env: Variables) -> str | None:
    """The branch that is built. Only in `GIT_BRANCH` it starts with the remote's name."""
    tracking = (env.text("GIT_BRANCH") or "").removeprefix("refs/remotes/").removeprefix("origin/")
    branch = env.ref("BRANCH_NAME", "gitlabBranch", "GIT_LOCAL_BRANCH") or tracking.removeprefix("refs/heads/")
    return branch if branch not in ("", "detached", "HEAD") else None


def _tag(env: Variables) -> str | None:
    """The tag that is built. If `TAG_NAME` differs from the branch, it is a parameter of the job and not the tag."""
    if env.get("gitlabActionType") == "TAG_PUSH":
        return (env.text("gitlabBranch") or "").removeprefix("refs/tags/") or None
    return env.text("TAG_NAME") if env.get("TAG_NAME") == env.get("BRANCH_NAME") else None


def _push(env: Variables, sha: str | None) -> Push:
    """The push: since the branch's previous build, or since the commit in GitLab's event."""
    if env.get("gitlabActionType") == "PUSH" and (before := env.get("gitlabBefore")):
        return push(env.sha("gitlabBefore"), sha, created=not before.strip("0"))
    return push(env.sha("GIT_PREVIOUS_COMMIT") or env.sha("GIT_PREVIOUS_SUCCESSFUL_COMMIT"), sha)


def _pull_request(env: Variables) -> PullRequest | None:
    return _of_multibranch(env) or _of_ghprb(env) or _of_gitlab(env)


def _of_multibranch(env: Variables) -> PullRequest | None:
    """A multibranch job's change. Sources that set `CHANGE_BRANCH` also say if it comes from a fork."""
    number, branch = env.number("CHANGE_ID"), env.ref("CHANGE_BRANCH")
    if number is None:
        return None
    return PullRequest(
        number,
        base_ref=env.ref("CHANGE_TARGET"),
        head_ref=branch,
        fork=branch is None or env.text("CHANGE_FORK") is not None,
        url=env.url("CHANGE_URL"),
    )


def _of_ghprb(env: Variables) -> PullRequest | None:
    number, source = env.number("ghprbPullId"), env.repository("ghprbAuthorRepoGitUrl")
    if number is None:
        return None
    return PullRequest(
        number,
        base_ref=env.ref("ghprbTargetBranch"),
        head_ref=env.ref("ghprbSourceBranch"),
        head_sha=env.commit("ghprbActualCommit"),
        fork=source is None or source.repository != env.text("ghprbGhRepository"),
        url=env.url("ghprbPullLink"),
    )


def _of_gitlab(env: Variables) -> PullRequest | None:
    number, merged = env.number("gitlabMergeRequestIid"), env.get("gitlabMergeRequestState") == "merged"
    source, target = env.repository("gitlabSourceRepoHttpUrl"), env.repository("gitlabTargetRepoHttpUrl")
    if number is None:
        return None
    return PullRequest(
        number,
        merged=merged,
        closed=merged,
        base_ref=env.ref("gitlabTargetBranch"),
        head_ref=env.ref("gitlabSourceBranch"),
        head_sha=env.commit("gitlabMergeRequestLastCommit"),
        fork=source is None or source != target,
    )


SYSTEM = Jenkins()
