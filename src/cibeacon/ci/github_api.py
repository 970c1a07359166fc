"""Asks GitHub's REST API, through PyGithub, for pull requests, their files, and comparisons of commits.

PyGithub takes 0.4 s to import, so this module is imported only when a request is needed. Its own retries are capped:
by default it would wait out a rate limit. Needs `contents: read` and `pull-requests: read`.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from operator import attrgetter
from typing import Any
from urllib.parse import quote

from cibeacon.ci.forge_api import PAGE, ForgeApi
from cibeacon.ci.pygithub import (
    Auth,
    Github,
    GithubException,
    GithubRetry,
    HTTPRequestsConnectionClass,
    HTTPSRequestsConnectionClass,
    Requester,
)
from cibeacon.http import BoundedAdapter
from cibeacon.model.changes import ApiComparison, first_parents
from cibeacon.model.context import PullRequest
from cibeacon.model.payload import commit, number, required, string, valid
from cibeacon.runtime.deadline import Deadline

logging.getLogger("github").handlers = [logging.NullHandler()]
"""By default PyGithub prints a server's redirects and errors, bypassing redactor and sanitiser."""

_TRIES = 2
_MOST_FILES = 3000
_MOST_COMPARED_FILES = 300


class _Https(HTTPSRequestsConnectionClass):
    """A connection whose answers are limited in size."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.session.mount("https://", BoundedAdapter(max_retries=self.retry))


class _Http(HTTPRequestsConnectionClass):
    """The same without encryption, for a server on this machine."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.session.mount("http://", BoundedAdapter(max_retries=self.retry))


Requester.injectConnectionClasses(_Http, _Https)


class GitHubApi(ForgeApi):
    """A repository on GitHub. `credential` is `{"token": …}`."""

    title = "GitHub"
    refusal = GithubException
    status_of = attrgetter("status")
    refused_hint = "Give the job the permissions contents: read and pull-requests: read, or set pr_number, pr_merged, base and head."

    def __init__(
        self, url: str, credential: Mapping[str, str], repository: str, deadline: Deadline, longest_call: float = 10.0
    ) -> None:
        super().__init__(url, f"/repos/{quote(repository)}", deadline, longest_call)
        self._client = Github(
            base_url=url,
            auth=Auth.Token(credential["token"]),
            timeout=max(1, int(min(self._seconds(), deadline.remaining() / (_TRIES + 1)))),  # in whole seconds
            retry=self._retry(),
            lazy=True,
            seconds_between_requests=0,
        )

    def _retry(self) -> GithubRetry:
        return GithubRetry(total=_TRIES - 1, secondary_rate_wait=1, max_rate_limit_wait=2, retry_after_max=2)

    def close(self) -> None:
        """Ends the connections."""
        self._client.close()

    def merged_prs(
        self, sha: str, among: Collection[str] = (), known: Mapping[int, PullRequest] | None = None
    ) -> tuple[PullRequest, ...]:
        """The merged pull requests that contain `sha` and were merged as `sha`, or as a commit `among` those of its push.

        A pull request that is `known` by its number is not requested again.
        """
        with self._asking_for(f"the pull request of commit {sha[:12]}"):
            known, wanted = known or {}, {sha, *among}
            pulls = self._list(f"/commits/{quote(sha)}/pulls", {"per_page": PAGE})
            numbers = [
                required(number, pull["number"])
                for pull in pulls
                if pull["merged_at"] and pull["merge_commit_sha"] in wanted
            ]
            return tuple(known.get(pull) or _merged(self._object(f"/pulls/{pull}")) for pull in numbers)

    def pull_request(self, number: int) -> PullRequest:
        """A pull request by its number, open or merged."""
        with self._asking_for(f"pull request #{number}"):
            record = self._object(f"/pulls/{number}")
            pull_request = _merged(record)._replace(merged=record["merged"] is True, closed=record["state"] == "closed")
            return pull_request if pull_request.merged else pull_request._replace(merge_commit_sha=None)

    def changed_files(self, number: int) -> tuple[str, ...]:
        """Every path that a pull request changed, both sides of a move. Raises `HostError`, also for a truncated list.

        GitHub lists at most 3,000 files and does not say if there are more.
        """
        with self._asking_for(f"the changed files of pull request #{number}"):
            count = int(self._object(f"/pulls/{number}")["changed_files"])
            if count >= _MOST_FILES:
                raise self._truncated(count)
            return _paths(self._files(f"/pulls/{number}/files", count))

    def compare(self, base: str, head: str) -> ApiComparison:
        """The comparison of two commits, given by their full ids. Raises `HostError`, also without a common ancestor.

        GitHub compares the merge base with the head, so its files are those between the two only if the base is the
        merge base. It lists at most 250 commits and 300 files, and only for commits says if there are more.
        """
        with self._asking_for(f"the comparison of {base[:12]} with {head[:12]}"):
            record = self._object(f"/compare/{quote(base)}...{quote(head)}")
            merge_base, commits, files = (
                commit(record["merge_base_commit"]["sha"]),
                record["commits"],
                record.get("files"),
            )
            parents = {str(step["sha"]): [str(parent["sha"]) for parent in step["parents"]] for step in commits}
            fault = ""
            if merge_base != base:
                fault = f"{head[:12]} is not a descendant of {base[:12]}, and GitHub compares with their merge base"
            elif files is None:
                fault = "GitHub's answer has no list of files"
            elif len(files) >= _MOST_COMPARED_FILES:
                fault = f"GitHub lists at most {_MOST_COMPARED_FILES} changed files"
            return ApiComparison(
                merge_base,
                first_parents(parents, head) if len(commits) == record["total_commits"] else None,
                None if fault else _paths(files or []),
                fault,
            )

    def merge_base(self, one: str, other: str) -> str | None:
        """The best common ancestor of two commits."""
        return self.compare(one, other).merge_base

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        self._seconds()
        return self._client.requester.requestJsonAndCheck("GET", f"{self._path}{path}", dict(query or {}) or None)[1]


def _paths(files: list[dict[str, Any]]) -> tuple[str, ...]:
    """The path of each changed file, and its previous one unless it was copied: the original is still there then."""
    paths = [
        str(file[key])
        for file in files
        for key in (("filename",) if file.get("status") == "copied" else ("previous_filename", "filename"))
        if file.get(key)
    ]
    return tuple(dict.fromkeys(paths))


def _merged(record: dict[str, Any]) -> PullRequest:
    """A merged pull request from its own record: in the list of a commit's pull requests `commits` is missing."""
    head, base = record["head"], record["base"]
    return PullRequest(
        number=required(number, record["number"]),
        id=required(number, record["id"]),
        merged=True,
        closed=True,
        merge_commit_sha=valid(commit, record["merge_commit_sha"]),
        base_ref=valid(string, base["ref"]),
        base_sha=valid(commit, base["sha"]),
        head_ref=valid(string, head["ref"]),
        head_sha=valid(commit, head["sha"]),
        commits=valid(number, record.get("commits")),
    )
