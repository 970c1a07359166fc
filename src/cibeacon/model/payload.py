"""How any host's variables and payloads are read: empty is absent, an all-zero id is none. Does not know a host.

Payloads are strangers' JSON with keys missing at times: every step down may find nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

_Read = TypeVar("_Read")
SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?", re.ASCII)
"""A full id of a git object, of either hash."""


def variable(environ: Mapping[str, str], *names: str) -> str | None:
    """The first of the variables that holds anything."""
    return next((environ[name] for name in names if environ.get(name)), None)


def number(text: object) -> int | None:
    """A whole number from a variable or payload."""
    if isinstance(text, bool) or not isinstance(text, int | str):
        return None
    return int(text) if str(text).isascii() and str(text).isdecimal() and len(str(text)) < 19 else None


def commit(value: object) -> str | None:
    """A full commit id; None for anything else, git's all-zero id included."""
    return value if isinstance(value, str) and SHA.fullmatch(value) and value.strip("0") else None


def server(url: str | None) -> str | None:
    """Host name and port of a forge's URL."""
    try:
        return urlsplit(url or "").netloc.rpartition("@")[2] or None
    except ValueError:
        return None


def seconds(text: object) -> int | None:
    """Unix seconds from a host's ISO 8601 time."""
    from datetime import datetime  # of the size of all of ours that look for services, and few payloads hold a time

    try:
        return int(datetime.fromisoformat(text).timestamp()) if isinstance(text, str) else None
    except ValueError:
        return None


def iso(moment: int) -> str:
    """Unix seconds as hosts and vendors write a time: ISO 8601 in UTC."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def at(value: Any, *path: str) -> Any:
    """What stands at a path of keys in a payload, or None."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def valid(read: Callable[[Any], _Read | None], value: Any) -> _Read | None:
    """What a reader makes of a host's answer; None where it holds none, or git's all-zero id.

    Raises `ValueError` for what it cannot be.
    """
    found = read(value)
    if found is None and value is not None and not (isinstance(value, str) and value.strip("0") == ""):
        raise ValueError("a field of the answer has another shape")
    return found


def required(read: Callable[[Any], _Read | None], value: Any) -> _Read:
    """The same of what an answer must hold."""
    if (found := read(value)) is None:
        raise ValueError("a field of the answer is missing, or has another shape")
    return found


def string(value: Any, *path: str) -> str | None:
    """The text at a path of keys, or None when there is none."""
    found = at(value, *path)
    return found if isinstance(found, str) and found else None
