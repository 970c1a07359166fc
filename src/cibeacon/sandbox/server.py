"""Knows the sandbox as a whole: its vendors, its ledger, and how it is started. Does not know their rules."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from starlette.routing import BaseRoute, Route

from cibeacon.sandbox import pulls
from cibeacon.sandbox.app import create_app
from cibeacon.sandbox.attribution import conclusions
from cibeacon.sandbox.dx import Dx
from cibeacon.sandbox.ledger import Ledger
from cibeacon.sandbox.listener import Listener
from cibeacon.sandbox.outage import PATH as FAULTS_PATH
from cibeacon.sandbox.outage import Outage
from cibeacon.sandbox.store import Store
from cibeacon.sandbox.stories import PATH as STORY_PATH
from cibeacon.sandbox.stories import Stories
from cibeacon.sandbox.vendor import Journal, RecordedApp
from cibeacon.sandbox.vendors import VENDORS


class Sandbox(Listener):
    """Every vendor on this machine, between `start` and `stop` or as a context manager.

    Args:
        token, repositories, commits, default_branch: what DX knows already, as `dx.Dx` says.
        log: called with the ledger's entry of each API request, on the server's thread.
        clock: tells the Unix time in seconds.
        spool: what waits in a spool folder, given the requests of the ledger; shown as `spool`.
        db: the file that keeps what arrived for the next sandbox; None keeps it in memory. Raises OSError where it
            cannot be used.
        chance: draws the faults that `outage` has on order.
        accounts: what other vendors hold already, by their names in `VENDORS`, as the first argument of their `play`.
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
        db: Path | None = None,
        spool: Callable[[Sequence[Mapping[str, Any]]], Mapping[str, Any]] | None = None,
        chance: Random | None = None,
        **accounts: Any,
    ) -> None:
        if unknown := accounts.keys() - VENDORS.keys():
            raise TypeError(f"the sandbox has no vendor {', '.join(unknown)}")
        self.clock = clock
        self.outage = Outage(chance or Random(), VENDORS)  # noqa: S311 - nothing is secret of it
        self._store = Store(db)
        self.ledger = Ledger(clock, self._store)
        self._spool = spool
        self.dx = Dx(self.ledger, token, repositories, commits, default_branch)
        accounts["dx"] = self.dx
        self.vendors = {name: play(accounts.get(name), self._store, clock) for name, play in VENDORS.items()}
        journal = Journal(self.ledger, log, self.outage.fault_of)
        apps = [RecordedApp(name, vendor, journal) for name, vendor in self.vendors.items()]
        routes: list[BaseRoute] = [
            Route(FAULTS_PATH, self.outage.answer, methods=["GET", "POST", "DELETE"]),
            Route(pulls.PATH, partial(pulls.import_pulls, ledger=self.ledger), methods=["POST"]),
            Route(STORY_PATH, Stories(token).play, methods=["POST"]),
            *(route for app in sorted(apps, key=RecordedApp.order) for route in app.routes()),
        ]
        described = [(vendor.prefix, vendor.app) for vendor in self.vendors.values()]
        super().__init__(create_app(routes, described, self.document))

    def __getattr__(self, name: str) -> Any:
        """What a vendor holds, by its name."""
        vendors = vars(self).get("vendors", {})
        if name not in vendors:
            raise AttributeError(name)
        return vendors[name].held

    @property
    def exports(self) -> dict[str, str]:
        """The settings that lead to every vendor, while started."""
        return {name: value for each in self.vendors.values() for name, value in each.exports(self.url).items()}

    def close(self) -> None:
        """Stop, and let go of the file."""
        self.stop()
        self._store.close()

    def document(self) -> Mapping[str, Any]:
        """Everything that is held, and what DX would conclude from it: what `/ledger` answers."""
        others = {name: vendor.document() for name, vendor in self.vendors.items() if vendor.document}
        titles = {name: vendor.app.title for name, vendor in self.vendors.items()}
        ledger = self.ledger.document()
        spool = self._spool(ledger["requests"]) if self._spool else None
        known = (ledger["deployments"], ledger["pull_requests"], ledger["pull_services"])
        concluded = conclusions(*known, self.dx.default_branch)
        return ledger | concluded | others | {"vendors": titles, "spool": spool, "faults": self.outage.document()}
