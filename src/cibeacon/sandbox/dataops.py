"""Knows DataOps.live as an app: what it says of a project and of who asks, and its schedules. Does not know pipelines, or the
time: a schedule starts when it is played.

https://docs.dataops.live/docs/api-docs/rest-api-resources/ and the GitLab REST API that it is almost identical to,
https://docs.gitlab.com/api/rest/. Without `step_seconds` in the account a step is over each time that a pipeline is asked
for (`GET pipelines/ID`, `GET jobs/ID`, or with a job token its jobs), after the answer; with it, a step lasts that long
by the sandbox's clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Literal
from urllib.parse import unquote

from fastapi import Body, Query, Request, Response
from pydantic import BaseModel

from cibeacon.sandbox import dataops_pipelines, vendor
from cibeacon.sandbox import dataops_requests as api
from cibeacon.sandbox.dataops_account import DataOpsAccount
from cibeacon.sandbox.dataops_pipelines import Text, start
from cibeacon.sandbox.dataops_records import next_run, zone
from cibeacon.sandbox.dataops_rows import Row, document, variables
from cibeacon.sandbox.dataops_state import DataOpsState
from cibeacon.sandbox.store import Store

PREFIX = "/api/v4"
_PROJECT = "/projects/{project_id}"
_SCHEDULES, _SCHEDULE = f"{_PROJECT}/pipeline_schedules", f"{_PROJECT}/pipeline_schedules/{{schedule_id}}"
_VARIABLE = f"{_SCHEDULE}/variables/{{key}}"
_KEY = re.compile(r"\w{1,255}", re.ASCII)
router = api.create_router("")


class DataOps(DataOpsState):
    """DataOps.live and its state; safe to use from many threads."""

    def document(self) -> Row:
        """What the ledger shows, see `dataops_rows.document`."""
        with self.turn():
            return document(self)


class NewSchedule(BaseModel):
    """The parameters of a new schedule."""

    description: Text
    ref: Text
    cron: Text
    cron_timezone: str = "UTC"
    active: bool = True


class ScheduleChange(NewSchedule):
    """The parameters that may change; those that are missing keep their values."""

    description: Text = ""
    ref: Text = ""
    cron: Text = ""


class ScheduleFilters(api.Page):
    """Which schedules are listed."""

    scope: Literal["active", "inactive"] | None = None


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


@router.get(f"{_PROJECT}/repository/branches/{{name}}")
@router.get(f"{_PROJECT}/repository/tags/{{name}}")
async def show_reference(visit: api.Viewer, name: str) -> Row:
    """Show a branch or a tag."""
    is_branch, name = "/repository/branches/" in visit.request.scope["path"], unquote(name)
    known = visit.project.branches if is_branch else visit.project.tags
    if name not in known:
        raise api.missing("Branch" if is_branch else "Tag")
    commit = {"id": known[name], "short_id": known[name][:8]}
    return {"name": name, "default": name == visit.project.default_branch, "commit": commit}


@router.get("/user")
async def show_user(caller: api.Person, request: Request) -> Row:
    """Show the user whose token it is."""
    return api.rows_of(request).user(caller.user)


@router.get("/personal_access_tokens/self")
async def show_token(caller: api.Person) -> Row:
    """Show the scopes of the token."""
    return {"id": 1, "name": "sandbox", "scopes": list(caller.scopes), "active": True, "revoked": False}


@router.get("/version")
async def show_version(_caller: api.Person) -> Row:
    """Show the version of GitLab."""
    return {"version": "17.5.3-ee", "revision": "sandbox"}


@router.get(_SCHEDULES)
async def list_schedules(visit: api.Reader, filters: Annotated[ScheduleFilters, Query()]) -> Response:
    """List schedules."""
    own = [each for each in visit.state.schedules.values() if each["project_id"] == visit.project.id]
    schedules = [each for each in own if filters.scope in (None, "active" if each["active"] else "inactive")]
    return visit.show_page(filters, schedules, visit.rows.schedule)


@router.post(_SCHEDULES, status_code=201)
async def create_schedule(visit: api.Developer, call: NewSchedule) -> Row:
    """Create a schedule. Sending the same again creates another one."""
    fields = call.model_dump() | {"ref": _full_ref(visit, call.ref)}
    made = {"id": next(visit.state.schedule_ids), "project_id": visit.project.id, "owner": visit.caller.user}
    times = dict.fromkeys(("created_at", "updated_at"), visit.state.now())
    return _keep(visit, fields | made | times | {"variables": {}})


@router.get(_SCHEDULE)
async def show_schedule(visit: api.Reader, schedule_id: int) -> Row:
    """Show a schedule."""
    return visit.rows.whole_schedule(visit.schedule(schedule_id))


@router.put(_SCHEDULE)
async def change_schedule(visit: api.Developer, schedule_id: int, call: ScheduleChange) -> Row:
    """Change a schedule."""
    schedule, given = visit.schedule(schedule_id), call.model_dump(exclude_unset=True)
    if "ref" in given:
        given["ref"] = _full_ref(visit, call.ref)
    return _keep(visit, schedule | given | {"updated_at": visit.state.now()})


@router.delete(_SCHEDULE, status_code=204)
async def delete_schedule(visit: api.Developer, schedule_id: int) -> Response:
    """Delete a schedule."""
    del visit.state.schedules[str(visit.schedule(schedule_id)["id"])]
    return Response(status_code=204)


@router.post(f"{_SCHEDULE}/take_ownership", status_code=201)
async def take_ownership(visit: api.Developer, schedule_id: int) -> Row:
    """Make the user the owner of a schedule."""
    return _keep(visit, visit.schedule(schedule_id) | {"owner": visit.caller.user})


@router.post(f"{_SCHEDULE}/play", status_code=201)
async def play_schedule(visit: api.Developer, schedule_id: int) -> Row:
    """Start a schedule's pipeline. The answer does not say which pipeline that is."""
    schedule = visit.schedule(schedule_id)
    start(visit, schedule["ref"], "schedule", schedule["owner"], schedule["variables"], schedule_id)
    return {"message": "201 Created"}


