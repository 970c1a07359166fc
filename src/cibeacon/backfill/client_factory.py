"""Gives each worker a courier with a connection of its own, which leaves the waiting to the crew. Knows no rows.

A courier by itself has each request made in another thread, so that one that hangs can be given up; for many requests
that costs half as much as they do. Here the worker makes them, and the crew gives up the worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from cibeacon import __version__
from cibeacon.backfill.workers import Carrier, Hire
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.environment import Environment
from cibeacon.settings.endpoint import Endpoint
from cibeacon.sinks import dx

_Result = TypeVar("_Result")


def hiring(env: Environment, endpoint: Endpoint, *, timeout: float, allow_http: bool) -> Hire:
    """What makes a courier; each row brings a budget of its own. The network stack is loaded here, by one thread alone."""
    from cibeacon.http.client import HttpClient  # requests takes 0.1 s to import

    @contextmanager
    def hire(slowed: Callable[[float], None]) -> Iterator[Carrier]:
        client = HttpClient(
            {dx.NAME: endpoint},
            Deadline(timeout, env.clock, env.sleep, env.clock()),
            random=env.random,
            now=env.now,
            user_agent=f"cibeacon/{__version__}",
            allow_http=allow_http,
            bounded=_unbounded,
            slowed=slowed,
            rest=0.0,
        )
        try:
            yield client
        finally:
            client.close()

    return hire


def _unbounded(seconds: float, work: Callable[[], _Result]) -> _Result:
    return work()
