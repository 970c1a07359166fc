"""How any host's variables and payloads are read: empty is absent, an all-zero id is none. Does not know a host.

Payloads are JSON of others, in which any key may be missing.
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
    """Host name and port of a forge's URL; None where a slash in a password leaves something else in their place."""
    try:
        parts = urlsplit(url or "")
        return None if parts.port == 0 else parts.netloc.rpartition("@")[2] or None
    except ValueError:
        return None


def seconds(text: object) -> int | None:
    """Unix seconds from a host's ISO 8601 time."""
    from datetime import datetime  # of the size of all of ours that look for services, and few payloads hold a time

    try:
        return int(datetime.fromisoformat(text).timestamp()) if isinstance(text, str) else None
    except ValueError:
        return None


def iso(seconds: int) -> str:
    """Unix seconds as hosts and vendors write a time: ISO 8601 in UTC."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def at(value: Any, *path: str) -> Any:
    """The value at a path of keys in a payload, or None."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def valid(read: Callable[[Any], _Read | None], value: Any) -> _Read | None:
    """The value that a reader finds in a host's answer; None where there is none, or git's all-zero id.

    Raises `ValueError` for what it cannot be.
    """
    result = read(value)
    if result is None and value is not None and not (isinstance(value, str) and value.strip("0") == ""):
        raise ValueError("a field of the answer has another shape")
    return result


def required(read: Callable[[Any], _Read | None], value: Any) -> _Read:
    """The same for a field that an answer must have."""
    if (result := read(value)) is None:
        raise ValueError("a field of the answer is missing, or has another shape")
    return result


def string(value: Any, *path: str) -> str | None:
    """The text at a path of keys, or None when there is none."""
    text = at(value, *path)
    return text if isinstance(text, str) and text else None
