"""What a host wants said where: lines for the log, text for files. A host returns it; only `app` prints and writes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Writing:
    """Text for one file."""

    path: str
    text: str
    append: bool = False


@dataclass(frozen=True, slots=True)
class Speech:
    """Lines for the log (the host's own commands), and files."""

    lines: tuple[str, ...] = ()
    writings: tuple[Writing, ...] = ()
