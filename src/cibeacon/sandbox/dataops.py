"""Knows DataOps.live as an app, and how a test orders what it does. Does not know any route.

https://docs.dataops.live/docs/api-docs/rest-api-resources/ and the GitLab REST API that it is almost identical to,
https://docs.gitlab.com/api/rest/. Without `step_seconds` in the account a step is over each time that a pipeline is asked
for (`GET pipelines/ID`, `GET jobs/ID`, or with a job token its jobs), after the answer; with it, a step lasts that long
by the sandbox's clock.
"""

from __future__ import annotations

from fastapi import FastAPI

from cibeacon.sandbox import dataops_pipelines, dataops_project, dataops_schedules, vendor
from cibeacon.sandbox.dataops_account import Script
from cibeacon.sandbox.dataops_requests import JSONParameters, refuse
from cibeacon.sandbox.dataops_rows import Row, document
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

    def document(self) -> Row:
        """What `dataops_rows.document` says of it."""
        with self.turn():
            return document(self)


def create_app(dataops: DataOps) -> FastAPI:
    """DataOps.live's API as an app, which is mounted below `/api/v4`."""
    routers = (dataops_pipelines.router, dataops_schedules.router, dataops_project.router)
    app = vendor.create_app("DataOps.live", *routers, refuse=refuse, errors=())
    app.state.held = dataops
    app.add_middleware(JSONParameters)
    return app
