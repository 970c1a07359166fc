"""A file as it was when it was opened, which tells how far it was read. Does not know who reads it or why.

A log may grow while it is sent. What was said of it before, its size and its hash, is said of what it held by then.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from cibeacon.runtime import paths

Watch: TypeAlias = Callable[[Path, int], object]
"""Told a file and how many of its bytes were read so far, from whatever thread reads it."""


class Watched(io.BufferedReader):
    """So many bytes of a file as it had when it was opened."""

    def __init__(self, path: Path, watch: Watch | None) -> None:
        super().__init__(io.FileIO(paths.open_regular(path)))
        self.len = os.fstat(self.fileno()).st_size
        """Bytes; `requests` takes this for the length."""
        self._path, self._watch, self._read = path, watch, 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Bytes, up to the size that the file had. Raises `OSError` where it holds less by now."""
        left = self.len - self._read
        content = super().read(left if size is None or size < 0 else min(size, left))
        if left and size and not content:
            raise OSError(f"{self._path.name} became shorter while it was read")
        self._read += len(content)
        if self._watch:
            self._watch(self._path, self._read)
        return content


def watched(path: Path, watch: Watch | None) -> Watched:
    """The file, open for reading. Raises `OSError`."""
    return Watched(path, watch)
