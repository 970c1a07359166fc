"""Knows one HTTP exchange as data: what was asked and what is answered. Does not know sockets or who answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Protocol, TypeAlias


class Stream(Protocol):
    """Where a body goes piece by piece, when its owner wants it neither whole nor limited."""

    def write(self, piece: bytes, /) -> object:
        """Take the next piece."""

    def close(self) -> None:
        """The body never came to its end, or is not wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. `path` is as sent, without the query; `body` is None when it was over the limit."""

    method: str
    path: str
    query: str = ""
    headers: Message = field(repr=False)
    body: bytes | None = field(default=b"", repr=False)
    stream: Stream | None = field(default=None, repr=False)
    """Where the body went, when it was streamed; `body` is empty then."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """A body that is not held in memory: its size in bytes, and its pieces, once."""

    size: int
    each: Iterator[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """One response. With `pieces` they follow the content; after `cut` bytes of the body the server hangs up."""

    status: int
    content: bytes
    content_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: Pieces = field(default_factory=lambda: Pieces(0, iter(())))
    cut: int | None = None

    @property
    def size(self) -> int:
        """Of the whole body, in bytes."""
        return len(self.content) + self.pieces.size


def in_json(status: int, value: object, **headers: str) -> Answer:
    """An answer in ASCII JSON; an underscore in a header's name stands for a dash."""
    content = json.dumps(value, allow_nan=False).encode("ascii")
    return Answer(status, content, headers={name.replace("_", "-"): text for name, text in headers.items()})


Route: TypeAlias = Callable[[Request], Answer | None]
"""Answers a request; None hangs up without a word."""
Receiving: TypeAlias = Callable[[Request], Stream | None]
"""Asked when the head of a request was read: where its body is to be streamed, None for a small body kept whole."""
