"""Shows a backfill: what is wrong, how far it is, and what it came to. Decides nothing.

On a terminal there is a bar with rate and remaining time, anywhere else a line every ten seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from typing import Self

from cibeacon.backfill.outage import Outage
from cibeacon.backfill.rows import Fault
from cibeacon.backfill.run_files import Mode
from cibeacon.backfill.tally import SHOWN, Summary, Tally
from cibeacon.cli.jq_output import show
from cibeacon.cli.output import say
from cibeacon.cli.tables import counted, table
from cibeacon.model.outcome import ShownRequest
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.redact import Redactor
from cibeacon.runtime.sanitize import clipped, json_text
from cibeacon.settings import Settings

EVERY = 10.0
"""Seconds between two lines."""
_OFTEN = 0.2
_WIDTH = 500
_PARTS = 1000
_WORDS = {
    "read": "rows read",
    "sent": "sent",
    "duplicate": "DX had them",
    "already": "sent by an earlier run",
    "repeated": "said further up already",
    "elsewhere": "another shard's",
    "valid": "would be sent",
    "invalid": "invalid",
    "failed": "failed",
    "left": "not tried",
}
_CHANGED = "older failed rows, changed since they were written, or from other files"
_ONE = {"read": "row read", "duplicate": "DX had it"}


class View:
    """What is shown while it goes on; a context manager, at whose end a terminal is as it was."""

    def __init__(self, env: Environment, clean: Redactor, mode: Mode, *, to_stderr: bool) -> None:
        self._world, self._clean, self._mode = env, clean, mode
        self._to_stderr = to_stderr
        self._began = self._looked = self._last = env.clock()
        self._faults = 0
        self._advised = {""}
        self._silence: Outage | None = None
        self._leaving = ExitStack()
        self._bar: Callable[[Tally, float | None], None] | None = None
        self._above: Callable[[str], None] = self._told

    def __enter__(self) -> Self:
        if self._world.err.isatty():
            self._bar = self._drawn()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.close()
        if self._faults > SHOWN and self._mode != "check":
            self._say(
                f"… and {counted(self._faults - SHOWN, 'more fault')}; --check tells all, failed rows are in their file"
            )

    def fault(self, where: str, fault: Fault) -> None:
        """A check tells everything; a run the first ones, since all are in a file."""
        self._faults += 1
        if fault.mend in self._advised:  # said once, it holds for all the others
            fault = fault._replace(mend="")
        self._advised.add(fault.mend)
        if self._mode == "check" or self._faults <= SHOWN:
            self._say(f"{where}, {fault}")

    def request(self, request: ShownRequest) -> None:
        """The exact request, its body whole."""
        self._say(f"{request.method} {request.url}")
        self._write(self._clean(json_text(request.body)))

    def silent(self, host: str, silence: Outage | None) -> None:
        """Says at once what is the matter, and how long that goes on; afterwards, that it is over."""
        self._silence = silence
        said = _silence(host, silence) if silence else f"{host} answers again"
        self._above(clipped(self._clean(f"backfill: {said}"), _WIDTH))

    def watch(self, rows: Tally, fraction: float | None) -> None:
        """Moves the bar, or writes a line when it is time."""
        now = self._world.clock()
        if now < self._looked + _OFTEN:
            return
        self._looked = now
        if self._bar:
            self._bar(rows, fraction)
        elif now >= self._last + EVERY:
            self._last = now
            self._told(self._progress(rows, fraction, now))

    def _progress(self, rows: Tally, fraction: float | None, now: float) -> str:
        seconds = max(now - self._began, 0.001)
        words = [f"{rows.told:,} sent", f"{rows.told / seconds:,.1f}/s", f"{counted(rows.read, 'row')} read"]
        if rows.invalid + rows.failed:
            words.append(f"{rows.invalid + rows.failed:,} not sent")
        if fraction:
            words.append(f"{fraction:.0%} of the bytes")
        if self._silence:
            words.append("waiting for the host")
        elif (share := _share(rows, fraction)) and (rows.told or self._mode != "send"):
            words.append(f"about {seconds * (1 - share) / share:,.0f} s left")
        return f"backfill: {', '.join(words)}"

    def _told(self, line: str) -> None:
        say(self._world, f"{line}\n", to_stderr=True)

    def _drawn(self) -> Callable[[Tally, float | None], None]:
        from rich.console import Console  # for people alone, who can wait 0.1 s
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.text import Text

        bars = Progress(
            TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(),
            console=Console(file=self._world.err), transient=True,
        )  # fmt: skip
        task = self._leaving.enter_context(bars).add_task("", total=None)

        def moved(rows: Tally, fraction: float | None) -> None:
            rate = rows.told / max(self._world.clock() - self._began, 0.001)
            said = f"{rows.told:,} sent, {rate:,.0f}/s, {rows.invalid + rows.failed:,} not"
            total = _PARTS if fraction is not None else None
            bars.update(task, description=said, total=total, completed=int(_share(rows, fraction) * _PARTS))

        self._above = lambda line: bars.console.print(Text(line), soft_wrap=True)
        return moved

    def _say(self, text: str) -> None:
        self._write(clipped(self._clean(text), _WIDTH))

    def _write(self, line: str) -> None:
        say(self._world, f"{line}\n", to_stderr=self._to_stderr)


def shown(env: Environment, clean: Redactor, summary: Summary, settings: Settings) -> int:
    """The end: a table and a sentence, or one JSON document. Returns the exit code."""
    counts = [(_word(name, number), f"{number:,}") for name, number in asdict(summary.rows).items() if number]
    ending = "".join(f"{clipped(clean(line), _WIDTH)}\n" for line in _ending(summary))
    say(env, clean(table(env, (summary.kind, "rows"), counts)) + ending, to_stderr=settings.as_json)
    if not settings.as_json:
        return summary.exit_code
    unanswered = show(summary.document(), settings, env, clean, failed=summary.exit_code > 0)
    return summary.exit_code or unanswered


def _ending(summary: Summary) -> list[str]:
    rows = summary.rows
    lines = [f"shard       {summary.shard}"] if summary.shard else []
    lines += dict.fromkeys(f"failures    {each['failures']}" for each in summary.files if each["failures"])
    lines += dict.fromkeys(f"kept        {each['kept']}: {_CHANGED}" for each in summary.files if each["kept"])
    if not (summary.unusable or summary.stopped):
        lines += [
            f"no rows     {each['name']}: there is nothing in it to send" for each in summary.files if not each["rows"]
        ]
    if summary.unusable:
        lines.append(f"✗ {summary.unusable}")
    if summary.stopped:
        lines.append(f"✗ Stopped: {summary.stopped.rstrip('.')}. The same command goes on where it ended.")
    rate = f", {rows.told / max(summary.seconds, 0.001):,.1f}/s" if rows.told else ""
    lines.append(f"result      {summary.status} in {summary.seconds:,.1f} s{rate}; exit {summary.exit_code}")
    return lines


def _silence(host: str, silence: Outage) -> str:
    """What is the matter with a host, when it is tried again, and when it is given up."""
    waits = f"left alone for {silence.rest:,.0f} s" if silence.rest else "waited for"
    tries = "once more" if silence.tries == 1 else f"{silence.tries} times more"
    when = f"{waits}, tried {tries}, and given up in about {silence.ends:,.0f} s if that changes nothing"
    return f"{silence.told(host)}: {when}. {silence.reason}" if silence.tries else silence.told(host)


def _share(rows: Tally, fraction: float | None) -> float:
    """The part of the work that is done: of the bytes that were read, what is no longer waiting to be sent."""
    return (fraction or 0.0) * rows.settled / rows.read if rows.read else 0.0


def _word(name: str, number: int) -> str:
    return _ONE.get(name, _WORDS[name]) if number == 1 else _WORDS[name]
