"""Knows the sandbox as a whole: its vendors, its ledger, and how it is started. Does not know their rules."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from starlette.routing import BaseRoute, Route

from cibeacon.sandbox import dataops as dataops_app
from cibeacon.sandbox import dci as dci_app
from cibeacon.sandbox import devlake as devlake_app
from cibeacon.sandbox import dx, dx_workflow, pulls
from cibeacon.sandbox import flow as flow_app
from cibeacon.sandbox import otlp as otlp_app
from cibeacon.sandbox.app import create_app
from cibeacon.sandbox.attribution import conclusions
from cibeacon.sandbox.dataops_account import DataOpsAccount
from cibeacon.sandbox.dci_account import Dci, DciAccount
from cibeacon.sandbox.flow_account import FlowAccount
from cibeacon.sandbox.ledger import Ledger
from cibeacon.sandbox.listener import Listener
from cibeacon.sandbox.outage import PATH as FAULTS_PATH
from cibeacon.sandbox.outage import Outage
from cibeacon.sandbox.store import Store
from cibeacon.sandbox.stories import PATH as STORY_PATH
from cibeacon.sandbox.stories import Stories
from cibeacon.sandbox.vendor import Journal, Vendor


class Sandbox(Listener):
    """Every vendor on this machine, between `start` and `stop` or as a context manager.

    Args:
        token, repositories, commits, default_branch: what DX knows already, as `dx.Dx` says.
        log: called with the ledger's entry of each API request, on the server's thread.
        clock: tells the Unix time in seconds.
        dci: what DCI holds, and whose signatures are good; the example of `dci_account` by default.
        dataops: what DataOps.live holds; the example of `dataops_account` by default.
        spool: what waits in a spool folder, given the requests of the ledger; shown as `spool`.
        flow: what Instabase holds; the example of `flow_account` by default.
        otlp_token: the only token that the OTLP receiver takes; None takes any, and none.
        db: the file that keeps what arrived for the next sandbox; None keeps it in memory. Raises OSError where it
            cannot be used.
        chance: draws the faults that `outage` has on order.
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
        otlp_token: str | None = None,
        db: Path | None = None,
        spool: Callable[[Sequence[Mapping[str, Any]]], Mapping[str, Any]] | None = None,
        chance: Random | None = None,
    ) -> None:
        self.clock = clock
        self.outage = Outage(chance or Random())  # noqa: S311 - nothing is secret of it
        self._store = Store(db)
        self.ledger = Ledger(clock, self._store)
        self._spool = spool
        self.dci = Dci(dci or DciAccount(), clock, self._store)
        self.dataops = dataops_app.DataOps(dataops or DataOpsAccount(), self._store, clock)
        self.flow = flow_app.Flow(flow or FlowAccount(), self._store)
        self.otlp = otlp_app.Otlp(otlp_token, self._store)
        self.devlake = devlake_app.Devlake(devlake_app.TOKEN, self._store)
        self.dx = dx.Dx(self.ledger, token, repositories, commits, default_branch)
        self.dx_workflow = dx_workflow.DxWorkflowRuns(self._store, clock)
        journal = Journal(self.ledger, log, self.outage.fault_of)
        vendors = (
            Vendor("flow", "", flow_app.create_app(self.flow), journal, flow_app.verdict),
            Vendor("dataops", dataops_app.PREFIX, dataops_app.create_app(self.dataops), journal),
            Vendor("dci", dci_app.PREFIX, dci_app.create_app(self.dci), journal, dci_app.verdict, streams=True),
            Vendor("otlp", otlp_app.PREFIX, otlp_app.create_app(self.otlp), journal, otlp_app.verdict),
            Vendor("devlake", devlake_app.PREFIX, devlake_app.create_app(self.devlake), journal),
            Vendor("dx", dx.PREFIX, dx.create_app(self.dx), journal, dx.verdict),
            Vendor("dx", dx_workflow.PREFIX, dx_workflow.create_app(self.dx_workflow), journal, dx.verdict),
        )
        """The first whose path it is answers."""
        routes: list[BaseRoute] = [
            Route(FAULTS_PATH, self.outage.answer, methods=["GET", "POST", "DELETE"]),
            Route(pulls.PATH, partial(pulls.import_pulls, ledger=self.ledger), methods=["POST"]),
            Route(STORY_PATH, Stories(token).play, methods=["POST"]),
            *(route for vendor in vendors for route in vendor.routes()),
        ]
        described = {vendor.prefix: vendor.app for vendor in vendors}
        super().__init__(create_app(routes, described, self.document))

    def close(self) -> None:
        """Stop, and let go of the file."""
        self.stop()
        self._store.close()

    def document(self) -> Mapping[str, Any]:
        """Everything that is held, and what DX would conclude from it: what `/ledger` answers."""
        names = ("dci", "dataops", "flow", "dx_workflow", "otlp", "devlake")
        others = {name: getattr(self, name).document() for name in names}
        ledger = self.ledger.document()
        spool = self._spool(ledger["requests"]) if self._spool else None
        known = (ledger["deployments"], ledger["pull_requests"], ledger["pull_services"])
        concluded = conclusions(*known, self.dx.default_branch)
        return ledger | concluded | others | {"spool": spool, "faults": self.outage.document()}