@router.get(f"{_SCHEDULE}/pipelines")
async def list_pipelines_of_schedule(
    visit: api.Reader, schedule_id: int, query: Annotated[api.Page, Query()]
) -> Response:
    """List the pipelines that a schedule has started, oldest first."""
    number = visit.schedule(schedule_id)["id"]
    pipelines = [each for each in visit.state.pipelines_of(visit.project) if each.schedule_id == number]
    return visit.show_page(query, pipelines, visit.rows.pipeline)


@router.post(f"{_SCHEDULE}/variables", status_code=201)
async def add_variable(
    visit: api.Developer, schedule_id: int, key: Annotated[Text, Body()], value: Annotated[str, Body()]
) -> Row:
    """Add a variable to a schedule."""
    if not _KEY.fullmatch(key):
        raise api.invalid(key="can contain only letters, digits and '_'.")
    if key in visit.schedule(schedule_id)["variables"]:
        raise api.invalid(key=f"({key}) has already been taken")
    return _keep_variable(visit, schedule_id, key, value)


@router.get(_VARIABLE)
async def show_variable(visit: api.Reader, schedule_id: int, key: str) -> Row:
    """Show a variable of a schedule."""
    known = visit.schedule(schedule_id)["variables"]
    if key not in known:
        raise api.missing("Variable")
    return variables({key: known[key]})[0]


@router.put(_VARIABLE)
async def change_variable(
    visit: api.Developer, schedule_id: int, key: str, value: Annotated[str | None, Body(embed=True)] = None
) -> Row:
    """Change a variable of a schedule."""
    shown = await show_variable(visit, schedule_id, key)
    return _keep_variable(visit, schedule_id, key, shown["value"] if value is None else value)


@router.delete(_VARIABLE, status_code=202)
async def delete_variable(visit: api.Developer, schedule_id: int, key: str) -> Row:
    """Delete a variable of a schedule."""
    shown, schedule = await show_variable(visit, schedule_id, key), visit.schedule(schedule_id)
    _keep(
        visit, schedule | {"variables": {name: value for name, value in schedule["variables"].items() if name != key}}
    )
    return shown


def play(account: DataOpsAccount | None, store: Store, clock: Callable[[], float]) -> vendor.Vendor:
    """DataOps.live's API."""
    dataops = DataOps(account or DataOpsAccount(), store, clock)
    app = vendor.create_app(
        "DataOps.live", dataops_pipelines.router, router, refuse=api.refuse, errors=(), held=dataops
    )
    app.add_middleware(api.JSONParameters)
    return vendor.Vendor(PREFIX, app, dataops, dataops.account.exports, dataops.document)


def _keep_variable(visit: api.Visit, schedule_id: int, key: str, value: str) -> Row:
    schedule = visit.schedule(schedule_id)
    _keep(visit, schedule | {"variables": schedule["variables"] | {key: value}})
    return variables({key: value})[0]


def _keep(visit: api.Visit, schedule: Row) -> Row:
    good = {
        "cron": next_run(schedule["cron"], "UTC", visit.state.now()),
        "cron_timezone": zone(schedule["cron_timezone"]),
    }
    if wrong := {name: "is invalid syntax" for name, value in good.items() if value is None}:
        raise api.invalid(**wrong)
    visit.state.schedules[str(schedule["id"])] = schedule
    return visit.rows.whole_schedule(schedule)


def _full_ref(visit: api.Visit, ref: str) -> str:
    known = visit.project.refs(ref)
    if len(known) != 1:
        raise api.invalid(ref="is ambiguous")
    return known[0]
