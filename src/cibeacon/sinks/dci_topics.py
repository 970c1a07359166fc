"""Knows how the topic and the components that a person names are found at DCI. Makes nothing.

Types are in lower case at DCI whatever they were written in, so everything is compared without regard to case. All of it
is looked up before a job is made: DCI would make the job first, and then refuse its components.
"""

from __future__ import annotations

from collections.abc import Sequence

from cibeacon.model.identifiers import is_uuid
from cibeacon.model.request import SinkResult
from cibeacon.sinks import dci_calls as calls
from cibeacon.sinks.dci_lookup import Row, Talk, asked, id_of, listed, page
from cibeacon.sinks.dci_replies import Refused

_NAMES = ("display_name", "name", "version", "canonical_project_name")
"""Where a component's name may stand; newer ones have the first."""


def any_topic(wanted: str) -> Talk[Row]:
    """The topic of a name or an id, whether or not it is active. Raises `Refused` when there is none."""
    if is_uuid(wanted.lower()):
        return (yield from asked(calls.topic(wanted.lower()), "topic"))
    rows = yield from listed(lambda offset: calls.topics(offset, wanted), "topics")
    return _chosen(wanted, rows)


def topic(wanted: str) -> Talk[Row]:
    """The topic of a name or an id. Raises `Refused` when there is none, or it is not active."""
    found = yield from any_topic(wanted)
    if found.get("state", "active") != "active":
        raise _refused(f"The topic {wanted} is not active any more: choose another one (setting dci_topic).")
    return found


def _chosen(wanted: str, rows: Sequence[Row]) -> Row:
    alike = [row for row in rows if str(row.get("name")).casefold() == wanted.casefold()]
    exact = [row for row in alike if row.get("name") == wanted]
    if not alike:
        raise _refused(
            f"DCI shows this remote CI no topic {wanted}: cibeacon dci topics lists those that it may use; ask the "
            "product's team for access to others."
        )
    return (exact or alike)[0]


def types(found: Row) -> list[str]:
    """The types of component that a topic has."""
    named = found.get("component_types")
    return [each for each in named if isinstance(each, str)] if isinstance(named, list) else []


def components(topic_id: str, wanted: Sequence[str], latest_by: str | None) -> Talk[list[str]]:
    """The ids of the components that are named: by id, by `type=name`, or by type for its latest one."""
    found: list[str] = []
    for each in wanted:
        if is_uuid(each.lower()):
            row = yield from _by_id(topic_id, each.lower())
        elif "=" in each:
            row = yield from _by_name(topic_id, each)
        else:
            row = yield from (_created if latest_by == "created" else _released)(topic_id, each)
        found.append(id_of(row))
    return list(dict.fromkeys(found))


def _by_id(topic_id: str, component_id: str) -> Talk[Row]:
    row = yield from asked(calls.component(component_id), "component")
    if row.get("topic_id") != topic_id:
        raise _refused(f"The component {component_id} belongs to another topic: check dci_components and dci_topic.")
    return _in_use(row, component_id)


def _by_name(topic_id: str, wanted: str) -> Talk[Row]:
    kind, _, name = (part.strip() for part in wanted.partition("="))
    rows = yield from listed(lambda offset: calls.components(topic_id, offset, kind), "components")
    alike = [row for row in rows if name.casefold() in {str(row.get(key)).casefold() for key in _NAMES}]
    if not alike:
        raise _refused(f"The topic has no component {wanted}: cibeacon dci components lists them.")
    return next((row for row in alike if row.get("state", "active") == "active"), None) or _in_use(alike[0], wanted)


def _released(topic_id: str, kind: str) -> Talk[Row]:
    return _first((yield from page(calls.latest(topic_id, kind), "components")), kind)


def _created(topic_id: str, kind: str) -> Talk[Row]:
    """As DCI itself schedules: those of single teams are none for all."""
    rows = yield from page(calls.created(topic_id, kind), "components")
    return _first([row for row in rows if row.get("team_id") is None], kind)


def _first(rows: Sequence[Row], kind: str) -> Row:
    if not rows:
        raise _refused(f"The topic has no component of type {kind} in use: cibeacon dci components lists them.")
    return rows[0]


def _in_use(row: Row, wanted: str) -> Row:
    if row.get("state", "active") != "active":
        raise _refused(f"The component {wanted} is not active any more: choose another one (setting dci_components).")
    return row


def _refused(why: str) -> Refused:
    return Refused(SinkResult("failed", why))
