"""Knows DataOps.live as an app, how a test orders what it does, and what it says of a project and of who asks. Does not know
pipelines or schedules.

https://docs.dataops.live/docs/api-docs/rest-api-resources/ and the GitLab REST API that it is almost identical to,
https://docs.gitlab.com/api/rest/. Without `step_seconds` in the account a step is over each time that a pipeline is asked
for (`GET pipelines/ID`, `GET jobs/ID`, or with a job token its jobs), after the answer; with it, a step lasts that long
by the sandbox's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import unquote

from fastapi import Request

from cibeacon.sandbox import dataops_jobs, dataops_pipelines, dataops_schedules, vendor
from cibeacon.sandbox.dataops_account import DataOpsAccount, Script
from cibeacon.sandbox.dataops_requests import (
    Guest,
    JSONParameters,
    Person,
    Viewer,
    Visit,
    create_router,
    missing,
    refuse,
    rows_of,
)
from cibeacon.sandbox.dataops_rows import Row, document
from cibeacon.sandbox.dataops_state import DataOpsState
from cibeacon.sandbox.store import Store

PREFIX = "/api/v4"
_PROJECT = "/projects/{project_id}"
router = create_router("")


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


@router.get(_PROJECT)
async def show_project(visit: Guest) -> Row:
    """Show a project."""
    return visit.rows.project(visit.project)


@router.get(f"{_PROJECT}/repository/branches/{{name}}")
async def show_branch(visit: Viewer, name: str) -> Row:
    """Show a branch."""
    return _show_reference(visit, "Branch", unquote(name), visit.project.branches)


@router.get(f"{_PROJECT}/repository/tags/{{name}}")
async def show_tag(visit: Viewer, name: str) -> Row:
    """Show a tag."""
    return _show_reference(visit, "Tag", unquote(name), visit.project.tags)


def _show_reference(visit: Visit, kind: str, name: str, known: Mapping[str, str]) -> Row:
    if name not in known:
        raise missing(kind)
    commit = {"id": known[name], "short_id": known[name][:8]}
    return {"name": name, "default": name == visit.project.default_branch, "commit": commit}


@router.get(f"{_PROJECT}/repository/commits/{{ref}}")
async def show_commit(visit: Viewer, ref: str) -> Row:
    """Show a commit, by branch, tag, id or the first digits of an id."""
    ref, named = unquote(ref), {**visit.project.tags, **visit.project.branches}
    abbreviated = (sha for sha in named.values() if len(ref) >= 7 and sha.startswith(ref))
    sha = named.get(ref) or next(abbreviated, None)
    if sha is None:
        raise missing("Commit")
    return {"id": sha, "short_id": sha[:8], "title": "Load the flights", "parent_ids": []}


@router.get("/user")
async def show_user(caller: Person, request: Request) -> Row:
    """Show whose token it is."""
    return rows_of(request).user(caller.user)


@router.get("/personal_access_tokens/self")
async def show_token(caller: Person) -> Row:
    """Show what the token may."""
    return {"id": 1, "name": "sandbox", "scopes": list(caller.scopes), "active": True, "revoked": False}


@router.get("/version")
async def show_version(_caller: Person) -> Row:
    """Show the version of GitLab."""
    return {"version": "17.5.3-ee", "revision": "sandbox"}


def play(account: DataOpsAccount | None, store: Store, clock: Callable[[], float]) -> vendor.Vendor:
    """DataOps.live's API."""
    dataops = DataOps(account or DataOpsAccount(), store, clock)
    routers = (dataops_pipelines.router, dataops_jobs.router, dataops_schedules.router, router)
    app = vendor.create_app("DataOps.live", *routers, refuse=refuse, errors=(), held=dataops)
    app.add_middleware(JSONParameters)
    return vendor.Vendor(PREFIX, app, dataops, dataops.account.exports, dataops.document)
