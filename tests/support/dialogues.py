"""Dialogues of a sink with a vendor, as JSON cases write them: a call, the reply to it, and the verdict in the end."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping
from typing import Any

from cibeacon.model.request import Request, Response, SinkResult

Dialogue = Generator[Request, Response, SinkResult]


def reply_of(case: Mapping[str, Any]) -> Response:
    """The reply that a case writes: `status` with `json`, `html` or `location`, the `same` body again, or `lost`."""
    if case.get("lost"):
        return Response(0, lost=True)
    if "same" in case:
        return Response(case["status"], same=case["same"])
    page = case.get("html")
    content = b"" if "location" in case else page.encode() if page else json.dumps(case["json"]).encode()
    kind = "text/html; charset=utf-8" if page else "application/json"
    return Response(case["status"], content, kind, case.get("location"), case.get("date"))


def shown(call: Request) -> dict[str, Any]:
    """A call as a case writes it."""
    shown = {"method": call.method, "path": call.path}
    shown |= {"body": dict(call.body)} if call.body is not None else {}
    return shown | ({"headers": dict(call.headers), "file": str(call.file)} if call.file else {})


def conversation(dialogue: Dialogue, replies: Iterable[Response]) -> tuple[list[Request], SinkResult]:
    """The calls that were made and the verdict; the dialogue ends with it, and not before."""
    calls, replies = [next(dialogue)], iter(replies)
    try:
        while True:
            calls.append(dialogue.send(next(replies)))
    except StopIteration as end:
        assert next(replies, None) is None, "the dialogue ended too early"
        return calls, end.value


def answered(dialogue: Dialogue, reply: Response) -> Request | SinkResult:
    """The call that follows a reply, or the verdict."""
    try:
        return dialogue.send(reply)
    except StopIteration as end:
        return end.value
