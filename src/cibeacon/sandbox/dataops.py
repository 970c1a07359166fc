"""Knows DataOps.live as an app, and what it says of a project and of who asks. Does not know
pipelines or schedules.

https://docs.dataops.live/docs/api-docs/rest-api-resources/ and the GitLab REST API that it is almost identical to,
https://docs.gitlab.com/api/rest/. Without `step_seconds` in the account a step is over each time that a pipeline is asked
for (`GET pipelines/ID`, `GET jobs/ID`, or with a job token its jobs), after the answer; with it, a step lasts that long
by the sandbox's clock.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import unquote

from fastapi import FastAPI, Request

from cibeacon.sandbox import dataops_jobs, dataops_pipelines, dataops_schedules, vendor
from cibeacon.sandbox import dataops_requests as api
from cibeacon.sandbox.dataops_rows import Row, document
from cibeacon.sandbox.dataops_state import DataOpsState

PREFIX = "/api/v4"
_PROJECT = "/projects/{project_id}"
router = api.create_router("")


class DataOps(DataOpsState):
    """DataOps.live with a memory; safe to use from many threads."""

    def document(self) -> Row:
        """What `dataops_rows.document` says of it."""
        with self.turn():
            return document(self)


@router.get(_PROJECT)
async def show_project(visit: api.Guest) -> Row:
    """Show a project."""
    return visit.rows.project(visit.project)


@router.get(f"{_PROJECT}/repository/commits/{{ref}}")
async def show_commit(visit: api.Viewer, ref: str) -> Row:
    """Show a commit, by branch, tag, id or the first digits of an id."""
    ref, named = unquote(ref), {**visit.project.tags, **visit.project.branches}
    abbreviated = (sha for sha in named.values() if len(ref) >= 7 and sha.startswith(ref))
    sha = named.get(ref) or next(abbreviated, None)
    if sha is None:
        raise api.missing("Commit")
    return {"id": sha, "short_id": sha[:8], "title": "Load the flights", "parent_ids": []}


@router.get(f"{_PROJECT}/repository/{{kind}}/{{name}}")
async def show_reference(visit: api.Viewer, kind: Literal["branches", "tags"], name: str) -> Row:
    """Show a branch or a tag."""
    known, name = visit.project.branches if kind == "branches" else visit.project.tags, unquote(name)
    if name not in known:
        raise api.missing("Branch" if kind == "branches" else "Tag")
    commit = {"id": known[name], "short_id": known[name][:8]}
    return {"name": name, "default": name == visit.project.default_branch, "commit": commit}


@router.get("/user")
async def show_user(caller: api.Person, request: Request) -> Row:
    """Show whose token it is."""
    return api.rows_of(request).user(caller.user)


@router.get("/personal_access_tokens/self")
async def show_token(caller: api.Person) -> Row:
    """Show what the token may."""
    return {"id": 1, "name": "sandbox", "scopes": list(caller.scopes), "active": True, "revoked": False}


@router.get("/version")
async def show_version(_caller: api.Person) -> Row:
    """Show the version of GitLab."""
    return {"version": "17.5.3-ee", "revision": "sandbox"}


def create_app(dataops: DataOps) -> FastAPI:
    """DataOps.live's API as an app, which is mounted below `/api/v4`."""
    routers = (dataops_pipelines.router, dataops_jobs.router, dataops_schedules.router, router)
    app = vendor.create_app("DataOps.live", *routers, refuse=api.refuse, errors=())
    app.state.held = dataops
    app.add_middleware(api.JSONParameters)
    return app
