"""Starts a command in a process that is as if the caller had started it. Does not know how the command ends.

Descriptors, working directory, environment, ignored signals and the signal mask are those that this process was given;
changes that Python made at its own start are undone. A program's name is resolved as POSIX says, with glibc's addition
for scripts without an interpreter line (https://man7.org/linux/man-pages/man3/exec.3.html).
"""

import errno
import os
import signal
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from types import FrameType
from typing import Any, NamedTuple, NoReturn

RUN_ID = "CIBEACON_EXEC_ID"
"""The variable that shows a command, and everything it starts, that its run is already reported. It is not a setting."""
TRACE_CONTEXT = "TRACEPARENT"
"""https://opentelemetry.io/docs/specs/otel/context/env-carriers/"""
NOT_RUNNABLE, MISSING = 126, 127
"""Every shell's exit codes for a program that cannot be started, and for one that does not exist."""
_FAULTS = (
    *(signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL),
    *(signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGTTIN, signal.SIGTTOU),
)
FORWARDED = frozenset(signal.valid_signals()) - frozenset(_FAULTS)
"""Signals that are forwarded to the command. The others cannot be caught, or concern only this process."""
_SET_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4


class WrappedCommand(NamedTuple):
    """A command, and how to run it."""

    words: tuple[str, ...]
    """The program and its arguments, passed on unchanged."""
    run_id: str
    own_group: bool = False
    """Whether it gets its own process group, all of which receives signals."""
    outlives: bool = False
    """Whether it keeps running if this process is killed."""
    kill_after: float | None = None
    """Seconds from the first signal that asks it to stop until it is killed; None: it is never killed."""
    hidden: tuple[str, ...] = ()
    """Variables that are removed from its environment."""
    trace_context: str = ""
    """The value of its variable TRACEPARENT; empty leaves the variable unchanged."""


class Signals(NamedTuple):
    """How this process handled signals when its caller started it."""

    mask: Iterable[int]
    ignored: frozenset[int]


Handler = Callable[[int, FrameType | None], Any]


def catch(handler: Handler) -> Signals:
    """Catches every signal that is forwarded, and blocks all until `release`. What the caller ignores stays ignored."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    ignored = frozenset(number for number in (*FORWARDED, signal.SIGCHLD) if signal.getsignal(number) is signal.SIG_IGN)
    for number in (*(FORWARDED - ignored), signal.SIGCHLD):
        signal.signal(number, handler)
    return Signals(mask, ignored)


def release(before: Signals) -> None:
    """Unblocks signals again. SIGCHLD must arrive, whatever the caller blocked."""
    signal.pthread_sigmask(signal.SIG_SETMASK, set(before.mask) - {signal.SIGCHLD})


def start(command: WrappedCommand, before: Signals) -> int:
    """The id of the command's process; signals must be blocked. Raises `OSError` if no process can be started."""
    control, parent = _process_control(), os.getpid()
    child = os.fork()
    if child:
        if command.own_group:
            with suppress(OSError):  # the child may have done it, and run another program by now
                os.setpgid(child, child)
        return child
    try:
        if command.own_group:
            os.setpgid(0, 0)
        if control and not command.outlives:
            control(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if os.getppid() != parent:  # the parent was killed just now
                os._exit(128 + signal.SIGTERM)
        become(command, before)
    finally:
        os._exit(NOT_RUNNABLE)


def become(command: WrappedCommand, before: Signals | None = None) -> NoReturn:
    """Turns this process into the command. If that fails, says why and exits like a shell."""
    if before:
        for number in FORWARDED - before.ignored:
            signal.signal(number, signal.SIG_DFL)
        is_ignored = signal.SIGCHLD in before.ignored
        signal.signal(signal.SIGCHLD, signal.SIG_IGN if is_ignored else signal.SIG_DFL)
    for number in _SET_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    for name in (*command.hidden, *_added_variables()):
        os.unsetenv(name)
    os.putenv(RUN_ID, command.run_id)
    if command.trace_context:
        os.putenv(TRACE_CONTEXT, command.trace_context)
    if before:
        signal.pthread_sigmask(signal.SIG_SETMASK, before.mask)
    try:
        _execute(command.words)
    except OSError as error:
        message = f"cibeacon: {command.words[0]!r}: {os.strerror(error.errno or 0)}\n"
        with suppress(OSError):
            os.write(2, message.encode("utf-8", "backslashreplace"))
        os._exit(MISSING if error.errno == errno.ENOENT else NOT_RUNNABLE)


def let_go(ours: Collection[int]) -> None:
    """Closes all other descriptors, once the command has them: readers of its output must see the end of file."""
    with suppress(OSError):
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        for name in os.listdir("/dev/fd"):  # noqa: PTH208 - pathlib is not loaded for this
            if (descriptor := int(name)) > 2 and descriptor not in ours:
                with suppress(OSError):  # the folder itself is in the list
                    os.close(descriptor)


def _execute(words: tuple[str, ...]) -> NoReturn:
    if not words[0]:
        raise FileNotFoundError(errno.ENOENT, "its name is empty")
    try:
        os.execvp(words[0], words)  # noqa: S606 - no shell is the point
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        os.execv("/bin/sh", ["/bin/sh", os.fsdecode(error.filename or words[0]), *words[1:]])  # noqa: S606


def _added_variables() -> tuple[str, ...]:
    """Variables that Python itself added to the environment in the C locale (PEP 538)."""
    try:
        with open("/proc/self/environ", "rb") as file:  # noqa: PTH123 - as the process was started
            given = file.read().split(b"\0")
    except OSError:
        return ()
    return () if any(entry.startswith(b"LC_CTYPE=") for entry in given) else ("LC_CTYPE",)


def _process_control() -> Callable[..., int] | None:
    """Linux's prctl (https://man7.org/linux/man-pages/man2/prctl.2.html); None if the system has none."""
    try:
        import ctypes

        function: Callable[..., int] = ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):
        return None
    return function


def end_as(code: int) -> NoReturn:
    """Ends this process like the command: with its exit code, or if that is negative by the same signal.

    Process 1 of a container cannot be killed by its own signal, so it exits with 128 + n.
    """
    if code < 0:
        number = -code
        if control := _process_control():
            control(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # the command already dumped core, if at all
        with suppress(OSError, ValueError):  # SIGKILL has no handler
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        os.kill(os.getpid(), number)
    os._exit(code if code >= 0 else 128 - code)
