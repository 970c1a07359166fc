"""Knows JSON as the sandbox reads and writes it: only values that can be written again, in ASCII. Does not know what they
mean.
"""

from __future__ import annotations

import json
import math
from importlib import resources
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

LIMIT = 1024 * 1024
"""Largest body in bytes that is remembered."""
_DEPTH = 64
"""Deepest nesting of a body; deeper ones could not be written again."""


class JSONAnswer(Response):
    """A response in ASCII JSON, lone surrogates included."""

    media_type = "application/json; charset=utf-8"

    def render(self, content: object) -> bytes:
        """The body."""
        return json.dumps(content, allow_nan=False).encode("ascii")


def read_data(name: str) -> Any:
    """The JSON of a data file of the sandbox."""
    return json.loads(resources.files(__package__).joinpath(name).read_bytes())


def media_type(request: Request) -> str:
    """The media type of a request's body, in lower case; empty where it has none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_json(request: Request) -> object:
    """The body as JSON; None where it is invalid or over the limit."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LIMIT:
            return None
    return parse_json(bytes(body))


def parse_json(body: bytes | None) -> object:
    """The body as JSON; None where it is invalid or could not be written again."""
    try:
        value: object = json.loads((body or b"").decode(), parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return value if _is_shallow(value, _DEPTH) else None


def _finite(digits: str) -> float:
    if not math.isfinite(value := float(digits)):
        raise ValueError(digits)
    return value


def _is_shallow(value: object, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_is_shallow(one, levels - 1) for one in inner)
