"""What a test orders to go wrong between a vendor of the sandbox and its client, in the place of chance.

429 and its headers: https://docs.gitlab.com/security/rate_limits/; Retry-After: https://www.rfc-editor.org/rfc/rfc9110.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import formatdate
from fnmatch import fnmatchcase
from functools import partial
from threading import Lock

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cibeacon.sandbox import outage
from cibeacon.sandbox.listener import hang_up
from cibeacon.sandbox.safe_json import JSONAnswer
from cibeacon.sandbox.server import Sandbox
from cibeacon.sandbox.vendor import Fault, error_page

BUSY = {"message": {"error": "This endpoint has been requested too many times. Try again later."}}
LOGIN = (
    "<!DOCTYPE html>\n<html><head><title>Log in</title></head><body><form method=post>Password</form></body></html>\n"
)


def mishaps(sandbox: Sandbox, vendor: str) -> Mishaps:
    """What is ordered of a vendor, by its name; the same object every time."""
    prefix = sandbox.vendors[vendor].prefix or "/api/v1"
    return sandbox.outage.planned.setdefault(vendor, Mishaps(prefix, sandbox.clock))


class Mishaps:
    """The orders; safe to use from many threads.

    A path stands without the API's prefix, as it was sent; `*` in it stands for anything, also as the whole method.
    Each order holds for the next `times` matching requests, in the order of the orders.
    """

    def __init__(self, prefix: str, clock: Callable[[], float]) -> None:
        self._prefix, self._clock = prefix, clock
        self._lock = Lock()
        self._ordered: list[tuple[str, str, Fault]] = []
        self._late: list[tuple[ASGIApp, Scope, bytes]] = []

    def __call__(self, scope: Scope) -> Fault | None:
        """The fault of a request."""
        path = scope["raw_path"].decode("latin-1").removeprefix(self._prefix).rstrip("/")
        fault = self.next(scope["method"], path)
        if fault is None and any(_alike(scope, late) for _, late, _ in self._late):
            return Fault(around=self._catch_up)
        return fault

    def lose(self, method: str, path: str, times: int = 1) -> None:
        """Carry out the request and hang up without an answer."""
        self._order(method, path, Fault(around=outage.lose), times)

    def late(self, method: str, path: str) -> None:
        """Hang up on the request, and carry it out after the next one like it."""
        self._order(method, path, Fault(around=self._delay))

    def fail(
        self, method: str, path: str, status: int, times: int = 1, body: Mapping[str, object] | None = None
    ) -> None:
        """Answer with a status and this JSON, or a page of HTML, and do nothing of what is asked."""
        answer = error_page(status) if body is None else JSONAnswer(body, status)
        self._order(method, path, Fault(instead=answer), times)

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

        async def limited(scope: Scope, receive: Receive, send: Send) -> None:
            answer = _limited(self._clock(), seconds, date=date, plain=plain)
            await answer(scope, receive, send)

        self._order(method, path, Fault(instead=limited), times)

    def login(self, method: str, path: str, times: int = 1) -> None:
        """Answer 200 with a page to log in at, as a proxy does."""
        self._order(method, path, Fault(instead=HTMLResponse(LOGIN)), times)

    def redirect(self, method: str, path: str, to: str, times: int = 1, status: int = 302) -> None:
        """Send the client to the same path at the base URL `to`."""

        async def away(scope: Scope, receive: Receive, send: Send) -> None:
            query = f"?{Request(scope).url.query}" if scope["query_string"] else ""
            answer = HTMLResponse(b"", status, {"Location": f"{to}{scope['raw_path'].decode()}{query}"})
            await answer(scope, receive, send)

        self._order(method, path, Fault(instead=away), times)

    def link(self, method: str, path: str, to: str, times: int = 1) -> None:
        """Let the answer's Link header lead to the base URL `to`."""
        self._order(method, path, Fault(around=partial(_move_link, to)), times)

    def cut(self, method: str, path: str, size: int, times: int = 1) -> None:
        """Announce the whole answer and hang up after `size` bytes of it."""
        self._order(method, path, Fault(around=partial(_cut, size)), times)

    def next(self, method: str, path: str) -> Fault | None:
        """The fault that is ordered for this request, and over with it; None when it goes well."""
        with self._lock:
            for index, (verb, pattern, fault) in enumerate(self._ordered):
                if verb in (method, "*") and fnmatchcase(path, pattern):
                    del self._ordered[index]
                    return fault
        return None

    def pending(self) -> int:
        """How many did not happen yet."""
        with self._lock:
            return len(self._ordered)

    def clear(self) -> None:
        """Take every order back."""
        with self._lock:
            self._ordered.clear()

    def _order(self, method: str, path: str, fault: Fault, times: int = 1) -> None:
        with self._lock:
            self._ordered += [(method, path, fault)] * times

    async def _delay(self, app: ASGIApp, scope: Scope, receive: Receive, _send: Send) -> None:
        self._late.append((app, scope, await Request(scope, receive).body()))
        await hang_up(scope, receive)

    async def _catch_up(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        for late in [each for each in self._late if _alike(each[1], scope)]:
            self._late.remove(late)
            await late[0](late[1], _given(late[2]), _ignore)


def _limited(now: float, seconds: int | None, *, date: bool, plain: bool) -> Response:
    headers = {"RateLimit-Limit": "60", "RateLimit-Observed": "61", "RateLimit-Remaining": "0"}
    if seconds is not None:
        headers["RateLimit-Reset"] = str(int(now) + seconds)
        headers["Retry-After"] = formatdate(now + seconds, usegmt=True) if date else str(seconds)
    return PlainTextResponse("Retry later\n", 429, headers) if plain else JSONAnswer(BUSY, 429, headers)


def _alike(one: Scope, other: Scope) -> bool:
    return (one["method"], one["raw_path"]) == (other["method"], other["raw_path"])


def _given(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    return receive


async def _ignore(_message: Message) -> None:
    pass


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
