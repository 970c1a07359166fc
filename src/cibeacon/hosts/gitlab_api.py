"""Asks GitLab's REST API, through python-gitlab, what no variable says: which merge request a commit belongs to.

A job token may ask both questions (https://docs.gitlab.com/ci/jobs/ci_job_token/). The library's defaults are mended:
every call has a timeout, none is repeated without end, and the courier's session lets no credential follow a redirect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitlab import Gitlab
from gitlab.exceptions import GitlabError
from requests import RequestException, Session

from cibeacon.budget import Budget
from cibeacon.context import PullRequest
from cibeacon.errors import HostError

_LONGEST_CALL = 10.0


def landed(
    server_url: str, credential: Mapping[str, str], repository: str, sha: str, session: Session, budget: Budget
) -> PullRequest | None:
    """The merged merge request that brought `sha`; None when there is none. Raises `HostError`.

    `credential` is `{"private_token": …}` or `{"job_token": …}`.
    """
    client = Gitlab(
        server_url,
        session=session,
        keep_base_url=True,
        retry_transient_errors=False,
        private_token=credential.get("private_token"),
        job_token=credential.get("job_token"),
    )
    try:
        project = client.projects.get(repository, lazy=True)
        found = project.commits.get(sha, lazy=True).merge_requests(per_page=100, **_once(budget))
        numbers = [each["iid"] for each in found if _brought(each, sha)]
        if not numbers:
            return None
        return _merge_request(project.mergerequests.get(numbers[0], **_once(budget)).attributes)
    except GitlabError as error:
        raise HostError(
            "GitLab would not say which merge request the push belongs to",
            f"{server_url} answered {error.response_code or 'nothing usable'}",
            "Set the secret gitlab_token (read_api), or allow the job token, or set pr_number.",
        ) from error
    except (RequestException, OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise HostError(
            "GitLab could not be asked which merge request the push belongs to",
            f"{server_url} gave no usable answer ({type(error).__name__})",
            "Run again later, or set pr_number.",
        ) from error


def _once(budget: Budget) -> dict[str, Any]:
    """How a call is made: in the time that is left, and not again when GitLab asks to slow down."""
    if budget.remaining() <= 0:
        raise HostError(
            "GitLab was not asked", "the time for it was used up", "Give a larger timeout, or set pr_number."
        )
    return {"timeout": min(_LONGEST_CALL, budget.remaining()), "obey_rate_limit": False}


def _brought(merge_request: dict[str, Any], sha: str) -> bool:
    """Merge, squash and fast-forward each leave the commit in another field."""
    fields = ("merge_commit_sha", "squash_commit_sha", "sha")
    return merge_request.get("state") == "merged" and sha in [merge_request.get(name) for name in fields]


def _merge_request(found: dict[str, Any]) -> PullRequest:
    refs = found.get("diff_refs") or {}
    head = refs.get("head_sha") or found.get("sha")
    squash, merge = found.get("squash_commit_sha"), found.get("merge_commit_sha")
    return PullRequest(
        number=found["iid"],
        merged=True,
        closed=True,
        merge_commit_sha=merge or squash or head,
        base_ref=found.get("target_branch"),
        head_ref=found.get("source_branch"),
        head_sha=head,
        diff_base_sha=refs.get("base_sha"),
        squashed=bool(squash),
        fork=found.get("source_project_id") != found.get("target_project_id"),
    )
