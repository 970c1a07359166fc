"""Knows how a signal for DCI is written into a record of the spool, and read from one. Believes nothing of what it reads.

A dialogue is kept whole: which of its calls were done is not known when it is told again, and it looks first anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cibeacon.model.identifiers import is_uuid
from cibeacon.model.signals import Attachment, DciJob, JobState, JobUpdate, JobValue

Check = Callable[[Any], bool]


def written(signal: DciJob | JobUpdate) -> Mapping[str, Any]:
    """The signal as a JSON object."""
    fields = {
        "yields" if name == "if_unfinished" else name: str(value) if isinstance(value, Path) else value
        for name, value in signal._asdict().items()
    }
    return {"type": type(signal).__name__, **fields}


def read(document: Any) -> DciJob | JobUpdate | None:
    """The signal that was written; None when it was none."""
    if not isinstance(document, dict):
        return None
    kind = _KINDS.get(str(document.get("type")))
    if kind is None:
        return None
    made, checks = kind
    fields = {name: value for name, value in document.items() if name in checks}
    if not checks.keys() - _NEWER <= fields.keys() or not all(checks[name](value) for name, value in fields.items()):
        return None
    return made(fields)


def _job(fields: dict[str, Any]) -> DciJob:
    lists = {name: tuple(fields[name]) for name in ("components", "tags")}
    return DciJob(**fields | lists)


def _file(fields: dict[str, Any]) -> Attachment:
    return Attachment(**fields | {"path": Path(fields["path"])})


def _state(fields: dict[str, Any]) -> JobState:
    if_unfinished = fields.pop("yields")
    return JobState(**fields, if_unfinished=if_unfinished)


def _is(*types: type) -> Check:
    return lambda value: type(value) in types


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _id(value: Any) -> bool:
    return value is None or (isinstance(value, str) and is_uuid(value))


_NEWER = frozenset({"latest_by"})
"""Fields that records of earlier versions lack."""
_TEXT, _PERHAPS = _is(str), _is(str, type(None))
_SAME: Mapping[str, Check] = {"correlation": _TEXT, "job_id": _id}
_KINDS: Mapping[str, tuple[Callable[[dict[str, Any]], DciJob | JobUpdate], Mapping[str, Check]]] = {
    "DciJob": (
        _job,
        {
            **_SAME,
            **dict.fromkeys(("topic", "name", "configuration", "change_url", "comment", "note", "latest_by"), _PERHAPS),
            **dict.fromkeys(("components", "tags"), _texts),
            "data": _is(dict, type(None)),
        },
    ),
    "Attachment": (_file, {**_SAME, "path": _TEXT, "name": _TEXT, "mime": _TEXT, "size": _is(int)}),
    "JobValue": (
        lambda fields: JobValue(**fields),
        {**_SAME, "name": _TEXT, "value": _is(int, float)},
    ),
    "JobState": (_state, {**_SAME, "status": _TEXT, "comment": _PERHAPS, "yields": _is(bool)}),
}
"""The name of a signal's type, how it is made, and what each of its fields must be."""
