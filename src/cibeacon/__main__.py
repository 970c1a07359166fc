"""The process: the only reader of its arguments and environment, and where its exit code comes from."""

# ruff: noqa: E402
from __future__ import annotations

import gc

gc.set_threshold(50_000, 20, 100)  # imports make little garbage and much that stays: 6 % of a report's time

import contextlib
import io
import os
import sys
import time
from pathlib import Path
from typing import NoReturn

from cibeacon.runtime.environment import Environment, Stage
from cibeacon.runtime.shutdown import interruptible, leave_nothing
from cibeacon.runtime.signal_handling import Interrupts


def _in_utf8() -> None:
    """Starts again where the locale has another encoding: UTF-8 in names and titles would be sent as other letters."""
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode:
        with contextlib.suppress(OSError):
            os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - there is no shell


def _cwd() -> Path:
    """The working directory; a folder without a checkout where it was deleted under us."""
    try:
        return Path.cwd()
    except OSError:
        return Path("/")


def _open_streams() -> None:
    """Streams that were closed before the start become the null device."""
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


def _leave(code: int) -> NoReturn:
    """Ends the process at once. Tearing down a thousand modules would cost as much as a tenth of the whole run."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    leave_nothing()
    os._exit(code)


def console() -> NoReturn:
    """The command `cibeacon`."""
    _in_utf8()
    _leave(main())


def action_main() -> NoReturn:
    """The GitHub action's main stage."""
    _in_utf8()
    _leave(main("main"))


def action_post() -> NoReturn:
    """The GitHub action's post stage. The runner starts it also where only the pre stage ran."""
    _in_utf8()
    _leave(main("post"))


if __name__ == "__main__":
    console()
