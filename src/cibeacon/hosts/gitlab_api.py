"""Asks GitLab's REST API, through python-gitlab, what no variable says: a commit's merge request, and its files.

A job token may ask both questions (https://docs.gitlab.com/ci/jobs/ci_job_token/). The library's defaults are mended:
every call has a timeout, none is repeated without end, and the courier's session lets no credential follow a redirect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from gitlab import Gitlab
from gitlab.exceptions import GitlabError
from requests import RequestException, Session

from cibeacon.budget import Budget
from cibeacon.context import PullRequest
from cibeacon.errors import HostError

_LONGEST_CALL = 10.0
_PAGE = 100


def landed(
    server_url: str, credential: Mapping[str, str], repository: str, sha: str, session: Session, budget: Budget
) -> PullRequest | None:
    """The merged merge request that brought `sha`; None when there is none. Raises `HostError`.

    `credential` is `{"private_token": …}` or `{"job_token": …}`.
    """
    with _asking(server_url, credential, session, "which merge request the push belongs to") as client:
        project = client.projects.get(repository, lazy=True)
        found = project.commits.get(sha, lazy=True).merge_requests(per_page=100, **_once(budget))
        numbers = [each["iid"] for each in found if _brought(each, sha)]
        if not numbers:
            return None
        return _merge_request(project.mergerequests.get(numbers[0], **_once(budget)).attributes)


def pull_request(
    server_url: str, credential: Mapping[str, str], repository: str, number: int, session: Session, budget: Budget
) -> PullRequest:
    """A merge request by its number, open or merged. Raises `HostError`."""
    with _asking(server_url, credential, session, f"what merge request !{number} is") as client:
        project = client.projects.get(repository, lazy=True)
        record = project.mergerequests.get(number, **_once(budget)).attributes
        merged = record["state"] == "merged"
        found = _merge_request(record)._replace(merged=merged, closed=record["state"] in ("merged", "closed"))
        return found if merged else found._replace(merge_commit_sha=None)


def changed_files(
    server_url: str, credential: Mapping[str, str], repository: str, number: int, session: Session, budget: Budget
) -> tuple[str, ...]:
    """Every path that a merge request changed, both sides of a move. Raises `HostError`, also where GitLab cut the list.

    GitLab counts 1,000 files by default, and says "1000+" where there are more.
    """
    with _asking(server_url, credential, session, f"which files merge request !{number} changed") as client:
        project = client.projects.get(repository, lazy=True)
        count = str(project.mergerequests.get(number, **_once(budget)).attributes["changes_count"])
        files: list[dict[str, Any]] = []
        place = f"/projects/{quote(repository, safe='')}/merge_requests/{number}/diffs"
        while count.isdecimal() and len(files) < int(count):
            page = client.http_get(
                place, query_data={"per_page": _PAGE, "page": len(files) // _PAGE + 1}, **_once(budget)
            )
            if not isinstance(page, list):
                raise ValueError("the answer is no list")
            files += page
            if len(page) < _PAGE:
                break
        if not count.isdecimal() or len(files) != int(count):
            raise HostError(
                "GitLab gives a truncated list of the changed files",
                f"there are {count[:20]}",
                "Check out with git instead.",
            )
        return tuple(dict.fromkeys(str(file[key]) for file in files for key in ("old_path", "new_path")))


@contextmanager
def _asking(server_url: str, credential: Mapping[str, str], session: Session, what: str) -> Iterator[Gitlab]:
    """A client for a question; what goes wrong with it becomes a `HostError`."""
    client = Gitlab(
        server_url,
        session=session,
        keep_base_url=True,
        retry_transient_errors=False,
        private_token=credential.get("private_token"),
        job_token=credential.get("job_token"),
    )
    try:
        yield client
    except GitlabError as error:
        raise HostError(
            f"GitLab would not say {what}",
            f"{server_url} answered {error.response_code or 'nothing usable'}",
            "Set the secret gitlab_token (read_api), or allow the job token, or set pr_number.",
        ) from error
    except (RequestException, OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise HostError(
            f"GitLab could not be asked {what}",
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
