"""Knows who answers at which address of the sandbox: DX, DCI, DataOps.live, Instabase, the ledger, the page. Does not know
their rules.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from cibeacon.sandbox import dataops_routes, page, pulls
from cibeacon.sandbox.account import Account
from cibeacon.sandbox.conclusions import Conclusions
from cibeacon.sandbox.dataops import DataOps
from cibeacon.sandbox.dataops_account import DataOpsAccount
from cibeacon.sandbox.dci import Dci
from cibeacon.sandbox.dci_account import DciAccount
from cibeacon.sandbox.dci_routes import PREFIX
from cibeacon.sandbox.dci_upload import Upload
from cibeacon.sandbox.dx import Asked, answer
from cibeacon.sandbox.exchange import Answer, Request, in_json
from cibeacon.sandbox.flow import Flow
from cibeacon.sandbox.flow_account import FlowAccount
from cibeacon.sandbox.ledger import Ledger
from cibeacon.sandbox.listener import Listener


class Sandbox(Listener):
    """DX, DCI, DataOps.live and Instabase Flow on this machine, between `start` and `stop` or as a context manager.

    Args:
        token: the only API key that is good; None takes any.
        repositories: full names that DX knows; None takes any.
        commits: full commit ids that DX knows; None takes any.
        default_branch: what no integration_branch may equal.
        log: called with the ledger's entry of each API request, on the connection's thread.
        clock: tells the Unix time in seconds.
        dci: what DCI holds, and whose signatures are good; the example of `dci_account` by default.
        dataops: what DataOps.live holds; the example of `dataops_account` by default.
        flow: what Instabase holds; the example of `flow_account` by default.
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
        dci: DciAccount | None = None,
        dataops: DataOpsAccount | None = None,
        flow: FlowAccount | None = None,
    ) -> None:
        self.ledger = Ledger(clock)
        self.dci = Dci(dci or DciAccount(), self.ledger, clock, log)
        self.dataops = DataOps(dataops or DataOpsAccount(), self.ledger, lambda: self.url, clock, log)
        self.flow = Flow(flow or FlowAccount(), self.ledger, clock, log)
        self._account = Account(token=token, repositories=repositories, commits=commits, default_branch=default_branch)
        self._conclusions = Conclusions(default_branch)
        self._log = log
        super().__init__(self._route, lambda head: self.dci.receives(head) if self._is_dci(head) else None)

    def stop(self) -> None:
        """Close every connection, wait for their threads and forget the files; harmless when not started."""
        super().stop()
        self.dci.close()

    def _route(self, request: Request) -> Answer | None:
        if isinstance(request.stream, Upload):
            return self.dci.answer(request, request.stream)
        if request.path.startswith(f"{dataops_routes.PREFIX}/"):
            return self.dataops.answer(request)
        if self.flow.receives(request):
            return self.flow.answer(request)
        if request.path.startswith("/api/"):
            return self._dx(request)
        if request.path == pulls.PATH:
            own = request.from_this_machine() and request.from_own_page()
            return (
                pulls.answer(request, self.ledger) if own else in_json(403, {"ok": False, "error": "host_not_loopback"})
            )
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
            "/ledger": lambda: in_json(200, self._ledger()),
            "/healthz": lambda: in_json(200, {"ok": True}),
        }

    def _ledger(self) -> Mapping[str, Any]:
        others = {"dci": self.dci.document(), "dataops": self.dataops.document(), "flow": self.flow.document()}
        ledger = self.ledger.document()
        return ledger | self._conclusions.of(ledger) | others

    def _is_dci(self, head: Request) -> bool:
        return head.path.startswith(f"{PREFIX}/") and not self.flow.receives(head)

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
