"""A file that tells how far it was read, while somebody else reads it. Does not know who reads it or why."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

Watch: TypeAlias = Callable[[Path, int], object]
"""Told a file and how many of its bytes were read so far, from whatever thread reads it."""


class _Watched(io.BufferedReader):
    def __init__(self, path: Path, watch: Watch) -> None:
        super().__init__(io.FileIO(path))
        self._path, self._watch, self._read = path, watch, 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self._read += len(content)
        self._watch(self._path, self._read)
        return content


def watched(path: Path, watch: Watch | None) -> io.BufferedReader:
    """The file, open for reading. Raises `OSError`."""
    return _Watched(path, watch) if watch else path.open("rb")
