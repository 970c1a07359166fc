"""Knows whether rows are still those that were written: by a digest that stands behind the last of them. Knows no file.

It guards against accidents, not against people: whoever wants to can write a good one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

_LENGTH = 16
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
"""A digest with digits in it may be a number to a spreadsheet, which would write it in another way."""


class Seal:
    """The digest of rows, taken in one after the other."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, cells: Sequence[str]) -> None:
        """The next row."""
        self._hash.update(json.dumps(list(cells)).encode("ascii") + b"\n")

    def text(self, owner: str) -> str:
        """The seal of all rows so far, for a file of this owner."""
        whole = self._hash.copy()
        whole.update(owner.encode("utf-8", "surrogatepass"))
        return whole.hexdigest()[:_LENGTH].translate(_LETTERS)
