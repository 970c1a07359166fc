"""Knows how GitHub and GitLab answer the questions about a commit's merge that a report asks. Does not know git.

https://docs.github.com/en/rest/commits/commits, https://docs.gitlab.com/api/merge_requests/ and
https://docs.gitlab.com/api/commits/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote

from cibeacon.sandbox.exchange import Answer, Request, in_json
from cibeacon.sandbox.forge_payloads import (
    github_commit,
    github_pull,
    github_repository,
    gitlab_merge_request,
    gitlab_project,
)
from cibeacon.sandbox.listener import Listener

Records: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
"""By full name of the project: the fields of each merge request or pull request that matter; the others are made up."""


class Forge(Listener):
    """GitHub and GitLab, read only, on this machine; between `start` and `stop` or as a context manager.

    A merge request or pull request must name `iid` or `number`; it belongs to the commits that it names in any of its
    sha fields and in `commits`, a list that is not part of the payload.

    Args:
        merge_requests: GitLab's, by project path.
        pulls: GitHub's, by owner/name.
        parents: the parents of commits that GitHub knows beside those of its pulls, by id.
    """

    def __init__(
        self,
        *,
        merge_requests: Records | None = None,
        pulls: Records | None = None,
        parents: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._merge_requests, self._pulls, self._parents = merge_requests or {}, pulls or {}, parents or {}
        super().__init__(self._route)
        self.seen: list[str] = []
        """Method and path of each request, in order."""

    def _route(self, request: Request) -> Answer:
        self.seen.append(f"{request.method} {request.path}")
        if request.method != "GET":
            return in_json(405, {"message": "405 Method Not Allowed"})
        for pattern, authorized, answer in self._questions():
            if match := pattern.fullmatch(request.path):
                if not authorized(request):
                    return in_json(
                        401, {"message": "Bad credentials" if authorized is _at_github else "401 Unauthorized"}
                    )
                return _found(request, answer(*map(unquote, match.groups(""))))
        return in_json(404, {"message": "404 Not Found"})

    def _questions(self) -> Sequence[tuple[re.Pattern[str], Callable[[Request], bool], Callable[..., object]]]:
        return (
            (_LAB, _at_gitlab, self._project),
            (_LAB_COMMIT, _at_gitlab, self._merge_requests_of),
            (_LAB_REQUEST, _at_gitlab, self._merge_request),
            (_HUB, _at_github, self._repository),
            (_HUB_COMMIT, _at_github, self._commit),
            (_HUB_COMMIT_PULLS, _at_github, self._pulls_of),
            (_HUB_PULL, _at_github, self._pull),
        )

    def _named(self, project: str) -> str | None:
        """The path of a GitLab project that is named by its path or its number."""
        paths = {str(number): path for number, path in enumerate(self._merge_requests, start=1)}
        return project if project in self._merge_requests else paths.get(project)

    def _number(self, path: str) -> int:
        return list(self._merge_requests).index(path) + 1

    def _project(self, project: str) -> object:
        path = self._named(project)
        return path and gitlab_project(path, self._number(path), self.url)

    def _merge_requests_of(self, project: str, sha: str) -> object:
        path = self._named(project)
        if path is None:
            return None
        told = [one for one in self._merge_requests[path] if sha in _shas(one)]
        payloads = [gitlab_merge_request(one, path, self._number(path), self.url) for one in told]
        return [_without(payload, "diff_refs") for payload in payloads]

    def _merge_request(self, project: str, iid: str) -> object:
        path = self._named(project)
        if path is None:
            return None
        told = (one for one in self._merge_requests[path] if str(one["iid"]) == iid)
        return next((gitlab_merge_request(one, path, self._number(path), self.url) for one in told), None)

    def _repository(self, prefix: str, name: str) -> object:
        return github_repository(name, self.url + prefix) if name in self._pulls else None

    def _commit(self, prefix: str, name: str, sha: str) -> object:
        known = set(self._parents).union(*map(_shas, self._pulls.get(name, ())))
        if name not in self._pulls or sha not in known:
            return None
        return github_commit(sha, self._parents.get(sha, ()), name, self.url + prefix)

    def _pulls_of(self, prefix: str, name: str, sha: str) -> object:
        if name not in self._pulls:
            return None
        told = [one for one in self._pulls[name] if sha in _shas(one)]
        return [_without(github_pull(one, name, self.url + prefix), "merged", "commits") for one in told]

    def _pull(self, prefix: str, name: str, number: str) -> object:
        told = (one for one in self._pulls.get(name, ()) if str(one["number"]) == number)
        return next((github_pull(one, name, self.url + prefix) for one in told), None)


_LAB = re.compile(r"/api/v4/projects/([^/]+)")
_LAB_COMMIT = re.compile(r"/api/v4/projects/([^/]+)/repository/commits/([^/]+)/merge_requests")
_LAB_REQUEST = re.compile(r"/api/v4/projects/([^/]+)/merge_requests/([^/]+)")
_HUB = re.compile(r"(/api/v3)?/repos/([^/]+/[^/]+)")
_HUB_COMMIT = re.compile(_HUB.pattern + r"/commits/([^/]+)")
_HUB_COMMIT_PULLS = re.compile(_HUB_COMMIT.pattern + r"/pulls")
_HUB_PULL = re.compile(_HUB.pattern + r"/pulls/([^/]+)")


def _at_gitlab(request: Request) -> bool:
    return bool(request.headers.get("PRIVATE-TOKEN") or request.headers.get("JOB-TOKEN"))


def _at_github(request: Request) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() in {"bearer", "token"} and bool(token.strip())


def _found(request: Request, value: object) -> Answer:
    """The answer found, None being 404; a list has one page."""
    if value is None:
        return in_json(404, {"message": "404 Not Found"})
    later = isinstance(value, list) and parse_qs(request.query).get("page", ["1"]) != ["1"]
    return in_json(200, [] if later else value)


def _shas(told: Mapping[str, Any]) -> set[str]:
    """The commits that belong to a merge request or pull request."""
    head = told.get("head") or {}
    single = (told.get("sha"), told.get("merge_commit_sha"), told.get("squash_commit_sha"), head.get("sha"))
    return {sha for sha in (*single, *told.get("commits", ())) if sha}


def _without(payload: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The payload as it stands in a list: the real APIs leave these fields to the single record."""
    return {name: value for name, value in payload.items() if name not in names}
