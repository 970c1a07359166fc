"""Asks GitLab's REST API for the project's history: merges, deployments, releases, tags.

The library waits for rate limits (https://docs.gitlab.com/api/rest/#rate-limits); the export limits how long.
Needs a token with `read_api`: a job token gives no access to lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any
from urllib.parse import quote

from cibeacon.ci.gitlab_api import GitLabApi
from cibeacon.ci.history import Mark, PastMerge
from cibeacon.git import tag_series
from cibeacon.model.payload import at, commit, iso, required, seconds, string

_ENDS: Mapping[str, bool] = {"success": True, "failed": False}


class GitLabHistory(GitLabApi):
    """A project's history. Every request may raise `HostError`."""

    refused_hint = "Set gitlab_token to a token with read_api. After a rate limit run again later with --append."
    unusable_hint = "Run again later with --append."
    retries: Mapping[str, Any] = {"obey_rate_limit": True, "retry_transient_errors": True, "max_retries": 4}

    def merges(self, since: int) -> Iterator[PastMerge]:
        """The merge requests merged at `since` (Unix seconds) or later, in no particular order; one may appear twice."""
        query = {
            "state": "merged",
            "scope": "all",
            "order_by": "updated_at",
            "sort": "asc",
            "updated_after": iso(since),
        }
        with self._asking_for("the merged merge requests"):
            for record in chain.from_iterable(self._pages("/merge_requests", query)):
                when = seconds(record.get("merged_at"))
                if when is not None and when >= since:
                    squash, merge = commit(record.get("squash_commit_sha")), commit(record.get("merge_commit_sha"))
                    sha = merge or squash or commit(record.get("sha"))
                    yield PastMerge(int(record["iid"]), sha, when, squashed=merge is None and squash is not None)

    def deployments(self) -> Iterator[Mark]:
        """Every deployment that has ended, newest first."""
        with self._asking_for("the deployments"):
            newest = {"order_by": "created_at", "sort": "desc"}
            for record in chain.from_iterable(self._pages("/deployments", newest)):
                if record["status"] in _ENDS:
                    environment = string(record, "environment", "name")
                    finished_at = seconds(at(record, "deployable", "finished_at"))
                    yield Mark(
                        str(int(record["id"])),
                        commit(record["sha"]),
                        seconds(record["created_at"]) or 0,
                        environment or "",
                        environment,
                        url=string(record, "deployable", "web_url"),
                        success=_ENDS[record["status"]],
                        deployed_at=finished_at or seconds(record.get("updated_at")),
                    )

    def finish(self, mark: Mark) -> Mark | None:
        """A deployment with its end, which GitLab's list already has."""
        return mark

    def releases(self) -> Iterator[Mark]:
        """Every release, newest first."""
        with self._asking_for("the releases"):
            newest = {"order_by": "released_at", "sort": "desc"}
            for record in chain.from_iterable(self._pages("/releases", newest)):
                when = seconds(record["released_at"])
                if when is not None and not record.get("upcoming_release"):
                    name, sha = str(record["tag_name"]), commit(at(record, "commit", "id"))
                    yield Mark(name, sha, when, tag_series(name), name=name, url=string(record, "_links", "self"))

    def tags(self) -> Iterator[tuple[str, str]]:
        """Every tag with its commit."""
        with self._asking_for("the tags"):
            newest = {"order_by": "updated", "sort": "desc"}
            for record in chain.from_iterable(self._pages("/repository/tags", newest)):
                yield str(record["name"]), str(record["commit"]["id"])

    def resolve(self, revision: str) -> tuple[str, int]:
        """The full id of a commit, and when it was committed, in Unix seconds."""
        with self._asking_for(f"commit {revision[:80]}"):
            record = self._object(f"/repository/commits/{quote(revision, safe='')}")
            return required(commit, record.get("id")), required(seconds, record.get("committed_date"))

    def single_commit_or_base(self, number: int) -> tuple[bool, str | None]:
        """The commit to compare a merge request with, which GitLab gives; its commits are not counted."""
        return False, self.pull_request(number).diff_base_sha
