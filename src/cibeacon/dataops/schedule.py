"""Creates or updates a schedule, so that a second run creates no second one. It is identified by description and ref.

The cron line is sent unchanged: the server has its own dialect (https://docs.gitlab.com/topics/cron/).
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from cibeacon.dataops.client import ApiRecord, PipelinesClient
from cibeacon.dataops.errors import DataopsError, usage_error
from cibeacon.model.payload import number

_CHANGING = ("cron", "cron_timezone", "active")


class PlannedSchedule(NamedTuple):
    """A schedule as it should be. Fields that are None are left unchanged, or at the server's default."""

    description: str
    ref: str
    cron: str
    cron_timezone: str | None = None
    """A name that the server knows: Rails' or the tz database's."""
    active: bool | None = None
    variables: Mapping[str, str] = {}

    @property
    def body(self) -> dict[str, Any]:
        """The body of the request that creates it."""
        values = {name: getattr(self, name) for name in ("description", "ref", *_CHANGING)}
        return {name: value for name, value in values.items() if value is not None}

    def check(self) -> None:
        """Raises `DataopsError` for a schedule that no server can create."""
        for name, hint in (("description", "--description"), ("ref", "dataops_ref"), ("cron", "--cron")):
            if not getattr(self, name).strip():
                raise usage_error("The schedule was not sent", f"it has no {name}", f"Set {hint}")


class ScheduleChange(NamedTuple):
    """What was done, and the server's record of the schedule afterwards."""

    status: Literal["created", "updated", "unchanged"]
    record: ApiRecord
    changed: tuple[str, ...] = ()
    """Changed fields and names of changed variables."""


def apply_schedule(client: PipelinesClient, schedule: PlannedSchedule) -> ScheduleChange:
    """Creates or updates the schedule. Raises `DataopsError`. Other variables of the schedule remain."""
    current = _find(client, schedule)
    if current is None:
        record, fields, variables = _create(client, schedule), tuple(schedule.body), {}
    else:
        record = client.schedule(number(current.get("id")) or 0)
        fields = tuple(name for name in _CHANGING if name in schedule.body and record.get(name) != schedule.body[name])
        variables = {str(one.get("key")): str(one.get("value")) for one in record.get("variables") or ()}
    identity = number(record.get("id")) or 0
    if current is not None and fields:
        client.update_schedule(identity, {name: schedule.body[name] for name in fields})
    changed = tuple(key for key, value in schedule.variables.items() if variables.get(key) != value)
    for key in changed:
        client.set_schedule_variable(identity, key, schedule.variables[key], exists=key in variables)
    if current is None:
        return ScheduleChange("created", record, (*fields, *changed))
    if not (fields or changed):
        return ScheduleChange("unchanged", record)
    return ScheduleChange("updated", client.schedule(identity) if fields else record, (*fields, *changed))


def _create(client: PipelinesClient, schedule: PlannedSchedule) -> ApiRecord:
    """Creates the schedule. If the response is lost, looks it up, since it may have been created."""
    try:
        return client.create_schedule(schedule.body)
    except DataopsError as error:
        record = _find(client, schedule) if error.maybe_delivered else None
        if record is None:
            raise
        return record


def _find(client: PipelinesClient, schedule: PlannedSchedule) -> ApiRecord | None:
    """The schedule with that description and ref. Raises `DataopsError` if there are several."""
    same = [
        record
        for record in client.schedules()
        if record.get("description") == schedule.description and _bare(str(record.get("ref"))) == _bare(schedule.ref)
    ]
    if len(same) > 1:
        ids = ", ".join(str(record.get("id")) for record in same[:10])
        why = f"{len(same)} schedules have this description and ref: {ids}"
        hint = "Delete all but one of them, or choose another description"
        raise usage_error("No schedule was changed", why, hint)
    return same[0] if same else None


def _bare(ref: str) -> str:
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
