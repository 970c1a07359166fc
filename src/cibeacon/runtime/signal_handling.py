"""Turns signals and the deadline into one interruption of the work, and kills the process if that does not help.

The first SIGTERM, SIGINT or SIGHUP, or the alarm, interrupts; then the process has `STOP_SECONDS` to spool and report. A
second signal, or the end of those seconds, kills the process at once: by then everything that matters is on disk. A
separate thread watches, since the main thread may be where no handler runs: waiting for a lock, in a stuck file system, or
about to enter a system call that the signal came too early to interrupt (https://docs.python.org/3/library/signal.html).
A signal that the parent process ignores stays ignored, as under nohup. For a process that was suspended the seconds count
from when it continues.
"""

from __future__ import annotations

import _thread
import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from cibeacon.runtime import shutdown
from cibeacon.runtime.errors import HalfTime, OutOfTime

STOP_SECONDS = 1.7
"""Seconds from a signal to the end of the process, whatever hangs."""
FAREWELL = 0.8
"""Seconds from the alarm to the end of the process, and from a signal to the interruption of the report's own waits."""
ECHO = 0.2
"""Seconds in which a second signal counts as the same: `timeout` and others signal the process and its group."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_REPEAT = 0.1
_TICK = 0.5
"""Seconds between two looks at the clock. One that is late by `_PAUSE` means that the process was suspended."""
_PAUSE = 0.3
_FOR_EVER = 1e8
_ENDED = "cibeacon did not stop in time and was killed."


class Interrupts:
    """The signal handlers of a process, and the thread that ends it if necessary.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._code = 0
        self._signalled: float | None = None
        self._stopped: float | None = None
        self._ends = [clock() + _FOR_EVER]
        self._resumed = clock() - _FOR_EVER
        self._spooled: int | None = None
        self._watched = False
        self._halftime: float | None = None
        self._alarm = clock() + _FOR_EVER

    def install(self) -> None:
        """Installs the handlers. Without one, SIGTERM would have no effect on process 1 of a container."""
        self._main = _thread.get_ident()
        self._wakeup, self._wakeup_writer = os.pipe()
        os.set_blocking(self._wakeup_writer, False)
        signal.set_wakeup_fd(self._wakeup_writer, warn_on_full_buffer=False)
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        signal.signal(signal.SIGALRM, self._on_alarm)
        self._watched = start_thread(self._watch)

    def alarm(self, seconds: float, code: int) -> None:
        """Interrupts the work after `seconds`, replacing an earlier alarm; `code` is the exit code of a process that has
        to be killed.
        """
        self._code, self._alarm = code, self._clock() + seconds
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001), _REPEAT)
        if self._stopped is not None:  # a signal came during the start
            signal.setitimer(signal.ITIMER_REAL, _REPEAT, _REPEAT)
        self._ends[0] = self._clock() + seconds + FAREWELL
        self._wake_watcher()

    def halftime(self, seconds: float | None) -> None:
        """Interrupts the work once with `HalfTime` after `seconds`, unless the alarm comes first; None cancels it."""
        now = self._clock()
        self._halftime = None if seconds is None else now + seconds
        shutdown.discard(HalfTime)
        if self._stopped is None:
            signal.setitimer(
                signal.ITIMER_REAL, max(min(self._halftime or self._alarm, self._alarm) - now, 0.001), _REPEAT
            )

    def closing(self, code: int) -> None:
        """Notes the exit code, once it is known."""
        self._code = code

    def waiting(self, signals: int) -> None:
        """Notes how many signals of this run are in the spool, for the message of a process that has to be killed."""
        self._spooled = signals

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._stopped is None:
            self._stop(KeyboardInterrupt(), STOP_SECONDS, frame)
        elif self._clock() > self._stopped + ECHO:
            self._leave()

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        now = self._clock()
        if self._stopped is None and self._signalled is None and now < self._alarm:
            if self._halftime is not None and self._halftime <= now:
                self._halftime = None
                shutdown.interrupt(HalfTime(), frame)
            else:
                shutdown.raise_pending(frame)
        elif self._stopped is None and self._signalled is None:
            self._stop(OutOfTime(), FAREWELL, frame)
        elif self._stopped is None:  # the signal's own handler comes next
            return
        elif not self._watched and self._clock() > self._stopped + STOP_SECONDS:
            self._leave()
        elif self._clock() > self._stopped + FAREWELL:
            shutdown.interrupt(KeyboardInterrupt(), frame)
        else:
            shutdown.raise_pending(frame)

    def _stop(self, stop: KeyboardInterrupt, seconds: float, frame: FrameType | None) -> None:
        self._stopped = self._clock()
        signal.setitimer(signal.ITIMER_REAL, _REPEAT, _REPEAT)
        self._end_within(seconds)
        shutdown.interrupt(stop, frame)

    def _end_within(self, seconds: float) -> None:
        self._ends.append(self._clock() + seconds)  # atomic: a handler may run in between
        self._wake_watcher()

    def _wake_watcher(self) -> None:
        with suppress(OSError):
            os.write(self._wakeup_writer, b"\0")

    def _watch(self) -> None:
        """Notes every signal at once, wakes the main thread if the signal did not, and kills the process in the end."""
        while (left := max(min(self._ends), self._resumed + STOP_SECONDS) - (now := self._clock())) > 0:
            unhandled = self._signalled is not None and self._stopped is None
            wait = min(left, _REPEAT if unhandled else _TICK)
            woken = select.select([self._wakeup], [], [], wait)[0]
            if self._clock() > now + wait + _PAUSE:
                self._resumed = self._clock()
            if woken:
                for number in os.read(self._wakeup, 64):
                    self._note_signal(number)
            elif unhandled:
                signal.pthread_kill(self._main, signal.SIGALRM)
        self._leave()

    def _note_signal(self, number: int) -> None:
        if number not in _SIGNALS:
            return
        if self._signalled is None:
            self._signalled = self._clock()
            self._ends.append(self._signalled + STOP_SECONDS)
        elif self._clock() > self._signalled + ECHO:
            self._leave()

    def _leave(self) -> NoReturn:
        """Ends the process. Cleaning up must not delay it, so a separate thread does that, within another `ECHO`."""
        done = _thread.allocate_lock()
        done.acquire()
        if not start_thread(lambda: _clean_up(done.release)):
            _clean_up(done.release)
        with suppress(OSError, ValueError):
            if select.select([], [2], [], 0)[1]:  # stderr may be full
                os.write(2, f"{_ENDED}{_describe_spool(self._spooled)}\n".encode())
        done.acquire(timeout=ECHO)
        os._exit(self._code)


def start_thread(work: Callable[[], None]) -> bool:
    """Starts a thread that blocks signals, so that they wake the main thread. False if a container allows no more."""

    def run() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        work()

    try:
        _thread.start_new_thread(run, ())
    except RuntimeError:
        return False
    return True


def _describe_spool(signals: int | None) -> str:
    """A sentence about the spooled signals of a run that was killed."""
    if signals is None:
        return ""
    if not signals:
        return " The spool has no signal of this run."
    are, them = ("is", "it") if signals == 1 else ("are", "them")
    return f" {signals} of its signals {are} in the spool: run cibeacon replay to send {them}."


def _clean_up(done: Callable[[], None]) -> None:
    try:
        shutdown.leave_nothing()
    finally:
        done()
