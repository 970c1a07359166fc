"""Shows a backfill: problems, progress and the result. Makes no decisions.

On a terminal it draws a bar with rate and remaining time, elsewhere it writes a line every ten seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from typing import Self

from cibeacon.backfill.options import Mode
from cibeacon.backfill.rows import RowFault
from cibeacon.backfill.sender import PAUSE, Outage
from cibeacon.backfill.summary import SHOWN, BackfillSummary, RowCounts
from cibeacon.cli.jq_output import show
from cibeacon.cli.output import say
from cibeacon.cli.tables import counted, table
from cibeacon.model.error_ids import help_link
from cibeacon.model.report import ShownRequest
from cibeacon.runtime import Environment
from cibeacon.runtime.safe_text import Redactor, clipped, json_text
from cibeacon.settings import Settings

LINE_SECONDS = 10.0
"""Seconds between two lines."""
_BAR_SECONDS = 0.2
_WIDTH = 500
_LABELS = {
    "read": "read",
    "sent": "sent",
    "duplicate": "already in DX",
    "already": "sent by an earlier run",
    "repeated": "repeat an earlier row",
    "elsewhere": "another shard's",
    "valid": "would be sent",
    "invalid": "invalid",
    "failed": "failed",
    "left": "not tried",
}
_SINGULAR = {"repeated": "repeats an earlier row"}


class ProgressView:
    """Shows a run in progress; a context manager that restores the terminal."""

    def __init__(self, env: Environment, redactor: Redactor, mode: Mode, *, to_stderr: bool) -> None:
        self._env, self._redactor, self._mode, self._to_stderr = env, redactor, mode, to_stderr
        self._started = self._last_bar = self._last_line = env.clock()
        self._faults = 0
        self._given_hints = {""}
        self._outage: Outage | None = None
        self._on_exit = ExitStack()
        self._move_bar: Callable[[RowCounts, float | None], None] | None = None
        self._write_above: Callable[[str], None] = self._write_line

    def __enter__(self) -> Self:
        if self._env.err.isatty():
            self._move_bar = self._draw_bar()
        return self

    def __exit__(self, *_: object) -> None:
        self._on_exit.close()
        more = self._faults - SHOWN
        if more > 0 and self._mode != "check":
            self._say(
                f"… and {counted(more, 'more fault')}; --check lists all, and failed rows are in the failures file"
            )

    def show_fault(self, file: str, fault: RowFault) -> None:
        """A check shows every fault, a run only the first ones, since all are in a file. Each hint is shown once."""
        self._faults += 1
        if fault.hint in self._given_hints:
            fault = fault._replace(hint="")
        self._given_hints.add(fault.hint)
        if self._mode == "check" or self._faults <= SHOWN:
            self._say(f"{file}, {fault}")

    def show_request(self, request: ShownRequest) -> None:
        """Shows the exact request with its complete body."""
        self._say(f"{request.method} {request.url}")
        say(self._env, f"{self._redactor(json_text(request.body))}\n", to_stderr=self._to_stderr)

    def show_outage(self, host: str, outage: Outage | None) -> None:
        """Shows at once why rows cannot be sent, and later that they can be again."""
        self._outage = outage
        text = f"{host} answers again"
        if outage:
            text = f"{outage.describe(host)}: waiting {PAUSE:,.0f} s before trying again. {outage.hint}"
        self._write_above(clipped(self._redactor(f"backfill: {text}"), _WIDTH))

    def show_progress(self, rows: RowCounts, fraction: float | None) -> None:
        """Moves the bar, or writes a line, when it is time."""
        now = self._env.clock()
        if self._move_bar and now >= self._last_bar + _BAR_SECONDS:
            self._last_bar = now
            self._move_bar(rows, fraction)
        elif not self._move_bar and now >= self._last_line + LINE_SECONDS:
            self._last_line = now
            self._write_line(self._progress(rows, fraction, max(now - self._started, 0.001)))

    def _progress(self, rows: RowCounts, fraction: float | None, seconds: float) -> str:
        delivered, not_sent = rows.delivered, rows.invalid + rows.failed
        parts = [f"{delivered:,} sent", f"{delivered / seconds:,.1f}/s", f"{counted(rows.read, 'row')} read"]
        if not_sent:
            parts.append(f"{not_sent:,} not sent")
        if fraction:
            parts.append(f"{fraction:.0%} of the bytes")
        done = _done_fraction(rows, fraction)
        if self._outage:
            parts.append("waiting for the host")
        elif done and (delivered or self._mode != "send"):
            parts.append(f"about {seconds * (1 - done) / done:,.0f} s left")
        return f"backfill: {', '.join(parts)}"

    def _draw_bar(self) -> Callable[[RowCounts, float | None], None]:
        from rich.console import Console  # takes 0.1 s to import, and only people need it
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.text import Text

        columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
        progress = Progress(*columns, console=Console(file=self._env.err), transient=True)
        task = self._on_exit.enter_context(progress).add_task("", total=None)

        def move(rows: RowCounts, fraction: float | None) -> None:
            rate = rows.delivered / max(self._env.clock() - self._started, 0.001)
            text = f"{rows.delivered:,} sent, {rate:,.0f}/s, {rows.invalid + rows.failed:,} not"
            total = 1.0 if fraction is not None else None
            progress.update(task, description=text, total=total, completed=_done_fraction(rows, fraction))

        self._write_above = lambda line: progress.console.print(Text(line), soft_wrap=True)
        return move

    def _say(self, text: str) -> None:
        say(self._env, f"{clipped(self._redactor(text), _WIDTH)}\n", to_stderr=self._to_stderr)

    def _write_line(self, line: str) -> None:
        say(self._env, f"{line}\n", to_stderr=True)


def show_summary(env: Environment, redactor: Redactor, summary: BackfillSummary, settings: Settings) -> int:
    """Shows the result: a table and a few lines, or one JSON document. Returns the exit code."""
    counts = [
        ((_SINGULAR if number == 1 else {}).get(name, _LABELS[name]), f"{number:,}")
        for name, number in asdict(summary.rows).items()
        if number
    ]
    width = max(len(label) for label, _ in [("no rows   ", ""), (summary.kind, ""), *counts])
    lines = "".join(f"{clipped(redactor(line), _WIDTH)}\n" for line in _summary_lines(summary, width))
    say(env, redactor(table(env, (summary.kind, "rows"), counts)) + lines, to_stderr=settings.as_json)
    if not settings.as_json:
        return summary.exit_code
    code = show(summary.document(), settings, env, redactor, failed=summary.exit_code > 0)
    return summary.exit_code or code


def _summary_lines(summary: BackfillSummary, width: int) -> list[str]:
    """The lines below the table, whose first column has this width."""
    rows, files = summary.rows, summary.files
    lines = [f"{'shard':{width}}  {summary.shard}"] if summary.shard else []
    lines += dict.fromkeys(f"{'failures':{width}}  {file['failures']}" for file in files if file["failures"])
    if summary.unusable:
        lines += [f"✗ {summary.unusable}", f"  {help_link('backfill-file-unusable')}"]
    elif summary.stopped:
        stopped = f"✗ Stopped: {summary.stopped.rstrip('.')}. Run the same command again to continue."
        lines += [stopped, f"  {help_link('backfill-stopped')}"]
    else:
        lines += [f"{'no rows':{width}}  {file['name']}: it has nothing to send" for file in files if not file["rows"]]
    rate = f", {rows.delivered / max(summary.seconds, 0.001):,.1f}/s" if rows.delivered else ""
    lines.append(f"{'result':{width}}  {summary.status} in {summary.seconds:,.1f} s{rate}; exit {summary.exit_code}")
    return lines


def _done_fraction(rows: RowCounts, fraction: float | None) -> float:
    """The completed part of the work: of the bytes read, those whose rows no longer wait to be sent."""
    return (fraction or 0.0) * rows.done / rows.read if rows.read else 0.0
