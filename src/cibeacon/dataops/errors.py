"""Knows how a failed request is told in one readable sentence, and what kind of failure it is. Makes no request.

Bodies seen: `{"message": "404 …"}`, `{"message": {"base": […]}}`, `{"message": […]}`, `{"error": "…"}`,
`{"error": …, "error_description": …}`, and HTML from a proxy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cibeacon.runtime.errors import CibeaconError
from cibeacon.runtime.sanitize import clipped

_LONGEST = 300
_PASSING = frozenset({408, 425, 429})
"""Client errors that another try may not meet."""


class Fault(CibeaconError):
    """A request that failed.

    Args:
        status: the HTTP status, where there was one.
        refused: asking again cannot help: a token, a permission, or the question itself is wrong.
        later: seconds that the server asks to wait before the next try; 0 when it does not say.
        received: False when the request cannot have been carried out.
    """

    def __init__(
        self,
        what: str,
        why: str,
        hint: str,
        *,
        status: int | None = None,
        refused: bool = False,
        later: float = 0.0,
        received: bool = True,
    ) -> None:
        super().__init__(what, why, hint)
        self.status, self.refused, self.later, self.received = status, refused, later, received


class Slow(Fault):
    """An answer that did not come in time. It may still come, to whoever was left behind with the question."""


def usage(what: str, why: str, hint: str) -> Fault:
    """What is wrong before anything was asked."""
    return Fault(what, why, hint, refused=True, received=False)


def answered(what: str, status: int, body: bytes, *, later: float = 0.0, hint: str = "") -> Fault:
    """An answer that is not a success."""
    refused = 300 <= status < 500 and status not in _PASSING
    return Fault(
        what,
        sentence(status, body),
        hint or _advice(status),
        status=status,
        refused=refused,
        later=later,
        received=status >= 500 or status == 408,
    )


def sentence(status: int, body: bytes) -> str:
    """What the server said, in one line: the status, and its words as far as they add anything."""
    words = clipped("; ".join(_words(body)), _LONGEST)
    known = words.removeprefix(str(status)).strip(" -:")
    return f"the server answered {status}{f' ({known})' if known else ''}"


def _words(body: bytes) -> Iterator[str]:
    text = body[:65536].decode("utf-8", "replace").strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        if text.startswith("<"):
            yield "a web page instead of JSON: a proxy or a login stands in between"
        elif text:
            yield text
        return
    if isinstance(value, Mapping):
        named = [value[name] for name in ("message", "error", "error_description", "scope") if value.get(name)]
        yield from (part for each in named for part in _flat(each))
    else:
        yield from _flat(value)


def _flat(value: Any, name: str = "", levels: int = 5) -> Iterator[str]:
    """Each text in a message: a word, a list of them, or a field's name with its complaints."""
    if isinstance(value, Mapping) and levels:
        for key, part in value.items():
            yield from _flat(part, "" if key == "base" else str(key), levels - 1)
    elif isinstance(value, list) and levels:
        for part in value:
            yield from _flat(part, name, levels - 1)
    elif value not in (None, ""):
        yield f"{name} {value}" if name else str(value)


def _advice(status: int) -> str:
    if status == 401:
        return "The token is wrong, expired or revoked: set the secret dataops_token to a valid access token"
    if status == 403:
        return "The token may not do this: reading needs the scope read_api and the role Reporter, changing api and Developer"
    if status == 404:
        return "Check dataops_project and the id: the server says the same when the token may not see it"
    if status in (400, 409, 422):
        return "Mend what the server names and try again"
    if 300 <= status < 400:
        return "Give the address that the server leads to as dataops_url"
    return "Try again later"
