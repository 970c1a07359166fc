"""Knows what goes wrong on purpose between a server and its client, and when. Does not know what is asked.

429 and its headers: https://docs.gitlab.com/security/rate_limits/; Retry-After: https://www.rfc-editor.org/rfc/rfc9110.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from fnmatch import fnmatchcase
from functools import partial
from http import HTTPStatus
from threading import Lock
from typing import NamedTuple, TypeAlias

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cibeacon.sandbox.listener import hang_up
from cibeacon.sandbox.safe_json import JSONAnswer

_BUSY = {"message": {"error": "This endpoint has been requested too many times. Try again later."}}
_LOGIN = (
    "<!DOCTYPE html>\n<html><head><title>Log in</title></head><body><form method=post>Password</form></body></html>\n"
)

Instead: TypeAlias = Callable[[Request, float], Response]
"""What is answered in place of the vendor, given the request and the Unix time."""
Around: TypeAlias = Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]
"""What happens around the vendor's app."""


class Mishap(NamedTuple):
    """What happens to one request."""

    instead: Instead | None = None
    around: Around | None = None
    late: bool = False
    """Hung up on, and carried out after the next one of its method and path."""
    fault: str | None = None
    """What the ledger calls it."""


class Mishaps:
    """What a test has ordered; safe to use from many threads.

    A path stands without the API's prefix, as it was sent; `*` in it stands for anything, also as the whole method.
    Each order holds for the next `times` matching requests, in the order of the orders.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._ordered: list[tuple[str, str, Mishap]] = []

    def lose(self, method: str, path: str, times: int = 1) -> None:
        """Carry out the request and hang up without an answer."""
        self._order(method, path, Mishap(around=lose), times)

    def late(self, method: str, path: str) -> None:
        """Hang up on the request, and carry it out after the next one like it."""
        self._order(method, path, Mishap(late=True))

    def fail(
        self, method: str, path: str, status: int, times: int = 1, body: Mapping[str, object] | None = None
    ) -> None:
        """Answer with a status and this JSON, or a page of HTML, and do nothing of what is asked."""
        answer = error_page(status) if body is None else JSONAnswer(body, status)
        self._order(method, path, Mishap(instead=always(answer)), times)

    def limit(
        self,
        method: str,
        path: str,
        seconds: int | None = 5,
        times: int = 1,
        *,
        date: bool = False,
        plain: bool = False,
    ) -> None:
        """Answer 429 with Retry-After in seconds, or as a date, or without it when `seconds` is None.

        `plain` is the answer of the layer in front: text, and no JSON.
        """
        limited = partial(limit, seconds=seconds, date=date, plain=plain)
        self._order(method, path, Mishap(instead=limited), times)

    def login(self, method: str, path: str, times: int = 1) -> None:
        """Answer 200 with a page to log in at, as a proxy does."""
        self._order(method, path, Mishap(instead=always(login_page())), times)

    def redirect(self, method: str, path: str, to: str, times: int = 1, status: int = 302) -> None:
        """Send the client to the same path at the base URL `to`."""

        def away(request: Request, _now: float) -> Response:
            query = f"?{request.url.query}" if request.url.query else ""
            return HTMLResponse(b"", status, {"Location": f"{to}{request.scope['raw_path'].decode()}{query}"})

        self._order(method, path, Mishap(instead=away), times)

    def link(self, method: str, path: str, to: str, times: int = 1) -> None:
        """Let the answer's Link header lead to the base URL `to`."""
        self._order(method, path, Mishap(around=partial(_move_link, to)), times)

    def cut(self, method: str, path: str, size: int, times: int = 1) -> None:
        """Announce the whole answer and hang up after `size` bytes of it."""
        self._order(method, path, Mishap(around=partial(_cut, size)), times)

    def next(self, method: str, path: str) -> Mishap | None:
        """The mishap of this request, which is over with it; None when it goes well."""
        with self._lock:
            for index, (verb, pattern, mishap) in enumerate(self._ordered):
                if verb in (method, "*") and fnmatchcase(path, pattern):
                    del self._ordered[index]
                    return mishap
        return None

    def pending(self) -> int:
        """How many did not happen yet."""
        with self._lock:
            return len(self._ordered)

    def clear(self) -> None:
        """Take every order back."""
        with self._lock:
            self._ordered.clear()

    def _order(self, method: str, path: str, mishap: Mishap, times: int = 1) -> None:
        with self._lock:
            self._ordered += [(method, path, mishap)] * times


def always(answer: Response) -> Instead:
    """The same answer to every request."""
    return lambda _request, _now: answer


def login_page() -> Response:
    """The page that a client sees who is not logged in."""
    return HTMLResponse(_LOGIN)


def error_page(status: int) -> Response:
    """The page of a proxy that has no answer."""
    title = f"{status} {HTTPStatus(status).phrase}"
    return HTMLResponse(
        f"<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n", status
    )


def limit(
    _request: Request, now: float, *, seconds: int | None = 5, date: bool = False, plain: bool = False
) -> Response:
    """The answer to one request too many."""
    headers = {"RateLimit-Limit": "60", "RateLimit-Observed": "61", "RateLimit-Remaining": "0"}
    if seconds is not None:
        headers["RateLimit-Reset"] = str(int(now) + seconds)
        headers["Retry-After"] = formatdate(now + seconds, usegmt=True) if date else str(seconds)
    return PlainTextResponse("Retry later\n", 429, headers) if plain else JSONAnswer(_BUSY, 429, headers)


async def lose(app: ASGIApp, scope: Scope, receive: Receive, _send: Send) -> None:
    """Carry out a request and hang up without an answer."""
    await app(scope, receive, ignore)
    await hang_up(scope, receive)


async def ignore(_message: Message) -> None:
    """Send nothing."""


async def _cut(size: int, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    left = size

    async def send_first(message: Message) -> None:
        nonlocal left
        whole = message.get("body", b"")
        if message["type"] == "http.response.body" and len(whole) > left:
            message, left = {**message, "body": whole[:left], "more_body": True}, -1
        elif left >= 0:
            left -= len(whole)
        if left >= 0 or message.get("body"):
            await send(message)

    await app(scope, receive, send_first)
    if left < 0:
        await hang_up(scope, receive)


async def _move_link(to: str, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    host, port = scope["server"]

    async def send_moved(message: Message) -> None:
        if message["type"] == "http.response.start":
            base = f"http://{host}:{port}".encode()
            headers = [
                (name, value.replace(base, to.encode()) if name.lower() == b"link" else value)
                for name, value in message["headers"]
            ]
            message = {**message, "headers": headers}
        await send(message)

    await app(scope, receive, send_moved)
