"""Knows which JSON bodies DCI takes, property by property. Does not know what becomes of them.

A rule returns what is wrong with a value, or None. Schemas: https://json-schema.org/understanding-json-schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

from cibeacon.sandbox.dci_answers import UNABLE, Refusal, malformed

Rule: TypeAlias = Callable[[object], str | None]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_URL = re.compile(r"https?://\S+", re.ASCII | re.IGNORECASE)
_SHORT = 255


def is_uuid(value: object) -> bool:
    """Whether the value is a uuid in lower case."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def text(value: object) -> str | None:
    """A string."""
    return None if isinstance(value, str) else f"{_shown(value)} is not of type 'string'"


def identifier(value: object) -> str | None:
    """A uuid in lower case."""
    return None if is_uuid(value) else f"{_shown(value)} is not a valid uuid"


def link(value: object) -> str | None:
    """A URL of http or https."""
    good = isinstance(value, str) and _URL.fullmatch(value)
    return None if good else f"{_shown(value)} does not match '^(https?)://'"


def anything_listed(value: object) -> str | None:
    """A list; what it holds is found out later."""
    return None if isinstance(value, list) else f"{_shown(value)} is not of type 'array'"


def identifiers(value: object) -> str | None:
    """A list of uuids."""
    if not isinstance(value, list):
        return anything_listed(value)
    return next((wrong for wrong in map(identifier, value) if wrong), None)


def mapping(value: object) -> str | None:
    """An object."""
    return None if isinstance(value, dict) else f"{_shown(value)} is not of type 'object'"


def number(value: object) -> str | None:
    """A number; true is none."""
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return None if good else f"{_shown(value)} is not of type 'number'"


def state(value: object) -> str | None:
    """How a row stands."""
    good = value in ("active", "inactive", "archived")
    return None if good else f"{_shown(value)} is not one of ['active', 'inactive', 'archived']"


def nullable(rule: Rule) -> Rule:
    """The same, or null."""
    return lambda value: None if value is None else rule(value)


def checked(body: object, rules: Mapping[str, Rule], required: Collection[str] = ()) -> dict[str, Any]:
    """The body, if it is an object of these properties alone with the required ones among them."""
    if not isinstance(body, dict):
        raise malformed([f"{_shown(body)} is not of type 'object'"])
    errors = [
        f"Additional properties are not allowed ('{_clipped(name)}' was unexpected)"
        for name in body
        if name not in rules
    ]
    errors += [f"'{name}' is a required property" for name in required if name not in body]
    errors += [
        f"{name}: {wrong}"
        for name, value in body.items()
        if name in rules and (wrong := rules[name](value)) is not None
    ]
    if errors:
        raise malformed(errors)
    return body


def storable(*texts: object, short: Collection[object] = ()) -> None:
    """Raise what DCI answers when its database does not take a text: a NUL in it, or one too long for a short column."""
    if any(isinstance(each, str) and "\0" in each for each in (*texts, *short)):
        raise Refusal(400, UNABLE)
    if any(isinstance(each, str) and len(each) > _SHORT for each in short):
        raise Refusal(400, UNABLE)


def _shown(value: object) -> str:
    return _clipped(repr(value))


def _clipped(words: str) -> str:
    return words if len(words) <= 200 else words[:200] + "…"
