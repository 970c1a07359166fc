"""Knows who asked a forge, and how a list is answered page by page. Does not know what was asked.

https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api and
https://docs.gitlab.com/api/rest/#pagination.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

from starlette.responses import Response

from listening import Request, in_json


def at_gitlab(request: Request) -> bool:
    """Whether a request has a credential of GitLab's."""
    return bool(request.headers.get("PRIVATE-TOKEN") or request.headers.get("JOB-TOKEN"))


def at_github(request: Request) -> bool:
    """Whether a request has a credential of GitHub's."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() in {"bearer", "token"} and bool(token.strip())


def found(request: Request, value: object, url: str) -> Response:
    """The answer found, None being 404; of a list the page that was asked for, and where the next one is."""
    if value is None:
        return in_json(404, {"message": "404 Not Found"})
    if not isinstance(value, list):
        return in_json(200, value)
    asked = parse_qs(request.query)
    size = min(_number(asked, "per_page", 20 if at_gitlab(request) else 30), 100)
    page = _number(asked, "page", 1)
    more = f"{url}{request.path}?per_page={size}&page={page + 1}"
    link = {"Link": f'<{more}>; rel="next"'} if len(value) > size * page else {}
    return in_json(200, value[size * (page - 1) : size * page], **link)


def _number(asked: Mapping[str, Sequence[str]], name: str, default: int) -> int:
    given = asked.get(name, [""])[0]
    return int(given) if given.isdecimal() and int(given) > 0 else default
