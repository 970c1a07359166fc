"""A function from request to answer as an app that the sandbox's listener serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.requests import Request as Received
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cibeacon.sandbox.safe_json import JSONAnswer


class Request(NamedTuple):
    """A request; `path` is as sent, without the query."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes


def answering(route: Callable[[Request], Response]) -> ASGIApp:
    """An app that answers with `route`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
        received = Received(scope, receive)
        answer = route(Request(scope["method"], path, query, received.headers, await received.body()))
        await answer(scope, receive, send)

    return app


def in_json(status: int, value: object, **headers: str) -> Response:
    """An answer in JSON; an underscore in a header's name stands for a dash."""
    return JSONAnswer(value, status, {name.replace("_", "-"): text for name, text in headers.items()})
