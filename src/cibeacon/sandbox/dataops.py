"""Knows how DataOps.live receives a request: mishap, route, powers, handler, and what is remembered of it. Does not know
sockets or any client.

https://docs.dataops.live/docs/api-docs/rest-api-resources/ and the GitLab REST API that it is almost identical to,
https://docs.gitlab.com/api/rest/. In a test:

    with Sandbox() as sandbox:                            # or Sandbox(dataops=DataOpsAccount(...), clock=...)
        dataops = sandbox.dataops
        dataops.script("full-ci.yml", Script((Job("a"), Job("b", ends=("failed",)))))   # by pipeline file
        dataops.next(Script((Job("c", pending=None),)))   # or for the next pipeline, whatever its file
        ...                                               # a client talks to sandbox.url + "/api/v4"
        dataops.advance(3)                                # three steps of every pipeline
        dataops.mishaps.lose("POST", "/projects/*/trigger/pipeline")
        dataops.document()["pipelines"]["74774"]["status"]

A pipeline moves by steps. Without `step_seconds` in the account a step is over each time that the pipeline is asked for
(`GET pipelines/ID`, `GET jobs/ID`, or with a job token its jobs), after the answer; with it, a step lasts that long by
the sandbox's clock. `advance` works in both. What each job does is in `dataops_script`, the ids and tokens in
`dataops_account`, what can go wrong on order in `mishaps`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from threading import RLock
from typing import Any

from cibeacon.sandbox import dataops_params, dataops_powers, dataops_routes
from cibeacon.sandbox.dataops_account import DataOpsAccount
from cibeacon.sandbox.dataops_answers import Refusal, failure
from cibeacon.sandbox.dataops_call import Asked
from cibeacon.sandbox.dataops_ledger import document
from cibeacon.sandbox.dataops_script import Log, Script
from cibeacon.sandbox.dataops_state import DataOpsState
from cibeacon.sandbox.exchange import Answer, Request
from cibeacon.sandbox.mishaps import Mishaps

_STEPS = 10_000
"""Most steps that one request makes up for, so that a sandbox left alone for days wakes up at once."""


class DataOps:
    """DataOps.live with a memory; safe to use from many threads.

    Args:
        account: what it holds before the first request.
        base: tells the sandbox's URL, without a trailing slash.
        clock: tells the Unix time in seconds.
    """

    def __init__(
        self,
        account: DataOpsAccount,
        base: Callable[[], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.account = account
        self.mishaps = Mishaps()
        self._state = DataOpsState(account, clock)
        self._base, self._clock = base, clock
        self._lock = RLock()

    def script(self, file: str, script: Script) -> None:
        """What pipelines of that file do from now on; the file exists with it."""
        with self._lock:
            self._state.scripts[file] = script

    def next(self, script: Script) -> None:
        """What the next pipeline does, whatever its file; ordered several times, the next ones in turn."""
        with self._lock:
            self._state.ordered.append(script)

    def advance(self, steps: int = 1) -> None:
        """Move every pipeline."""
        with self._lock:
            for _ in range(steps):
                self._state.step_all()

    def erase(self, job_id: int) -> None:
        """Erase a job's log, as a person may."""
        with self._lock:
            self._state.job(job_id).erase(self._clock())

    def rewrite(self, job_id: int, log: Log) -> None:
        """Put another log in the place of a job's."""
        with self._lock:
            self._state.job(job_id).log = log

    def revoke(self, token: str) -> None:
        """Make a token worthless from now on."""
        with self._lock:
            self._state.revoked.add(token)

    def document(self) -> dict[str, Any]:
        """The pipelines made since the start and the schedules, by id as text, as one JSON object without a token."""
        with self._lock:
            self._catch_up()
            return document(self._state)

    async def answer(self, request: Request, _scope: object) -> Answer:
        """Judge a request, and change what is held accordingly."""
        with self._lock:
            path = request.path.removeprefix(dataops_routes.PREFIX).rstrip("/")
            self._catch_up()
            try:
                return self._handled(request, path, dataops_params.read(request))
            except Refusal as refusal:
                return refusal.answer()

    def _handled(self, request: Request, path: str, params: Mapping[str, Any]) -> Answer:
        route, ids = dataops_routes.found(request.method, path)
        caller, project = dataops_powers.admitted(route, request, params, self._state, ids)
        asked = Asked(
            request=request,
            state=self._state,
            params=params,
            base=self._base(),
            ids=ids[1:] if route.of_project else ids,
            caller=caller,
            found=project,
        )
        return route.handler(asked)

    def _catch_up(self) -> None:
        seconds = self.account.step_seconds
        for _ in range(_STEPS if seconds else 0):
            if not self._state.step_due(seconds or 0.0):
                return


def verdict(answer: Answer) -> tuple[str | None, str | None]:
    """The error and the sentence of an answer."""
    return (HTTPStatus(answer.status).phrase, failure(answer)) if answer.status >= 400 else (None, None)


def remembered(request: Request) -> object:
    """The parameters of a request, without tokens."""
    try:
        return dataops_params.without_tokens(dataops_params.read(request)) or None
    except Refusal:
        return None
