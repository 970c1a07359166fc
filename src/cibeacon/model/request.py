"""What a sink and the HTTP client exchange: a sink yields a `Request`, is sent a `Response`, and returns a `SinkResult`.
The client knows the `Endpoint`, and with it the credential.

A sink's `send` is a generator: it does no I/O and has no clock, so the client can run it and a dry run can show it.
"""

import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from cibeacon.model.parsers import plain_http_refused
from cibeacon.model.report import Outcome, ShownRequest


class Endpoint(NamedTuple):
    """Where a sink's requests go, and their credential. Values that are not set are empty."""

    base_url: str
    token: str
    form: str = ""
    """What a sink needs besides the signal: the form of the API, a path, or the id of an object."""
    client_id: str = ""
    """The owner of the token, for signatures that contain it."""
    headers: Mapping[str, str] = {}
    """Headers of every request besides the credential."""
    certificate: str | None = None
    """Path of a client certificate with its key."""
    open: bool = False
    """True if the server requires no credential and none is set: plain http then exposes none."""
    certificate_setting: str = ""
    """The setting for the certificate, for a system that may require one."""
    title: str = ""
    """The system's name, for messages."""
    url_setting: str = "the URL"
    """The setting that contains the URL, for messages."""

    @property
    def name(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self.base_url).netloc

    @property
    def proxies(self) -> dict[str, str] | None:
        """None means those of the environment. Plain http to this machine never uses a proxy."""
        stays = self.base_url.startswith("http://") and not plain_http_refused(self.base_url)
        return {"http": "", "https": "", "all": ""} if stays else None


class Request(NamedTuple):
    """One request. Host and credential come from the client: a request can be spooled, and sent later from elsewhere."""

    method: Literal["GET", "POST", "PUT"]
    path: str
    """Path below the sink's base URL, starting with a slash; the query as it is sent."""
    body: Mapping[str, Any] | None = None
    """Sent as JSON; the key order is the order on the wire."""
    auth: Literal["bearer", "dci", "headers"] = "bearer"
    """How the client authenticates each attempt. `headers`: with the endpoint's headers only."""
    headers: Mapping[str, str] | None = None
    """Further headers; never a credential."""
    file: Path | None = None
    """The file to stream as the body; for a GET, the file to compare the response body with."""
    repeatable: bool = True
    """False if the server would execute a repeated request twice: after a lost attempt the sink gets `Response.lost`."""

    @property
    def uploads(self) -> bool:
        """Whether the request sends its file."""
        return self.file is not None and self.method != "GET"

    def shown(self, base_url: str) -> ShownRequest:
        """The request as users see it; for a file, its path and headers."""
        body = self.body if self.file is None else {"file": str(self.file), **(self.headers or {})}
        return ShownRequest(self.method, base_url + self.path, body)

    def preview(self, outcome: Outcome, base_url: str) -> Outcome:
        """The outcome of a dry run. An unset base URL is shown as a placeholder, such as `{dx_url}`."""
        return outcome._replace(status="dry-run", request=self.shown(base_url or f"{{{outcome.sink}_url}}"))

    def content(self) -> bytes | None:
        """The exact bytes of the body: ASCII JSON, identical at every attempt and every replay."""
        return None if self.body is None else json.dumps(self.body, separators=(",", ":")).encode("ascii")


class Response(NamedTuple):
    """One response; the client limits the size of its body."""

    status: int
    content: bytes = b""
    content_type: str = ""
    location: str | None = None
    """Where a redirect points; it is never followed."""
    date: str | None = None
    """The server's time, from its `Date` header."""
    lost: bool = False
    """No response arrived, so it is unknown whether a request that must not be repeated was executed."""
    repeated: bool = False
    """An earlier attempt may have been executed: its response was lost or was a server error."""
    same: bool | None = None
    """Whether the response body equals the request's file; `content` is then empty."""

    def json(self) -> Any:
        """The body as JSON, or None if it is not JSON."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return None


class SinkResult(NamedTuple):
    """How an exchange ends: `sent`, `duplicate` (the sink already had it) or `failed`."""

    outcome: Literal["sent", "duplicate", "failed"]
    reason: str | None = None
    """A sentence for users; for a failure, with the next step."""
    error: str | None = None
    """The vendor's own code or message."""
    retryable: bool = False
    """For a failure: the sink may accept the same bytes later, since their content is not the cause."""
    outputs: Mapping[str, str] | None = None
    """Values for later steps by output name, such as the id of the created object."""
    error_id: str | None = None
    """For a failure that docs/troubleshooting.md explains for this sink: one of its module's `ERROR_IDS`."""


Exchange: TypeAlias = Generator[Request, Response, SinkResult]


class Unneeded(str):
    """Why a sink does not need a valid signal: the signal is skipped, not invalid."""

    __slots__ = ()


class SinkError(Exception):
    """A failure that ends an exchange: what happened, what to do, and the vendor's message."""

    def __init__(self, reason: str, error: str | None = None, *, retryable: bool = False) -> None:
        super().__init__(reason)
        self.result = SinkResult("failed", reason, error, retryable)


def ended_by_errors(exchange: Exchange) -> Exchange:
    """Runs the exchange; a `SinkError` ends it with its result."""
    try:
        return (yield from exchange)
    except SinkError as error:
        return error.result


def redirect_error(response: Response, vendor: str, setting: str) -> SinkError:
    """The error for a redirect; `setting` names the setting with the vendor's URL."""
    target = f" to {response.location}" if response.location else ""
    return SinkError(
        f"{vendor} answered with a redirect{target}. cibeacon does not follow redirects, to keep the credential from "
        f"other servers. Set {setting} to the final URL.",
        f"redirect {response.status}",
        retryable=True,
    )


def not_json(response: Response) -> str:
    """What a response has instead of JSON, for `foreign_error`."""
    kind = (response.content_type.partition(";")[0] or "no content type") if response.content else "an empty body"
    return f"{kind} instead of JSON"


def foreign_error(vendor: str, setting: str, content: str, error: str = "unexpected answer") -> SinkError:
    """The error for a response of another server; `content` describes it, `setting` names the setting with the URL."""
    return SinkError(
        f"This response is not from {vendor} ({content}). Check {setting}, and look for a proxy or login page in between.",
        error,
        retryable=True,
    )


def status_advice(status: int, vendor: str, setting: str) -> str | None:
    """What to do about a status that means the same for every vendor; `setting` names the setting with the URL."""
    if status >= 500:
        return f"{vendor} failed with an internal error. Try again later."
    if status in (404, 405):
        return f"There is no such endpoint at this URL. Check {setting}."
    return {
        407: "The proxy requires a password. Set it in HTTPS_PROXY.",
        429: f"{vendor} is rate limiting requests. Try again later.",
    }.get(status)


class Resumed(NamedTuple):
    """A spooled signal that is being sent again."""

    request: Request
    """The main request, as a dry run shows it."""
    exchange: Exchange
