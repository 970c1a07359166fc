"""Whom to ask what neither event nor git tells: the CI host's API. The libraries are imported when somebody asks.

They take a third of a second, and few runs ask.
"""

from collections.abc import Mapping
from typing import NamedTuple

from cibeacon.budget import Budget
from cibeacon.context import Context, PullRequest
from cibeacon.errors import HostError
from cibeacon.hosts import github, gitlab
from cibeacon.settings import Settings
from cibeacon.transport import plain_http_refused


class Forge(NamedTuple):
    """A host's API, the credential to ask it with, and the time there is. Every question may raise `HostError`."""

    host: str
    url: str
    credential: Mapping[str, str]
    repository: str
    budget: Budget
    allow_http: bool = False

    @classmethod
    def of(cls, context: Context, settings: Settings, environ: Mapping[str, str], budget: Budget) -> "Forge":
        """The API of the host that a run is on."""
        url, credential = _place(context.host, settings, environ)
        return cls(context.host, url, credential, context.repository or "", budget, settings.core.allow_http)

    def landed(self, sha: str) -> PullRequest | None:
        """The merged pull request whose merge commit it is; None when there is none."""
        self._permitted()
        if self.host == github.NAME:
            from cibeacon.hosts import github_api

            return github_api.landed(self.url, self.credential["token"], self.repository, sha, self.budget)
        from cibeacon.courier import HardenedSession
        from cibeacon.hosts import gitlab_api

        with HardenedSession() as session:
            return gitlab_api.landed(self.url, self.credential, self.repository, sha, session, self.budget)

    def pull_request(self, number: int) -> PullRequest:
        """A pull request by its number."""
        self._permitted()
        if self.host == github.NAME:
            from cibeacon.hosts import github_api

            return github_api.pull_request(self.url, self.credential["token"], self.repository, number, self.budget)
        from cibeacon.courier import HardenedSession
        from cibeacon.hosts import gitlab_api

        with HardenedSession() as session:
            return gitlab_api.pull_request(self.url, self.credential, self.repository, number, session, self.budget)

    def changed_files(self, number: int) -> tuple[str, ...]:
        """Every path that a pull request changed; `HostError` where the list is truncated."""
        self._permitted()
        if self.host == github.NAME:
            from cibeacon.hosts import github_api

            return github_api.changed_files(self.url, self.credential["token"], self.repository, number, self.budget)
        from cibeacon.courier import HardenedSession
        from cibeacon.hosts import gitlab_api

        with HardenedSession() as session:
            return gitlab_api.changed_files(self.url, self.credential, self.repository, number, session, self.budget)

    def _permitted(self) -> None:
        if plain_http_refused(self.url) and not self.allow_http:
            raise HostError(
                f"{self.url or 'The host'} was not asked", "the token would travel unencrypted", "Use https."
            )


def _place(host: str, settings: Settings, environ: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    if host == github.NAME:
        token = settings.forge.github_token
        return environ.get("GITHUB_API_URL") or "https://api.github.com", {"token": token} if token else {}
    if host != gitlab.NAME:
        return "", {}
    url = environ.get("CI_API_V4_URL") or environ.get("CI_SERVER_URL") or ""
    private, job = settings.forge.gitlab_token, environ.get("CI_JOB_TOKEN")
    return url.removesuffix("/api/v4"), {"private_token": private} if private else {"job_token": job} if job else {}
