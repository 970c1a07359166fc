"""Knows how to find the user's topic and components at DCI. Creates nothing.

DCI stores types in lower case, so names are compared ignoring case. Everything is looked up before a job is created: DCI
would create the job first, and then reject its components.
"""

from __future__ import annotations

from collections.abc import Sequence

from cibeacon.model.identifiers import is_uuid
from cibeacon.model.request import SinkError
from cibeacon.sinks.dci_api import DciRow, Talk, ask, ask_all, ask_page, get, id_of, page

_NAMES = ("display_name", "name", "version", "canonical_project_name")
"""Fields that may contain a component's name; newer components have the first."""


def find_topic(wanted: str) -> Talk[DciRow]:
    """The topic with this name or id, active or not. Raises `SinkError` if there is none."""
    if is_uuid(wanted.lower()):
        return (yield from ask(get(f"/topics/{wanted.lower()}"), "topic"))
    rows, _ = yield from ask_all("/topics", "topics", {"name": wanted})
    matches = [row for row in rows if str(row.get("name")).casefold() == wanted.casefold()]
    exact = [row for row in matches if row.get("name") == wanted]
    if not matches:
        raise SinkError(
            f"This remote CI cannot see a topic {wanted}. Run cibeacon dci topics to list those that it may use; ask "
            "the product's team for access to others."
        )
    return (exact or matches)[0]


def find_active_topic(wanted: str) -> Talk[DciRow]:
    """The active topic with this name or id. Raises `SinkError` if there is none."""
    topic = yield from find_topic(wanted)
    if not _is_active(topic):
        raise SinkError(f"The topic {wanted} is no longer active. Set dci_topic to another one.")
    return topic


def component_types(topic: DciRow) -> list[str]:
    """The component types of a topic."""
    types = topic.get("component_types")
    return [name for name in types if isinstance(name, str)] if isinstance(types, list) else []


def find_components(topic_id: str, wanted: Sequence[str], latest_by: str | None) -> Talk[list[str]]:
    """The ids of the wanted components, each given by id, by `type=name`, or by type for its latest one."""
    ids: list[str] = []
    for name in wanted:
        if is_uuid(name.lower()):
            component = yield from _by_id(topic_id, name.lower())
        elif "=" in name:
            component = yield from _by_name(topic_id, name)
        else:
            component = yield from _latest(topic_id, name, latest_by)
        ids.append(id_of(component))
    return list(dict.fromkeys(ids))


def _by_id(topic_id: str, component_id: str) -> Talk[DciRow]:
    component = yield from ask(get(f"/components/{component_id}"), "component")
    if component.get("topic_id") != topic_id:
        reason = f"The component {component_id} belongs to another topic. Check dci_components and dci_topic."
        raise SinkError(reason)
    return _active(component, component_id)


def _by_name(topic_id: str, wanted: str) -> Talk[DciRow]:
    component_type, _, name = (part.strip() for part in wanted.partition("="))
    where = {"type": component_type} if component_type else {}
    rows, _ = yield from ask_all(f"/topics/{topic_id}/components", "components", where)
    matches = [row for row in rows if name.casefold() in {str(row.get(key)).casefold() for key in _NAMES}]
    if not matches:
        raise SinkError(f"The topic has no component {wanted}. Run cibeacon dci components to list them.")
    return next(filter(_is_active, matches), None) or _active(matches[0], wanted)


def _latest(topic_id: str, component_type: str, latest_by: str | None) -> Talk[DciRow]:
    """The component of a type that was released last; or created last and belongs to no single team, as DCI schedules."""
    path, where = f"/topics/{topic_id}/components", {"type": component_type, "state": "active"}
    if latest_by == "created":
        rows = yield from ask_page(page(path, where, sort="-created_at"), "components")
        rows = [row for row in rows if row.get("team_id") is None]
    else:
        rows = yield from ask_page(page(path, where, limit=1), "components")
    if not rows:
        reason = (
            f"The topic has no active component of type {component_type}. Run cibeacon dci components to list them."
        )
        raise SinkError(reason)
    return rows[0]


def _active(component: DciRow, wanted: str) -> DciRow:
    if not _is_active(component):
        raise SinkError(f"The component {wanted} is no longer active. Choose another one in dci_components.")
    return component


def _is_active(row: DciRow) -> bool:
    return bool(row.get("state", "active") == "active")
