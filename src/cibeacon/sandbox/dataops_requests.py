"""Knows how GitLab's API takes parameters, and the forms in which it refuses. Does not know what they mean.

https://docs.gitlab.com/api/rest/#encoding and https://docs.gitlab.com/api/rest/troubleshooting/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cibeacon.sandbox.safe_json import LIMIT, JSONAnswer, parse_json

MODEL = "gitlab_model"
"""The type of a pydantic error that is about a value of the right form: GitLab gives it by field."""
_WORDS = {
    **{"missing": "is missing", "string_too_short": "is empty"},
    **dict.fromkeys(("literal_error", "greater_than_equal"), "does not have a valid value"),
}
_TEXTS = {404: "404 Not Found", 405: "405 Not Allowed"}
_TOKENS = ("token", "private_token", "job_token", "access_token")
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded", "")


def missing(what: str = "") -> HTTPException:
    """404, of a thing with a name or of none."""
    return HTTPException(404, {"message": f"404 {what} Not Found" if what else "404 Not Found"})


def invalid(**errors: str) -> HTTPException:
    """400 by field; `base` stands for the whole."""
    return HTTPException(400, {"message": {name: [text] for name, text in errors.items()}})


def forbidden(why: str = "") -> HTTPException:
    """403."""
    return HTTPException(403, {"message": f"403 Forbidden - {why}" if why else "403 Forbidden"})


async def refuse(_request: Request, error: Exception) -> Response:
    """How a refusal is sent: its detail is the body, or else what FastAPI says itself."""
    if isinstance(error, RequestValidationError):
        error = _invalid_parameters(error)
    assert isinstance(error, StarletteHTTPException)  # noqa: S101 - no other kind is handled here
    own = {"error": _TEXTS.get(error.status_code, error.detail)}
    return JSONAnswer(error.detail if isinstance(error.detail, dict) else own, error.status_code)


def _invalid_parameters(error: RequestValidationError) -> HTTPException:
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
    return HTTPException(400, {"error": ", ".join(malformed)}) if malformed else invalid(**wrong)


class JSONParameters:
    """Gives an app its parameters as JSON, lists in the query under their plain names, and the path as it was sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or refuse it."""
        request = Request(scope, receive)
        try:
            params = await _read_parameters(request)
        except StarletteHTTPException as refusal:
            request.state.remembered = None
            await (await refuse(request, refusal))(scope, receive, send)
            return
        request.state.remembered = {name: value for name, value in params.items() if name not in _TOKENS} or None
        left: list[Message] = [{"type": "http.request", "body": json.dumps(params).encode()}]

        async def receive_json() -> Message:
            return left.pop() if left else await receive()

        headers = [pair for pair in scope["headers"] if not pair[0].startswith(b"content-")]
        plain = {
            "path": scope["raw_path"].decode("latin-1"),
            "query_string": re.sub(rb"(?i)(\[\]|%5b%5d)(?==)", b"", scope["query_string"]),
            "headers": [*headers, (b"content-type", b"application/json")],
        }
        await self._app({**scope, **plain}, receive_json, send)


async def _read_parameters(request: Request) -> dict[str, Any]:
    """All parameters; the body's win. Raises 400 when the body cannot be read and 413 when it is too large."""
    body, kind = await request.body(), request.headers.get("content-type", "").partition(";")[0].strip().lower()
    params = _nested(parse_qsl(request.url.query, keep_blank_values=True))
    if len(body) > LIMIT:
        raise HTTPException(413, {"message": "413 Request Entity Too Large"})
    if not body:
        return params
    if kind == "application/json":
        value = parse_json(body)
        if not isinstance(value, dict):
            raise HTTPException(400, {"error": "Problem in request: the body is no JSON object"})
        return params | value
    if kind not in _FORMS:
        raise HTTPException(406, {"error": "The provided content-type is not supported."})
    async with request.form() as form:
        return params | _nested((name, value) for name, value in form.multi_items() if isinstance(value, str))


def _nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Pairs of name and value, where `variables[KEY]` is in a map, and `scope[]` in a list."""
    params: dict[str, Any] = {}
    for name, value in pairs:
        name, bracket, key = name.partition("[")
        kind = str if not bracket else list if key == "]" else dict
        if kind is str or not isinstance(params.get(name), kind):
            params[name] = kind()
        if kind is str:
            params[name] = value
        elif kind is list:
            params[name].append(value)
        else:
            params[name][key.removesuffix("]")] = value
    return params
