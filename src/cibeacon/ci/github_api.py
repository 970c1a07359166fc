"""Asks GitHub's REST API, through PyGithub, what neither event nor git says: pull requests of a commit, files, merge bases.

PyGithub takes 0.4 s to import, so this module is imported only where a question is asked. Its own retries are capped:
by default it would wait out a rate limit. Needs `contents: read` and `pull-requests: read`.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

from github import Auth, Github, GithubException, GithubRetry
from github.Requester import HTTPRequestsConnectionClass, HTTPSRequestsConnectionClass, Requester
from requests import RequestException

from cibeacon.http.session import AnswerTooLarge, BoundedAdapter
from cibeacon.model.changes import Listed, first_parents
from cibeacon.model.context import PullRequest
from cibeacon.model.payload import commit, number, required, valid, words
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import HostError

logging.getLogger("github").handlers = [logging.NullHandler()]
"""By itself PyGithub prints what a server says, redirects and refusals, past redactor and sanitiser."""

_LONGEST_CALL = 10
_TRIES = 2
_PAGE = 100
_MOST_FILES = 3000
_MOST_COMPARED_FILES = 300
MISSHAPEN = (
    RequestException,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    OSError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
)
"""What PyGithub and requests raise for an answer that is none, and what reading one raises."""


class _Https(HTTPSRequestsConnectionClass):
    """A connection whose answers are bounded."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.session.mount("https://", BoundedAdapter(max_retries=self.retry))


