"""The only words a sink may use: it yields a `Request`, is sent a `Response`, and returns a `SinkResult`. Knows no network.

A sink's `tell` is a generator: it does no I/O and has no clock, so a courier can carry it and a rehearsal can show it.
"""

import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from cibeacon.model.outcome import ShownRequest


class Request(NamedTuple):
    """One request. The host and the credential are the courier's: a call can be kept and sent later from elsewhere."""

    method: Literal["GET", "POST", "PUT"]
    path: str
    """Path below the sink's base URL, starting with a slash; the query as it is sent."""
    body: Mapping[str, Any] | None = None
    """Sent as JSON; the key order is the order on the wire."""
    auth: Literal["bearer", "dci"] = "bearer"
    """How the courier signs the request; it signs again at each attempt."""
    headers: Mapping[str, str] | None = None
    """Headers of the call's own; never a credential."""
    file: Path | None = None
    """A file that is streamed as the body, as it is; of a GET, what the body of the answer is compared with."""
    repeatable: bool = True
    """False: said twice it is done twice. After a doubtful attempt the sink is told (`Reply.lost`), and looks first."""

    @property
    def uploads(self) -> bool:
        """Whether the file is what is sent."""
        return self.file is not None and self.method != "GET"

    def shown(self, base_url: str) -> ShownRequest:
        """The request below `base_url`, as it is shown; of a file its path, and what is said of it."""
        body = self.body if self.file is None else {"file": str(self.file), **(self.headers or {})}
        return ShownRequest(self.method, base_url + self.path, body)

    def content(self) -> bytes | None:
        """The exact bytes of the body: ASCII JSON, identical at every attempt and every replay."""
        return None if self.body is None else json.dumps(self.body, separators=(",", ":")).encode("ascii")


class Response(NamedTuple):
    """One response, its body cut at the courier's limit."""

    status: int
    content: bytes = b""
    content_type: str = ""
    location: str | None = None
    """Where a redirect points; it is never followed."""
    date: str | None = None
    """The server's own clock, as its `Date` header has it."""
    lost: bool = False
    """Nobody knows whether a call that must not be repeated was done: its answer never came."""
    repeated: bool = False
    """An attempt before this one may have been done all the same: its answer was lost, or told of trouble."""
    same: bool | None = None
    """Whether the body of the answer is the file that the call names; the body itself is not kept then."""

    def json(self) -> Any:
        """The body as JSON, or None when it is none."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return None


class SinkResult(NamedTuple):
    """What a sink makes of the replies: `sent`, `duplicate` (it was there already) or `failed`."""

    outcome: Literal["sent", "duplicate", "failed"]
    reason: str | None = None
    """A sentence for people, with the next step when it failed."""
    error: str | None = None
    """The vendor's own code or message."""
    retryable: bool = False
    """Of a failure: the same bytes may be accepted later, since not what they say was at fault."""
    outputs: Mapping[str, str] | None = None
    """What was learned and later steps need, by the name of the output: the id of what was made."""


Exchange: TypeAlias = Generator[Request, Response, SinkResult]


class Resumed(NamedTuple):
    """A signal of the spool on its way again."""

    request: Request
    """The one request that matters, as a dry run shows it."""
    exchange: Exchange
