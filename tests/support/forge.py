"""Knows how GitHub and GitLab answer the questions about commits and their merge that a report asks. Does not know git.

https://docs.github.com/en/rest/commits/commits, https://docs.github.com/en/rest/pulls/pulls,
https://docs.gitlab.com/api/merge_requests/, https://docs.gitlab.com/api/commits/ and
https://docs.gitlab.com/api/repositories/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote

from starlette.responses import Response

import forge_history
from cibeacon.sandbox.listener import Listener
from forge_answers import at_github, at_gitlab, found
from forge_commits import Commits, Tree
from forge_history import Past
from forge_payloads import (
    MOST_MERGE_REQUEST_FILES,
    MOST_PULL_FILES,
    github_commit,
    github_comparison,
    github_file,
    github_pull,
    github_repository,
    gitlab_commit,
    gitlab_comparison,
    gitlab_diff,
    gitlab_merge_request,
    gitlab_project,
)
from listening import Request, answering, in_json

Records: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
"""By full name of the project: the fields of each merge request or pull request that matter; the others are made up."""


class Forge(Listener):
    """GitHub and GitLab, read only, on this machine; between `start` and `stop` or as a context manager.

    A merge request or pull request must name `iid` or `number`; it belongs to the commits that it names in any of its
    sha fields, in `commits` (its own) and in `introduced` (those that its merge made of them). It changed the paths of
    `files`. None of these lists is part of the payload.

    Args:
        merge_requests: GitLab's, by project path.
        pulls: GitHub's, by owner/name.
        parents: the parents of commits that every project knows beside those of its requests, by id.
        trees: the files of those commits, by id, which comparisons list.
        troubles: paths that are answered with a status and nothing else.
        past: what happened long ago.
    """

    def __init__(
        self,
        *,
        merge_requests: Records | None = None,
        pulls: Records | None = None,
        parents: Mapping[str, Sequence[str]] | None = None,
        trees: Mapping[str, Tree] | None = None,
        troubles: Mapping[str, int] | None = None,
        past: Past | None = None,
    ) -> None:
        self._merge_requests, self._pulls, self._parents = merge_requests or {}, pulls or {}, parents or {}
        self._commits = Commits(self._parents, trees or {})
        self.troubles, self.past = dict(troubles or {}), past or Past()
        super().__init__(answering(self._route))
        self.seen: list[str] = []
        """Method and path of each request, in order."""

    def _route(self, request: Request) -> Response:
        self.seen.append(f"{request.method} {request.path}")
        if request.method != "GET":
            return in_json(405, {"message": "405 Method Not Allowed"})
        if request.path in self.troubles:
            return in_json(self.troubles[request.path], {"message": "trouble"})
        if self.past.refused > 0:
            self.past.refused -= 1
            return in_json(403 if at_github(request) else 429, {"message": "rate limit"}, Retry_After="0")
        for pattern, authorized, answer in self._questions():
            if match := pattern.fullmatch(request.path) or pattern.fullmatch(f"{request.path}?{request.query}"):
                if not authorized(request):
                    return in_json(
                        401, {"message": "Bad credentials" if authorized is at_github else "401 Unauthorized"}
                    )
                return found(request, answer(*map(unquote, match.groups(""))), self.url)
        return in_json(404, {"message": "404 Not Found"})

    def _questions(self) -> Sequence[tuple[re.Pattern[str], Callable[[Request], bool], Callable[..., object]]]:
        return (
            (_LAB, at_gitlab, self._project),
            (_LAB_COMMIT, at_gitlab, self._merge_requests_of),
            (_LAB_REQUEST, at_gitlab, self._merge_request),
            (_LAB_DIFFS, at_gitlab, self._diffs),
            (_LAB_COMPARE, at_gitlab, self._compared_at_gitlab),
            (_LAB_MERGE_BASE, at_gitlab, self._merge_base),
            (forge_history.LAB_LISTS, at_gitlab, self._listed_at_gitlab),
            (forge_history.LAB_COMMIT, at_gitlab, self._commit_at_gitlab),
            (forge_history.HUB_LISTS, at_github, self._listed_at_github),
            (forge_history.HUB_STATUSES, at_github, self._statuses),
            (_HUB, at_github, self._repository),
            (_HUB_COMMIT, at_github, self._commit),
            (_HUB_COMMIT_PULLS, at_github, self._pulls_of),
            (_HUB_PULL, at_github, self._pull),
            (_HUB_FILES, at_github, self._files),
            (_HUB_COMPARE, at_github, self._compared_at_github),
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
        matches = [one for one in self._merge_requests[path] if sha in _shas(one)]
        payloads = [gitlab_merge_request(one, path, self._number(path), self.url) for one in matches]
        return [_without(payload, "diff_refs", "changes_count") for payload in payloads]

    def _merge_request(self, project: str, iid: str) -> object:
        path = self._named(project)
        if path is None:
            return None
        matches = (one for one in self._merge_requests[path] if str(one["iid"]) == iid)
        return next((gitlab_merge_request(one, path, self._number(path), self.url) for one in matches), None)

    def _diffs(self, project: str, iid: str) -> object:
        path = self._named(project)
        record = next((one for one in self._merge_requests.get(path or "", ()) if str(one["iid"]) == iid), None)
        if record is None:
            return None
        files = record.get("files", ())[:MOST_MERGE_REQUEST_FILES]
        return [gitlab_diff(each, old=True, new=True) if isinstance(each, str) else each for each in files]

    def _compared_at_gitlab(self, project: str, query: str) -> object:
        asked, path = parse_qs(query), self._named(project)
        base, head = asked.get("from", [""])[0], asked.get("to", [""])[0]
        if path is None or base not in self._commits or head not in self._commits:
            return None
        straight = asked.get("straight", ["false"])[0] == "true"
        old = base if straight else self._commits.merge_base(base, head) or base
        shas = self._commits.between(base, head)
        commits = [gitlab_commit(sha, self._commits.parents(sha), path, self.url) for sha in shas]
        diffs = [gitlab_diff(name, old=left, new=right) for name, left, right in self._commits.differing(old, head)]
        return gitlab_comparison(commits, diffs, f"{self.url}/{path}/-/compare/{base}...{head}")

    def _merge_base(self, project: str, query: str) -> object:
        refs, path = parse_qs(query).get("refs[]", []), self._named(project)
        if path is None or len(refs) != 2 or any(ref not in self._commits for ref in refs):
            return None
        found = self._commits.merge_base(*refs)
        return found and gitlab_commit(found, self._commits.parents(found), path, self.url)

    def _repository(self, prefix: str, name: str) -> object:
        return github_repository(name, self.url + prefix) if name in self._pulls else None

    def _commit(self, prefix: str, name: str, sha: str) -> object:
        known, sha = set(self._parents).union(*map(_shas, self._pulls.get(name, ()))), self.past.named(name, sha)
        if name not in self._pulls or sha not in known:
            return None
        payload = github_commit(sha, self._parents.get(sha, ()), name, self.url + prefix)
        payload["commit"]["committer"] = {"date": self.past.moments.get(sha, "2025-12-31T00:00:00Z")}
        return payload

    def _listed_at_github(self, prefix: str, name: str, what: str, query: str) -> object:
        if name not in self._pulls:
            return None
        return forge_history.github(self.past, self._pulls[name], name, what, query, self.url + prefix)

    def _statuses(self, prefix: str, name: str, number: str) -> object:
        return forge_history.github_statuses(self.past, name, number, self.url + prefix)

    def _listed_at_gitlab(self, project: str, what: str, query: str) -> object:
        path = self._named(project)
        if path is None:
            return None
        if what == "merge_requests":
            requests = self._merge_requests[path]
            return forge_history.gitlab_merged(requests, path, self._number(path), query, self.url)
        return forge_history.gitlab(self.past, path, what, query, self.url)

    def _commit_at_gitlab(self, project: str, revision: str) -> object:
        path = self._named(project)
        sha = self.past.named(path or "", revision)
        if path is None or sha not in self._parents:
            return None
        payload = gitlab_commit(sha, self._parents[sha], path, self.url)
        return {**payload, "committed_date": self.past.moments.get(sha, "2025-12-31T00:00:00Z")}

    def _pulls_of(self, prefix: str, name: str, sha: str) -> object:
        if name not in self._pulls:
            return None
        matches = [one for one in self._pulls[name] if sha in _shas(one)]
        payloads = [github_pull(one, name, self.url + prefix) for one in matches]
        return [_without(payload, "merged", "commits", "changed_files") for payload in payloads]

    def _pull(self, prefix: str, name: str, number: str) -> object:
        matches = (one for one in self._pulls.get(name, ()) if str(one["number"]) == number)
        return next((github_pull(one, name, self.url + prefix) for one in matches), None)

    def _files(self, prefix: str, name: str, number: str) -> object:
        record = next((one for one in self._pulls.get(name, ()) if str(one["number"]) == number), None)
        if record is None:
            return None
        files = record.get("files", ())[:MOST_PULL_FILES]
        return [github_file(each, old=True, new=True) if isinstance(each, str) else each for each in files]

    def _compared_at_github(self, prefix: str, name: str, base: str, head: str) -> object:
        known, merge_base = self._commits, None
        if name in self._pulls and base in known and head in known:
            merge_base = known.merge_base(base, head)
        if merge_base is None:
            return None

        def payload(sha: str) -> dict[str, Any]:
            return github_commit(sha, known.parents(sha), name, self.url + prefix)

        files = [github_file(path, old=old, new=new) for path, old, new in known.differing(merge_base, head)]
        commits = [payload(sha) for sha in known.between(base, head)]
        return github_comparison(payload(base), payload(merge_base), commits, files, len(known.between(head, base)))


_LAB = re.compile(r"/api/v4/projects/([^/]+)")
_LAB_COMMIT = re.compile(r"/api/v4/projects/([^/]+)/repository/commits/([^/]+)/merge_requests")
_LAB_REQUEST = re.compile(r"/api/v4/projects/([^/]+)/merge_requests/([^/]+)")
_LAB_DIFFS = re.compile(_LAB_REQUEST.pattern + "/diffs")
_LAB_COMPARE = re.compile(_LAB.pattern + r"/repository/compare\?(.*)")
_LAB_MERGE_BASE = re.compile(_LAB.pattern + r"/repository/merge_base\?(.*)")
_HUB = re.compile(r"(/api/v3)?/repos/([^/]+/[^/]+)")
_HUB_COMMIT = re.compile(_HUB.pattern + r"/commits/([^/]+)")
_HUB_COMMIT_PULLS = re.compile(_HUB_COMMIT.pattern + r"/pulls")
_HUB_PULL = re.compile(_HUB.pattern + r"/pulls/([^/]+)")
_HUB_FILES = re.compile(_HUB_PULL.pattern + "/files")
_HUB_COMPARE = re.compile(_HUB.pattern + r"/compare/([^/]+?)\.\.\.([^/]+)")


def _shas(record: Mapping[str, Any]) -> set[str]:
    """The commits that belong to a merge request or pull request."""
    head = record.get("head") or {}
    single = (record.get("sha"), record.get("merge_commit_sha"), record.get("squash_commit_sha"), head.get("sha"))
    return {sha for sha in (*single, *record.get("commits", ()), *record.get("introduced", ())) if sha}


def _without(payload: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The payload as it stands in a list: the real APIs leave these fields to the single record."""
    return {name: value for name, value in payload.items() if name not in names}