class _Http(HTTPRequestsConnectionClass):
    """The same without encryption, for a server on this machine."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.session.mount("http://", BoundedAdapter(max_retries=self.retry))


Requester.injectConnectionClasses(_Http, _Https)
_Kind = TypeVar("_Kind", dict[str, Any], list[dict[str, Any]])


def landed(
    api_url: str,
    token: str,
    repository: str,
    sha: str,
    deadline: Deadline,
    *,
    among: Collection[str] = (),
    known: Mapping[int, PullRequest] | None = None,
) -> tuple[PullRequest, ...]:
    """The merged pull requests that `sha` belongs to and whose merge commit is `sha`, or is `among` those of its push.

    Those `known` by number already are not asked for again. Raises `HostError`.
    """
    with _asking(api_url, token, deadline, f"which pull request commit {sha[:12]} of the push belongs to") as client:
        place, known, wanted = f"/repos/{quote(repository)}", known or {}, {sha, *among}
        pulls: list[dict[str, Any]] = asked(client, f"{place}/commits/{quote(sha)}/pulls?per_page=100", list)
        numbers = [
            required(number, pull["number"])
            for pull in pulls
            if pull["merged_at"] and pull["merge_commit_sha"] in wanted
        ]
        return tuple(known.get(each) or _pull_request(asked(client, f"{place}/pulls/{each}", dict)) for each in numbers)


def pull_request(api_url: str, token: str, repository: str, pull: int, deadline: Deadline) -> PullRequest:
    """A pull request by its number, open or merged. Raises `HostError`."""
    with _asking(api_url, token, deadline, f"what pull request #{pull} is") as client:
        record: dict[str, Any] = asked(client, f"/repos/{quote(repository)}/pulls/{pull}", dict)
        merged = record["merged"] is True
        found = _pull_request(record)._replace(merged=merged, closed=record["state"] == "closed")
        return found if merged else found._replace(merge_commit_sha=None)


def changed_files(api_url: str, token: str, repository: str, pull: int, deadline: Deadline) -> tuple[str, ...]:
    """Every path that a pull request changed, both sides of a move. Raises `HostError`, also where GitHub cut the list.

    GitHub lists 3,000 files at most and does not say when there are more.
    """
    with _asking(api_url, token, deadline, f"which files pull request #{pull} changed") as client:
        return files(client, f"/repos/{quote(repository)}", pull, deadline)


def files(client: Github, repository: str, pull: int, deadline: Deadline | None = None) -> tuple[str, ...]:
    """`changed_files` by a client; `repository` is its address. What goes wrong is raised as it comes."""
    place = f"{repository}/pulls/{pull}"
    record: dict[str, Any] = asked(client, place, dict)
    wanted, found = int(record["changed_files"]), list[dict[str, Any]]()
    if wanted >= _MOST_FILES:
        raise truncated("GitHub", wanted)
    while len(found) < wanted:
        if deadline and deadline.remaining() <= 0:
            raise _too_late()
        page: list[dict[str, Any]] = asked(
            client, f"{place}/files?per_page={_PAGE}&page={len(found) // _PAGE + 1}", list
        )
        found += page
        if len(page) < _PAGE:
            break
    if len(found) != wanted:
        raise truncated("GitHub", wanted)
    return tuple(dict.fromkeys(name for file in found for name in _names(file)))


def compared(api_url: str, token: str, repository: str, base: str, head: str, deadline: Deadline) -> Listed:
    """Two commits by their full ids. Raises `HostError`, also where they have no common ancestor.

    GitHub compares the merge base with the head, so its files are those between the two only where the base is the
    merge base. It lists 250 commits and 300 files at most, and says only of the commits when there are more.
    """
    with _asking(api_url, token, deadline, f"what lies between {base[:12]} and {head[:12]}") as client:
        return between(client, f"/repos/{quote(repository)}", base, head)


def between(client: Github, repository: str, base: str, head: str) -> Listed:
    """`compared` by a client; `repository` is its address. What goes wrong is raised as it comes."""
    told: dict[str, Any] = asked(client, f"{repository}/compare/{quote(base)}...{quote(head)}", dict)
    merge_base, commits, listed = commit(told["merge_base_commit"]["sha"]), told["commits"], told.get("files")
    parents = {str(each["sha"]): [str(parent["sha"]) for parent in each["parents"]] for each in commits}
    fault = ""
    if merge_base != base:
        fault = f"{head[:12]} does not come after {base[:12]}, and GitHub compares with their merge base"
    elif listed is None:
        fault = "GitHub lists no changed files"
    elif len(listed) >= _MOST_COMPARED_FILES:
        fault = f"GitHub lists {_MOST_COMPARED_FILES} changed files at most"
    return Listed(
        merge_base,
        first_parents(parents, head) if len(commits) == told["total_commits"] else None,
        None if fault else tuple(dict.fromkeys(name for file in listed or () for name in _names(file))),
        fault,
    )


def _names(file: dict[str, Any]) -> list[str]:
    """The path of a changed file, and the one that it had before. What was copied is still there."""
    sides = ("filename",) if file.get("status") == "copied" else ("previous_filename", "filename")
    return [str(file[key]) for key in sides if file.get(key)]


def truncated(host: str, count: object) -> HostError:
    """A list of files that is not whole says nothing of the services."""
    return HostError(
        f"{host} gives a truncated list of the changed files", f"there are {count}", "Check out with git instead."
    )


def _too_late() -> HostError:
    return HostError(
        "GitHub was not asked", "the time for it was used up", "Give a larger timeout, or set pr_number and pr_merged."
    )


@contextmanager
def _asking(api_url: str, token: str, deadline: Deadline, what: str) -> Iterator[Github]:
    """A client for a question; what goes wrong with it becomes a `HostError`."""
    if deadline.remaining() <= 0:
        raise _too_late()
    seconds = max(1, int(min(_LONGEST_CALL, deadline.remaining() / (_TRIES + 1))))  # PyGithub takes whole seconds only
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
            "Give the job the permissions contents: read and pull-requests: read, or set pr_number and pr_merged.",
        ) from error
    except MISSHAPEN as error:
        raise HostError(
            f"GitHub could not be asked {what}",
            f"{api_url} gave no usable answer ({error if isinstance(error, AnswerTooLarge) else type(error).__name__})",
            "Run again later, or set pr_number and pr_merged.",
        ) from error
    finally:
        client.close()


def asked(client: Github, path: str, kind: type[_Kind]) -> _Kind:
    """The answer to one question, a GET below the API's address. For PyGithub's own lists a redirect or a login page is an empty list."""
    _, found = client.requester.requestJsonAndCheck("GET", path)
    if not isinstance(found, kind):
        raise ValueError(f"the answer is no {kind.__name__}")
    return found


def _pull_request(record: dict[str, Any]) -> PullRequest:
    """The whole record, which costs one more request: the list of a commit's pull requests leaves out `commits`."""
    head, base = record["head"], record["base"]
    return PullRequest(
        number=required(number, record["number"]),
        id=required(number, record["id"]),
        merged=True,
        closed=True,
        merge_commit_sha=valid(commit, record["merge_commit_sha"]),
        base_ref=valid(words, base["ref"]),
        base_sha=valid(commit, base["sha"]),
        head_ref=valid(words, head["ref"]),
        head_sha=valid(commit, head["sha"]),
        commits=valid(number, record.get("commits")),
    )
