"""Runs a command for a caller, neither of which notices it, while a helper process reports the run.

This process starts the command, forwards signals and ends like the command; it loads no further modules and makes no
requests. The helper may fail, hang or be killed: the command and its exit code do not depend on it. A signal to the whole
process group reaches the command anyway and must not reach it twice: terraform abandons its state at the second Ctrl-C.
Does not know settings, sinks or what is reported.
"""

import _thread
import math
import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, NoReturn

from cibeacon.runtime import command_process
from cibeacon.runtime.command_process import FORWARDED, WrappedCommand
from cibeacon.runtime.group_witness import GroupWitness
from cibeacon.runtime.shutdown import leave_nothing
from cibeacon.runtime.signal_handling import ECHO, start_thread

_STOPS = frozenset((signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT))
"""Signals that ask the command to stop."""
_SUSPENDS = frozenset((signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU))
"""Signals by which a terminal suspends a job."""
LAST_SECONDS = 0.8
"""Seconds that the helper has left after a signal that arrives once the command has ended."""
_LONGEST_LINE = 4096
_UNREPORTED = "the run was not reported: the reporting process ended early"


class CommandEnd(NamedTuple):
    """How the command ended."""

    code: int
    """Its exit code; negative for a signal."""
    was_stopped: bool
    """Whether it was asked to stop."""
    at: int
    """Unix seconds."""
    clock: float
    """The same moment on the monotonic clock."""


class Link:
    """The helper's end of the connection to the process that runs the command."""

    def __init__(self, control: int) -> None:
        self._control, self._ended = control, list[CommandEnd]()
        self._over = _thread.allocate_lock()
        self._over.acquire()

    @property
    def ending(self) -> CommandEnd | None:
        """How the command ended; None while it is running."""
        return self._ended[0] if self._ended else None

    def listen(self, break_off: Callable[[], object]) -> bool:
        """Calls `break_off`, from a thread, when the command has ended. False if no thread can be started."""
        return start_thread(lambda: self._listen(break_off))

    def wait(self) -> CommandEnd:
        """Waits for the end of the command."""
        with self._over:  # released after `break_off` returned
            return self._ended[0]

    def _listen(self, break_off: Callable[[], object]) -> None:
        with os.fdopen(self._control, "rb", buffering=0) as control:
            while line := control.read(_LONGEST_LINE):
                code, was_stopped, at, clock = line.split()
                self._ended.append(CommandEnd(int(code), was_stopped == b"1", int(at), float(clock)))
                break_off()
                self._over.release()
        leave_nothing()  # no process is left that would read the answer
        os._exit(0)


Report = Callable[[Link], str]
"""The helper's work: reports the run, and returns a line for the user or an empty text."""


