"""Asks GitHub's REST API, through PyGithub, what no event says: which pull request a commit belongs to, and its files.

PyGithub takes 0.4 s to import, so this module is imported only where a question is asked. Its own retries are capped:
by default it would wait out a rate limit. Needs `contents: read` and `pull-requests: read`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

from github import Auth, Github, GithubException, GithubRetry
from requests import RequestException

from cibeacon.budget import Budget
from cibeacon.context import PullRequest
from cibeacon.errors import HostError

_LONGEST_CALL = 10
_TRIES = 2
_PAGE = 100
_MOST_FILES = 3000
_Kind = TypeVar("_Kind", dict[str, Any], list[dict[str, Any]])


def landed(api_url: str, token: str, repository: str, sha: str, budget: Budget) -> PullRequest | None:
    """The merged pull request whose merge commit is `sha`; None when there is none. Raises `HostError`."""
    with _asking(api_url, token, budget, "which pull request the push belongs to") as client:
        place = f"/repos/{quote(repository)}"
        pulls: list[dict[str, Any]] = _asked(client, f"{place}/commits/{quote(sha)}/pulls?per_page=100", list)
        numbers = [int(pull["number"]) for pull in pulls if pull["merged_at"] and pull["merge_commit_sha"] == sha]
        return _pull_request(_asked(client, f"{place}/pulls/{numbers[0]}", dict)) if numbers else None


def pull_request(api_url: str, token: str, repository: str, number: int, budget: Budget) -> PullRequest:
    """A pull request by its number, open or merged. Raises `HostError`."""
    with _asking(api_url, token, budget, f"what pull request #{number} is") as client:
        record: dict[str, Any] = _asked(client, f"/repos/{quote(repository)}/pulls/{number}", dict)
        merged = bool(record["merged"])
        found = _pull_request(record)._replace(merged=merged, closed=record["state"] == "closed")
        return found if merged else found._replace(merge_commit_sha=None)


def changed_files(api_url: str, token: str, repository: str, number: int, budget: Budget) -> tuple[str, ...]:
    """Every path that a pull request changed, both sides of a move. Raises `HostError`, also where GitHub cut the list.

    GitHub lists 3,000 files at most and does not say when there are more.
    """
    with _asking(api_url, token, budget, f"which files pull request #{number} changed") as client:
        place = f"/repos/{quote(repository)}/pulls/{number}"
        record: dict[str, Any] = _asked(client, place, dict)
        wanted, files = int(record["changed_files"]), list[dict[str, Any]]()
        if wanted >= _MOST_FILES:
            raise truncated("GitHub", wanted)
        while len(files) < wanted:
            if budget.remaining() <= 0:
                raise _too_late()
            page: list[dict[str, Any]] = _asked(
                client, f"{place}/files?per_page={_PAGE}&page={len(files) // _PAGE + 1}", list
            )
            files += page
            if len(page) < _PAGE:
                break
        if len(files) != wanted:
            raise truncated("GitHub", wanted)
        return tuple(dict.fromkeys(name for file in files for name in _names(file)))


def _names(file: dict[str, Any]) -> list[str]:
    """The path of a changed file, and the one that it had before."""
    return [str(file[key]) for key in ("previous_filename", "filename") if file.get(key)]


def truncated(host: str, count: object) -> HostError:
    """A list of files that is not whole says nothing of the services."""
    return HostError(
        f"{host} gives a truncated list of the changed files", f"there are {count}", "Check out with git instead."
    )


def _too_late() -> HostError:
    return HostError("GitHub was not asked", "the time for it was used up", "Give a larger timeout, or set pr_number.")


@contextmanager
def _asking(api_url: str, token: str, budget: Budget, what: str) -> Iterator[Github]:
    """A client for a question; what goes wrong with it becomes a `HostError`."""
    if budget.remaining() <= 0:
        raise _too_late()
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
        yield client
    except GithubException as error:
        raise HostError(
            f"GitHub would not say {what}",
            f"{api_url} answered {error.status}",
            "Give the job the permissions contents: read and pull-requests: read, or set pr_number.",
        ) from error
    except (RequestException, AssertionError, RuntimeError, OSError, ValueError, KeyError, TypeError) as error:
        raise HostError(
            f"GitHub could not be asked {what}",
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
