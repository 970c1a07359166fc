"""Knows every request that arrived and what DX would store after it. Does not know rules, HTTP or tokens.

How the notifications of a run become one record: https://help.getdx.com/en/articles/8691575-pipelines-api.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from cibeacon.sandbox.store import Store

LADDER = ("unknown", "running", "success", "cancelled", "failure")
"""The status of a run is the highest that was reported."""


def fold(notifications: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The run that results from the notifications of one reference_id.

    Start, finish and status do not depend on the order of arrival. Other fields are those of the notification
    with the latest `started_at`, and of several the one that arrived last.
    """
    in_order = sorted(notifications, key=lambda notification: int(notification["started_at"]))
    run: dict[str, Any] = {}
    for notification in in_order:
        run |= notification
    started = in_order[0]["started_at"]
    finished = max((one["finished_at"] for one in in_order if "finished_at" in one), default=None)
    return run | {
        "started_at": started,
        "finished_at": finished,
        "duration": None if finished is None else finished - started,
        "status": max((one.get("status", "unknown") for one in in_order), key=LADDER.index),
        "notifications": len(in_order),
    }


class Ledger:
    """The requests, and the records that DX would have; safe to use from many threads.

    `clock` gives the Unix time in seconds. Of the requests the last `kept` are remembered, of the records all.
    """

    def __init__(self, clock: Callable[[], float] = time.time, store: Store | None = None, *, kept: int = 1000) -> None:
        store = store or Store()
        self._clock, self._lock, self._kept = clock, store.lock, kept
        self._requests = store.table("requests")
        self._pull_services = store.table("pull_services")
        self._deployments = store.table("deployments")
        self._runs = store.table("runs")
        self._pulls = store.table("pull_requests")
        self._received = int(next(reversed(list(self._requests)), "0"))

    def note(self, **request: object) -> Mapping[str, Any]:
        """Remember a request with `vendor`, `method`, `path` and `body`, its answer with `status`, `error` and `message`.

        `fault` names the ordered fault that it met, if any. The entry, which is returned, contains no headers.
        """
        with self._lock:
            self._received += 1
            entry = {"seq": self._received, "time": self._clock(), **request}
            self._requests[str(self._received)] = entry
            self._requests.pop(str(self._received - self._kept), None)
            return entry

    def set_services(self, pull: str, services: Iterable[str], *, replace: bool = False) -> None:
        """Add to the services of a pull request, by its id or repository#number, or replace them.

        Without services every service may claim it.
        """
        with self._lock:
            known = () if replace else self._pull_services.get(pull, ())
            self._pull_services[pull] = sorted({*known, *services})

    def change_deployment(
        self, reference_id: str, change: Callable[[Mapping[str, Any] | None], Mapping[str, Any]]
    ) -> None:
        """Store what `change` makes of the stored deployment (None at first); nothing changes when it raises."""
        with self._lock:
            self._deployments[reference_id] = change(self._deployments.get(reference_id))

    def notify(self, reference_id: str, notification: Mapping[str, Any]) -> None:
        """Add a notification to a run; times are Unix seconds as integers."""
        with self._lock:
            self._runs[reference_id] = [*self._runs.get(reference_id, ()), notification]

    def import_pulls(self, pulls: Mapping[str, Mapping[str, Any]], most: int) -> bool:
        """Store merged pull requests by `repository#number`, replacing known ones; False, and none, for more than `most` in all."""
        with self._lock:
            if len(self._pulls.keys() | pulls.keys()) > most:
                return False
            self._pulls.update(pulls)
            return True

    def document(self) -> dict[str, Any]:
        """Everything as one JSON object; `received` also counts requests that are no longer remembered."""
        with self._lock:
            return {
                "received": self._received,
                "requests": list(self._requests.values()),
                "pull_services": dict(self._pull_services),
                "deployments": dict(self._deployments),
                "pipeline_runs": {reference: fold(notifications) for reference, notifications in self._runs.items()},
                "notifications": dict(self._runs),
                "pull_requests": dict(self._pulls),
            }
