"""Knows what every vendor's app has in common: what goes wrong on order, and what is remembered of each request. Does not
know any vendor's rules.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from starlette.requests import Request as AsgiRequest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cibeacon.sandbox.bridge import hang_up, read_body, request_head, send_answer
from cibeacon.sandbox.exchange import Answer, Request
from cibeacon.sandbox.ledger import Ledger
from cibeacon.sandbox.mishaps import Mishaps
from cibeacon.sandbox.safe_json import parse_json

Verdict: TypeAlias = Callable[[Answer], tuple[str | None, str | None]]
"""The error code and the sentence of an answer; None and None where it is no refusal."""


class Journal(NamedTuple):
    """Where requests are remembered: the ledger and who else hears of them; with the sandbox's URL and the clock."""

    ledger: Ledger
    base: Callable[[], str]
    clock: Callable[[], float]
    log: Callable[[Mapping[str, Any]], None] | None


class Vendor:
    """A vendor's app, with what goes wrong before it and after it, and its requests in the journal.

    Args:
        answer: what the vendor answers to a request, given its scope too; `of_app` makes it of an app.
        prefix: stands before every path, and not in the orders of `mishaps`.
        mishaps: what goes wrong.
        journal: where requests are remembered.
        verdict: whether an answer is a refusal.
        remembered: what is remembered of a request's body.
    """

    def __init__(
        self,
        answer: Callable[[Request, Scope], Awaitable[Answer]],
        prefix: str,
        mishaps: Mishaps,
        journal: Journal,
        verdict: Verdict,
        remembered: Callable[[Request], object] = lambda request: parse_json(request.body),
    ) -> None:
        self._answer, self._prefix, self._mishaps = answer, prefix, mishaps
        self._journal, self._verdict, self._remembered = journal, verdict, remembered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hang up on it."""
        body = await read_body(AsgiRequest(scope, receive))
        request = replace(request_head(scope), body=body)
        mishap = self._mishaps.next(request.method, request.path.removeprefix(self._prefix).rstrip("/"))
        answer = mishap.instead(request, self._journal.clock()) if mishap else None
        if answer is None:
            answer = await self._answer(request, scope)
        error, message = self._verdict(answer)
        entry = self._journal.ledger.note(
            method=request.method,
            path=request.path,
            body=self._remembered(request),
            status=answer.status,
            error=error,
            message=message,
        )
        if self._journal.log:
            self._journal.log(entry)
        sent = mishap.after(answer, self._journal.base()) if mishap else answer
        if sent is None:
            await hang_up(scope, receive)
        else:
            await send_answer(sent, scope, receive, send)


def of_app(app: ASGIApp) -> Callable[[Request, Scope], Awaitable[Answer]]:
    """What an app answers."""
    return partial(_call, app)


async def _call(app: ASGIApp, request: Request, scope: Scope) -> Answer:
    start: Message = {}
    content = bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": request.body or b""}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            content.extend(message.get("body", b""))

    await app(scope, receive, send)
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start["headers"]}
    headers.pop("content-length", None)
    return Answer(start["status"], bytes(content), headers.pop("content-type", ""), headers)
