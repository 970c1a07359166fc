"""Knows whether a signal went to the whole process group, or only to this process. Does not know what follows from that.

The witness is a process of the group that blocks every signal: its pending signals were sent to the whole group
(https://man7.org/linux/man-pages/man5/proc_pid_status.5.html). It never runs, so a busy machine makes no difference.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress

from cibeacon.runtime.command_process import let_go

_SPREADING = 5
"""Milliseconds that a signal takes at most to reach every process of a group."""


class GroupWitness:
    """The witness of this process group. If none can be started, no signal counts as sent to the group."""

    def __init__(self) -> None:
        self._process, self._lifeline, self._life = 0, -1, -1

    def start(self) -> None:
        """Starts the witness, which ends with this process and has no pending signal yet."""
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
        """The descriptors that must stay open in this process."""
        return self._lifeline, self._life

    def saw(self, number: int) -> bool:
        """Whether the signal also went to the group. Call it once for each signal."""
        for pause in (0, _SPREADING):
            select.poll().poll(pause)
            if self._process and _is_waiting(number, self._process):
                self.end()
                self.start()
                return True
        return False

    def end(self) -> None:
        """Ends the witness."""
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
            self._process = 0

    def ended(self, process: int) -> None:
        """Notes that a child has ended, which may have been the witness."""
        if process == self._process:
            self._process = 0

    def abandon(self) -> None:
        """For another child process: closes its hold on the witness, which otherwise would not end."""
        os.close(self._life)


def _is_waiting(number: int, process: int) -> bool:
    try:
        with open(f"/proc/{process}/status", "rb") as file:  # noqa: PTH123 - pathlib is not loaded for this
            text = file.read().partition(b"\nShdPnd:")[2]
        return bool(int(text.split(maxsplit=1)[0], 16) >> (number - 1) & 1)
    except (OSError, ValueError, IndexError):
        return False
