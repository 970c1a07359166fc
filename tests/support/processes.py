"""Runs the command as a process would be run, in this process: an environment, a folder, streams that can be read."""

from __future__ import annotations

import io
import itertools
import json
import time
from pathlib import Path
from typing import NamedTuple

from cibeacon.cli import run
from cibeacon.runtime import Environment

NOWHERE = "http://127.0.0.1:9"
"""A proxy that does not exist: what a test forgot to keep on this machine fails at once, and stays here."""


class Ended(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self):
        """Its JSON document."""
        return json.loads(self.out)


def cibeacon(*argv, environ=None, cwd, stage="single", stdin="", began=1_700_000_000, token=None):
    """The end of `cibeacon ARGV` in `cwd`. Nothing of the test's own environment is seen."""
    numbers = itertools.count(1)
    out, err = io.StringIO(), io.StringIO()
    env = Environment(
        environ={"PATH": "/usr/local/bin:/usr/bin:/bin", "HTTPS_PROXY": NOWHERE, **(environ or {})},
        cwd=Path(cwd),
        stdin=io.StringIO(stdin),
        out=out,
        err=err,
        now=time.time,
        began=began,
        clock=time.monotonic,
        started=time.monotonic(),
        sleep=time.sleep,
        random=lambda: 0.0,
        token=token or (lambda: f"token{next(numbers)}"),
        stage=stage,
    )
    return Ended(run(argv, env), out.getvalue(), err.getvalue())
