"""The process: the only place that reads arguments and environment, and sets the exit code."""

# ruff: noqa: E402
from __future__ import annotations

import gc

gc.set_threshold(50_000, 20, 100)  # imports create little garbage: saves 6 % of a report's time

import contextlib
import io
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from cibeacon.runtime import Environment, Stage
from cibeacon.runtime.shutdown import interruptible, leave_nothing
from cibeacon.runtime.signal_handling import Interrupts

if TYPE_CHECKING:
    from cibeacon.cli.exec_line import ExecLine
    from cibeacon.runtime.supervisor import Link


def _in_utf8() -> None:
    """Restarts in UTF-8 if the locale has another encoding: UTF-8 names and titles would be sent garbled."""
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode:
        with contextlib.suppress(OSError):
            os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - there is no shell


def _cwd() -> Path:
    """The working directory, or a folder without a checkout if it was deleted meanwhile."""
    try:
        return Path.cwd()
    except OSError:
        return Path("/")


def _open_streams() -> None:
    """Replaces streams that were closed before the start with the null device."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - for good


def _sleep(seconds: float) -> None:
    with interruptible():
        time.sleep(seconds)


def _environment(stage: Stage, interrupts: Interrupts, started: float) -> Environment:
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
    return Environment(
        environ=dict(os.environ),
        cwd=_cwd(),
        stdin=sys.stdin,
        out=sys.stdout,
        err=sys.stderr,
        now=time.time,
        began=int(time.time()),
        clock=time.monotonic,
        started=started,
        sleep=_sleep,
        random=lambda: int.from_bytes(os.urandom(4), "big") / (1 << 32),  # the module random takes longer to import
        token=lambda: os.urandom(16).hex(),
        stage=stage,
        alarm=interrupts.alarm,
        halftime=interrupts.halftime,
        closing=interrupts.closing,
        waiting=interrupts.waiting,
    )


def main(stage: Stage = "single") -> int:
    """Runs the command line of this process and returns its exit code."""
    started, interrupts = time.monotonic(), Interrupts(time.monotonic)
    interrupts.install()
    from cibeacon.cli import run

    return run(sys.argv[1:], _environment(stage, interrupts, started))


def _exec() -> None:
    """Runs the command of the verb `exec` and exits as it does; returns if the command line cannot be parsed."""
    from cibeacon.cli import exec_line  # nothing else is loaded before the command has started

    line = exec_line.read(sys.argv[2:])
    if line is None:
        return
    from cibeacon.runtime import command_process
    from cibeacon.runtime.supervisor import Supervisor

    outer, began = os.environ.get(command_process.RUN_ID), int(time.time())
    command = command_process.WrappedCommand(
        line.command,
        outer or f"{began}-{os.urandom(6).hex()}",
        own_group=line.group,
        outlives=line.leave_running,
        kill_after=line.kill_after,
        hidden=exec_line.secret_variables() if line.hide_token else (),
    )
    if outer:  # the outermost process reports the run
        command_process.become(command)
    if any(os.environ.get(name) for name in exec_line.TRACED_BY):
        from cibeacon.runtime.forked_answer import forked_answer

        context = forked_answer(lambda: _trace_context(line, command.run_id, began), exec_line.TRACE_SECONDS)
        command = command._replace(trace_context=context)
    Supervisor(
        command,
        line.report_timeout,
        clock=time.monotonic,
        now=time.time,
        complaint="; ".join(line.complaints),
        quiet=line.quiet,
    ).run(lambda link: _report_command(line, command.run_id, began, link))


def _trace_context(line: ExecLine, run_id: str, began: int) -> str:
    """The trace context of the command; empty without a trace."""
    from cibeacon.exec import CommandRun, trace_context
    from cibeacon.runtime.errors import guarded

    env = _environment("single", Interrupts(time.monotonic), time.monotonic())._replace(began=began)
    this = CommandRun(run_id, line.program, line.name, line.success_codes, line.report_timeout)
    return guarded(lambda: trace_context(env, line.settings, this), lambda _: "")


def _report_command(line: ExecLine, run_id: str, began: int, link: Link) -> str:
    """The work of the helper process: reports the run of a command and returns its message."""
    interrupts = Interrupts(time.monotonic)
    interrupts.install()
    env = _environment("single", interrupts, time.monotonic())._replace(began=began)
    if not link.listen(lambda: interrupts.halftime(0)):
        return "the run is not reported: this machine allows no more threads"
    from cibeacon.exec import CommandRun, report_command
    from cibeacon.runtime.errors import guarded

    this = CommandRun(run_id, line.program, line.name, line.success_codes, line.report_timeout)
    try:
        return guarded(lambda: report_command(env, line.settings, this, link), str)
    except KeyboardInterrupt:
        return "the run is not reported: the time is up"


def _leave(code: int) -> NoReturn:
    """Ends the process at once. Tearing down a thousand modules would take a tenth of the run's time."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    leave_nothing()
    os._exit(code)


def console() -> NoReturn:
    """The command `cibeacon`."""
    _in_utf8()
    if sys.argv[1:2] == ["exec"]:
        _exec()
    _leave(main())


def action_main() -> NoReturn:
    """The GitHub action's main stage."""
    _in_utf8()
    _leave(main("main"))


def action_post() -> NoReturn:
    """The GitHub action's post stage. The runner starts it even if only the pre stage ran."""
    _in_utf8()
    _leave(main("post"))


if __name__ == "__main__":
    console()
