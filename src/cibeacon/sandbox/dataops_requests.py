"""Knows how GitLab's API takes parameters, and the forms in which it refuses. Does not know what they mean.

Query, form, multipart form or JSON, where `variables[KEY]=value` is a map and `variables[][key]=KEY` a list of maps,
https://docs.gitlab.com/api/rest/#encoding: the app behind gets one JSON object. Refusals are a message as text or by field,
an error of the parameters, or OAuth's error with a description: https://docs.gitlab.com/api/rest/troubleshooting/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as Event

from cibeacon.sandbox.safe_json import LIMIT, JSONAnswer, parse_json

MODEL = "gitlab_model"
"""The type of a pydantic error that is about a value of the right form: GitLab gives it by field."""
_WORDS = {
    **{"missing": "is missing", "string_too_short": "is empty"},
    **dict.fromkeys(("literal_error", "greater_than_equal"), "does not have a valid value"),
}
_TOKENS = ("token", "private_token", "job_token", "access_token")
_DEPTH = 8
"""Deepest nesting of a name; deeper ones count for nothing."""


class Refusal(Exception):
    """A status and a body in JSON."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(status, body)
        self.status, self.body = status, body


def missing(what: str = "") -> Refusal:
    """404, of a thing with a name or of none."""
    return Refusal(404, {"message": f"404 {what} Not Found" if what else "404 Not Found"})


def invalid(**errors: str) -> Refusal:
    """400 by field; `base` stands for the whole."""
    return Refusal(400, {"message": {name: [text] for name, text in errors.items()}})


def forbidden(why: str = "") -> Refusal:
    """403."""
    return Refusal(403, {"message": f"403 Forbidden - {why}" if why else "403 Forbidden"})


async def refuse(_request: Request, error: Exception) -> Response:
    """How a refusal is sent."""
    if isinstance(error, HTTPException):
        texts = {404: "404 Not Found", 405: "405 Not Allowed"}
        return JSONAnswer({"error": texts.get(error.status_code, error.detail)}, error.status_code)
    refusal = _invalid_parameters(error) if isinstance(error, RequestValidationError) else error
    assert isinstance(refusal, Refusal)  # noqa: S101 - no other kind is handled here
    return JSONAnswer(refusal.body, refusal.status)


def _invalid_parameters(error: RequestValidationError) -> Refusal:
    """400: parameters that are missing or malformed are named before values that are wrong."""
    malformed: dict[str, None] = {}
    wrong: dict[str, str] = {}
    for each in error.errors():
        name, *inner = [part for part in each["loc"][1:] if isinstance(part, str)]
        if each["type"] == MODEL:
            wrong[name] = each["msg"]
        else:
            name += "".join(f"[{part}]" for part in inner)
            malformed[f"{name} {_WORDS.get(each['type'], 'is invalid')}"] = None
    return Refusal(400, {"error": ", ".join(malformed)}) if malformed else invalid(**wrong)


class JSONParameters:
    """Gives an app its parameters as JSON, lists in the query under their plain names, and the path as it was sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or refuse it."""
        request = Request(scope, receive)
        try:
            params = _read_parameters(request, await request.body())
        except Refusal as refusal:
            request.state.remembered = None
            await (await refuse(request, refusal))(scope, receive, send)
            return
        request.state.remembered = {name: value for name, value in params.items() if name not in _TOKENS} or None
        left: list[Event] = [{"type": "http.request", "body": json.dumps(params).encode()}]

        async def receive_json() -> Event:
            return left.pop() if left else await receive()

        plain = {
            "path": scope["raw_path"].decode("latin-1"),
            "query_string": re.sub(rb"(?i)(\[\]|%5b%5d)(?==)", b"", scope["query_string"]),
            "headers": [pair for pair in scope["headers"] if not pair[0].startswith(b"content-")]
            + [(b"content-type", b"application/json")],
        }
        await self._app({**scope, **plain}, receive_json, send)


def _read_parameters(request: Request, body: bytes) -> dict[str, Any]:
    """All parameters; the body's win. Raises 400 when the body cannot be read and 413 when it is too large."""
    announced = request.headers.get("content-type", "")
    kind, params = (
        announced.partition(";")[0].strip().lower(),
        _nested(parse_qsl(request.url.query, keep_blank_values=True)),
    )
    if len(body) > LIMIT:
        raise Refusal(413, {"message": "413 Request Entity Too Large"})
    if not body:
        return params
    if kind == "application/json":
        value = parse_json(body)
        if not isinstance(value, dict):
            raise Refusal(400, {"error": "Problem in request: the body is no JSON object"})
        return params | value
    if kind not in ("multipart/form-data", "application/x-www-form-urlencoded", ""):
        raise Refusal(406, {"error": "The provided content-type is not supported."})
    if kind == "multipart/form-data":
        return params | _nested(_parts(announced, body))
    return params | _nested(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _parts(announced: str, body: bytes) -> Iterable[tuple[str, str]]:
    head = f"Content-Type: {announced}\r\n\r\n".encode("utf-8", "replace")
    form: Message = BytesParser(policy=HTTP).parsebytes(head + body)
    for part in form.get_payload() if form.is_multipart() else ():
        name = part.get_param("name", header="content-disposition") if isinstance(part, Message) else None
        content = part.get_payload(decode=True) if isinstance(part, Message) else None
        if isinstance(name, str) and isinstance(content, bytes):
            yield name, content.decode("utf-8", "replace")


def _nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Pairs of name and value as maps and lists."""
    params: dict[str, Any] = {}
    for name, value in pairs:
        keys = re.findall(r"[^\[\]]+|\[\]", name)
        if keys and keys[0] != "[]" and len(keys) <= _DEPTH:
            _put(params, keys, value)
    return params


def _put(params: dict[str, Any], keys: Sequence[str], value: str) -> None:
    name, *inner = keys
    if not inner:
        params[name] = value
    elif inner[0] != "[]":
        nested = params.setdefault(name, {})
        if isinstance(nested, dict):
            _put(nested, inner, value)
    else:
        items = params.setdefault(name, [])
        if isinstance(items, list) and not inner[1:]:
            items.append(value)
        elif isinstance(items, list):
            if not items or not isinstance(items[-1], dict) or inner[1] in items[-1]:
                items.append({})
            _put(items[-1], inner[1:], value)
