"""How a wait looks while it lasts: plain lines in a CI log, and a table that keeps up on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from cibeacon.ci.detect import is_ci_job
from cibeacon.cli.dataops_context import Stage
from cibeacon.dataops import tables
from cibeacon.dataops.records import Snapshot
from cibeacon.runtime.sanitize import clipped

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

_MOST_ROWS = 20
_WEIGHT = {"running": 0, "failed": 1, "pending": 2, "manual": 3, "created": 4}


class Shown:
    """Lines, one under the other."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def __enter__(self) -> Shown:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves what was shown."""

    def say(self, text: str) -> None:
        """A line of progress."""
        self.stage.say(text)

    def show(self, look: Snapshot) -> None:
        """Nothing: what changed was said."""

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Makes room for lines of others."""
        yield


class LiveTable(Shown):
    """A table of the jobs under the lines, drawn anew after each look."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        from rich.console import Console
        from rich.live import Live

        stream = stage.env.err if stage.as_json else stage.env.out
        console = Console(file=stream, highlight=False, soft_wrap=True, force_terminal=True)
        self._live: Live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        """A line above the table."""
        from rich.text import Text

        self._live.console.print(Text(clipped(self.stage.clean(text), 400)))

    def show(self, look: Snapshot) -> None:
        """Draws the table."""
        self._live.update(_table(look, self.stage), refresh=True)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Takes the table away for a moment."""
        self._live.stop()
        try:
            yield
        finally:
            self._live.start()


def _table(look: Snapshot, stage: Stage) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(f"pipeline {look.pipeline.id} {clipped(look.pipeline.status, 40)}"), title_justify="left")
    for head in ("stage", "job", "status", "seconds"):
        table.add_column(head)
    jobs = sorted(look.jobs, key=lambda job: _WEIGHT.get(job.status, 9))
    for row in tables.job_table(look._replace(jobs=tuple(jobs[:_MOST_ROWS]))):
        table.add_row(*(Text(clipped(stage.clean(cell), 60)) for cell in row))
    if len(jobs) > _MOST_ROWS:
        table.add_row(f"… and {len(jobs) - _MOST_ROWS} more")
    return table


def watcher(stage: Stage) -> Shown:
    """Whoever shows a wait here."""
    env = stage.env
    stream = env.err if stage.as_json else env.out
    if is_ci_job(env.environ) or env.environ.get("TERM") == "dumb" or not stream.isatty():
        return Shown(stage)
    return LiveTable(stage)
