"""Decides which parallel job sends a row, and in which partition, by the row's key alone.

GitLab counts its parallel jobs from 1: https://docs.gitlab.com/ci/variables/predefined_variables/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

from cibeacon.runtime.errors import SettingsError

_SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})", re.ASCII)


class Shard(NamedTuple):
    """One share of all rows."""

    number: int
    """From 1."""
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def suffix(self) -> str:
        """The part of a file's name for this shard."""
        return f".{self.number}of{self.of}"

    def has(self, partition_key: str) -> bool:
        """Whether rows with this key belong to it."""
        return _hash(partition_key, 0) % self.of == self.number - 1


def parse_shard(flag: str | None, environ: Mapping[str, str]) -> Shard | None:
    """The share that the flag sets, or that of this parallel job; None for all rows. Raises `SettingsError`."""
    index, total = environ.get("CI_NODE_INDEX", ""), environ.get("CI_NODE_TOTAL", "")
    if not flag and total in ("", "1"):
        return None
    text = flag or f"{index}/{total}"
    match = _SHARD.fullmatch(text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        source = "--shard" if flag else "CI_NODE_INDEX/CI_NODE_TOTAL"
        raise SettingsError(
            "Nothing was sent",
            f"{source} is {text[:40]}, which is not a share: shares are counted from 1, as in 1/4 to 4/4",
            "Use --shard I/N; on GitHub, list the shares in the matrix, since strategy.job-index starts at 0",
        )
    shard = Shard(int(match[1]), int(match[2]))
    return shard if shard.of > 1 else None


def partition_index(partition_key: str, partitions: int) -> int:
    """The partition, from 0, of rows with this key; it does not depend on the shard."""
    return _hash(partition_key, 8) % partitions


def _hash(partition_key: str, start: int) -> int:
    digest = hashlib.sha256(partition_key.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[start : start + 8], "big")
