"""Runs a Python file as a separate process that sees nothing of the run, and ends it when its time is up.

The process gets only the variables that some Pythons need to start, and only the open files that are passed to it. It
sets its own limits of time and memory, from its arguments.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from cibeacon.runtime.shutdown import begun, end, interruptible, uninterrupted

_PYTHON_NEEDS = ("LD_LIBRARY_PATH", "SYSTEMROOT")


def run_isolated(
    file: Path,
    arguments: Sequence[int],
    stdin: bytes,
    *,
    seconds: float,
    environ: Mapping[str, str],
    output: Literal["stdout", "stderr"] = "stdout",
    folder: Path | None = None,
    descriptors: Sequence[int] = (),
) -> tuple[int, bytes]:
    """The exit code and what the process wrote to `output`. Raises `OSError` and `subprocess.TimeoutExpired`."""
    with uninterrupted():
        child = subprocess.Popen(
            [sys.executable, "-I", "-B", os.fspath(file), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if output == "stdout" else subprocess.DEVNULL,
            stderr=subprocess.PIPE if output == "stderr" else subprocess.DEVNULL,
            cwd=folder,
            env={name: environ[name] for name in _PYTHON_NEEDS if name in environ},
            pass_fds=descriptors,
            process_group=0,
        )
        begun(child)
    try:
        with interruptible():
            out, err = child.communicate(stdin, timeout=seconds)
    finally:
        end(child)
    return child.returncode, out or err or b""
