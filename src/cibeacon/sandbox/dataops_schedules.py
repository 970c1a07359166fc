"""Knows how DataOps.live keeps pipeline schedules and their variables. Does not know time: a schedule starts when played.

https://docs.gitlab.com/api/pipeline_schedules/
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from fastapi import Body, Query, Response
from pydantic import BaseModel

from cibeacon.sandbox import dataops_requests as api
from cibeacon.sandbox.dataops_pipelines import Text, start
from cibeacon.sandbox.dataops_records import next_run, zone
from cibeacon.sandbox.dataops_rows import Row, variables

_SCHEDULE = "/pipeline_schedules/{schedule_id}"
_VARIABLE = f"{_SCHEDULE}/variables/{{key}}"
_KEY = re.compile(r"\w{1,255}", re.ASCII)

router = api.create_router()


class NewSchedule(BaseModel):
    """A schedule as it is made."""

    description: Text
    ref: Text
    cron: Text
    cron_timezone: str = "UTC"
    active: bool = True


class ScheduleChange(NewSchedule):
    """What is given changes."""

    description: Text = ""
    ref: Text = ""
    cron: Text = ""


class ScheduleFilters(api.Page):
    """Which schedules are listed."""

    scope: Literal["active", "inactive"] | None = None


@router.get("/pipeline_schedules")
async def list_schedules(visit: api.Reader, filters: Annotated[ScheduleFilters, Query()]) -> Response:
    """List schedules."""
    own = [each for each in visit.state.schedules.values() if each["project_id"] == visit.project.id]
    schedules = [each for each in own if filters.scope in (None, "active" if each["active"] else "inactive")]
    return visit.show_page(filters, schedules, visit.rows.schedule)


@router.post("/pipeline_schedules", status_code=201)
async def create(visit: api.Developer, call: NewSchedule) -> Row:
    """Make a schedule; the same once more is another one."""
    fields = call.model_dump() | {"ref": _full_ref(visit, call.ref)}
    made = {"id": next(visit.state.schedule_ids), "project_id": visit.project.id, "owner": visit.caller.user}
    times = dict.fromkeys(("created_at", "updated_at"), visit.state.now())
    return _keep(visit, fields | made | times | {"variables": {}})


@router.get(_SCHEDULE)
async def show_schedule(visit: api.Reader, schedule_id: int) -> Row:
    """Show a schedule."""
    return visit.rows.whole_schedule(visit.schedule(schedule_id))


@router.put(_SCHEDULE)
async def change(visit: api.Developer, schedule_id: int, call: ScheduleChange) -> Row:
    """Change a schedule."""
    schedule, given = visit.schedule(schedule_id), call.model_dump(exclude_unset=True)
    if "ref" in given:
        given["ref"] = _full_ref(visit, call.ref)
    return _keep(visit, schedule | given | {"updated_at": visit.state.now()})


@router.delete(_SCHEDULE, status_code=204)
async def delete(visit: api.Developer, schedule_id: int) -> Response:
    """Delete a schedule."""
    del visit.state.schedules[str(visit.schedule(schedule_id)["id"])]
    return Response(status_code=204)


@router.post(f"{_SCHEDULE}/take_ownership", status_code=201)
async def take_ownership(visit: api.Developer, schedule_id: int) -> Row:
    """Become a schedule's owner."""
    return _keep(visit, visit.schedule(schedule_id) | {"owner": visit.caller.user})


@router.post(f"{_SCHEDULE}/play", status_code=201)
async def play(visit: api.Developer, schedule_id: int) -> Row:
    """Start a schedule's pipeline: the answer says that it did, and not which pipeline it made."""
    schedule = visit.schedule(schedule_id)
    start(visit, schedule["ref"], "schedule", schedule["owner"], schedule["variables"], schedule_id)
    return {"message": "201 Created"}


@router.get(f"{_SCHEDULE}/pipelines")
async def list_pipelines(visit: api.Reader, schedule_id: int, query: Annotated[api.Page, Query()]) -> Response:
    """List the pipelines that a schedule has made, oldest first."""
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
