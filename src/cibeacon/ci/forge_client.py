"""Whom to ask what neither event nor git tells: the CI host's API. The libraries are imported when somebody asks.

They take a third of a second, and few runs ask.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeVar

from cibeacon.ci.github import GitHub
from cibeacon.ci.gitlab import GitLab
from cibeacon.model.changes import Listed
from cibeacon.model.context import Context, PullRequest
from cibeacon.model.parsers import plain_http_refused
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import HostError
from cibeacon.settings import Settings

_Answer = TypeVar("_Answer")


class ForgeClient(NamedTuple):
    """A host's API, the credential to ask it with, and the time there is. Every question may raise `HostError`."""

    host: str
    url: str
    credential: Mapping[str, str]
    repository: str
    deadline: Deadline
    allow_http: bool = False

    @classmethod
    def of(cls, context: Context, settings: Settings, environ: Mapping[str, str], deadline: Deadline) -> "ForgeClient":
        """The API of the host that a run is on."""
        url, credential = _place(context.host, settings, environ)
        return cls(context.host, url, credential, context.repository or "", deadline, settings.core.allow_http)

    def landed(self, sha: str, among: Collection[str], known: Mapping[int, PullRequest]) -> tuple[PullRequest, ...]:
        """The merged pull requests that a commit of a push belongs to, and that landed with one of its commits."""
        found: tuple[PullRequest, ...] = self._asked("landed", sha, among=among, known=known)
        return found

    def compared(self, base: str, head: str) -> Listed:
        """What lies between two commits, as far as the host tells."""
        found: Listed = self._asked("compared", base, head)
        return found

    def merge_base(self, one: str, other: str) -> str | None:
        """The best common ancestor of two commits."""
        if self.host == GitHub.name:
            return self.compared(one, other).merge_base
        found: str | None = self._asked("merge_base", one, other)
        return found

    def pull_request(self, number: int) -> PullRequest:
        """A pull request by its number."""
        found: PullRequest = self._asked("pull_request", number)
        return found

    def changed_files(self, number: int) -> tuple[str, ...]:
        """Every path that a pull request changed; `HostError` where the list is truncated."""
        found: tuple[str, ...] = self._asked("changed_files", number)
        return found

    def pipeline(self, named: Context) -> Context:
        """A run that is named by its id alone, as GitLab knows it."""
        found: Context = self._asked("pipeline", named)
        return found

    def _asked(self, question: str, *about: object, **more: object) -> Any:
        """The answer of the host's module; both have the same questions under the same names."""
        if plain_http_refused(self.url) and not self.allow_http:
            raise HostError(
                f"{self.url or 'The host'} was not asked", "the token would travel unencrypted", "Use https."
            )
        if self.host == GitHub.name:
            from cibeacon.ci import github_api

            on_github = (self.url, self.credential["token"], self.repository, *about, self.deadline)
            return self._in_time(lambda: getattr(github_api, question)(*on_github, **more))
        from cibeacon.ci import gitlab_api
        from cibeacon.http.session import HardenedSession

        with HardenedSession() as session:
            on_gitlab = (self.url, self.credential, self.repository, *about, session, self.deadline)
            return self._in_time(lambda: getattr(gitlab_api, question)(*on_gitlab, **more))

    def _in_time(self, ask: Callable[[], _Answer]) -> _Answer:
        """The answer, or `HostError` when the time is over: the libraries bound each wait, not a whole question."""
        from cibeacon.runtime.threads import Unwatched, within

        try:
            return within(self.deadline.remaining(), ask)
        except Unwatched as error:
            raise HostError(f"{self.url} was not asked", str(error), "Allow more.") from error
        except TimeoutError as error:
            raise HostError(
                f"{self.url} did not answer",
                "the time for it was used up",
                "Give a larger timeout, or set pr_number and pr_merged.",
            ) from error


def _place(host: str, settings: Settings, environ: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    if host == GitHub.name:
        token = settings.forge.github_token
        return environ.get("GITHUB_API_URL") or "https://api.github.com", {"token": token} if token else {}
    if host != GitLab.name:
        return "", {}
    url = environ.get("CI_API_V4_URL") or environ.get("CI_SERVER_URL") or ""
    private, job = settings.forge.gitlab_token, environ.get("CI_JOB_TOKEN")
    return url.removesuffix("/api/v4"), {"private_token": private} if private else {"job_token": job} if job else {}
