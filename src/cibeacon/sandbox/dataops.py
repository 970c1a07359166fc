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

from typing import Any

from fastapi import FastAPI

from cibeacon.sandbox import dataops_jobs, dataops_pipelines, dataops_schedules, vendor
from cibeacon.sandbox.dataops_requests import JSONParameters, Refusal, refuse
from cibeacon.sandbox.dataops_rows import document
from cibeacon.sandbox.dataops_script import Log, Script
from cibeacon.sandbox.dataops_state import DataOpsState

PREFIX = "/api/v4"


class DataOps(DataOpsState):
    """DataOps.live with a memory; safe to use from many threads."""

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
    routers = (dataops_pipelines.router, dataops_jobs.router, dataops_schedules.router)
    app = vendor.create_app("DataOps.live", *routers, refuse=refuse, errors=(Refusal,))
    app.state.held = dataops
    app.add_middleware(JSONParameters)
    return app
