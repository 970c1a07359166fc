"""Knows what every vendor's app has in common: what goes wrong on order, and what is remembered of each request. Does not
know any vendor's rules.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple, TypeAlias

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cibeacon.sandbox.ledger import Ledger
from cibeacon.sandbox.listener import hang_up
from cibeacon.sandbox.mishaps import Mishap, Mishaps, ignore
from cibeacon.sandbox.safe_json import LIMIT, parse_json

Verdict: TypeAlias = Callable[[Response], tuple[str | None, str | None]]
"""The error code and the sentence of an answer; None and None where it is no refusal."""


class Journal(NamedTuple):
    """Where requests are remembered: the ledger and who else hears of them; with the clock, and faults by vendor."""

    ledger: Ledger
    clock: Callable[[], float]
    log: Callable[[Mapping[str, Any]], None] | None
    next_fault: Callable[[str], Mishap | None]


def verdict(response: Response) -> tuple[str | None, str | None]:
    """The status in words and the message of an answer in JSON, as most vendors refuse."""
    if response.status_code < 400:
        return None, None
    body = parse_json(bytes(response.body))
    said = (body.get("message") or body.get("error")) if isinstance(body, dict) else None
    sentence = said if isinstance(said, str) or said is None else json.dumps(said)
    return HTTPStatus(response.status_code).phrase, sentence


def remember_json(request: Request) -> object:
    """The JSON that was sent; None where it is none or was too large."""
    return parse_json(request.state.body)


class Vendor:
    """A vendor's app, with what goes wrong before it and after it, and its requests in the journal. Bodies stream through.

    Args:
        app: answers. What it puts into `request.state.remembered` is remembered in place of the body.
        name: the vendor's, as faults are ordered for it.
        prefix: stands before every path, and not in the orders of `mishaps`.
        mishaps: what goes wrong.
        journal: where requests are remembered.
        verdict: whether an answer is a refusal; of a long one it sees no body.
        remembered: what is remembered of a request; its `state.body` is None where it was over `LIMIT`.
        streams: whether bodies over `LIMIT` reach the app; their first `LIMIT + 1` bytes do else.
    """

    def __init__(
        self,
        app: ASGIApp,
        name: str,
        prefix: str,
        mishaps: Mishaps,
        journal: Journal,
        verdict: Verdict = verdict,
        remembered: Callable[[Request], object] = remember_json,
        *,
        streams: bool = False,
    ) -> None:
        self._app, self._name, self._prefix, self._mishaps, self._journal = app, name, prefix, mishaps, journal
        self._verdict, self._remembered, self._streams = verdict, remembered, streams
        self._late: list[tuple[Scope, bytes]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hang up on it."""
        path = scope["raw_path"].decode("latin-1").removeprefix(self._prefix).rstrip("/")
        mishap = self._mishaps.next(scope["method"], path) or self._journal.next_fault(self._name) or Mishap()
        if mishap.late:
            self._late.append((scope, await Request(scope, receive).body()))
            await hang_up(scope, receive)
            return
        app = partial(self._record, mishap)
        await (partial(mishap.around, app) if mishap.around else app)(scope, receive, send)
        for late in [each for each in self._late if _is_like(each[0], scope)]:
            self._late.remove(late)
            await self._record(Mishap(), late[0], _given(late[1]), ignore)

    async def _record(self, mishap: Mishap, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        body = _Body(receive, streams=self._streams)
        answer = _Answer(send)

        async def send_noted(message: Message) -> None:
            if answer.holds(message):
                return
            if not answer.passed:
                request.state.body = await body.rest()
                self._note(request, answer.known(), mishap.fault)
            await answer.release()

        app = mishap.instead(request, self._journal.clock()) if mishap.instead else self._app
        await app(scope, body.receive, send_noted)

    def _note(self, request: Request, answer: Response, fault: str | None) -> None:
        error, message = self._verdict(answer)
        state = request.scope["state"]
        entry = self._journal.ledger.note(
            method=request.method,
            path=request.scope["raw_path"].decode("latin-1"),
            body=state["remembered"] if "remembered" in state else self._remembered(request),
            status=answer.status_code,
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


class _Answer:
    """An answer on its way to the client: held until it is whole or long, so that it is noted before it is sent."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._held: list[Message] = []
        self._size = 0
        self.passed = False

    def holds(self, message: Message) -> bool:
        """Whether to wait for more after this message."""
        self._held.append(message)
        self._size += len(message.get("body", b""))
        is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
        return not (is_last or self._size > LIMIT)

    def known(self) -> Response:
        """What is held as a response, whose body is empty where it is long."""
        start, *pieces = self._held
        content = b"".join(each.get("body", b"") for each in pieces) if self._size <= LIMIT else b""
        response = Response(content, start["status"])
        response.raw_headers = list(start["headers"])
        return response

    async def release(self) -> None:
        """Send what is held."""
        self.passed, held, self._held = True, self._held, []
        for message in held:
            await self._send(message)


def _is_like(one: Scope, other: Scope) -> bool:
    return (one["method"], one["raw_path"]) == (other["method"], other["raw_path"])


def _given(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    return receive
