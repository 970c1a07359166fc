"""Asks GitLab's REST API, through python-gitlab, for what happened long ago: merges, deployments, releases, tags.

A rate limit is waited for as the library does it; whoever asks bounds the whole (https://docs.gitlab.com/api/rest/#rate-limits).
Needs a token with `read_api`: a job token may not list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from gitlab import Gitlab
from gitlab.exceptions import GitlabError
from requests import RequestException, Session

from cibeacon.ci import gitlab_api
from cibeacon.ci.history import Mark, Merged, family
from cibeacon.model.payload import at, commit, iso, seconds, words
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import HostError

_PAGE = 100
_ENDS: Mapping[str, bool] = {"success": True, "failed": False}


class History:
    """A project's past. Every question may raise `HostError`.

    Args:
        credential: `{"private_token": …}` or `{"job_token": …}`.
        fresh: the time that one question has, from now on.
    """

    def __init__(
        self,
        server_url: str,
        credential: Mapping[str, str],
        repository: str,
        session: Session,
        fresh: Callable[[], Deadline],
    ) -> None:
        self._url, self._credential, self._repository = server_url, credential, repository
        self._session, self._fresh = session, fresh
        self._place = f"/projects/{quote(repository, safe='')}"
        self._client = Gitlab(
            server_url,
            session=session,
            keep_base_url=True,
            private_token=credential.get("private_token"),
            job_token=credential.get("job_token"),
        )

    def close(self) -> None:
        """Ends the connections."""
        self._session.close()

    def merged(self, since: int) -> Iterator[Merged]:
        """The merge requests that were merged at `since` (Unix seconds) or later, in no order; one may come twice."""
        query = {"state": "merged", "scope": "all", "order_by": "updated_at", "sort": "asc"}
        with self._asking("which merge requests were merged"):
            for told in self._listed("/merge_requests", {**query, "updated_after": iso(since)}):
                when = seconds(told.get("merged_at"))
                if when is not None and when >= since:
                    squash, merge = commit(told.get("squash_commit_sha")), commit(told.get("merge_commit_sha"))
                    landed = merge or squash or commit(told.get("sha"))
                    yield Merged(int(told["iid"]), landed, when, whole=merge is None and squash is not None)

    def deployments(self) -> Iterator[Mark]:
        """Every deployment that has ended, newest first."""
        with self._asking("what was deployed"):
            for told in self._listed("/deployments", {"order_by": "created_at", "sort": "desc"}):
                if told["status"] in _ENDS:
                    place = words(told, "environment", "name")
                    yield Mark(
                        str(int(told["id"])),
                        commit(told["sha"]),
                        seconds(told["created_at"]) or 0,
                        place or "",
                        place,
                        url=words(told, "deployable", "web_url"),
                        success=_ENDS[told["status"]],
                        deployed_at=seconds(at(told, "deployable", "finished_at")) or seconds(told.get("updated_at")),
                    )

    def ended(self, mark: Mark) -> Mark | None:
        """A deployment with its end, which GitLab tells at once."""
        return mark

    def releases(self) -> Iterator[Mark]:
        """Every release, newest first."""
        with self._asking("what was released"):
            for told in self._listed("/releases", {"order_by": "released_at", "sort": "desc"}):
                when = seconds(told["released_at"])
                if when is not None and not told.get("upcoming_release"):
                    name, sha = str(told["tag_name"]), commit(at(told, "commit", "id"))
                    yield Mark(name, sha, when, family(name), name=name, url=words(told, "_links", "self"))

    def tags(self) -> Iterator[tuple[str, str]]:
        """Every tag with its commit."""
        with self._asking("which tags there are"):
            for told in self._listed("/repository/tags", {"order_by": "updated", "sort": "desc"}):
                yield str(told["name"]), str(told["commit"]["id"])

    def resolved(self, revision: str) -> tuple[str, int]:
        """The full id of a commit, and when it was committed, in Unix seconds."""
        with self._asking(f"which commit {revision[:80]} is"):
            told = self._client.http_get(f"{self._place}/repository/commits/{quote(revision, safe='')}", **_PATIENT)
            found = told if isinstance(told, dict) else {}
            sha, when = commit(found.get("id")), seconds(found.get("committed_date"))
            if sha is None or when is None:
                raise ValueError("the answer names no commit")
            return sha, when

    def single(self, number: int) -> tuple[bool, str | None]:
        """The commit that a merge request is to be compared with, which GitLab knows; its commits are not counted."""
        found = gitlab_api.pull_request(
            self._url, self._credential, self._repository, number, self._session, self._fresh()
        )
        return False, found.diff_base_sha

    def files(self, number: int) -> tuple[str, ...]:
        """Every path that a merge request changed; `HostError` also where GitLab cut the list."""
        return gitlab_api.changed_files(
            self._url, self._credential, self._repository, number, self._session, self._fresh()
        )

    def compared(self, base: str, head: str) -> tuple[str, ...]:
        """Every path that differs between two commits; `HostError` also where GitLab does not list them all."""
        told = gitlab_api.compared(
            self._url, self._credential, self._repository, base, head, self._session, self._fresh()
        )
        if told.files is None:
            raise HostError(
                f"GitLab does not tell what lies between {base[:12]} and {head[:12]}", told.fault, "Use a full clone."
            )
        return told.files

    def _listed(self, path: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """A whole list, page by page. While it is read, what is new moves the rest on: one may come twice.

        A server that gives more than it is asked for, or one page again and again, would never come to an end.
        """
        page, before = 0, None
        while True:
            page += 1
            asked = {**query, "per_page": _PAGE, "page": page}
            found: Any = self._client.http_get(f"{self._place}{path}", query_data=asked, **_PATIENT)
            if not isinstance(found, list):
                raise ValueError("the answer is no list")
            if len(found) > _PAGE or found == before:
                raise ValueError("the list has no pages")
            yield from found
            if len(found) < _PAGE:
                return
            before = found

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        try:
            yield
        except GitlabError as error:
            raise HostError(
                f"GitLab would not say {what}",
                f"{self._url} answered {error.response_code or 'nothing usable'}",
                "Give a gitlab_token with read_api; after a rate limit run again later with --append.",
            ) from error
        except (RequestException, OSError, ValueError, LookupError, AttributeError, TypeError) as error:
            raise HostError(
                f"GitLab could not be asked {what}",
                f"{self._url} gave no usable answer ({type(error).__name__})",
                "Run again later with --append.",
            ) from error


_PATIENT: Mapping[str, Any] = {
    "timeout": 30.0,
    "obey_rate_limit": True,
    "retry_transient_errors": True,
    "max_retries": 4,
}
