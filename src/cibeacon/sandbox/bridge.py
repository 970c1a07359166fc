"""Knows how a function from request to answer becomes an ASGI app, and reads bodies. Does not know who answers.

Bodies are bounded, unless their owner has them streamed.
"""

from __future__ import annotations

from dataclasses import replace
from email.message import Message
from itertools import chain

from starlette.types import ASGIApp, Receive, Scope, Send

from cibeacon.sandbox.exchange import Answer, Receiving, Request, Route
from cibeacon.sandbox.listener import hang_up
from cibeacon.sandbox.safe_json import LIMIT


def asgi(route: Route, receives: Receiving = lambda _: None) -> ASGIApp:
    """An app that answers with `route`; `receives` may have the body of a request streamed, whatever its size."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = await _read(request_head(scope), receive, receives)
        if request is None:
            return
        answer = route(request)
        if answer is None:
            await hang_up(scope, receive)
        else:
            await send_answer(answer, scope, receive, send)

    return app


def request_head(scope: Scope) -> Request:
    """A request without its body."""
    headers = Message()
    for name, value in scope["headers"]:
        headers[name.decode("latin-1")] = value.decode("latin-1")
    path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    return Request(method=scope["method"], path=path, query=query, headers=headers)


async def _read(head: Request, receive: Receive, receives: Receiving) -> Request | None:
    """The request with its body; None when the client hung up in the middle of it."""
    stream, body, size = receives(head), bytearray(), 0
    try:
        more = True
        while more and (stream or size <= LIMIT):
            message = await receive()
            if message["type"] == "http.disconnect":
                if stream:
                    stream.close()
                return None
            piece, more = message.get("body", b""), message.get("more_body", False)
            size += len(piece)
            if stream:
                stream.write(piece)
            else:
                body += piece
    except BaseException:
        if stream:
            stream.close()
        raise
    if stream:
        return replace(head, stream=stream)
    return replace(head, body=None if size > LIMIT else bytes(body))


async def send_answer(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    """Send an answer; where it is cut short, hang up in the middle of it."""
    fixed = {"content-type": answer.content_type, "content-length": str(answer.size)}
    headers = fixed | {name.lower(): value for name, value in answer.headers.items()}
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
    left = answer.size if answer.cut is None else min(answer.cut, answer.size)
    whole = left == answer.size
    for piece in chain((answer.content,), answer.pieces.each):
        await send({"type": "http.response.body", "body": piece[:left], "more_body": True})
        left -= min(left, len(piece))
        if not left:
            break
    if whole:
        await send({"type": "http.response.body"})
    else:
        await hang_up(scope, receive)
