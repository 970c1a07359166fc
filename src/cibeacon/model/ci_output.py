"""What a CI system should show and keep: lines for its log, text for files. `cli/report_view` alone prints and writes it."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from cibeacon.model.report import Report

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


class ReportTexts(NamedTuple):
    """How a report becomes text that is the same on every CI system."""

    outputs: Callable[[Report, str], Mapping[str, str]]
    """From a report and the path of its JSON file to the outputs for later steps, by name."""
    summary: Callable[[Report, Iterable[Link]], str]
    """From a report and what to link in it to Markdown."""
