"""Knows another host, to which answers may lead a client astray, and remembers with which headers it came. Does not know
why.
"""

from __future__ import annotations

from typing import NamedTuple

from starlette.responses import Response

from cibeacon.sandbox.listener import Listener
from listening import Request, answering


class Visit(NamedTuple):
    """A request that should perhaps not have come. Names of headers are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


class Elsewhere(Listener):
    """Answers everything with 200 and the same content; a context manager with a `url`, like the sandbox."""

    def __init__(self, content: bytes = b"[]", content_type: str = "application/json") -> None:
        self._content, self._type = content, content_type
        self.visits: list[Visit] = []
        super().__init__(answering(self._route))

    def _route(self, request: Request) -> Response:
        headers = {name.lower(): str(value) for name, value in request.headers.items()}
        self.visits.append(Visit(request.method, request.path, request.query, headers, request.body or b""))
        return Response(self._content, media_type=self._type)
