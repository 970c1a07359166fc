"""Backfills for tests: the command with a token, and a DX whose answers the test scripts."""

from __future__ import annotations

import json
from threading import Lock

from faults import response
from processes import cibeacon

TOKEN = "sandbox-token-1"
BEGAN = 1_680_000_000
"""Unix seconds of the first deployment in a file."""


def run_backfill(folder, url, *argv, kind="deployments", environ=None, **more):
    """A whole run without a rate limit."""
    variables = {"DX_API_TOKEN": TOKEN, **({"CIBEACON_DX_URL": url} if url else {}), **(environ or {})}
    return cibeacon("backfill", kind, *argv, "--rps=0", environ=variables, cwd=folder, **more)


def reply(document, status="200 OK", **headers):
    """A response that keeps the connection open."""
    return response(json.dumps(document).encode(), status=status, Connection="", **headers)


WELL = reply({"ok": True})


class ScriptedDX:
    """A DX that keeps connections open, and answers with a function of the body and the number of requests."""

    def __init__(self, answer) -> None:
        self._answer, self._lock = answer, Lock()
        self.bodies: list[dict] = []

    def __call__(self, connection, server) -> None:
        while request := server.read(connection):
            body = json.loads(request.partition(b"\r\n\r\n")[2])
            with self._lock:
                self.bodies.append(body)
                answer = self._answer(body, len(self.bodies))
            connection.sendall(answer)
