"""Knows a run on Woodpecker. Does not know git.

https://woodpecker-ci.org/docs/usage/environment
"""

from __future__ import annotations

from cibeacon.ci.ci_system import CISystem, Variables, push
from cibeacon.git.remote_url import RemoteUrl
from cibeacon.model.context import Context, PullRequest, Push

_CLOSED = "pull_request_closed"
_ON_BRANCHES = ("push", "cron", "manual")


class Woodpecker(CISystem):
    """Woodpecker CI."""

    name = "woodpecker"
    title = "Woodpecker"
    deepen = "clone the whole history (clone with partial: false and without depth)"
    check_out = "let the pipeline clone (no skip_clone: true)"

    def read(self, env: Variables) -> Context:
        """The run as the variables describe it."""
        url, pull_request, event = self.repository_url(env), _pull_request(env), env.text("CI_PIPELINE_EVENT")
        sha, tag, ref = env.commit("CI_COMMIT_SHA"), env.text("CI_COMMIT_TAG"), env.text("CI_COMMIT_REF")
        ref = f"refs/tags/{tag}" if tag else ref
        is_tag = bool(ref and ref.startswith("refs/tags/"))
        reruns = env.number("CI_PIPELINE_RERUNS")
        return Context(
            host=self.name,
            server=url.server if url else env.server("CI_FORGE_URL"),
            repository=env.text("CI_REPO"),
            event=event,
            commit_sha=sha,
            checkout_sha=sha,
            ref=ref,
            branch=None if is_tag else env.ref("CI_COMMIT_SOURCE_BRANCH", "CI_COMMIT_BRANCH"),
            default_branch=env.ref("CI_REPO_DEFAULT_BRANCH"),
            pull_request=pull_request,
            push=_push(env, sha) if event == "push" and not is_tag else None,
            pipeline_id=env.server("CI_SYSTEM_URL", "CI_PIPELINE_URL") or env.text("CI_SYSTEM_HOST"),
            run_id=env.text("CI_PIPELINE_NUMBER"),
            run_attempt=reruns + 1 if reruns else None,
            run_url=env.url("CI_PIPELINE_URL"),
            pipeline=env.text("CI_WORKFLOW_NAME", "CI_REPO"),
            job=env.text("CI_STEP_NAME"),
            actor=env.text("CI_PIPELINE_AUTHOR"),
            email=env.text("CI_COMMIT_AUTHOR_EMAIL"),
            status=env.text("CI_PIPELINE_STATUS"),
            provisional=True,
            started_at=env.number("CI_PIPELINE_STARTED"),
            ci=True,
            secrets_withheld=pull_request is not None,
            base_config=pull_request is not None,
        )

    def repository_url(self, env: Variables) -> RemoteUrl | None:
        """The URL that the pipeline clones."""
        return env.repository("CI_REPO_CLONE_URL", "CI_REPO_CLONE_SSH_URL", "CI_REPO_URL")


def _push(env: Variables, sha: str | None) -> Push:
    """The push, since the branch's previous pipeline. Pipelines of pull requests have the branch's name, too."""
    was_on_branch = env.get("CI_PREV_PIPELINE_EVENT") in _ON_BRANCHES
    return push(env.sha("CI_PREV_COMMIT_SHA") if was_on_branch else None, sha)


def _pull_request(env: Variables) -> PullRequest | None:
    """The pull request. Woodpecker does not say whether it comes from a fork, nor whether a closed one was merged."""
    number, event = env.number("CI_COMMIT_PULL_REQUEST"), env.get("CI_PIPELINE_EVENT") or ""
    if number is None or not event.startswith("pull_request"):
        return None
    return PullRequest(
        number=number,
        closed=event == _CLOSED,
        merge_unknown=event == _CLOSED,
        base_ref=env.ref("CI_COMMIT_TARGET_BRANCH", "CI_COMMIT_BRANCH"),
        head_ref=env.ref("CI_COMMIT_SOURCE_BRANCH"),
        head_sha=env.commit("CI_COMMIT_SHA"),
        fork=True,
    )


SYSTEM = Woodpecker()
