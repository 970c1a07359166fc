"""Knows how GitLab's API pages a list: page and per_page, and the headers that tell where one is. Does not know the rows.

https://docs.gitlab.com/api/rest/#offset-based-pagination
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode

from cibeacon.sandbox.dataops_answers import parameters
from cibeacon.sandbox.dataops_call import Asked
from cibeacon.sandbox.exchange import Answer, in_json

_T = TypeVar("_T")
_DEFAULT, _CAP = 20, 100


def paged(asked: Asked, found: Sequence[_T], row: Callable[[_T], object], *, counted: bool = True) -> Answer:
    """The page asked for, each thing as its `row`. Without `counted` nothing tells how many there are in all."""
    page, per_page = _number(asked, "page", 1), min(_number(asked, "per_page", _DEFAULT), _CAP)
    start = (page - 1) * per_page
    pages = max(1, -(-len(found) // per_page))
    more = start + per_page < len(found)
    headers = {"X-Page": str(page), "X-Per-Page": str(per_page)}
    headers["X-Next-Page"] = str(page + 1) if more else ""
    headers["X-Prev-Page"] = str(page - 1) if page > 1 else ""
    places = {"prev": page - 1 if page > 1 else None, "next": page + 1 if more else None, "first": 1}
    if counted:
        headers |= {"X-Total": str(len(found)), "X-Total-Pages": str(pages)}
        places["last"] = pages
    links = ", ".join(f'<{_url(asked, at, per_page)}>; rel="{name}"' for name, at in places.items() if at is not None)
    return in_json(200, [row(one) for one in found[start : start + per_page]], **headers, Link=links)


def _url(asked: Asked, page: int, per_page: int) -> str:
    query = dict(parse_qsl(asked.request.query, keep_blank_values=True))
    tokens = ("private_token", "job_token", "access_token")
    kept = {name: value for name, value in query.items() if name not in tokens}
    return f"{asked.base}{asked.request.path}?{urlencode(kept | {'page': str(page), 'per_page': str(per_page)})}"


def _number(asked: Asked, name: str, default: int) -> int:
    value = str(asked.params.get(name, default))
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise parameters(f"{name} is invalid")
    if int(value) < 1:
        raise parameters(f"{name} does not have a valid value")
    return int(value)
