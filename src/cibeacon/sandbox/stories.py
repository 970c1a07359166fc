"""Knows the two examples of DX's documentation for attribution, and reports them to the sandbox. Does not know DX's rules.

https://help.getdx.com/en/articles/7669458-deployments-api. Every request goes through the sandbox like one from outside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message

from cibeacon.sandbox.safe_json import JSONAnswer

PATH = "/sandbox/stories/{name}"
_IMPORT, _SERVICES, _DEPLOY = "/sandbox/pull-requests", "/api/deployments.setPullServices", "/api/deployments.create"


class Story(NamedTuple):
    """Merged pull requests, the services that some of them changed, and deployments, as DX's API takes them."""

    pulls: tuple[Mapping[str, Any], ...]
    services: tuple[Mapping[str, Any], ...]
    deployments: tuple[Mapping[str, Any], ...]


class Stories:
    """Answers to the buttons of the page; `token` is the API key of DX, None where any is good."""

    def __init__(self, token: str | None) -> None:
        self._token = token or "any"

    async def play(self, request: Request) -> Response:
        """Report a story; answers with the keys of its pull requests and deployments, or with the first refusal."""
        story = STORIES.get(request.path_params["name"])
        if story is None:
            return JSONAnswer({"ok": False, "error": "not_found", "message": "There is no story of this name."}, 404)
        calls = [(_IMPORT, list(story.pulls)), *((_SERVICES, body) for body in story.services)]
        for path, body in [*calls, *((_DEPLOY, body) for body in story.deployments)]:
            status, answer = await self._report(request.app, path, body)
            if status != 200:
                said = {"error": "no_answer", "message": "The connection was closed."} | answer
                return JSONAnswer({**said, "ok": False}, 409)
        pulls = [f"{pull['repository']}#{pull['number']}" for pull in story.pulls]
        deployments = [deployment["reference_id"] for deployment in story.deployments]
        return JSONAnswer({"ok": True, "pull_requests": pulls, "deployments": deployments})

    async def _report(self, app: ASGIApp, path: str, body: object) -> tuple[int, dict[str, Any]]:
        """The status of one request to the sandbox, 0 where it was not answered, and the JSON of its answer."""
        fields = {"host": "localhost", "content-type": "application/json", "authorization": f"Bearer {self._token}"}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in fields.items()],
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

        await app(scope, receive, send)
        try:
            answer = json.loads(content)
        except ValueError:
            answer = {"error": f"status {status}", "message": "The answer is not JSON."} if status else {}
        return status, answer


def _pull(repository: str, number: int, merged_at: str, commit: str, title: str) -> dict[str, Any]:
    return {
        "repository": repository,
        "number": number,
        "base_ref": "main",
        "merged_at": _seconds(merged_at),
        "merge_commit_sha": _sha(commit),
        "title": title,
        "author": "story",
    }


def _deployment(repository: str, number: int, service: str, deployed_at: str, commit: str) -> dict[str, Any]:
    return {
        "reference_id": f"{repository}-{number}",
        "service": service,
        "repository": repository,
        "deployed_at": _seconds(deployed_at),
        "commit_sha": _sha(commit),
    }


def _seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp())


def _sha(commit: str) -> str:
    return f"{ord(commit):x}".ljust(40, "0")


def _commits() -> Story:
    """Commits A to E; B is deployed, later E."""
    repository = "story/commits"
    merged = ["2024-02-10", "2024-02-11", "2024-05-12", "2024-05-13", "2024-05-14"]
    pulls = [
        _pull(repository, number, f"{day}T10:00:00Z", commit, f"Commit {commit}")
        for number, (commit, day) in enumerate(zip("ABCDE", merged, strict=True), start=1)
    ]
    deployments = [
        _deployment(repository, 1, "shop", "2024-03-01T00:00:00Z", "B"),
        _deployment(repository, 2, "shop", "2024-06-01T00:00:00Z", "E"),
    ]
    return Story(tuple(pulls), (), tuple(deployments))


def _monorepo(repository: str, *, sets_services: bool) -> Story:
    """Three pull requests from 10:00 to 12:00; at 12:01 service_a is deployed."""
    changed = list(enumerate(("service_a", "service_b", "service_a"), start=1))
    pulls = [
        _pull(repository, number, f"2024-03-01T{number + 9}:00:00Z", "ABC"[number - 1], f"Change {service}")
        for number, service in changed
    ]
    services = [{"repository": repository, "pull_number": number, "services": [service]} for number, service in changed]
    deployment = _deployment(repository, 1, "service_a", "2024-03-01T12:01:00Z", "C")
    return Story(tuple(pulls), tuple(services) if sets_services else (), (deployment,))


STORIES: Mapping[str, Story] = {
    "commits": _commits(),
    "with-services": _monorepo("story/with-services", sets_services=True),
    "without-services": _monorepo("story/without-services", sets_services=False),
}
