"""Knows what a Flow pipeline is in an answer of Instabase, and which one somebody means. Makes no call.

The list says `name` and `id`, the update says `flowPipelineName` and `flowPipelineId`; names need not be unique.
https://instabase.com/docs/apis/flow-pipeline/
"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from cibeacon.model.identifiers import is_uuid
from cibeacon.model.request import SinkResult
from cibeacon.sinks.flow_replies import Refused, foreign

PREFIX = "flow_pipeline:"
_NEEDED = frozenset({f"{PREFIX}execute", f"{PREFIX}write"})
_MOST = 8
"""Pipelines that a sentence names."""


class Pipeline(NamedTuple):
    """A group of reviewers that the documents of a job are routed to."""

    name: str
    id: str
    permissions: tuple[str, ...] | None = None
    """What whoever asks may do with it, as `flow_pipeline:read`; None where the answer does not say."""
    is_manager: bool | None = None
    listed: bool = True
    """False where somebody named an id that is not in the list."""

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        permissions = None if self.permissions is None else list(self.permissions)
        return {"name": self.name, "id": self.id, "permissions": permissions, "is_manager": self.is_manager}

    @property
    def shown(self) -> str:
        """Name and id."""
        return f"{self.name} ({self.id})" if self.name else self.id


def pipelines(rows: object) -> tuple[Pipeline, ...]:
    """The pipelines of a list of either answer. Raises `Refused` when it is none."""
    if not isinstance(rows, list):
        raise foreign("no list of pipelines")
    return tuple(dict.fromkeys(_pipeline(row) for row in rows))


def chosen(listed: Sequence[Pipeline], wanted: Iterable[str]) -> tuple[Pipeline, ...]:
    """The pipelines that are named, by id or by their exact name. Raises `Refused` where that is not one alone."""
    return tuple({one.id: one for one in (_meant(listed, each) for each in wanted)}.values())


def doubts(found: Iterable[Pipeline]) -> str | None:
    """What may keep the pipelines from being set. Instabase does not say which permission it takes, so it decides."""
    found = tuple(found)
    unknown = [one for one in found if not one.listed]
    barred = [one for one in found if one.permissions is not None and not _NEEDED & set(one.permissions)]
    said = []
    if unknown:
        said.append(f"The token sees no pipeline {named(unknown)}.")
    if barred:
        said.append(f"The token may neither execute nor write {named(barred)}.")
    return " ".join(said) or None


def named(found: Sequence[Pipeline]) -> str:
    """Pipelines in a sentence."""
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return ", ".join(one.shown for one in found[:_MOST]) + more


def _pipeline(row: Any) -> Pipeline:
    fields: Mapping[str, Any] = row if isinstance(row, dict) else {}
    name, found = (fields.get(short, fields.get(long)) for short, long in _SPELLED)
    if not isinstance(found, str) or not found:
        raise foreign("a pipeline without an id")
    permissions, manager = fields.get("permissions"), fields.get("is_manager")
    return Pipeline(
        name=name if isinstance(name, str) else "",
        id=found,
        permissions=tuple(map(str, permissions)) if isinstance(permissions, list) else None,
        is_manager=manager if isinstance(manager, bool) else None,
    )


_SPELLED = (("name", "flowPipelineName"), ("id", "flowPipelineId"))


def _meant(listed: Sequence[Pipeline], wanted: str) -> Pipeline:
    by_id = [one for one in listed if one.id.lower() == wanted.lower()]
    if by_id:
        return by_id[0]
    alike = [one for one in listed if one.name == wanted]
    if len(alike) == 1:
        return alike[0]
    if alike:
        ids = ", ".join(one.id for one in alike)
        raise _refused(f"{len(alike)} pipelines are called {wanted}: name the one that is meant by its id ({ids}).")
    if is_uuid(wanted.lower()):
        return Pipeline("", wanted.lower(), listed=False)
    near = get_close_matches(wanted, dict.fromkeys(one.name for one in listed), 3, 0.5)
    like = f" Names like it are {', '.join(near)}." if near else ""
    raise _refused(
        f"The token sees no pipeline {wanted}.{like} cibeacon flow list shows all that it sees; a flow_context that is "
        "missing or wrong leads to another account's."
    )


def _refused(why: str) -> Refused:
    return Refused(SinkResult("failed", why))
