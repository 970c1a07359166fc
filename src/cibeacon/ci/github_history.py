"""Asks GitHub's REST API, through PyGithub, for what happened long ago: merges, deployments, releases, tags.

A rate limit is waited for, and not for ever (https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api).
Needs `contents: read`, `pull-requests: read` and `deployments: read`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from github import Auth, Github, GithubException, GithubRetry

from cibeacon.ci import github_api
from cibeacon.ci.history import Mark, Merged, family
from cibeacon.model.payload import at, commit, seconds, words
from cibeacon.runtime.errors import HostError

LONGEST_WAIT = 900
"""Seconds that GitHub may have us wait at once; the limit of an hour's requests may take longer, and is an error then."""
_PAGE = 100
_ENDS: Mapping[str, bool] = {"success": True, "failure": False, "error": False}


class History:
    """A repository's past. Every question may raise `HostError`."""

    def __init__(self, api_url: str, token: str, repository: str, timeout: float) -> None:
        self._url, self._place = api_url, f"/repos/{quote(repository)}"
        self._client = Github(
            base_url=api_url,
            auth=Auth.Token(token),
            timeout=max(1, int(timeout)),
            retry=GithubRetry(
                total=5,
                backoff_factor=0.5,
                secondary_rate_wait=60,
                max_rate_limit_wait=LONGEST_WAIT,
                retry_after_max=LONGEST_WAIT,
            ),
            lazy=True,
            seconds_between_requests=0,
        )

    def close(self) -> None:
        """Ends the connections."""
        self._client.close()

    def merged(self, since: int) -> Iterator[Merged]:
        """The pull requests that were merged at `since` (Unix seconds) or later, in no order; one may come twice."""
        with self._asking("which pull requests were merged"):
            for pull in self._listed("/pulls", "state=closed&sort=updated&direction=desc"):
                if (seconds(pull["updated_at"]) or since) < since:
                    return
                when = seconds(pull["merged_at"])
                if when is not None and when >= since:
                    yield Merged(int(pull["number"]), commit(pull["merge_commit_sha"]), when)

    def deployments(self) -> Iterator[Mark]:
        """Every deployment, newest first, as it was asked for; `ended` says what became of it."""
        with self._asking("what was deployed"):
            for told in self._listed("/deployments", ""):
                place = words(told, "environment")
                made = seconds(told["created_at"]) or 0
                yield Mark(str(int(told["id"])), commit(told["sha"]), made, place or "", place)

    def ended(self, mark: Mark) -> Mark | None:
        """A deployment with its end; None when it never came to one. An older one is `inactive` in the end."""
        with self._asking(f"how deployment {mark.ident} ended"):
            for status in self._listed(f"/deployments/{quote(mark.ident)}/statuses", ""):
                if status["state"] in _ENDS:
                    return mark._replace(
                        success=_ENDS[status["state"]],
                        deployed_at=seconds(status["created_at"]),
                        url=words(status, "log_url") or words(status, "target_url"),
                    )
            return None

    def releases(self) -> Iterator[Mark]:
        """Every published release, newest first, without its commit: `resolved` finds it."""
        with self._asking("what was released"):
            for told in self._listed("/releases", ""):
                when = seconds(told["published_at"])
                if when is not None and not told["draft"]:
                    name = str(told["tag_name"])
                    yield Mark(name, None, when, family(name), name=name, url=words(told, "html_url"))

    def tags(self) -> Iterator[tuple[str, str]]:
        """Every tag with its commit. GitHub does not say when it was made."""
        with self._asking("which tags there are"):
            for told in self._listed("/tags", ""):
                yield str(told["name"]), str(told["commit"]["sha"])

    def resolved(self, revision: str) -> tuple[str, int]:
        """The full id of a commit, and when it was committed, in Unix seconds."""
        with self._asking(f"which commit {revision[:80]} is"):
            told: dict[str, Any] = github_api.asked(
                self._client, f"{self._place}/commits/{quote(revision, safe='')}", dict
            )
            sha, when = commit(told["sha"]), seconds(at(told, "commit", "committer", "date"))
            if sha is None or when is None:
                raise ValueError("the answer names no commit")
            return sha, when

    def single(self, number: int) -> tuple[bool, str | None]:
        """Whether a pull request holds a single commit. GitHub does not say what it is to be compared with."""
        with self._asking(f"what pull request #{number} is"):
            told: dict[str, Any] = github_api.asked(self._client, f"{self._place}/pulls/{number}", dict)
            return told["commits"] == 1, None

    def files(self, number: int) -> tuple[str, ...]:
        """Every path that a pull request changed; `HostError` also where GitHub cut the list."""
        with self._asking(f"which files pull request #{number} changed"):
            return github_api.files(self._client, self._place, number)

    def compared(self, base: str, head: str) -> tuple[str, ...]:
        """Every path that differs between two commits; `HostError` also where GitHub does not list them all."""
        with self._asking(f"what lies between {base[:12]} and {head[:12]}"):
            told = github_api.between(self._client, self._place, base, head)
        if told.files is None:
            raise HostError(
                f"GitHub does not tell what lies between {base[:12]} and {head[:12]}", told.fault, "Use a full clone."
            )
        return told.files

    def _listed(self, path: str, query: str) -> Iterator[dict[str, Any]]:
        """A whole list, page by page. While it is read, what is new moves the rest on: one may come twice.

        A server that gives more than it is asked for, or one page again and again, would never come to an end.
        """
        page, before = 0, None
        while True:
            page += 1
            asked = f"{self._place}{path}?{query}{'&' if query else ''}per_page={_PAGE}&page={page}"
            found: list[dict[str, Any]] = github_api.asked(self._client, asked, list)
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
        except GithubException as error:
            raise HostError(
                f"GitHub would not say {what}",
                f"{self._url} answered {error.status}",
                "Give a github_token that may read contents, pull requests and deployments; after a rate limit "
                "run again later with --append.",
            ) from error
        except github_api.MISSHAPEN as error:
            raise HostError(
                f"GitHub could not be asked {what}",
                f"{self._url} gave no usable answer ({type(error).__name__})",
                "Run again later with --append.",
            ) from error
