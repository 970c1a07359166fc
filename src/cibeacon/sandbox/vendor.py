"""Knows what every vendor's app has in common: what goes wrong on order, and what is remembered of each request. Does not
know any vendor's rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

from starlette.requests import Request as AsgiRequest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cibeacon.sandbox.bridge import hang_up, read_body, request_head, send_answer
from cibeacon.sandbox.exchange import Answer
from cibeacon.sandbox.ledger import Ledger
from cibeacon.sandbox.mishaps import Mishaps
from cibeacon.sandbox.safe_json import parse_json

Verdict: TypeAlias = Callable[[Answer], tuple[str | None, str | None]]
"""The error code and the sentence of an answer; None and None where it is no refusal."""


class Journal(NamedTuple):
    """Where requests are remembered: the ledger, who else hears of them, and the clock."""

    ledger: Ledger
    clock: Callable[[], float]
    log: Callable[[Mapping[str, Any]], None] | None


class Vendor:
    """A vendor's app, with what goes wrong before it and after it, and its requests in the journal.

    In the orders of `mishaps` a path stands without the `prefix`.
    """

    def __init__(self, app: ASGIApp, prefix: str, mishaps: Mishaps, journal: Journal, verdict: Verdict) -> None:
        self._app, self._prefix, self._mishaps = app, prefix, mishaps
        self._journal, self._verdict = journal, verdict

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hang up on it."""
        body = await read_body(AsgiRequest(scope, receive))
        request = replace(request_head(scope), body=body)
        mishap = self._mishaps.next(request.method, request.path.removeprefix(self._prefix).rstrip("/"))
        answer = mishap.instead(request, self._journal.clock()) if mishap else None
        if answer is None:
            answer = await _call(self._app, scope, body or b"")
        error, message = self._verdict(answer)
        entry = self._journal.ledger.note(
            method=request.method,
            path=request.path,
            body=parse_json(body),
            status=answer.status,
            error=error,
            message=message,
        )
        if self._journal.log:
            self._journal.log(entry)
        sent = mishap.after(answer, "") if mishap else answer
        if sent is None:
            await hang_up(scope, receive)
        else:
            await send_answer(sent, scope, receive, send)


async def _call(app: ASGIApp, scope: Scope, body: bytes) -> Answer:
    """What an app answers."""
    start: Message = {}
    content = bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            content.extend(message.get("body", b""))

    await app(scope, receive, send)
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start["headers"]}
    headers.pop("content-length", None)
    return Answer(start["status"], bytes(content), headers.pop("content-type", ""), headers)
