"""Makes a schedule what it should be: run twice, there is still one. It is known by its description and its ref.

The cron line goes to the server as it is: the server has a dialect of its own (https://docs.gitlab.com/topics/cron/).
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from cibeacon.dataops.client import ApiRecord, PipelinesClient
from cibeacon.dataops.errors import DataopsError, usage_error
from cibeacon.model.payload import number

_CHANGING = ("cron", "cron_timezone", "active")


class PlannedSchedule(NamedTuple):
    """A schedule as it should be. What is None stays as it is, or as the server has it by default."""

    description: str
    ref: str
    cron: str
    cron_timezone: str | None = None
    """As the server knows it: a name of Rails or of tz."""
    active: bool | None = None
    variables: Mapping[str, str] = {}

    @property
    def body(self) -> dict[str, Any]:
        """What is sent to make it."""
        values = {name: getattr(self, name) for name in ("description", "ref", *_CHANGING)}
        return {name: value for name, value in values.items() if value is not None}

    def check(self) -> None:
        """Raises `DataopsError` for a schedule that no server can make."""
        for name, hint in (("description", "--description"), ("ref", "dataops_ref"), ("cron", "--cron")):
            if not getattr(self, name).strip():
                raise usage_error("The schedule was not sent", f"it has no {name}", f"Give {hint}")


class ScheduleChange(NamedTuple):
    """What was done, and the schedule as the server has it now."""

    status: Literal["created", "updated", "unchanged"]
    record: ApiRecord
    changed: tuple[str, ...] = ()
    """What was changed: fields, and names of variables."""


def apply_schedule(client: PipelinesClient, schedule: PlannedSchedule) -> ScheduleChange:
    """Makes or changes the schedule. Raises `DataopsError`. Variables that are not named here stay."""
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
    """Makes the schedule. Where the answer is lost, it is looked up, since it may have been made."""
    try:
        return client.create_schedule(schedule.body)
    except DataopsError as error:
        record = _find(client, schedule) if error.maybe_delivered else None
        if record is None:
            raise
        return record


def _find(client: PipelinesClient, schedule: PlannedSchedule) -> ApiRecord | None:
    """The schedule of that description and ref. Raises `DataopsError` where there are several."""
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
