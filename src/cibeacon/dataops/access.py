"""Knows the URL of a project's API, its tokens, and what each token may do. Sends nothing.

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
    "dataops_trigger_token": (frozenset({"trigger"}), "can only start pipelines"),
    "dataops_token": (
        frozenset({"read", "list jobs", "change"}),
        "follows pipelines and reads logs (scope read_api, role Reporter); "
        "cancels and schedules with the scope api and the role Developer",
    ),
    "CI_JOB_TOKEN": (
        frozenset({"trigger", "list jobs"}),
        "starts pipelines of projects that allow it and lists jobs, on its own server; it cannot follow a pipeline "
        "or read a log",
    ),
}
"""Setting → what its token may do, also in words."""
_HINTS: Mapping[Power, str] = {
    "trigger": "To start a pipeline, set the secret dataops_trigger_token (Settings, CI/CD)",
    "read": "To follow or read a pipeline, set the secret dataops_token (scope read_api)",
    "list jobs": "To list jobs, set the secret dataops_token (scope read_api)",
    "change": "To cancel or schedule a pipeline, set the secret dataops_token (scope api)",
}


class Access(NamedTuple):
    """A project and the tokens for it."""

    url: str
    """The server's URL, without `/api/v4`."""
    project: str
    """Its number or full path."""
    token: str = ""
    """A personal, project or group access token."""
    trigger_token: str = ""
    job_token: str = ""
    """The token of the job that runs cibeacon; empty for another server."""

    @property
    def api(self) -> str:
        """The project's URL in the API, for messages."""
        return f"{self.url}/api/v4/projects/{quote(self.project, safe='')}"

    @property
    def is_dataops_live(self) -> bool:
        """Whether this is DataOps.live itself, which needs the path of a pipeline file, not another GitLab."""
        return f".{urlsplit(self.url).hostname or ''}".endswith(".dataops.live")

    def require(self, *powers: Power) -> Self:
        """The same access. Raises `DataopsError` if its tokens may not do all of this."""
        given = zip(TOKENS, (self.trigger_token, self.token, self.job_token), strict=True)
        names = [name for name, token in given if token]
        granted = {power for name in names for power in TOKENS[name][0]}
        if hints := [_HINTS[power] for power in powers if power not in granted]:
            tokens = "; ".join(f"{name} {TOKENS[name][1]}" for name in names)
            why = f"the token does not allow it: {tokens}" if tokens else "there is no token"
            raise usage_error("No request was sent", why, ". ".join(hints))
        return self


def origin(url: str) -> str:
    """Scheme, host and port of a URL, always with the port; empty if it is not a URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname and port else ""


def server_url(url: str, *, allow_http: bool) -> str:
    """The server's URL with https and without `/api/v4`. Raises `DataopsError` for plain http unless it is allowed.

    http is not simply tried, because a request that is redirected from http to https would lose its body.
    """
    base = url.rstrip("/").removesuffix("/api/v4").rstrip("/")
    if allow_http or not plain_http_refused(base):
        return base
    if urlsplit(base).port is None:
        return "https://" + base.partition("://")[2]
    why = "the token would be sent unencrypted"
    raise usage_error(f"No request was sent to {base}", why, "Use an https URL, or set allow_http")


def own_job_token(url: str, environ: Mapping[str, str]) -> str:
    """The token of the GitLab job that runs cibeacon, if `url` is that job's server; it must not be sent elsewhere."""
    own_server = origin(environ.get("CI_SERVER_URL") or environ.get("CI_API_V4_URL") or "")
    return environ.get("CI_JOB_TOKEN", "") if own_server and own_server == origin(url) else ""
