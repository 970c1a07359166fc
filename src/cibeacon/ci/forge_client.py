"""Asks the API of GitHub or GitLab for what neither the event nor git knows. Its library is imported on first use.

The import takes a third of a second, and few runs need it.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar, cast

from cibeacon.ci.ci_system import forge_at
from cibeacon.model.changes import ApiComparison
from cibeacon.model.context import Context, PullRequest
from cibeacon.model.parsers import plain_http_refused
from cibeacon.model.report import Notice
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import HostError, guarded
from cibeacon.settings import Settings

if TYPE_CHECKING:
    from cibeacon.ci.github_api import GitHubApi
    from cibeacon.ci.gitlab_api import GitLabApi

_Answer = TypeVar("_Answer")
_GITHUB, _GITLAB = "github", "gitlab"
_FORGES = (_GITHUB, _GITLAB)
"""CI systems that are also forges."""
_Api: TypeAlias = "GitHubApi | GitLabApi"


class ForgeClient(NamedTuple):
    """A repository on GitHub or GitLab, and the credential for its API. Every request may raise `HostError`."""

    host: str
    url: str
    credential: Mapping[str, str]
    repository: str
    deadline: Deadline
    allow_http: bool = False

    @classmethod
    def of(cls, context: Context, settings: Settings, environ: Mapping[str, str], deadline: Deadline) -> "ForgeClient":
        """The API of a run's forge."""
        host = context.host if context.host in _FORGES else forge_at(context.server, settings.forge)
        url, credential = _access(host, context, settings, environ)
        return cls(host, url, credential, context.repository or "", deadline, settings.core.allow_http)

    def merged_prs(self, sha: str, among: Collection[str], known: Mapping[int, PullRequest]) -> tuple[PullRequest, ...]:
        """The merged pull requests that contain a commit of a push and were merged as one of its commits."""
        return self._ask(lambda api: api.merged_prs(sha, among, known))

    def compare(self, base: str, head: str) -> ApiComparison:
        """The comparison of two commits."""
        return self._ask(lambda api: api.compare(base, head))

    def merge_base(self, one: str, other: str) -> str | None:
        """The best common ancestor of two commits."""
        return self._ask(lambda api: api.merge_base(one, other))

    def pull_request(self, number: int) -> PullRequest:
        """A pull request by its number."""
        return self._ask(lambda api: api.pull_request(number))

    def changed_files(self, number: int) -> tuple[str, ...]:
        """Every path that a pull request changed."""
        return self._ask(lambda api: api.changed_files(number))

    def closed_pipeline(self, context: Context, *, dry_run: bool) -> tuple[Context, tuple[Notice, ...]]:
        """The run whose id the setting `run_id` gives, from GitLab's API: its record in DX may lack an end.

        GitLab runs no job after a pipeline is cancelled, and a lost runner cannot report, so another pipeline reports
        how it ended. The status stays None if GitLab does not give it.
        """
        if dry_run:
            return context, (Notice("info", f"a dry run does not ask for the status of pipeline {context.run_id}"),)
        return guarded(
            lambda: (self._ask(lambda api: cast("GitLabApi", api).pipeline(context)), ()),
            lambda reason: (context, (Notice("error", f"{reason}.", "pipeline-status-unknown"),)),
        )

    def _ask(self, question: Callable[[_Api], _Answer]) -> _Answer:
        """The answer. Raises `HostError` when the time runs out: the libraries limit each wait, not the whole request."""
        from cibeacon.runtime.deadline import Unwatched, within

        if plain_http_refused(self.url) and not self.allow_http:
            raise HostError(
                f"No request was sent to {self.url or 'the host'}", "the token would travel unencrypted", "Use https."
            )
        api_class = _api_class(self.host)

        def answer() -> _Answer:
            with closing(api_class(self.url, self.credential, self.repository, self.deadline)) as api:
                return question(api)

        try:
            return within(self.deadline.remaining(), answer)
        except Unwatched as error:
            raise HostError(f"No request was sent to {self.url}", str(error), "Raise the limit.") from error
        except TimeoutError as error:
            raise HostError(
                f"{self.url} did not answer",
                "the time for it ran out",
                "Increase timeout, or set pr_number, pr_merged, base and head.",
            ) from error


def _api_class(host: str) -> "type[GitHubApi | GitLabApi]":
    if host == _GITHUB:
        from cibeacon.ci.github_api import GitHubApi

        return GitHubApi
    from cibeacon.ci.gitlab_api import GitLabApi

    return GitLabApi


def _access(
    host: str, context: Context, settings: Settings, environ: Mapping[str, str]
) -> tuple[str, Mapping[str, str]]:
    """The URL of a forge's API, and a credential if there is one."""
    at_home, tokens = context.host == host, settings.forge
    base = (tokens.git_url or f"https://{context.server}").rstrip("/")
    if host == _GITHUB:
        elsewhere = "https://api.github.com" if context.server == "github.com" else f"{base}/api/v3"
        url = environ.get("GITHUB_API_URL") or "https://api.github.com"
        return url if at_home else elsewhere, {"token": tokens.github_token} if tokens.github_token else {}
    if host != _GITLAB:
        return "", {}
    url = (environ.get("CI_API_V4_URL") or environ.get("CI_SERVER_URL") or "") if at_home else base
    private, job = tokens.gitlab_token, environ.get("CI_JOB_TOKEN") if at_home else None
    return url.removesuffix("/api/v4"), {"private_token": private} if private else {"job_token": job} if job else {}
