"""Makes a schedule what it should be: run twice, there is still one. It is known by its description and its ref."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from cibeacon.dataops import cron
from cibeacon.dataops.client import Client
from cibeacon.dataops.errors import Fault, usage
from cibeacon.model.payload import number

_CHANGING = ("cron", "cron_timezone", "active")


class Wanted(NamedTuple):
    """A schedule as it should be. What is None stays as it is, or as the server has it by default."""

    description: str
    ref: str
    cron: str
    cron_timezone: str | None = None
    """As the server knows it (a name of Rails or of tz); it is not checked here."""
    active: bool | None = None
    variables: Mapping[str, str] = {}

    @property
    def body(self) -> dict[str, Any]:
        """What is sent to make it."""
        values = {name: getattr(self, name) for name in ("description", "ref", *_CHANGING)}
        return {name: value for name, value in values.items() if value is not None}


class ScheduleChange(NamedTuple):
    """What was done, and the schedule as the server has it now."""

    done: Literal["created", "updated", "unchanged"]
    record: Mapping[str, Any]
    changed: tuple[str, ...] = ()
    """What was changed: fields, and names of variables."""


def impossible(wanted: Wanted) -> Fault | None:
    """What cannot be right, whoever is asked."""
    what = "The schedule was not sent"
    for name in ("description", "ref"):
        if not getattr(wanted, name).strip():
            return usage(
                what, f"it has no {name}", f"Give {'--description' if name == 'description' else 'dataops_ref'}"
            )
    if why := cron.fault(wanted.cron):
        return usage(what, f'the cron line "{wanted.cron}" {why}', 'Write it like "0 1 * * 5", in quotes')
    return None


def settled(client: Client, wanted: Wanted) -> ScheduleChange:
    """Makes or changes the schedule. Raises `Fault`. Variables that are not named here stay."""
    found = _known(client, wanted)
    if found is None:
        try:
            made = client.create_schedule(wanted.body)
        except Fault as fault:
            if not fault.received:
                raise
            if (made_after_all := _known(client, wanted)) is None:
                raise
            made = made_after_all
        changed = _set_variables(client, made, {}, wanted.variables)
        return ScheduleChange("created", made, (*wanted.body, *changed))
    whole = client.schedule(_id(found))
    different = {name: value for name, value in wanted.body.items() if name in _CHANGING and whole.get(name) != value}
    if different:
        client.update_schedule(_id(whole), different)
    known = {str(each.get("key")): str(each.get("value")) for each in whole.get("variables") or ()}
    changed = _set_variables(client, whole, known, wanted.variables)
    if not (different or changed):
        return ScheduleChange("unchanged", whole)
    return ScheduleChange("updated", client.schedule(_id(whole)) if different else whole, (*different, *changed))


def _known(client: Client, wanted: Wanted) -> Mapping[str, Any] | None:
    """The schedule of that description and ref. Raises `Fault` where there are several."""
    same = [
        each
        for each in client.schedules()
        if each.get("description") == wanted.description and _bare(str(each.get("ref"))) == _bare(wanted.ref)
    ]
    if len(same) > 1:
        ids = ", ".join(str(each.get("id")) for each in same[:10])
        raise usage(
            "No schedule was changed",
            f"{len(same)} schedules have this description and ref: {ids}",
            "Delete all but one of them, or choose another description",
        )
    return same[0] if same else None


def _set_variables(
    client: Client, schedule: Mapping[str, Any], known: Mapping[str, str], wanted: Mapping[str, str]
) -> tuple[str, ...]:
    changed = tuple(key for key, value in wanted.items() if known.get(key) != value)
    for key in changed:
        client.set_schedule_variable(_id(schedule), key, wanted[key], known=key in known)
    return changed


def _bare(ref: str) -> str:
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


def _id(record: Mapping[str, Any]) -> int:
    found = number(record.get("id"))
    if found is None:
        raise Fault("The schedule cannot be read", "it has no id", "Is dataops_url the address of a GitLab server?")
    return found
