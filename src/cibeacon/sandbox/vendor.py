"""Knows what every vendor's app has in common: how it refuses, what goes wrong with it, and what is remembered of each
request. Does not know any vendor's rules.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple, TypeAlias

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, ExceptionHandler, Message, Receive, Scope, Send

from cibeacon.sandbox.ledger import Ledger
from cibeacon.sandbox.safe_json import LIMIT, parse_json

Verdict: TypeAlias = Callable[[Response], tuple[str | None, str | None]]
"""The error code and the sentence of an answer; None and None where it is no refusal."""


class Fault(NamedTuple):
    """What goes wrong with one request."""

    name: str | None = None
    """What the ledger calls it."""
    instead: ASGIApp | None = None
    """Answers in place of the vendor."""
    around: Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]] | None = None
    """Stands between the client and the app, which answers and is in the ledger then."""


class Journal(NamedTuple):
    """Where requests are remembered: the ledger and who else hears of them; with the fault of the next one, if any."""

    ledger: Ledger
    log: Callable[[Mapping[str, Any]], None] | None
    next_fault: Callable[[str, Scope], Fault | None]


class AuthenticatedRoute(APIRoute):
    """A route of a vendor that checks a request before FastAPI reads its body.

    `authenticate` of the app's state `held` is given the request, and raises what `refuse` answers.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, behind the check."""
        handle = super().get_route_handler()

        async def call(request: Request) -> Response:
            await request.app.state.held.authenticate(request)
            return await handle(request)

        return call


def create_app(
    title: str, *routers: APIRouter, refuse: ExceptionHandler, errors: tuple[type[Exception], ...], **state: Any
) -> FastAPI:
    """A vendor's app with its `state`, where `refuse` answers what FastAPI and the vendor's own `errors` say.

    The routes are those of the routers themselves: to include them would make each anew, with the first request.
    """
    app = FastAPI(title=title, openapi_url=None, redirect_slashes=False)
    app.state = State(state)
    for router in routers:
        app.router.routes.extend(router.routes)
    for error in (HTTPException, RequestValidationError, *errors):
        app.add_exception_handler(error, refuse)
    return app


def error_page(status: int) -> Response:
    """The page of a proxy that has no answer."""
    title = f"{status} {HTTPStatus(status).phrase}"
    page = f"<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n"
    return HTMLResponse(page, status)


def verdict(response: Response) -> tuple[str | None, str | None]:
    """The code, or else the status in words, and the message of an answer in JSON, as most vendors refuse."""
    if response.status_code < 400:
        return None, None
    body = parse_json(bytes(response.body))
    code, message = (body.get("error"), body.get("message")) if isinstance(body, dict) else (None, None)
    if code and message:
        return code, message
    said = message or code
    sentence = said if isinstance(said, str) or said is None else json.dumps(said)
    return HTTPStatus(response.status_code).phrase, sentence


class Vendor(NamedTuple):
    """A vendor as the sandbox plays it. Each one's module makes it, and `vendors.VENDORS` lists them."""

    prefix: str
    """Stands before every path; where it is empty, the app's own paths are whole, and it has no others."""
    app: FastAPI
    """Answers, and has the vendor's name as its title. What it puts into `request.state.remembered` is remembered in place
    of the JSON that was sent."""
    held: Any
    """What the app remembers, for tests: `Sandbox` has it as an attribute."""
    exports: Callable[[str], Mapping[str, str]]
    """From the sandbox's URL to the settings that lead to the vendor."""
    document: Callable[[], Mapping[str, Any]] | None = None
    """What the ledger shows under the vendor's name; None for DX, whose records are the ledger's own."""
    verdict: Verdict = verdict
    """Whether an answer is a refusal."""
    streams: bool = False
    """Whether bodies over `LIMIT` reach the app; only their first `LIMIT + 1` bytes do otherwise."""


class RecordedApp:
    """A vendor's app, with the faults that are ordered for it, and its requests in the journal."""

    def __init__(self, name: str, vendor: Vendor, journal: Journal) -> None:
        self._name, self._vendor, self._journal = name, vendor, journal

    def order(self) -> tuple[bool, int]:
        """By which apps are asked whether a path is theirs: whole paths first, then the longest prefix."""
        return bool(self._vendor.prefix), -len(self._vendor.prefix)

    def routes(self) -> list[BaseRoute]:
        """Where it answers."""
        if prefix := self._vendor.prefix:
            return [Mount(prefix, self)]
        paths = {route.path for route in self._vendor.app.routes if isinstance(route, Route)}
        return [Route(path, self) for path in paths]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or do what its fault does."""
        fault = self._journal.next_fault(self._name, scope) or Fault()
        answer = partial(self._answer, fault)
        await (partial(fault.around, answer) if fault.around else answer)(scope, receive, send)

    async def _answer(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. It is in the journal before the client has the answer, or, of a long one, more than a part."""
        body, held, is_noted = _Body(receive, streams=self._vendor.streams), list[Message](), False

        async def note_first(message: Message) -> None:
            nonlocal is_noted
            held.append(message)
            if not is_noted:
                content = b"".join(each.get("body", b"") for each in held)
                is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
                if not is_last and len(content) <= LIMIT:
                    return
                self._note(scope, await body.rest(), Response(content, held[0]["status"]), fault.name)
                is_noted = True
            while held:
                await send(held.pop(0))

        await (fault.instead or self._vendor.app)(scope, body.receive, note_first)

    def _note(self, scope: Scope, sent: bytes | None, response: Response, fault: str | None) -> None:
        error, message = self._vendor.verdict(response)
        state = scope["state"]
        entry = self._journal.ledger.note(
            vendor=self._name,
            method=scope["method"],
            path=scope["raw_path"].decode("latin-1"),
            body=state["remembered"] if "remembered" in state else parse_json(sent),
            status=response.status_code,
            error=error,
            message=message,
            **({"fault": fault} if fault else {}),
        )
        if self._journal.log:
            self._journal.log(entry)


class _Body:
    """A request's body on its way to the app, of which a small one is kept."""

    def __init__(self, receive: Receive, *, streams: bool) -> None:
        self._receive, self._streams = receive, streams
        self._kept = bytearray()
        self._has_ended = False

    async def receive(self) -> Message:
        """The next piece."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            return message
        self._has_ended = not message.get("more_body", False)
        piece = message.get("body", b"")[: LIMIT + 1 - len(self._kept)]
        self._kept += piece
        return message if self._streams else {**message, "body": piece}

    async def rest(self) -> bytes | None:
        """The whole body, once the client has sent what the app did not ask for; None where it is over the limit."""
        while not self._has_ended:
            if (await self.receive())["type"] == "http.disconnect":
                raise ClientDisconnect
        return bytes(self._kept) if len(self._kept) <= LIMIT else None
