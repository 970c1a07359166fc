"""Knows a run on Drone. Does not know git.

https://docs.drone.io/pipeline/environment/reference/
"""

from __future__ import annotations

import re

from cibeacon.ci.ci_system import CISystem, Variables, push
from cibeacon.git.remote_url import RemoteUrl
from cibeacon.model.context import Context, PullRequest

_PULL_REQUEST_REF = r"refs/(?:pull|merge-requests|pull-requests)/([1-9][0-9]{0,17})/.+"


class Drone(CISystem):
    """Drone CI."""

    name = "drone"
    title = "Drone"
    deepen = "clone the whole history (clone: depth: 0)"
    check_out = "let the pipeline clone (clone: disable: false)"

    def read(self, env: Variables) -> Context:
        """The run as the variables describe it."""
        url, pull_request, tag = self.repository_url(env), _pull_request(env), env.text("DRONE_TAG")
        sha, event = env.commit("DRONE_COMMIT_SHA", "DRONE_COMMIT"), env.text("DRONE_BUILD_EVENT")
        branch = None if tag else env.ref("DRONE_SOURCE_BRANCH", "DRONE_BRANCH")
        return Context(
            host=self.name,
            server=url.server if url else None,
            repository=env.text("DRONE_REPO"),
            event=event,
            commit_sha=sha,
            checkout_sha=sha,
            ref=f"refs/tags/{tag}" if tag else env.text("DRONE_COMMIT_REF"),
            branch=branch,
            default_branch=env.ref("DRONE_REPO_BRANCH"),
            pull_request=pull_request,
            push=push(env.sha("DRONE_COMMIT_BEFORE"), sha, created=_is_new(env))
            if event == "push" and not tag
            else None,
            pipeline_id=env.server("DRONE_BUILD_LINK"),
            run_id=env.text("DRONE_BUILD_NUMBER"),
            run_url=env.url("DRONE_BUILD_LINK"),
            pipeline=env.text("DRONE_STAGE_NAME", "DRONE_REPO"),
            job=env.text("DRONE_STEP_NAME"),
            actor=env.text("DRONE_BUILD_TRIGGER"),
            email=env.text("DRONE_COMMIT_AUTHOR_EMAIL"),
            status=env.text("DRONE_BUILD_STATUS"),
            provisional=True,
            started_at=env.number("DRONE_BUILD_STARTED"),
            ci=True,
            secrets_withheld=pull_request is not None and pull_request.fork,
            base_config=pull_request is not None and pull_request.fork,
        )

    def repository_url(self, env: Variables) -> RemoteUrl | None:
        """The URL that the pipeline clones."""
        return env.repository("DRONE_GIT_HTTP_URL", "DRONE_REMOTE_URL", "DRONE_GIT_SSH_URL")


def _is_new(env: Variables) -> bool:
    """Whether the branch is new: Drone then gives git's all-zero id."""
    before = env.get("DRONE_COMMIT_BEFORE") or ""
    return bool(before) and not before.strip("0")


def _pull_request(env: Variables) -> PullRequest | None:
    """The open pull request. Drone gives the repository of its head only on some servers, so it counts as a fork's."""
    match = re.fullmatch(_PULL_REQUEST_REF, env.get("DRONE_COMMIT_REF") or "")
    number = env.number("DRONE_PULL_REQUEST") or (int(match[1]) if match else None)
    if number is None or env.get("DRONE_BUILD_EVENT") not in (None, "pull_request"):
        return None
    return PullRequest(
        number=number,
        base_ref=env.ref("DRONE_TARGET_BRANCH", "DRONE_BRANCH"),
        head_ref=env.ref("DRONE_SOURCE_BRANCH"),
        head_sha=env.commit("DRONE_COMMIT_SHA", "DRONE_COMMIT"),
        fork=True,
        url=env.url("DRONE_COMMIT_LINK"),
    )


SYSTEM = Drone()