class Supervisor:
    """One run of one command.

    Args:
        seconds: how long the helper may go on after the end of the command.
        clock: a monotonic clock.
        now: Unix seconds.
        complaint: printed in any case, unless `quiet`.
    """

    def __init__(
        self,
        command: WrappedCommand,
        seconds: float,
        *,
        clock: Callable[[], float],
        now: Callable[[], float],
        complaint: str = "",
        quiet: bool = False,
    ) -> None:
        self._command, self._seconds, self._clock, self._now = command, seconds, clock, now
        self._complaint, self._quiet = complaint, quiet
        self._child, self._status = 0, -1
        self._helper = self._control = self._answer = 0
        self._witness = GroupWitness()
        self._was_stopped = False
        self._went_to_group: dict[int, float] = {}
        self._kill_at: float | None = None

    def run(self, report: Report) -> NoReturn:
        """Runs the command, has its run reported, and ends this process like the command."""
        before: command_process.Signals | None = None
        try:
            _fill_standard_descriptors()
            self._wakeup, wakeup_writer = os.pipe()
            os.set_blocking(wakeup_writer, False)
            before = command_process.catch(lambda number, frame: None)
            signal.set_wakeup_fd(wakeup_writer, warn_on_full_buffer=False)
            self._witness.start()  # first: it must get every signal that the command gets
            self._child = command_process.start(self._command, before)
        except OSError as error:  # the command runs anyway
            reason = os.strerror(error.errno or 0)
            self._say(f"the run is not reported, because no second process can be started: {reason}")
            command_process.become(self._command, before)
        command_process.let_go((self._wakeup, wakeup_writer, *self._witness.descriptors))
        self._start_helper(report)
        command_process.release(before)
        ending = self._wait()
        self._witness.end()
        self._say(self._have_reported(ending))
        command_process.end_as(ending.code)

    # The command ------------------------------------------------------------------------------------------------------

    def _wait(self) -> CommandEnd:
        """Waits only for the command itself, which may leave processes behind."""
        while self._status < 0:
            for number in self._signals(self._kill_at):
                if number != signal.SIGCHLD:
                    self._hand_on(number)
            if self._kill_at is not None and self._clock() >= self._kill_at:
                self._kill_at = None
                self._send(signal.SIGKILL)
            self._reap()
        self._was_stopped |= not _STOPS.isdisjoint(self._signals(self._clock()))
        return CommandEnd(os.waitstatus_to_exitcode(self._status), self._was_stopped, int(self._now()), self._clock())

    def _signals(self, until: float | None) -> bytes:
        """The numbers of the signals that arrived, in order; waits for some until `until`."""
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        wait = None if until is None else max(0.0, until - self._clock()) * 1000 + 1
        return os.read(self._wakeup, _LONGEST_LINE) if poll.poll(wait) else b""

    def _hand_on(self, number: int) -> None:
        if number in _STOPS:
            self._was_stopped = True
            if self._kill_at is None and self._command.kill_after is not None:
                self._kill_at = self._clock() + self._command.kill_after
        if not self._has_reached_it(number):
            self._send(number)

    def _has_reached_it(self, number: int) -> bool:
        """Whether the signal went to the whole group, including the command, or is the echo of one that did.

        `timeout` and others signal a process and then its group, and equal pending signals are merged.
        """
        if os.getpgid(self._child) != os.getpgrp():
            return False
        now = self._clock()
        if self._witness.saw(number):
            self._went_to_group[number] = now
        return now <= self._went_to_group.get(number, -math.inf) + ECHO

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):  # sudo's command belongs to another user
            os.kill(-self._child if self._command.own_group else self._child, number)

    def _reap(self) -> None:
        """Notes which children ended or were suspended; as process 1 also reaps other processes."""
        with suppress(ChildProcessError):
            while (changed := os.waitpid(-1, os.WNOHANG | os.WUNTRACED))[0]:
                process, status = changed
                if process == self._child and os.WIFSTOPPED(status):
                    _stop_too(os.WSTOPSIG(status))
                elif process == self._child:
                    self._status = status
                elif process == self._helper and not os.WIFSTOPPED(status):
                    self._helper = 0
                elif not os.WIFSTOPPED(status):
                    self._witness.ended(process)

    # The helper -------------------------------------------------------------------------------------------------------

    def _start_helper(self, report: Report) -> None:
        """Starts the helper, with signals blocked. If no process can be started, there is no helper."""
        with suppress(OSError):
            control, self._control = os.pipe()
            self._answer, answer = os.pipe()
            with suppress(OSError):
                self._helper = os.fork()
                if not self._helper:
                    self._help(report, control, answer)
            os.close(control)
            os.close(answer)

    def _help(self, report: Report, control: int, answer: int) -> NoReturn:
        """Everything that the helper does."""
        try:
            signal.set_wakeup_fd(-1)
            for descriptor in (self._wakeup, self._control, self._answer):
                os.close(descriptor)
            self._witness.abandon()
            os.dup2(0, 2)  # modules that it loads must not print
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, FORWARDED - {signal.SIGALRM})
            text = report(Link(control)).encode("utf-8", "backslashreplace")
            os.write(answer, text[: _LONGEST_LINE - 1] + b"\n")
        finally:
            leave_nothing()
            os._exit(0)

    def _have_reported(self, ending: CommandEnd) -> str:
        """Has the helper report the end, within its time, and returns its line for the user."""
        message = f"{ending.code} {int(ending.was_stopped)} {ending.at} {ending.clock!r}"
        with suppress(OSError):
            os.write(self._control, message.encode())
        until, asked = ending.clock + self._seconds, None
        self._reap()  # SIGCHLD for a helper that died earlier may already be consumed
        while self._helper and self._clock() < until:
            stops = not _STOPS.isdisjoint(self._signals(until))
            if stops and asked is None:
                asked = self._clock()
                until = min(until, asked + LAST_SECONDS)
            elif stops and asked is not None and self._clock() > asked + ECHO:
                break
            self._reap()
        if self._helper:
            os.kill(self._helper, signal.SIGKILL)
            os.waitpid(self._helper, 0)
            return "the report was interrupted: run cibeacon replay to send what is in the spool"
        answer = os.read(self._answer, _LONGEST_LINE)
        return answer.decode("utf-8", "replace").removesuffix("\n") if answer else _UNREPORTED

    def _say(self, text: str) -> None:
        """Prints one line on stderr, unless that would block because nothing reads it."""
        line = "; ".join(part for part in (self._complaint, text) if part)
        if not line or self._quiet:
            return
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        poll = select.poll()
        poll.register(2, select.POLLOUT)
        with suppress(OSError):
            if poll.poll(0):
                os.write(2, f"cibeacon: {line}\n".encode("utf-8", "backslashreplace"))


def _fill_standard_descriptors() -> None:
    """Opens those that the caller closed, for this process only, so that a pipe of ours does not become stderr."""
    with suppress(OSError):
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(descriptor)


def _stop_too(number: int) -> None:
    """Suspends this process like the command, until both continue; the shell waits for this."""
    if number in _SUSPENDS:
        handler = signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        signal.signal(number, handler)
