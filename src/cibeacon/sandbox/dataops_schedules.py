"""Knows how DataOps.live keeps pipeline schedules and their variables. Does not know time: a schedule starts when played.

https://docs.gitlab.com/api/pipeline_schedules/
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, BaseModel
from pydantic_core import PydanticCustomError

from cibeacon.sandbox.dataops_access import Developer, Page, Reader, Turn, Visit
from cibeacon.sandbox.dataops_pipelines import PROJECT, Text, start
from cibeacon.sandbox.dataops_records import Schedule, fields, zone
from cibeacon.sandbox.dataops_requests import MODEL, invalid, missing
from cibeacon.sandbox.dataops_rows import Row, variables
from cibeacon.sandbox.safe_json import JSONAnswer

_SCHEDULES, _SCHEDULE = f"{PROJECT}/pipeline_schedules", f"{PROJECT}/pipeline_schedules/{{schedule_id}}"
_KEY = re.compile(r"\w{1,255}", re.ASCII)
_VARIABLE = f"{_SCHEDULE}/variables/{{key}}"


def _checked(is_good: Callable[[str], Any], problem: str) -> AfterValidator:
    def check(text: str) -> str:
        if not is_good(text):
            raise PydanticCustomError(MODEL, problem)
        return text

    return AfterValidator(check)


class NewSchedule(BaseModel):
    """A schedule as it is made."""

    description: Text
    ref: Text
    cron: Annotated[Text, _checked(fields, "is invalid syntax")]
    cron_timezone: Annotated[str, _checked(zone, "is invalid syntax")] = "UTC"
    active: bool = True


class ScheduleChange(NewSchedule):
    """What is given changes."""

    description: Text = ""
    ref: Text = ""
    cron: Annotated[Text, _checked(fields, "is invalid syntax")] = ""


class ScheduleFilters(Page):
    """Which schedules are listed."""

    scope: Literal["active", "inactive"] | None = None


class NewVariable(BaseModel):
    """A variable of a schedule."""

    key: Annotated[Text, _checked(_KEY.fullmatch, "can contain only letters, digits and '_'.")]
    value: str


class VariableChange(BaseModel):
    """Another value of a variable."""

    value: str | None = None


router = APIRouter(route_class=Turn, default_response_class=JSONAnswer)


@router.get(_SCHEDULES)
async def list_schedules(visit: Reader, filters: Annotated[ScheduleFilters, Query()]) -> Response:
    """List schedules."""
    own = [each for each in visit.state.schedules.values() if each.project_id == visit.project.id]
    rows = [each for each in own if filters.scope is None or each.active == (filters.scope == "active")]
    return visit.show_page(filters, rows, visit.rows.schedule)


@router.post(_SCHEDULES, status_code=201)
async def create(visit: Developer, call: NewSchedule) -> Row:
    """Make a schedule; the same once more is another one."""
    now = visit.state.now()
    fields = call.model_dump() | {"ref": _full_ref(visit, call.ref), "owner": visit.caller.user}
    number = next(visit.state.schedule_ids)
    schedule = Schedule(id=number, project_id=visit.project.id, created_at=now, updated_at=now, **fields)
    return _keep(visit, schedule)


@router.get(_SCHEDULE)
async def show_schedule(visit: Reader, schedule_id: int) -> Row:
    """Show a schedule."""
    return visit.rows.whole_schedule(visit.schedule(schedule_id))


@router.put(_SCHEDULE)
async def change(visit: Developer, schedule_id: int, call: ScheduleChange) -> Row:
    """Change a schedule."""
    schedule, given = visit.schedule(schedule_id), call.model_dump(exclude_unset=True)
    if "ref" in given:
        given["ref"] = _full_ref(visit, call.ref)
    return _keep(visit, schedule.model_copy(update=given | {"updated_at": visit.state.now()}))


@router.delete(_SCHEDULE, status_code=204)
async def delete(visit: Developer, schedule_id: int) -> Response:
    """Delete a schedule."""
    visit.state.delete(visit.schedule(schedule_id))
    return Response(status_code=204)


@router.post(f"{_SCHEDULE}/take_ownership", status_code=201)
async def take_ownership(visit: Developer, schedule_id: int) -> Row:
    """Become a schedule's owner."""
    return _keep(visit, visit.schedule(schedule_id).model_copy(update={"owner": visit.caller.user}))


@router.post(f"{_SCHEDULE}/play", status_code=201)
async def play(visit: Developer, schedule_id: int) -> Row:
    """Start a schedule's pipeline: the answer says that it did, and not which pipeline it made."""
    schedule = visit.schedule(schedule_id)
    start(visit, schedule.ref, "schedule", schedule.owner, schedule.variables, schedule.id)
    return {"message": "201 Created"}


@router.get(f"{_SCHEDULE}/pipelines")
async def list_pipelines(visit: Reader, schedule_id: int, query: Annotated[Page, Query()]) -> Response:
    """List the pipelines that a schedule has made, oldest first."""
    schedule = visit.schedule(schedule_id)
    rows = [each for each in visit.state.pipelines_of(visit.project) if each.schedule_id == schedule.id]
    return visit.show_page(query, rows, visit.rows.pipeline)


@router.post(f"{_SCHEDULE}/variables", status_code=201)
async def add_variable(visit: Developer, schedule_id: int, call: NewVariable) -> Row:
    """Add a variable to a schedule."""
    schedule = visit.schedule(schedule_id)
    if call.key in schedule.variables:
        raise invalid(key=f"({call.key}) has already been taken")
    return _set_variable(visit, schedule, call.key, call.value)


@router.get(_VARIABLE)
async def show_variable(visit: Reader, schedule_id: int, key: str) -> Row:
    """Show a variable of a schedule."""
    values = visit.schedule(schedule_id).variables
    if key not in values:
        raise missing("Variable")
    return variables({key: values[key]})[0]


@router.put(_VARIABLE)
async def change_variable(visit: Developer, schedule_id: int, key: str, call: VariableChange) -> Row:
    """Change a variable of a schedule."""
    shown = await show_variable(visit, schedule_id, key)
    return _set_variable(visit, visit.schedule(schedule_id), key, shown["value"] if call.value is None else call.value)


@router.delete(_VARIABLE, status_code=202)
async def delete_variable(visit: Developer, schedule_id: int, key: str) -> Row:
    """Delete a variable of a schedule."""
    row, schedule = await show_variable(visit, schedule_id, key), visit.schedule(schedule_id)
    left = {name: value for name, value in schedule.variables.items() if name != key}
    _keep(visit, schedule.model_copy(update={"variables": left}))
    return row


def _set_variable(visit: Visit, schedule: Schedule, key: str, value: str) -> Row:
    _keep(visit, schedule.model_copy(update={"variables": {**schedule.variables, key: value}}))
    return variables({key: value})[0]


def _keep(visit: Visit, schedule: Schedule) -> Row:
    visit.state.keep(schedule)
    return visit.rows.whole_schedule(schedule)


def _full_ref(visit: Visit, ref: str) -> str:
    """A branch or tag by its whole name. Raises 400 where that is not clear."""
    if ref.startswith(("refs/heads/", "refs/tags/")):
        return ref
    names = {"refs/heads/": visit.project.branches, "refs/tags/": visit.project.tags}
    known = [prefix for prefix, refs in names.items() if ref in refs]
    if len(known) != 1:
        raise invalid(ref="is ambiguous")
    return known[0] + ref
