"""Knows how DataOps.live keeps pipeline schedules and their variables. Does not know time: a schedule starts when played.

https://docs.gitlab.com/api/pipeline_schedules/
"""

from __future__ import annotations

import re

from cibeacon.sandbox import dataops_rows as rows
from cibeacon.sandbox.dataops_answers import invalid, missing, parameters
from cibeacon.sandbox.dataops_call import Asked
from cibeacon.sandbox.dataops_cron import fields, zone
from cibeacon.sandbox.dataops_listing import paged
from cibeacon.sandbox.dataops_pipelines import chosen, short
from cibeacon.sandbox.dataops_state import Order, Schedule
from cibeacon.sandbox.exchange import Answer, in_json

_KEY = re.compile(r"[A-Za-z0-9_]{1,255}", re.ASCII)


def schedules(asked: Asked) -> Answer:
    """GET pipeline_schedules, of `scope` active or inactive or of both."""
    scope = asked.params.get("scope")
    if scope not in (None, "active", "inactive"):
        raise parameters("scope does not have a valid value")
    found = [one for one in asked.state.schedules.values() if one.project is asked.project]
    found = [one for one in found if scope is None or one.active == (scope == "active")]
    return paged(asked, found, lambda one: rows.schedule(one, asked.base))


def create(asked: Asked) -> Answer:
    """POST pipeline_schedules: the same once more is another one."""
    absent = [f"{name} is missing" for name in ("description", "ref", "cron") if asked.params.get(name) is None]
    if absent:
        raise parameters(*absent)
    now = asked.state.now()
    one = Schedule(
        id=asked.state.schedule_id(),
        project=asked.project,
        description=asked.text("description"),
        ref=_ref(asked),
        cron=_cron(asked),
        cron_timezone=_zone(asked, "UTC"),
        active=asked.truth("active", True),
        owner=_user(asked),
        created_at=now,
        updated_at=now,
    )
    asked.state.schedules[one.id] = one
    return _shown(asked, one, 201)


def schedule(asked: Asked) -> Answer:
    """GET pipeline_schedules/ID."""
    return _shown(asked, _held(asked))


def update(asked: Asked) -> Answer:
    """PUT pipeline_schedules/ID: what is given changes."""
    one, given = _held(asked), asked.params
    description = asked.text("description") if "description" in given else one.description
    ref = _ref(asked) if "ref" in given else one.ref
    cron = _cron(asked) if "cron" in given else one.cron
    one.cron_timezone, one.active = _zone(asked, one.cron_timezone), asked.truth("active", one.active)
    one.description, one.ref, one.cron, one.updated_at = description, ref, cron, asked.state.now()
    return _shown(asked, one)


def delete(asked: Asked) -> Answer:
    """DELETE pipeline_schedules/ID."""
    del asked.state.schedules[_held(asked).id]
    return Answer(204, b"")


def take_ownership(asked: Asked) -> Answer:
    """POST pipeline_schedules/ID/take_ownership."""
    one = _held(asked)
    one.owner = _user(asked)
    return _shown(asked, one, 201)


def play(asked: Asked) -> Answer:
    """POST pipeline_schedules/ID/play: it says that it did, and not which pipeline it made."""
    one = _held(asked)
    script = chosen(asked, one.ref, one.variables)
    order = Order(
        project=asked.project,
        script=script,
        ref=short(one.ref),
        source="schedule",
        user=one.owner,
        variables=one.variables,
        schedule_id=one.id,
    )
    asked.state.progress.settle(asked.state.make(order))
    return in_json(201, {"message": "201 Created"})


def pipelines(asked: Asked) -> Answer:
    """GET pipeline_schedules/ID/pipelines, oldest first."""
    one = _held(asked)
    found = [line for line in asked.state.of(asked.project) if line.schedule_id == one.id]
    return paged(asked, found, lambda line: rows.pipeline(line, asked.base))


def add_variable(asked: Asked) -> Answer:
    """POST pipeline_schedules/ID/variables."""
    one, key, value = _held(asked), asked.text("key"), asked.params.get("value")
    if not isinstance(value, str):
        raise parameters("value is missing" if value is None else "value is invalid")
    if not _KEY.fullmatch(key):
        raise invalid({"key": ["can contain only letters, digits and '_'."]})
    if key in one.variables:
        raise invalid({"key": [f"({key}) has already been taken"]})
    one.variables[key] = value
    return in_json(201, rows.variable(key, value))


def variable(asked: Asked) -> Answer:
    """GET, PUT or DELETE pipeline_schedules/ID/variables/KEY."""
    one, key, method = _held(asked), asked.ids[1], asked.request.method
    if key not in one.variables:
        raise missing("Variable")
    if method == "PUT" and "value" in asked.params:
        one.variables[key] = str(asked.params["value"])
    row = rows.variable(key, one.variables[key])
    if method == "DELETE":
        del one.variables[key]
    return in_json(202 if method == "DELETE" else 200, row)


def _held(asked: Asked) -> Schedule:
    one = asked.state.schedules.get(asked.number(name="pipeline_schedule_id"))
    if one is None or one.project is not asked.project:
        raise missing("Pipeline Schedule")
    return one


def _shown(asked: Asked, one: Schedule, status: int = 200) -> Answer:
    return in_json(status, rows.schedule_whole(one, asked.state, asked.base))


def _user(asked: Asked) -> str:
    return asked.caller.user if asked.caller else ""


def _ref(asked: Asked) -> str:
    ref = asked.text("ref")
    places = {"refs/heads/": asked.project.branches, "refs/tags/": asked.project.tags}
    if ref.startswith(tuple(places)):
        return ref
    known = [prefix for prefix, names in places.items() if ref in names]
    if len(known) != 1:
        raise invalid({"ref": ["is ambiguous"]})
    return known[0] + ref


def _cron(asked: Asked) -> str:
    line = asked.text("cron")
    if fields(line) is None:
        raise invalid({"cron": ["is invalid syntax"]})
    return line


def _zone(asked: Asked, default: str) -> str:
    name = asked.params.get("cron_timezone", default)
    if not isinstance(name, str) or zone(name) is None:
        raise invalid({"cron_timezone": ["is invalid syntax"]})
    return name
