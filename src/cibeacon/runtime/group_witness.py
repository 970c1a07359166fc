"""Knows whether a signal went to the whole process group, or to this process alone. Does not know what to do about it.

The witness is a process of the group that blocks every signal: what waits for it was sent to all of them
(https://man7.org/linux/man-pages/man5/proc_pid_status.5.html). It never runs, so a busy machine makes no difference.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress

from cibeacon.runtime.command_process import let_go

_SPREADING = 5
"""Milliseconds in which a signal has reached every process of a group."""


class GroupWitness:
    """The witness of this process group. Where none can be made, no signal is known to have gone to the group."""

    def __init__(self) -> None:
        self._process, self._lifeline, self._life = 0, -1, -1

    def start(self) -> None:
        """Makes a process that ends with this one. No signal waits for it."""
        if self._life < 0:
            self._lifeline, self._life = os.pipe()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        with suppress(OSError):
            self._process = os.fork()
            if not self._process:
                try:
                    let_go([self._lifeline])
                    os.dup2(0, 2)
                    os.read(self._lifeline, 1)
                finally:
                    os._exit(0)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    @property
    def descriptors(self) -> tuple[int, int]:
        """What must stay open in this process."""
        return self._lifeline, self._life

    def saw(self, number: int) -> bool:
        """Whether the signal went to the group as well; asked once for each."""
        for pause in (0, _SPREADING):
            select.poll().poll(pause)
            if self._process and _is_waiting(number, self._process):
                self.end()
                self.start()
                return True
        return False

    def end(self) -> None:
        """Ends the process."""
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
            self._process = 0

    def ended(self, process: int) -> None:
        """Takes note of a child that has ended, and may have been the witness."""
        if process == self._process:
            self._process = 0

    def abandon(self) -> None:
        """For another child: lets the witness end without it."""
        os.close(self._life)


def _is_waiting(number: int, process: int) -> bool:
    try:
        with open(f"/proc/{process}/status", "rb") as file:  # noqa: PTH123 - pathlib is not loaded for this
            text = file.read().partition(b"\nShdPnd:")[2]
        return bool(int(text.split(maxsplit=1)[0], 16) >> (number - 1) & 1)
    except (OSError, ValueError, IndexError):
        return False
