"""Opens an input as bytes: a file, standard input, an object in a bucket. Does not know what is in it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO

from cibeacon.spool.file_store import is_address

STDIN = "-"


def opened(name: str, cwd: Path, stdin: IO[str]) -> tuple[IO[bytes], int | None]:
    """The input from its beginning, and its size in bytes where that is known. Raises `OSError` and `SpoolError`."""
    if name == STDIN:
        return _binary(stdin), None
    if is_address(name):
        from cibeacon.backfill import object_input  # few files are in a bucket

        return object_input.opened(name)
    return (cwd / name).open("rb"), (cwd / name).stat().st_size


def _binary(stdin: IO[str]) -> IO[bytes]:
    """The bytes behind a text stream; of one without, its text."""
    behind = getattr(stdin, "buffer", None)
    return behind if behind is not None else io.BytesIO(stdin.read().encode("utf-8", "surrogateescape"))
