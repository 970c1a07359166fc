"""Shows a wait in progress, as plain lines in a CI log and with a live table on a terminal, and its result."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from cibeacon.ci.detect import is_ci_job
from cibeacon.cli.dataops_context import DataopsVerb
from cibeacon.dataops.snapshot import PipelineJob, Snapshot
from cibeacon.report_text import markdown_table
from cibeacon.runtime.safe_text import cell, clipped, line

if TYPE_CHECKING:
    from rich.live import Live

HEADS = ("stage", "job", "status", "seconds")
_MOST_ROWS = 20
_WIDEST = 60
_WEIGHT = {"running": 0, "failed": 1, "pending": 2, "manual": 3, "created": 4}


class WaitView:
    """Prints lines; on a terminal also a table of the jobs below them, refreshed after each poll."""

    def __init__(self, verb: DataopsVerb) -> None:
        self._verb = verb
        self._live = _open_live(verb)

    def shown(self) -> AbstractContextManager[object]:
        """Shows the table, and restores the terminal at the end."""
        return self._live or nullcontext()

    def say(self, text: str) -> None:
        """Prints a line of progress."""
        if self._live:
            self._print([clipped(self._verb.clean(text), 400)])
        else:
            self._verb.say(text)

    def print_log(self, name: str, lines: Iterable[str]) -> None:
        """Prints lines of the log of the job with this name."""
        prefix = f"{line(name)} | "
        if self._live:
            self._print(f"{prefix}{text}" for text in lines)
        else:
            self._verb.print_foreign_lines(lines, prefix)

    def show(self, snapshot: Snapshot) -> None:
        """Draws the table."""
        if self._live is None:
            return
        from rich.table import Table
        from rich.text import Text

        pipeline = snapshot.pipeline
        title = Text(f"pipeline {pipeline.id} {clipped(pipeline.status, 40)}")
        table = Table(*HEADS, title=title, title_justify="left")
        jobs = sorted(snapshot.jobs, key=lambda job: _WEIGHT.get(job.status, 9))
        for job in jobs[:_MOST_ROWS]:
            table.add_row(*(Text(clipped(self._verb.clean(text), _WIDEST)) for text in job_row(job)))
        if len(jobs) > _MOST_ROWS:
            table.add_row(f"… and {len(jobs) - _MOST_ROWS} more")
        self._live.update(table, refresh=True)

    def _print(self, lines: Iterable[str]) -> None:
        """Prints lines above the table."""
        from rich.text import Text

        for text in lines:
            self._live.console.print(Text(text))  # type: ignore[union-attr]  # only called beside a table


def _open_live(verb: DataopsVerb) -> Live | None:
    """A display for a person at a terminal; None in CI, and where the terminal cannot draw."""
    environ, stream = verb.env.environ, verb.env.err if verb.settings.as_json else verb.env.out
    if is_ci_job(environ) or environ.get("TERM") == "dumb" or not stream.isatty():
        return None
    from rich.console import Console
    from rich.live import Live

    console = Console(file=stream, highlight=False, soft_wrap=True, force_terminal=True)
    return Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)


def job_row(job: PipelineJob) -> tuple[str, ...]:
    """A job's cells for the columns in `HEADS`."""
    status = job.status
    if status == "failed":
        status += f": {job.failure_reason}" if job.failure_reason else ""
        status += " (allowed)" if job.allow_failure else ""
    seconds = "" if job.duration is None else f"{job.duration:.0f}"
    return tuple(clipped(text, _WIDEST) for text in (job.stage, job.name, status, seconds))


def markdown(title: str, snapshot: Snapshot | None) -> str:
    """The step summary: the result and every job."""
    table = markdown_table(HEADS, [job_row(job) for job in snapshot.jobs]) if snapshot else ()
    return "\n".join((f"### DataOps: {cell(title)}", "", *table, "", ""))
