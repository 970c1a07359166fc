"""Asks GitHub's REST API for the repository's history: merges, deployments, releases, tags.

Waits for rate limits, but not for ever (https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api).
Needs `contents: read`, `pull-requests: read` and `deployments: read`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from urllib.parse import quote

from cibeacon.ci.github_api import GitHubApi
from cibeacon.ci.history import Mark, PastMerge
from cibeacon.ci.pygithub import GithubRetry
from cibeacon.git import tag_series
from cibeacon.model.payload import at, commit, required, seconds, string

LONGEST_WAIT = 900
"""The longest single wait in seconds. The hourly request limit may require a longer one, which is then an error."""
_ENDS: Mapping[str, bool] = {"success": True, "failure": False, "error": False}


class GitHubHistory(GitHubApi):
    """A repository's history. Every request may raise `HostError`."""

    refused_hint = (
        "Set github_token to a token that can read contents, pull requests and deployments. After a rate limit "
        "run again later with --append."
    )
    unusable_hint = "Run again later with --append."

    def _retry(self) -> GithubRetry:
        return GithubRetry(
            total=5,
            backoff_factor=0.5,
            secondary_rate_wait=60,
            max_rate_limit_wait=LONGEST_WAIT,
            retry_after_max=LONGEST_WAIT,
        )

    def merges(self, since: int) -> Iterator[PastMerge]:
        """The pull requests merged at `since` (Unix seconds) or later, in no particular order; one may appear twice."""
        newest = {"state": "closed", "sort": "updated", "direction": "desc"}
        with self._asking_for("the merged pull requests"):
            for pull in chain.from_iterable(self._pages("/pulls", newest)):
                if (seconds(pull["updated_at"]) or since) < since:
                    return
                when = seconds(pull["merged_at"])
                if when is not None and when >= since:
                    yield PastMerge(int(pull["number"]), commit(pull["merge_commit_sha"]), when)

    def deployments(self) -> Iterator[Mark]:
        """Every deployment, newest first, as it was requested; `finish` looks up its end."""
        with self._asking_for("the deployments"):
            for record in chain.from_iterable(self._pages("/deployments")):
                environment, made = string(record, "environment"), seconds(record["created_at"]) or 0
                yield Mark(str(int(record["id"])), commit(record["sha"]), made, environment or "", environment)

    def finish(self, mark: Mark) -> Mark | None:
        """A deployment with its end; None if it has none. GitHub later sets older deployments to `inactive`."""
        with self._asking_for(f"the result of deployment {mark.ident}"):
            for status in chain.from_iterable(self._pages(f"/deployments/{quote(mark.ident)}/statuses")):
                if status["state"] in _ENDS:
                    return mark._replace(
                        success=_ENDS[status["state"]],
                        deployed_at=seconds(status["created_at"]),
                        url=string(status, "log_url") or string(status, "target_url"),
                    )
            return None

    def releases(self) -> Iterator[Mark]:
        """Every published release, newest first, without its commit: `resolve` looks it up."""
        with self._asking_for("the releases"):
            for record in chain.from_iterable(self._pages("/releases")):
                when = seconds(record["published_at"])
                if when is not None and not record["draft"]:
                    name = str(record["tag_name"])
                    yield Mark(name, None, when, tag_series(name), name=name, url=string(record, "html_url"))

    def tags(self) -> Iterator[tuple[str, str]]:
        """Every tag with its commit. GitHub does not say when a tag was made."""
        with self._asking_for("the tags"):
            for record in chain.from_iterable(self._pages("/tags")):
                yield str(record["name"]), str(record["commit"]["sha"])

    def resolve(self, revision: str) -> tuple[str, int]:
        """The full id of a commit, and when it was committed, in Unix seconds."""
        with self._asking_for(f"commit {revision[:80]}"):
            record = self._object(f"/commits/{quote(revision, safe='')}")
            return required(commit, record["sha"]), required(seconds, at(record, "commit", "committer", "date"))

    def single_commit_or_base(self, number: int) -> tuple[bool, str | None]:
        """Whether a pull request has a single commit. GitHub does not give the commit to compare it with."""
        with self._asking_for(f"pull request #{number}"):
            return self._object(f"/pulls/{number}")["commits"] == 1, None
