"""What a CI system should show and keep: lines for its log, text for files. `cli/report_view` alone prints and writes it."""

from typing import NamedTuple, TypeAlias

Link: TypeAlias = tuple[str, str]
"""A label of ours, and the URL that it leads to."""


class OutputFile(NamedTuple):
    """Text for one file."""

    path: str
    text: str
    append: bool = False


class CIOutput(NamedTuple):
    """Lines for the log (the CI system's own commands), and files."""

    lines: tuple[str, ...] = ()
    files: tuple[OutputFile, ...] = ()
