"""Knows where a project's API is, which tokens there are for it, and what each may do. Sends nothing.

https://docs.gitlab.com/ci/triggers/, https://docs.gitlab.com/ci/jobs/ci_job_token/,
https://docs.dataops.live/docs/api-docs/using-the-rest-api
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, Self, TypeAlias
from urllib.parse import quote, urlsplit

from cibeacon.dataops.errors import usage_error
from cibeacon.model.parsers import plain_http_refused

PIPELINE_FILE = "_PIPELINE_FILE_NAME"
"""The variable behind "Pipeline configuration file path" (https://docs.dataops.live/docs/api-docs/rest-api-resources/)."""
Power: TypeAlias = Literal["trigger", "read", "list jobs", "change"]
TOKENS: Mapping[str, tuple[frozenset[Power], str]] = {
    "dataops_trigger_token": (frozenset({"trigger"}), "starts pipelines, and does nothing else"),
    "dataops_token": (
        frozenset({"read", "list jobs", "change"}),
        "follows pipelines and reads logs (scope read_api, role Reporter); "
        "cancels and schedules with the scope api and the role Developer",
    ),
    "CI_JOB_TOKEN": (
        frozenset({"trigger", "list jobs"}),
        "starts pipelines of projects that allow it and lists jobs, on its own server; it may not follow a pipeline "
        "or read a log",
    ),
}
"""Which token may do what, and the same in words."""
_HINTS: Mapping[Power, str] = {
    "trigger": "To start a pipeline, set the secret dataops_trigger_token (Settings, CI/CD)",
    "read": "To follow a pipeline or to read it, set the secret dataops_token (read_api)",
    "list jobs": "To list jobs, set the secret dataops_token (read_api)",
    "change": "To cancel or schedule a pipeline, set the secret dataops_token (api)",
}


class Access(NamedTuple):
    """One project, and the tokens for it."""

    url: str
    """Of the server, without `/api/v4`."""
    project: str
    """Number, or full path."""
    token: str = ""
    """A personal, project or group access token."""
    trigger_token: str = ""
    job_token: str = ""
    """Of the job that we run in; empty where the server is another one."""

    @property
    def api(self) -> str:
        """The URL of the project in the API, to be shown."""
        return f"{self.url}/api/v4/projects/{quote(self.project, safe='')}"

    @property
    def is_dataops_live(self) -> bool:
        """Whether this is DataOps.live itself, where the name of a pipeline file is needed, and not some GitLab."""
        return f".{urlsplit(self.url).hostname or ''}".endswith(".dataops.live")

    def require(self, *powers: Power) -> Self:
        """The same access. Raises `DataopsError` where its tokens may not do all of this."""
        given = zip(TOKENS, (self.trigger_token, self.token, self.job_token), strict=True)
        names = [name for name, token in given if token]
        granted = {power for name in names for power in TOKENS[name][0]}
        if hints := [_HINTS[power] for power in powers if power not in granted]:
            tokens = "; ".join(f"{name} {TOKENS[name][1]}" for name in names)
            why = f"there is only a token that cannot do it: {tokens}" if tokens else "there is no token for it"
            raise usage_error("Nothing was asked or started", why, ". ".join(hints))
        return self


def origin(url: str) -> str:
    """Scheme, host and port of a URL, the port always written out; empty for what is no URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname and port else ""


def server_url(url: str, *, allow_http: bool) -> str:
    """The server's URL: without `/api/v4`, and https. Raises `DataopsError` for plain http that is not allowed.

    A request that is redirected from http to https would arrive without its body, so http is not merely tried.
    """
    base = url.rstrip("/").removesuffix("/api/v4").rstrip("/")
    if allow_http or not plain_http_refused(base):
        return base
    if urlsplit(base).port is None:
        return "https://" + base.partition("://")[2]
    why = "the token would travel unencrypted"
    raise usage_error(f"{base} was not asked", why, "Give an https address, or set allow_http")


def own_job_token(url: str, environ: Mapping[str, str]) -> str:
    """The token of the GitLab job that we run in, where `url` is that job's own server; it must go nowhere else."""
    own_server = origin(environ.get("CI_SERVER_URL") or environ.get("CI_API_V4_URL") or "")
    return environ.get("CI_JOB_TOKEN", "") if own_server and own_server == origin(url) else ""
