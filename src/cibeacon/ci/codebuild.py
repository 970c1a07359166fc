"""Knows a run on AWS CodeBuild. Does not know git.

https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html
"""

from __future__ import annotations

import re

from cibeacon.ci.ci_system import CISystem, Variables, push
from cibeacon.git.remote_url import RemoteUrl
from cibeacon.model.context import Context, PullRequest

_ARN = (
    r"arn:(?P<partition>[\w-]+):codebuild:(?P<region>[\w-]+):(?P<account>\d+):build/(?P<project>[^:/]+):(?P<id>[\w-]+)"
)
_MERGED = "PULL_REQUEST_MERGED"


class CodeBuild(CISystem):
    """AWS CodeBuild."""

    name = "codebuild"
    title = "AWS CodeBuild"
    deepen = "set the Git clone depth of the project's source to Full"
    check_out = "in CodePipeline choose Full clone as the output of the source action"

    def read(self, env: Variables) -> Context:
        """The run as the variables describe it."""
        url, pull_request, tag = self.repository_url(env), _pull_request(env), _named(env, "tag", "refs/tags/")
        sha, event = env.commit("CODEBUILD_RESOLVED_SOURCE_VERSION"), env.text("CODEBUILD_WEBHOOK_EVENT")
        branch = None if pull_request or tag else _named(env, "branch", "refs/heads/") or _given_branch(env)
        arn = re.fullmatch(_ARN, env.text("CODEBUILD_BUILD_ARN") or "")
        is_push = event in (None, "PUSH") and not pull_request and not tag
        return Context(
            host=self.name,
            server=url.server if url else None,
            repository=url.repository if url else None,
            event=event,
            commit_sha=sha,
            checkout_sha=sha,
            ref=f"refs/tags/{tag}" if tag else f"refs/heads/{branch}" if branch else None,
            branch=pull_request.head_ref if pull_request else branch,
            pull_request=pull_request,
            push=push(env.sha("CODEBUILD_WEBHOOK_PREV_COMMIT"), sha, created=_is_new(env)) if is_push else None,
            pipeline_id="/".join(arn.group("region", "account", "project")) if arn else None,
            run_id=arn["id"] if arn else env.text("CODEBUILD_BUILD_ID"),
            run_url=env.url("CODEBUILD_BUILD_URL") or (_page(arn) if arn else None),
            pipeline=arn["project"] if arn else None,
            job=env.text("CODEBUILD_BATCH_BUILD_IDENTIFIER"),
            actor=env.text("CODEBUILD_WEBHOOK_ACTOR_ACCOUNT_ID"),
            status=env.text("CODEBUILD_BUILD_SUCCEEDING"),
            provisional=True,
            started_at=_seconds(env),
            ci=True,
            base_config=pull_request is not None and not pull_request.merged,
        )

    def repository_url(self, env: Variables) -> RemoteUrl | None:
        """The URL that the build clones. For a source in S3 it is not a git URL, for CodePipeline it may be unset."""
        return env.repository("CODEBUILD_SOURCE_REPO_URL")


def _seconds(env: Variables) -> int | None:
    """The start, which CodeBuild gives in milliseconds."""
    start = env.number("CODEBUILD_START_TIME")
    return start // 1000 if start else None


def _is_new(env: Variables) -> bool:
    """Whether the branch is new: CodeBuild then gives git's all-zero id."""
    before = env.get("CODEBUILD_WEBHOOK_PREV_COMMIT") or ""
    return bool(before) and not before.strip("0")


def _named(env: Variables, kind: str, refs: str) -> str | None:
    """The name of a branch or tag, from the webhook or from the full ref that the build was started with."""
    kind_of_trigger, _, name = (env.text("CODEBUILD_WEBHOOK_TRIGGER") or "").partition("/")
    ref = env.text("CODEBUILD_WEBHOOK_HEAD_REF") or _source_version(env)
    if kind_of_trigger:
        return name if kind_of_trigger == kind and name else None
    return ref.removeprefix(refs) if ref.startswith(refs) else None


def _source_version(env: Variables) -> str:
    """What a build was started with: `NAME`, `refs/heads/NAME`, `refs/heads/NAME^{COMMIT}`, `pr/NUMBER`, a commit."""
    return (env.text("CODEBUILD_SOURCE_VERSION") or "").partition("^{")[0]


def _given_branch(env: Variables) -> str | None:
    """The branch, if the build was started with its short name: not with a commit, a ref or an object in S3."""
    name = _source_version(env)
    is_branch = (
        name
        and ":" not in name
        and not name.startswith(("refs/", "pr/"))
        and env.repository("CODEBUILD_SOURCE_REPO_URL")
    )
    return name if is_branch and not env.commit("CODEBUILD_SOURCE_VERSION") else None


def _page(arn: re.Match[str]) -> str | None:
    """The build's page, on the console that serves most regions."""
    if arn["partition"] != "aws":
        return None
    region, account, project, build = arn.group("region", "account", "project", "id")
    path = f"codesuite/codebuild/{account}/projects/{project}/build/{project}%3A{build}"
    return f"https://{region}.console.aws.amazon.com/{path}/?region={region}"


def _pull_request(env: Variables) -> PullRequest | None:
    """The pull request. CodeBuild does not say whether it is a fork's. After a merge it only gives a squash commit."""
    trigger = env.text("CODEBUILD_WEBHOOK_TRIGGER") or env.text("CODEBUILD_SOURCE_VERSION") or ""
    match, event = re.fullmatch(r"pr/([1-9][0-9]{0,17})", trigger), env.text("CODEBUILD_WEBHOOK_EVENT")
    if match is None:
        return None
    sha, merged = env.commit("CODEBUILD_RESOLVED_SOURCE_VERSION"), event == _MERGED
    merge_sha = env.commit("CODEBUILD_WEBHOOK_MERGE_COMMIT") if merged else None
    return PullRequest(
        number=int(match[1]),
        merged=merged,
        closed=event in (_MERGED, "PULL_REQUEST_CLOSED"),
        merge_commit_sha=merge_sha,
        base_ref=env.ref("CODEBUILD_WEBHOOK_BASE_REF"),
        head_ref=env.ref("CODEBUILD_WEBHOOK_HEAD_REF"),
        head_sha=None if sha == merge_sha else sha,
        squashed=merge_sha is not None,
        fork=True,
    )


SYSTEM = CodeBuild()
