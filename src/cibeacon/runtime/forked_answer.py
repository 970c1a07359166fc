"""Computes a text in a separate process, so that this one loads no modules for it."""

import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress

from cibeacon.runtime.shutdown import leave_nothing

_LONGEST = 4096
"""Bytes that are written to a pipe at once."""


def forked_answer(work: Callable[[], str], seconds: float) -> str:
    """What `work` returns in the other process; empty if it fails or takes longer. Its output is discarded."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends both, without a traceback
    with suppress(OSError):
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            _answer(work, writer)
        os.close(writer)
        poll = select.poll()
        poll.register(reader, select.POLLIN)
        content = os.read(reader, _LONGEST) if poll.poll(seconds * 1000) else b""
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return content.decode()
    return ""


def _answer(work: Callable[[], str], writer: int) -> None:
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        os.write(writer, work().encode()[:_LONGEST])
    finally:
        leave_nothing()
        os._exit(0)
