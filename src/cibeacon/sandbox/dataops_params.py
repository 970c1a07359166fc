"""Knows the parameters of a request to GitLab's API: query, form, multipart form or JSON, and the nesting in their names.
Does not know what they mean.

`variables[KEY]=value` is a map, `variables[][key]=KEY` a list of maps: https://docs.gitlab.com/api/rest/#encoding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

from cibeacon.sandbox.dataops_answers import Refusal, message
from cibeacon.sandbox.exchange import Request
from cibeacon.sandbox.safe_json import parse_json

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_TOKENS = ("token", "private_token", "job_token", "access_token")
_LONGEST = 1000
"""Most parameters of a form or query."""
_DEPTH = 8
"""Deepest nesting of a name; deeper ones count for nothing."""


def read(request: Request) -> dict[str, Any]:
    """All parameters; the body's win. Raises 400 when the body cannot be read and 413 when it is too large."""
    if request.body is None:
        raise message(413, "413 Request Entity Too Large")
    return nested(_pairs(request.query)) | _body(request)


def _body(request: Request) -> dict[str, Any]:
    body = request.body or b""
    announced = str(request.headers.get("Content-Type", ""))
    kind = announced.partition(";")[0].strip().lower()
    if not body:
        return {}
    if kind == "multipart/form-data":
        return nested(_parts(announced, body))
    if kind == "application/json":
        value = parse_json(body)
        if not isinstance(value, dict):
            raise Refusal(400, {"error": "Problem in request: the body is no JSON object"})
        return value
    if kind in ("application/x-www-form-urlencoded", ""):
        return nested(_pairs(body.decode("utf-8", "replace")))
    raise Refusal(406, {"error": "The provided content-type is not supported."})


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_LONGEST)
    except ValueError:
        raise Refusal(400, {"error": "Too many parameters"}) from None


def _parts(announced: str, body: bytes) -> Iterable[tuple[str, str]]:
    head = f"Content-Type: {announced}\r\n\r\n".encode("utf-8", "replace")
    form: Message = BytesParser(policy=HTTP).parsebytes(head + body)
    for part in form.get_payload() if form.is_multipart() else ():
        name = part.get_param("name", header="content-disposition") if isinstance(part, Message) else None
        content = part.get_payload(decode=True) if isinstance(part, Message) else None
        if isinstance(name, str) and isinstance(content, bytes):
            yield name, content.decode("utf-8", "replace")


def nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Pairs of name and value as maps and lists."""
    params: dict[str, Any] = {}
    for name, value in pairs:
        match = _NAME.fullmatch(name)
        inner = re.findall(r"\[([^\]]*)\]", match[2]) if match else []
        if match and len(inner) <= _DEPTH:
            _place(params, match[1], inner, value)
    return params


def _place(params: dict[str, Any], name: str, inner: list[str], value: str) -> None:
    if not inner:
        params[name] = value
    elif inner[0]:
        nested = params.setdefault(name, {})
        if isinstance(nested, dict):
            _place(nested, inner[0], inner[1:], value)
    else:
        nested = params.setdefault(name, [])
        if not isinstance(nested, list):
            return
        if inner[1:]:
            if not nested or not isinstance(nested[-1], dict) or inner[1] in nested[-1]:
                nested.append({})
            nested[-1][inner[1]] = value
        else:
            nested.append(value)


def without_tokens(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that may be remembered."""
    return {name: value for name, value in params.items() if name not in _TOKENS}
