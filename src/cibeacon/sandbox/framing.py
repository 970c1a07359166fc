"""Knows where the body of a request ends, and passes it on in pieces. Does not know what the pieces are.

https://www.rfc-editor.org/rfc/rfc9112#name-message-body-length
"""

from __future__ import annotations

from collections.abc import Callable
from email.message import Message
from io import BufferedIOBase

_PIECE = 256 * 1024
_LINE = 1024


def length(headers: Message) -> int | None:
    """Size of the body in bytes as the headers state it; None when they leave it open."""
    told = headers.get_all("Content-Length", ["0"])
    plain = len(told) == 1 and told[0].isascii() and told[0].isdigit() and len(told[0]) < 16
    return int(told[0]) if plain and "Transfer-Encoding" not in headers else None


def pour(source: BufferedIOBase, headers: Message, write: Callable[[bytes], object]) -> None:
    """Pass the whole body to `write`, whether counted or chunked.

    Raises ValueError when its framing is not to be understood and EOFError when the sender hung up in the middle.
    """
    size = length(headers)
    if size is not None:
        _pass(source, size, write)
    elif headers.get("Transfer-Encoding", "").strip().lower() == "chunked" and "Content-Length" not in headers:
        while size := int(_line(source).partition(b";")[0], 16):
            if size < 0:
                raise ValueError("negative chunk")
            _pass(source, size, write)
            if _line(source).strip():
                raise ValueError("chunk without an end")
        while _line(source).strip():  # trailers
            pass
    else:
        raise ValueError("no length")


def _pass(source: BufferedIOBase, size: int, write: Callable[[bytes], object]) -> None:
    while size:
        piece = source.read(min(size, _PIECE))
        if not piece:
            raise EOFError
        size -= len(piece)
        write(piece)


def _line(source: BufferedIOBase) -> bytes:
    line = source.readline(_LINE)
    if not line.endswith(b"\n"):
        raise EOFError
    return line
