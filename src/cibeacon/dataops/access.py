"""Knows where a project's API is and which tokens there are for it. Sends nothing; a job token is for its own server alone."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from cibeacon.dataops.errors import usage
from cibeacon.model.parsers import plain_http_refused

PIPELINE_FILE = "_PIPELINE_FILE_NAME"
"""The variable behind "Pipeline configuration file path" (https://docs.dataops.live/docs/api-docs/rest-api-resources/)."""
LONGEST_CALL = 15.0


class Access(NamedTuple):
    """One project, and what there is to be let in."""

    url: str
    """Of the server, without `/api/v4`."""
    project: str
    """Number, or full path."""
    token: str = ""
    """A personal, project or group access token."""
    trigger_token: str = ""
    job_token: str = ""
    """Of the job that we run in; empty where the server is another one."""
    seconds: float = LONGEST_CALL
    """The longest that one request may take."""

    @property
    def origin(self) -> str:
        """Scheme, host and port: where tokens may go."""
        return origin(self.url)

    @property
    def api(self) -> str:
        """The address of the project in the API, to be shown."""
        return f"{self.url}/api/v4/projects/{quote(self.project, safe='')}"

    @property
    def own(self) -> bool:
        """Whether this is DataOps.live itself, where the name of a pipeline file is needed, and not some GitLab."""
        host = urlsplit(self.url).hostname or ""
        return host == "dataops.live" or host.endswith(".dataops.live")


def origin(url: str) -> str:
    """Scheme, host and port of a URL, the port always written out; empty for what is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname and port else ""


def server(url: str, *, allow_http: bool) -> str:
    """The base URL: without `/api/v4`, and https. A `Fault` where plain http was meant and is not allowed.

    A request that is redirected from http to https would arrive without its body, so http is not merely tried.
    """
    base = url.rstrip("/").removesuffix("/api/v4").rstrip("/")
    if allow_http or not plain_http_refused(base):
        return base
    if urlsplit(base).port is None:
        return "https://" + base.partition("://")[2]
    raise usage(
        f"{base} was not asked", "the token would travel unencrypted", "Give an https address, or set allow_http"
    )


def job_token(url: str, environ: Mapping[str, str]) -> str:
    """The token of our own job where the server is the one that the job is on; it must go nowhere else."""
    ours = environ.get("CI_SERVER_URL") or environ.get("CI_API_V4_URL") or ""
    return environ.get("CI_JOB_TOKEN", "") if origin(ours) and origin(ours) == origin(url) else ""
