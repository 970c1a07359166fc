"""Shows rows as a table: with lines and colours on a terminal, as aligned text anywhere else."""

from __future__ import annotations

import io
from collections.abc import Sequence

from cibeacon.runtime.environment import Environment
from cibeacon.runtime.sanitize import clipped

_WIDEST = 80
_GAP = "  "


def table(env: Environment, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """The text of a table, with its last line break; nothing without rows. Every cell has passed the sanitiser."""
    cells = [[clipped("-" if cell in (None, "") else cell, _WIDEST) for cell in row] for row in rows]
    if not cells:
        return ""
    if env.out.isatty():
        return _drawn(heads, cells)
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    lines = (_GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (heads, *cells))
    return "".join(f"{line.rstrip()}\n" for line in lines)


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 row`, `2,000 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _drawn(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    from rich.console import Console  # for people alone, who can wait 0.1 s
    from rich.table import Table
    from rich.text import Text

    drawn = Table(header_style="bold")
    for head in heads:
        drawn.add_column(head, overflow="fold")
    for row in cells:
        drawn.add_row(*(Text(cell) for cell in row))
    text = io.StringIO()
    Console(file=text, force_terminal=True, highlight=False).print(drawn)
    return text.getvalue()
