"""The process: the only reader of its arguments and environment, and where its exit code comes from."""

from __future__ import annotations

import gc
import io
import os
import random
import sys
import time
from pathlib import Path

from cibeacon.world import Stage, World


def _world(stage: Stage) -> World:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
    return World(
        environ=dict(os.environ),
        cwd=Path.cwd(),
        stdin=sys.stdin,
        out=sys.stdout,
        err=sys.stderr,
        now=time.time,
        clock=time.monotonic,
        started=time.monotonic(),
        sleep=time.sleep,
        random=random.random,
        token=lambda: os.urandom(16).hex(),
        stage=stage,
    )


def _main(stage: Stage) -> int:
    gc.set_threshold(50_000, 20, 100)  # start-up makes little garbage and much that stays: collect less often
    from cibeacon.cli.main import run

    return run(sys.argv[1:], _world(stage))


def console() -> None:
    """The command `cibeacon`."""
    sys.exit(_main("whole"))


def action_main() -> None:
    """The GitHub action's main stage."""
    sys.exit(_main("main"))


def action_post() -> None:
    """The GitHub action's post stage."""
    sys.exit(_main("post"))


if __name__ == "__main__":
    console()
