"""Asks GitHub's REST API, through PyGithub, what no event says: which pull request a commit belongs to.

PyGithub takes 0.4 s to import, so this module is imported only where a question is asked. Its own retries are capped:
by default it would wait out a rate limit. Needs `contents: read` and `pull-requests: read`.
"""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import quote

from github import Auth, Github, GithubException, GithubRetry
from requests import RequestException

from cibeacon.budget import Budget
from cibeacon.context import PullRequest
from cibeacon.errors import HostError

_LONGEST_CALL = 10
_TRIES = 2
_Kind = TypeVar("_Kind", dict[str, Any], list[dict[str, Any]])


def landed(api_url: str, token: str, repository: str, sha: str, budget: Budget) -> PullRequest | None:
    """The merged pull request whose merge commit is `sha`; None when there is none. Raises `HostError`."""
    if budget.remaining() <= 0:
        raise HostError(
            "GitHub was not asked", "the time for it was used up", "Give a larger timeout, or set pr_number."
        )
    seconds = max(1, int(min(_LONGEST_CALL, budget.remaining() / (_TRIES + 1))))  # PyGithub takes whole seconds only
    retry = GithubRetry(total=_TRIES - 1, secondary_rate_wait=1, max_rate_limit_wait=2, retry_after_max=2)
    client = Github(
        base_url=api_url,
        auth=Auth.Token(token),
        timeout=seconds,
        retry=retry,
        lazy=True,
        seconds_between_requests=0,
    )
    try:
        place = f"/repos/{quote(repository)}"
        pulls: list[dict[str, Any]] = _asked(client, f"{place}/commits/{quote(sha)}/pulls?per_page=100", list)
        numbers = [int(pull["number"]) for pull in pulls if pull["merged_at"] and pull["merge_commit_sha"] == sha]
        return _pull_request(_asked(client, f"{place}/pulls/{numbers[0]}", dict)) if numbers else None
    except GithubException as error:
        raise _refused(error, api_url) from error
    except (RequestException, AssertionError, RuntimeError, OSError, ValueError, KeyError, TypeError) as error:
        raise HostError(
            "GitHub could not be asked which pull request the push belongs to",
            f"{api_url} gave no usable answer ({type(error).__name__})",
            "Run again later, or set pr_number.",
        ) from error
    finally:
        client.close()


def _asked(client: Github, path: str, kind: type[_Kind]) -> _Kind:
    """The answer to one question. For PyGithub's own lists a redirect or a login page is an empty list."""
    _, found = client.requester.requestJsonAndCheck("GET", path)
    if not isinstance(found, kind):
        raise ValueError(f"the answer is no {kind.__name__}")
    return found


def _refused(error: GithubException, api_url: str) -> HostError:
    return HostError(
        "GitHub would not say which pull request the push belongs to",
        f"{api_url} answered {error.status}",
        "Give the job the permissions contents: read and pull-requests: read, or set pr_number.",
    )


def _pull_request(record: dict[str, Any]) -> PullRequest:
    """The whole record, which costs one more request: the list of a commit's pull requests leaves out `commits`."""
    head, base = record["head"], record["base"]
    return PullRequest(
        number=record["number"],
        id=record["id"],
        merged=True,
        closed=True,
        merge_commit_sha=record["merge_commit_sha"],
        base_ref=base["ref"],
        base_sha=base["sha"],
        head_ref=head["ref"],
        head_sha=head["sha"],
        commits=record.get("commits"),
    )
