"""The story of `exec`: reports a command as a pipeline run, its start and its end. Does not know how the command is run.

The helper process does this while the command runs. The start is reported meanwhile; the end has its own time limit. If
both this process and the one that runs the command die, a record in the spool closes the run as cancelled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from cibeacon.delivery import deliver
from cibeacon.delivery.write_ahead import WriteAhead, open_spool, preview_steps
from cibeacon.manual_run import read_run
from cibeacon.model.error_ids import help_link
from cibeacon.model.report import Notice, Outcome
from cibeacon.model.signals import PipelineRun
from cibeacon.model.spool_record import Record
from cibeacon.model.trace_position import trace_position
from cibeacon.run import Run, is_previewed
from cibeacon.runtime import Environment
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import SpoolError, guarded
from cibeacon.runtime.safe_text import Redactor, clipped, json_text
from cibeacon.runtime.supervisor import CommandEnd, Link
from cibeacon.settings import Settings, load_settings, secret_values
from cibeacon.signals import PlanInput, builders, has_credential, is_wanted, why_unsendable
from cibeacon.signals.plan import PlannedSignal, PlanStep, check_signal
from cibeacon.sinks import KINDS, SINKS
from cibeacon.spool import Spool
from cibeacon.spool.unfinished import unfinished_mark

_KIND = "pipeline-run"
_MARGIN = 0.5
"""Seconds of the helper's time that are reserved for spooling and naming what was not sent."""
_SHORTEST = 0.1
_FOR_EVER = 1e8
_WIDTH, _LONGEST_NAME = 1000, 200
_UNKNOWN_CI = Notice(
    "error",
    "this CI system is not known, so nothing was sent: set host to a name for it (any word)",
    "ci-system-unknown",
)


class CommandRun(NamedTuple):
    """The run as the command line describes it."""

    id: str
    """Unique to this run of the command."""
    program: str
    name: str | None
    success_codes: tuple[int, ...]
    seconds: float
    """How long reporting may take after the command has ended."""

    def status(self, ending: CommandEnd) -> str:
        """The status of the run. A command that was asked to stop and still succeeds counts as a success."""
        if ending.code in self.success_codes:
            return "success"
        return "cancelled" if ending.was_stopped else "failure"


def report_command(env: Environment, flags: Mapping[str, str], this: CommandRun, command: Link) -> str:
    """Reports the run of a command, start and end. Returns a line for the user, or an empty text."""
    report = _CommandReport(env, load_settings(flags, env.environ, {}), this)
    if command.ending is None:  # a short command ends before its start can be sent
        guarded(report.announce, lambda _: None)  # only the end is essential
    ending = command.wait()
    env.halftime(None)
    return report.close(ending)


def trace_context(env: Environment, flags: Mapping[str, str], this: CommandRun) -> str:
    """The command's trace context; empty if it is not reported as a trace."""
    settings = load_settings(flags, env.environ, {})
    return _CommandReport(env, settings, this).trace_context()


