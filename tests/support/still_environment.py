"""An environment whose time only sleeping moves."""

from __future__ import annotations

import os
import time

from cibeacon.runtime import Environment


def still_environment(folder, **variables):
    """The environment of a process in a folder, with a clock that stands still."""
    clock = [0.0]

    def sleep(seconds):
        clock[0] += seconds

    return Environment(
        environ=variables,
        cwd=folder, stdin=None, out=None, err=None, now=time.time, began=1_700_000_000, clock=lambda: clock[0], started=0.0,
        sleep=sleep, random=lambda: 1.0, token=lambda: os.urandom(16).hex(),
    )  # fmt: skip
