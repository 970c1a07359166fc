"""Knows DataOps.live as an app, and how a test orders what it does. Does not know any route.

https://docs.dataops.live/docs/api-docs/rest-api-resources/ and the GitLab REST API that it is almost identical to,
https://docs.gitlab.com/api/rest/. In a test:

    dataops = sandbox.dataops                             # a client talks to sandbox.url + "/api/v4"
    dataops.script("full-ci.yml", Script((Job("a"), Job("b", ends=("failed",)))))   # by pipeline file
    dataops.next(Script((Job("c", pending=None),)))       # or for the next pipeline, whatever its file
    dataops.advance(3)                                    # three steps of every pipeline
    dataops.document()["pipelines"]["74774"]["status"]

A pipeline moves by steps. Without `step_seconds` in the account a step is over each time that the pipeline is asked for
(`GET pipelines/ID`, `GET jobs/ID`, or with a job token its jobs), after the answer; with it, a step lasts that long by
the sandbox's clock. `advance` works in both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from cibeacon.sandbox import dataops_jobs, dataops_pipelines, dataops_schedules
from cibeacon.sandbox.dataops_account import DataOpsAccount
from cibeacon.sandbox.dataops_requests import JSONParameters, Refusal, refuse
from cibeacon.sandbox.dataops_rows import document
from cibeacon.sandbox.dataops_script import Log, Script
from cibeacon.sandbox.dataops_state import DataOpsState
from cibeacon.sandbox.mishaps import Mishaps
from cibeacon.sandbox.store import Store

PREFIX = "/api/v4"


class DataOps(DataOpsState):
    """DataOps.live with a memory; safe to use from many threads."""

    def __init__(self, account: DataOpsAccount, store: Store, clock: Callable[[], float] = time.time) -> None:
        super().__init__(account, store, clock)
        self.mishaps = Mishaps()

    def script(self, file: str, script: Script) -> None:
        """What pipelines of that file do from now on; the file exists with it."""
        self.scripts[file] = script

    def next(self, script: Script) -> None:
        """What the next pipeline does, whatever its file; ordered several times, the next ones in turn."""
        self.ordered.append(script)

    def advance(self, steps: int = 1) -> None:
        """Move every pipeline."""
        with self.turn():
            for _ in range(steps):
                self.advance_all()

    def erase(self, job_id: int) -> None:
        """Erase a job's log, as a person may."""
        self.rewrite(job_id, Log(b""))

    def rewrite(self, job_id: int, log: Log) -> None:
        """Put another log in the place of a job's."""
        with self.turn():
            pipeline, job = next(
                (each, job) for each in self.pipelines.values() for job in each.jobs if job.id == job_id
            )
            job.rewritten = log
            self.update(pipeline)

    def revoke(self, token: str) -> None:
        """Make a token worthless from now on."""
        self.revoked.add(token)

    def document(self) -> dict[str, Any]:
        """What `dataops_rows.document` says of it."""
        with self.turn():
            return document(self)


def create_app(dataops: DataOps) -> FastAPI:
    """DataOps.live's API as an app, which is mounted below `/api/v4`."""
    app = FastAPI(title="DataOps.live", openapi_url=None, redirect_slashes=False)
    app.state.held = dataops
    app.add_middleware(JSONParameters)
    for module in (dataops_pipelines, dataops_jobs, dataops_schedules):
        app.include_router(module.router)
    for kind in (HTTPException, RequestValidationError, Refusal):
        app.add_exception_handler(kind, refuse)
    return app