class _CommandReport:
    """The report of one run, from its start to its end."""

    def __init__(self, env: Environment, settings: Settings, this: CommandRun) -> None:
        self._env, self._settings, self._this = env, settings, this
        self._run: Run | None = None
        self._write_ahead: WriteAhead | None = None
        self._spool: Spool | None = None
        self._unfinished: list[Record] = []

    def trace_context(self) -> str:
        """The trace context for the command's environment; empty if no sink makes a trace of the run."""
        run = self._read_run(self._settings)
        signal = self._signal(run, "running", None)
        reason = why_unsendable("otlp", self._settings, "core", "change", "run", "otlp", dry_run=False)
        if run.dry_run or reason or signal.run is None:
            return ""
        return trace_position(signal.run, signal.reference_id).traceparent

    def announce(self) -> None:
        """Reports that the command is running. It is interrupted when the command ends."""
        self._env.halftime(self._settings.core.timeout)
        try:
            run = self._read_run(self._settings)
            steps = list(self._steps(run, "running"))
            if not run.dry_run and any(isinstance(step, PlannedSignal) for step in steps):
                write_ahead = self._opened(run)
                write_ahead.write(steps, None)
                self._keep_unfinished(run, steps, write_ahead)
                deliver(self._env, self._settings, steps, write_ahead, run.deadline)
        except KeyboardInterrupt:
            return
        finally:
            self._env.halftime(None)

    def close(self, ending: CommandEnd) -> str:
        """Reports how the command ended."""
        left = max(_SHORTEST, ending.clock + self._this.seconds - _MARGIN - self._env.clock())
        self._env.alarm(left + _MARGIN / 2, 0)
        settings = self._settings._replace(core=self._settings.core._replace(timeout=left))
        deadline = Deadline(left, self._env.clock, self._env.sleep, self._env.clock())
        run = self._run or self._read_run(settings)
        steps = list(self._steps(run, self._this.status(ending), ending))
        notices = list(run.notices)
        if run.dry_run:
            outcomes = preview_steps(steps, settings.endpoints)
        else:
            outcomes, more = deliver(self._env, settings, steps, self._opened(run), deadline)
            notices += more
            self._forget_unfinished()
        return self._line(outcomes, notices, dry_run=run.dry_run)

    def _read_run(self, settings: Settings) -> Run:
        """The CI run that the command belongs to. Outside CI this is a dry run unless the settings say otherwise."""
        run = read_run(self._env, settings)
        if is_previewed(run.context, settings):
            run = run._replace(dry_run=True, notices=(*run.notices, *([_UNKNOWN_CI] if run.context.ci else [])))
        self._run = run
        return run

    def _opened(self, run: Run) -> WriteAhead:
        if self._write_ahead is None:
            self._write_ahead = WriteAhead(self._env, self._settings, run.spool_folder(self._env.environ))
        return self._write_ahead

    def _steps(self, run: Run, status: str, ending: CommandEnd | None = None) -> Iterator[PlanStep]:
        """The signal for each sink that accepts pipeline runs and is selected."""
        signal = self._signal(run, status, ending)
        wanted = [sink for sink, kinds in KINDS.items() if _KIND in kinds and is_wanted(sink, self._settings)]
        for sink in wanted or ["dx"]:
            withheld = run.context.secrets_withheld and not run.dry_run
            reason = why_unsendable(sink, self._settings, "core", "change", "run", sink, dry_run=run.dry_run)
            step = check_signal(signal, sink, self._settings, reason)
            if withheld and not has_credential(sink, self._settings):
                yield Outcome(_KIND, sink, "skipped", "the CI system withholds secrets from this run", signal.subject)
            elif ending and isinstance(step, PlannedSignal):
                yield _as_end(step)
            else:
                yield step

    def _signal(self, run: Run, status: str, ending: CommandEnd | None) -> PipelineRun:
        settings, at = self._settings, ending.at if ending else None
        times = settings.run._replace(status=status, started_at=self._env.began, finished_at=at)
        plan_input = PlanInput(
            context=run.context,
            settings=settings._replace(run=times),
            stage="single",
            now=self._env.began,
            dry_run=run.dry_run,
            host_title=run.host.title,
        )
        name = clipped(self._this.name or run.context.job or self._this.program, _LONGEST_NAME)
        signal = builders.pipeline_run(plan_input)
        return signal._replace(
            pipeline_name=name,
            reference_id=builders.run_reference(plan_input, "exec", self._this.id, by_job=True),
            finished_at=signal.finished_at if ending else None,
        )

    def _keep_unfinished(self, run: Run, steps: list[PlanStep], write_ahead: WriteAhead) -> None:
        """Spools a record that a replay sends if this process dies: cancelled, without an end time.

        Its lock shows whether this process is alive, so there is no such record in a bucket or without working locks. The
        record of the real end has the same key and replaces it atomically.
        """
        spool = open_spool(self._env, self._settings, run.spool_folder(self._env.environ))
        running = [
            step for step in steps if isinstance(step, PlannedSignal) and write_ahead.holds(step.outcome.key or "")
        ]
        if not isinstance(spool, Spool) or not running:
            return
        endpoints = self._settings.endpoints
        cancelled = (_as_end(step._replace(signal=self._signal(run, "cancelled", None))) for step in running)
        sinks = [(step, SINKS[step.outcome.sink], endpoints[step.outcome.sink].form) for step in cancelled]
        records = [
            Record.of(
                sink.request(step.signal, form),
                step.outcome,
                self._env.now(),
                signal=unfinished_mark(sink.spooled_signal(step.signal, form)),
            )
            for step, sink, form in sinks
        ]
        try:
            spool.keep(records)
        except SpoolError:
            return  # the error was already reported for the record of the start
        self._spool, self._unfinished = spool, records
        if not all(spool.is_held(record) for record in records):
            self._forget_unfinished()

    def _forget_unfinished(self) -> None:
        if self._spool:
            for record in self._unfinished:
                self._spool.forget(record)
            self._spool.let_go()

    def _line(self, outcomes: tuple[Outcome, ...], notices: list[Notice], *, dry_run: bool) -> str:
        """The line for the user; empty if all is well, unless `verbose` is set."""
        verbose = self._settings.output.verbose
        shown = [each for each in outcomes if verbose or each.status in ("failed", "invalid", "spooled")]
        said = [notice for notice in notices if verbose or notice.weight == "error" or not dry_run]
        texts = [*map(_describe, shown), *(notice.text for notice in said)]
        line = clipped(Redactor(secret_values(self._env.environ))("; ".join(texts)), _WIDTH)
        error_ids = [outcome.error_id for outcome in shown] + [notice.error_id for notice in said]
        return " ".join([line, *[help_link(error_id) for error_id in error_ids if error_id][:1]])


def _as_end(step: PlannedSignal) -> PlannedSignal:
    """The signal with the same key for every end, since only one of them can be true."""
    start = (step.outcome.key or "").rpartition("/")[0]
    return step._replace(outcome=step.outcome._replace(key=f"{start}/end", subject=step.signal.subject))


def _describe(outcome: Outcome) -> str:
    error, why = f" ({outcome.error})" if outcome.error else "", outcome.reason
    if outcome.status == "dry-run" and outcome.request:
        shown = outcome.request
        error, why = "", f"{shown.method} {shown.url} {json_text(shown.body, compact=True)}"
    what = f"{'would send' if outcome.status == 'dry-run' else outcome.status} {outcome.kind} {outcome.subject}{error}"
    return f"{what}: {why}" if why else what
