"""Knows what every vendor's app has in common: how it refuses, what goes wrong with it, and what is remembered of each
request. Does not know any vendor's rules.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple, TypeAlias

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
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
    """The status in words and the message of an answer in JSON, as most vendors refuse."""
    if response.status_code < 400:
        return None, None
    body = parse_json(bytes(response.body))
    said = (body.get("message") or body.get("error")) if isinstance(body, dict) else None
    sentence = said if isinstance(said, str) or said is None else json.dumps(said)
    return HTTPStatus(response.status_code).phrase, sentence


class Vendor:
    """A vendor's app, with what goes wrong around it, and its requests in the journal.

    Args:
        name: the vendor's, as faults are ordered for it.
        prefix: stands before every path; where it is empty, the app's own paths are whole, and it has no others.
        app: answers. What it puts into `request.state.remembered` is remembered in place of the JSON that was sent.
        journal: where requests are remembered.
        verdict: whether an answer is a refusal.
        streams: whether bodies over `LIMIT` reach the app; their first `LIMIT + 1` bytes do else.
    """

    def __init__(
        self,
        name: str,
        prefix: str,
        app: FastAPI,
        journal: Journal,
        verdict: Verdict = verdict,
        *,
        streams: bool = False,
    ) -> None:
        self.prefix, self.app = prefix, app
        self._name, self._journal, self._verdict, self._streams = name, journal, verdict, streams

    def routes(self) -> list[BaseRoute]:
        """Where it answers."""
        if self.prefix:
            return [Mount(self.prefix, self)]
        return [Route(path, self) for path in {route.path for route in self.app.routes if isinstance(route, Route)}]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or do what its fault does."""
        fault = self._journal.next_fault(self._name, scope) or Fault()
        answer = partial(self._answer, fault)
        await (partial(fault.around, answer) if fault.around else answer)(scope, receive, send)

    async def _answer(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. It is in the journal before the client has the answer, or, of a long one, more than a part."""
        body, held, is_noted = _Body(receive, streams=self._streams), list[Message](), False

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

        await (fault.instead or self.app)(scope, body.receive, note_first)

    def _note(self, scope: Scope, sent: bytes | None, response: Response, fault: str | None) -> None:
        error, message = self._verdict(response)
        state = scope["state"]
        entry = self._journal.ledger.note(
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
