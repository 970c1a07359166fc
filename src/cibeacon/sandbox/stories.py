"""Knows the two examples of DX's documentation for attribution, and reports them to the sandbox. Does not know DX's rules.

https://help.getdx.com/en/articles/7669458-deployments-api: commits A to E, of which B is deployed and later E; and three pull
requests from 10:00 to 12:00, with and without their services, where service_a is deployed at 12:01. Every request goes
through the sandbox like one from outside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from cibeacon.sandbox.safe_json import JSONAnswer, read_data

PATH = "/sandbox/stories/{name}"
STORIES: Mapping[str, Sequence[Mapping[str, Any]]] = read_data("stories.json")
"""By name: the path and the body of each request."""


class Stories:
    """Answers the buttons of the page; `token` is DX's API key, None where DX accepts any."""

    def __init__(self, token: str | None) -> None:
        self._token = token or "any"

    async def play(self, request: Request) -> Response:
        """Report a story; answers with the keys of its pull requests and deployments, or with the first refusal."""
        story = STORIES.get(request.path_params["name"])
        if story is None:
            return JSONAnswer({"ok": False, "error": "not_found", "message": "There is no story of this name."}, 404)
        answers = []
        for call in story:
            status, answer = await self._report(request, call["path"], call["body"])
            if status != 200:
                closed = {"error": "no_answer", "message": "The connection was closed."}
                return JSONAnswer(closed | answer | {"ok": False}, 409)
            answers.append(answer)
        deployments = [call["body"]["reference_id"] for call in story if "reference_id" in call["body"]]
        return JSONAnswer({"ok": True, "pull_requests": answers[0]["pull_requests"], "deployments": deployments})

    async def _report(self, request: Request, path: str, body: object) -> tuple[int, dict[str, Any]]:
        """The status of one request to the sandbox, 0 where it was not answered, and the JSON of its answer."""
        headers = {"host": "localhost", "content-type": "application/json", "authorization": f"Bearer {self._token}"}
        scope = {
            **{name: request.scope[name] for name in ("type", "http_version", "method", "scheme")},
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
            "state": {"hang_up": lambda: None},
        }
        waiting: list[Message] = [{"type": "http.request", "body": json.dumps(body).encode()}]
        status, content = 0, bytearray()

        async def receive() -> Message:
            return waiting.pop() if waiting else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            content.extend(message.get("body", b""))

        await request.app(scope, receive, send)
        try:
            answer = json.loads(content)
        except ValueError:
            answer = {"error": f"status {status}", "message": "The answer is not JSON."} if status else {}
        return status, answer
