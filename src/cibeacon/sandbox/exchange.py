"""Knows one HTTP exchange as data: what was asked and what is answered. Does not know sockets or who answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. `path` is as sent, without the query; `body` is None when it was over the limit."""

    method: str
    path: str
    query: str = ""
    headers: Message = field(repr=False)
    body: bytes | None = field(default=b"", repr=False)

    def from_this_machine(self) -> bool:
        """Whether the Host header names this machine: a page elsewhere whose name resolves to us is refused."""
        host = self.headers.get("Host", "")
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        return name.lower() in {"localhost", "127.0.0.1", "[::1]"}


@dataclass(frozen=True, slots=True)
class Answer:
    """One response."""

    status: int
    content: bytes
    content_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


def in_json(status: int, value: object, **headers: str) -> Answer:
    """An answer in ASCII JSON; an underscore in a header's name stands for a dash."""
    content = json.dumps(value, allow_nan=False).encode("ascii")
    return Answer(status, content, headers={name.replace("_", "-"): text for name, text in headers.items()})


Route: TypeAlias = Callable[[Request], Answer]
