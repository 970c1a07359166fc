"""Stands between our client and Prism: says which answer is wanted, and notes what breaks the contract.

Does not know any API. The wish travels in a header (https://www.rfc-editor.org/rfc/rfc7240), so no client sends it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import requests
from descriptions import misunderstood
from starlette.responses import Response

from cibeacon.sandbox.listener import Listener
from listening import Request, answering


class Relay(Listener):
    """Hands every request to the Prism at `url`, which serves `document`."""

    def __init__(self, url: str, document: dict[str, Any]) -> None:
        super().__init__(answering(self._relayed))
        self._there, self._document = url, document
        self.wish: Callable[[Request], str] = lambda _: ""
        """What `Prefer` says, by request."""
        self.change: Callable[[bytes], bytes] = lambda content: content
        """Makes of an answer what its description cannot say, such as an id of a commit."""
        self.breaches: list[str] = []
        """What was wrong with requests, or with answers."""
        self.seen: list[str] = []
        """Path and query of each request."""

    def _relayed(self, request: Request) -> Response:
        question = request.path + ("?" + request.query if request.query else "")
        self.seen.append(question)
        self.breaches += [f"{question}: {each}" for each in misunderstood(self._document, request.path, request.query)]
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OURS}
        if wish := self.wish(request):
            headers["Prefer"] = wish
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                request.method, self._there + question, headers=headers, allow_redirects=False, timeout=60
            )
        self.breaches += [f"{question}: {each}" for each in _violations(answer)]
        kept = {name: answer.headers[name] for name in _TOLD if name in answer.headers}
        content_type = answer.headers.get("Content-Type", "")
        return Response(self.change(answer.content), answer.status_code, kept, content_type)


_OURS = {"host", "connection", "accept-encoding", "content-length"}
_TOLD = ("Link", "Retry-After")


def _violations(answer: requests.Response) -> list[str]:
    """What Prism found wrong."""
    if "problem+json" in answer.headers.get("Content-Type", ""):
        problem = answer.json()
        return [each["message"] for each in problem.get("validation", ())] or [problem["title"]]
    return [each["message"] for each in json.loads(answer.headers.get("sl-violations", "[]"))]
