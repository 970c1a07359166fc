"""What a host wants said where: lines for the log, text for files. A host returns it; only `cli/present` prints and writes."""

from typing import NamedTuple


class Writing(NamedTuple):
    """Text for one file."""

    path: str
    text: str
    append: bool = False


class Speech(NamedTuple):
    """Lines for the log (the host's own commands), and files."""

    lines: tuple[str, ...] = ()
    writings: tuple[Writing, ...] = ()
