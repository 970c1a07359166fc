"""Knows which share of the rows a job of many has. Does not know rows: an order is a text.

GitLab counts its parallel jobs from 1: https://docs.gitlab.com/ci/variables/predefined_variables/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from cibeacon.backfill import identity
from cibeacon.runtime.errors import SettingsError

_SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})", re.ASCII)


class Shard(NamedTuple):
    """One share of the rows of all."""

    number: int
    """From 1."""
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def suffix(self) -> str:
        """What tells the files of its own from those of other shards."""
        return f".{self.number}of{self.of}"

    def takes(self, order: str) -> bool:
        """Whether rows of this order are its own."""
        return identity.shard(order, self.of) == self.number - 1


def shard(given: str | None, environ: Mapping[str, str]) -> Shard | None:
    """The share that was asked for, or the one of this parallel job; None for all. Raises `SettingsError`."""
    number, of = environ.get("CI_NODE_INDEX", ""), environ.get("CI_NODE_TOTAL", "")
    source = "--shard" if given else "CI_NODE_INDEX/CI_NODE_TOTAL"
    if not given and of in ("", "1"):
        return None
    text = given or f"{number}/{of}"
    match = _SHARD.fullmatch(text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise SettingsError(
            "Nothing was sent",
            f"{source} is {text[:40]}, which is no share: shares are counted from 1, as in 1/4 to 4/4",
            "Give --shard I/N; on GitHub count in the matrix, since strategy.job-index begins with 0",
        )
    found = Shard(int(match[1]), int(match[2]))
    return found if found.of > 1 else None
