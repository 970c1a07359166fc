"""What a sink and the HTTP client exchange: a sink yields a `Request`, is sent a `Response`, and returns a `SinkResult`.

A sink's `send` is a generator: it does no I/O and has no clock, so the client can run it and a dry run can show it.
"""

import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from cibeacon.model.report import Outcome, ShownRequest


class Request(NamedTuple):
    """One request. Host and credential come from the client: a request can be spooled, and sent later from elsewhere."""

    method: Literal["GET", "POST", "PUT"]
    path: str
    """Path below the sink's base URL, starting with a slash; the query as it is sent."""
    body: Mapping[str, Any] | None = None
    """Sent as JSON; the key order is the order on the wire."""
    auth: Literal["bearer", "dci", "headers"] = "bearer"
    """How the client signs the request; it signs again at each attempt. `headers`: those of the endpoint are all."""
    headers: Mapping[str, str] | None = None
    """Further headers; never a credential."""
    file: Path | None = None
    """A file that is streamed as the body; of a GET, the file that the body of the response is compared with."""
    repeatable: bool = True
    """False: a repeated request is executed twice. After a lost attempt the sink gets `Response.lost`, and looks first."""

    @property
    def uploads(self) -> bool:
        """Whether the file is sent."""
        return self.file is not None and self.method != "GET"

    def shown(self, base_url: str) -> ShownRequest:
        """The request below `base_url`, as it is shown; of a file its path and its headers."""
        body = self.body if self.file is None else {"file": str(self.file), **(self.headers or {})}
        return ShownRequest(self.method, base_url + self.path, body)

    def preview(self, outcome: Outcome, base_url: str) -> Outcome:
        """The outcome of a dry run. An unset base URL is shown as a hole, such as `{dx_url}`."""
        return outcome._replace(status="dry-run", request=self.shown(base_url or f"{{{outcome.sink}_url}}"))

    def content(self) -> bytes | None:
        """The exact bytes of the body: ASCII JSON, identical at every attempt and every replay."""
        return None if self.body is None else json.dumps(self.body, separators=(",", ":")).encode("ascii")


class Response(NamedTuple):
    """One response, its body cut at the client's limit."""

    status: int
    content: bytes = b""
    content_type: str = ""
    location: str | None = None
    """Where a redirect points; it is never followed."""
    date: str | None = None
    """The server's own clock, as its `Date` header has it."""
    lost: bool = False
    """It is unknown whether a request that must not be repeated was executed: its response never came."""
    repeated: bool = False
    """An attempt before this one may have been executed: its response was lost, or was a server error."""
    same: bool | None = None
    """Whether the body of the response is the file that the request names; `content` is empty then."""

    def json(self) -> Any:
        """The body as JSON, or None when it is none."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return None


class SinkResult(NamedTuple):
    """How an exchange ends: `sent`, `duplicate` (the sink had it already) or `failed`."""

    outcome: Literal["sent", "duplicate", "failed"]
    reason: str | None = None
    """A sentence for people, with the next step when it failed."""
    error: str | None = None
    """The vendor's own code or message."""
    retryable: bool = False
    """Of a failure: the same bytes may be accepted later, since their content is not at fault."""
    outputs: Mapping[str, str] | None = None
    """What later steps need, by the name of the output: the id of what was made."""
    error_id: str | None = None
    """Of a failure that docs/troubleshooting.md explains for this sink: one of its module's `ERROR_IDS`."""


Exchange: TypeAlias = Generator[Request, Response, SinkResult]


class Unneeded(str):
    """Why a sink has no use for a signal that breaks no rule: it is skipped, not invalid."""

    __slots__ = ()


class SinkError(Exception):
    """A failure that ends an exchange: what happened and what to do, and the vendor's own words."""

    def __init__(self, reason: str, error: str | None = None, *, retryable: bool = False) -> None:
        super().__init__(reason)
        self.result = SinkResult("failed", reason, error, retryable)


def ended_by_errors(exchange: Exchange) -> Exchange:
    """The exchange; a `SinkError` ends it with its result."""
    try:
        return (yield from exchange)
    except SinkError as error:
        return error.result


def redirect_error(response: Response, vendor: str, setting: str) -> SinkError:
    """What a redirect means; `setting` is the one that holds the vendor's URL."""
    target = f" to {response.location}" if response.location else ""
    return SinkError(
        f"{vendor} answered with a redirect{target}; redirects are not followed, so that no other server gets the "
        f"credential: set {setting} to the final address.",
        f"redirect {response.status}",
        retryable=True,
    )


def foreign_error(vendor: str, setting: str, content: str, error: str = "unexpected answer") -> SinkError:
    """What an answer of another server means; `content` says what it is, `setting` holds the vendor's URL."""
    return SinkError(
        f"The answer is not {vendor}'s ({content}): check {setting}, and whether a proxy or login page is in between.",
        error,
        retryable=True,
    )


def status_advice(status: int, vendor: str, setting: str) -> str | None:
    """What to do about a status that means the same at every vendor; `setting` holds the vendor's URL."""
    if status >= 500:
        return f"{vendor} has trouble of its own: send again later."
    if status in (404, 405):
        return f"There is no such call at this address: check {setting}."
    return {
        407: "The proxy asks for a password: check HTTPS_PROXY.",
        429: f"{vendor} asks to slow down: it goes through when sent again later.",
    }.get(status)


class Resumed(NamedTuple):
    """A signal of the spool on its way again."""

    request: Request
    """The one request that matters, as a dry run shows it."""
    exchange: Exchange
