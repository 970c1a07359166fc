"""Reads variables and payloads of any host: empty and all-zero ids count as absent. Does not know any host.

Payloads are untrusted JSON in which any key may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

_Read = TypeVar("_Read")
SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?", re.ASCII)
"""A full id of a git object, SHA-1 or SHA-256."""


def variable(environ: Mapping[str, str], *names: str) -> str | None:
    """The value of the first variable that is not empty."""
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
    """Host name and port of a forge's URL; None if they cannot be parsed, such as after a slash in a password."""
    try:
        parts = urlsplit(url or "")
        return None if parts.port == 0 else parts.netloc.rpartition("@")[2] or None
    except ValueError:
        return None


def seconds(text: object) -> int | None:
    """Unix seconds from a host's ISO 8601 time."""
    from datetime import datetime  # slow to import, and few payloads contain a time

    try:
        return int(datetime.fromisoformat(text).timestamp()) if isinstance(text, str) else None
    except ValueError:
        return None


def iso(seconds: int) -> str:
    """Unix seconds in the form of hosts and vendors: ISO 8601 in UTC."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def at(value: Any, *path: str) -> Any:
    """The value at a path of keys in a payload, or None."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def valid(read: Callable[[Any], _Read | None], value: Any) -> _Read | None:
    """The value that a reader extracts from a host's response; None if there is none, or git's all-zero id.

    Raises `ValueError` for an invalid value.
    """
    result = read(value)
    if result is None and value is not None and not (isinstance(value, str) and value.strip("0") == ""):
        raise ValueError("a field of the answer is invalid")
    return result


def required(read: Callable[[Any], _Read | None], value: Any) -> _Read:
    """The same for a required field."""
    if (result := read(value)) is None:
        raise ValueError("a field of the answer is missing or invalid")
    return result


def string(value: Any, *path: str) -> str | None:
    """The text at a path of keys, or None if there is none."""
    text = at(value, *path)
    return text if isinstance(text, str) and text else None
