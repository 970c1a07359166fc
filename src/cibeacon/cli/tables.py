"""Formats rows as a table: with lines and colours on a terminal, as aligned text elsewhere."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from cibeacon.model.payload import at
from cibeacon.runtime import Environment
from cibeacon.runtime.safe_text import clipped

Columns: TypeAlias = dict[str, str]
"""Heading → path of its cells in a record: keys separated by dots."""
_WIDEST = 80
_WIDEST_LINK = 200
_GAP = "  "


def table(env: Environment, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The text of a table, with a final line break; empty without rows. Every cell is sanitised."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        return ""
    if env.out.isatty():
        return _rich_table(heads, cells)
    return "".join(f"{line}\n" for line in align([heads, *cells]))


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """A line for each row, with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [_GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def record_table(env: Environment, columns: Columns, records: Iterable[Mapping[str, Any]]) -> str:
    """A table of records."""
    return table(env, list(columns), [[field(record, path) for path in columns.values()] for record in records])


def field(record: Mapping[str, Any], path: str) -> Any:
    """The value in a record at a path of keys separated by dots; None if it is missing."""
    return at(record, *path.split("."))


def details(fields: Mapping[str, Any], widest: int) -> str:
    """Names and values, one per line."""
    width = max(map(len, fields), default=0)
    return "".join(f"{clipped(f'{name:<{width}}  {_text(value)}', widest)}\n" for name, value in fields.items())


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 row`, `2,000 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:.0f}" if isinstance(value, float) else str(value)


def _cell(value: object) -> str:
    text = "-" if value in (None, "") else _text(value)
    return clipped(text, _WIDEST_LINK if text.startswith(("https://", "http://")) else _WIDEST)


def _rich_table(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    from rich.console import Console  # takes 0.1 s to import, and only people need it
    from rich.table import Table
    from rich.text import Text

    rich_table = Table(header_style="bold")
    for head in heads:
        rich_table.add_column(head, overflow="fold")
    for row in cells:
        rich_table.add_row(*map(Text, row))
    text = io.StringIO()
    Console(file=text, force_terminal=True, highlight=False).print(rich_table)
    return text.getvalue()
