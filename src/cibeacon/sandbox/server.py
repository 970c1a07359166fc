"""Knows who answers at which address of the sandbox: DX's methods, the ledger, the page. Does not know their rules."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from cibeacon.sandbox import page
from cibeacon.sandbox.account import Account
from cibeacon.sandbox.dx import Asked, answer
from cibeacon.sandbox.exchange import Answer, Request, in_json
from cibeacon.sandbox.ledger import Ledger
from cibeacon.sandbox.listener import Listener


class Sandbox(Listener):
    """DX on this machine, between `start` and `stop` or as a context manager.

    Args:
        token: the only API key that is good; None takes any.
        repositories: full names that DX knows; None takes any.
        commits: full commit ids that DX knows; None takes any.
        default_branch: what no integration_branch may equal.
        log: called with the ledger's entry of each API request, on the connection's thread.
        clock: tells the Unix time in seconds.
    """

    def __init__(
        self,
        *,
        token: str | None = None,
        repositories: Collection[str] | None = None,
        commits: Collection[str] | None = None,
        default_branch: str = "main",
        log: Callable[[Mapping[str, Any]], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.ledger = Ledger(clock)
        self._account = Account(token=token, repositories=repositories, commits=commits, default_branch=default_branch)
        self._log = log
        super().__init__(self._route)

    def _route(self, request: Request) -> Answer:
        if request.path.startswith("/api/"):
            return self._dx(request)
        view = self._views().get(request.path)
        if view is None:
            return in_json(404, {"ok": False, "error": "not_found"})
        if request.method not in {"GET", "HEAD"}:
            return in_json(405, {"ok": False, "error": "method_not_allowed"}, Allow="GET, HEAD")
        if request.path != "/healthz" and not request.from_this_machine():
            return in_json(403, {"ok": False, "error": "host_not_loopback"})
        return view()

    def _views(self) -> Mapping[str, Callable[[], Answer]]:
        return {
            "/": lambda: Answer(200, page.content(), "text/html; charset=utf-8", page.headers()),
            "/ledger": lambda: in_json(200, self.ledger.document()),
            "/healthz": lambda: in_json(200, {"ok": True}),
        }

    def _dx(self, request: Request) -> Answer:
        asked = Asked(
            method=request.method,
            path=request.path,
            authorization=request.headers.get("Authorization"),
            content_type=request.headers.get("Content-Type", ""),
            body=request.body,
        )
        answered = answer(asked, self._account, self.ledger)
        if self._log:
            self._log(answered.entry)
        allow = {"Allow": "POST"} if answered.status == 405 else {}
        return in_json(answered.status, answered.envelope, **allow)
