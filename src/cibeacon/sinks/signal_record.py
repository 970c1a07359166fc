"""Writes a signal that takes several requests into a spool record, and reads it back. Trusts no record.

The record has the whole signal: it is unknown which requests were answered, and a sink checks before it repeats one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any

from cibeacon.model.signals import Attachment, DciJob, FlowAssignment, JobState, JobValue

DialogueSignal = DciJob | Attachment | JobValue | JobState | FlowAssignment
_SIGNALS = {signal.__name__: signal for signal in (DciJob, Attachment, JobValue, JobState, FlowAssignment)}
_SPELLED = {"if_unfinished": "yields"}
"""Fields that have another name in a record."""
_ADDED = frozenset({"latest_by"})
"""Fields that records of earlier versions lack."""
_JSON_TYPES: Mapping[Any, tuple[type, ...]] = {
    str: (str,),
    str | None: (str, NoneType),
    int: (int,),
    float: (int, float),
    bool: (bool,),
    Path: (str,),
    tuple[str, ...]: (list,),
    Mapping[str, Any] | None: (dict, NoneType),
}
"""Type of a field → its types in JSON."""


def write(signal: DialogueSignal) -> Mapping[str, Any]:
    """The signal as a JSON object."""
    fields = {_SPELLED.get(name, name): _plain(value) for name, value in signal._asdict().items()}
    return {"type": type(signal).__name__, **fields}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value


def read(document: Any) -> DialogueSignal | None:
    """The signal in a record; None if this version does not know it."""
    signal_type: Any = _SIGNALS.get(str(document.get("type"))) if isinstance(document, dict) else None
    if signal_type is None:
        return None
    fields: dict[str, Any] = {}
    for name, field_type in signal_type.__annotations__.items():
        spelled = _SPELLED.get(name, name)
        if spelled not in document and name in _ADDED:
            continue
        value = document.get(spelled)
        if spelled not in document or type(value) not in _JSON_TYPES[field_type]:
            return None
        if isinstance(value, list):
            if not all(isinstance(part, str) for part in value):
                return None
            value = tuple(value)
        fields[name] = Path(value) if field_type is Path else value
    signal: DialogueSignal = signal_type(**fields)
    return signal
