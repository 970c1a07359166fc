"""The door to jq: runs a program in a process of its own, with nothing to find there. Does not know what it is for.

A jq program may be anybody's, and the library is no sandbox: it shows the environment, reads `~/.jq` and modules, and
cannot be interrupted (https://github.com/jqlang/jq/issues/1361). So the process has no environment, no folder, no file
that it could open, and limits of time, memory and output.
"""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from cibeacon.model import parsers
from cibeacon.model.parsers import DEEPEST, deeper
from cibeacon.runtime.cleanup import OwnFolder, begun, end
from cibeacon.runtime.errors import SettingsError
from cibeacon.runtime.interrupt_guard import interruptible, uninterrupted
from cibeacon.runtime.sanitize import clipped

SECONDS = 5.0
"""What a program gets where more time is left."""
MEMORY = 512 << 20
"""Bytes of address space, Python's own 30 MiB and the input included."""
OUTPUT = 1 << 20
"""Bytes of JSON that all results together may have."""

_CHILD = Path(__file__).with_name("jq_child.py")
_PYTHON_NEEDS = ("LD_LIBRARY_PATH", "SYSTEMROOT")
"""Without them some Pythons do not start. The child drops them before jq runs."""
_LARGEST = sys.float_info.max
_SHOWN = 200
_DULL = re.compile(r"^(jq: )?error: |:$")
_BY_SIGNAL = {
    signal.SIGABRT: f"it needs more than {MEMORY >> 20} MiB of memory",  # how jq ends when memory is refused
    signal.SIGSEGV: "it is nested too deeply",
}


def run(program: str, value: Any, *, seconds: float, environ: Mapping[str, str] | None = None) -> list[Any]:
    """Every result of the program for one JSON value, in order. Raises nothing but `SettingsError`.

    `environ` is looked at for what Python itself needs to start. Integers that the program passes on untouched keep all
    their digits; what it computes is rounded to doubles, and larger numbers become the largest double, as jq has it.
    """
    given = _written(program, value)
    if seconds <= 0:
        raise _stopped("no time is left for it")
    try:
        with _nowhere() as folder:
            done = _evaluated(given, folder, seconds, environ or {})
    except subprocess.TimeoutExpired as error:
        raise _stopped(f"it took more than {seconds:.3g} s") from error
    except OSError as error:
        raise SettingsError("jq could not be run", clipped(error, _SHOWN), "Look at the machine's limits.") from error
    return _read(done.returncode, done.stdout, seconds)


def _nowhere() -> AbstractContextManager[Path]:
    """An empty folder to be in; where none can be made (a read-only container) the root, which cannot be read either."""
    try:
        return OwnFolder()
    except OSError:
        return nullcontext(Path("/"))


def _written(program: str, value: Any) -> bytes:
    """What the child reads. Text that is no Unicode (a file's name) goes with question marks."""
    try:
        parsers.program(program)
    except ValueError as error:
        raise SettingsError("The jq program cannot be read", f"it {error}", "Write it again, as plain text.") from error
    try:
        document = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else clipped(error, _SHOWN)
        raise SettingsError("The input of the jq program is no JSON", why, "Mend what it comes from.") from error
    return f"{json.dumps(program)}\n{document}".encode(errors="replace")


def _evaluated(
    given: bytes, folder: Path, seconds: float, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    """The child at its end. What jq's C code says on stderr adds nothing to how it ended."""
    limits = (math.ceil(seconds), MEMORY, OUTPUT)
    with uninterrupted():
        child = subprocess.Popen(
            [sys.executable, "-I", "-B", os.fspath(_CHILD), *(str(limit) for limit in limits)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={name: environ[name] for name in _PYTHON_NEEDS if name in environ},
            process_group=0,
        )
        begun(child)
    try:
        with interruptible():
            out, _ = child.communicate(given, timeout=seconds)
    finally:
        end(child)
    return subprocess.CompletedProcess(child.args, child.returncode, out)


def _read(code: int, answer: bytes, seconds: float) -> list[Any]:
    """The results in a child's answer."""
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise _stopped(f"it took more than {seconds:.3g} s")
    if code < 0:
        raise _stopped(_BY_SIGNAL.get(signal.Signals(-code), f"signal {-code} ended it"))
    word, _, rest = answer.partition(b"\n")
    if code or word not in (b"results", b"syntax", b"runtime", b"output"):
        raise SettingsError(
            "jq could not be run",
            f"its process ended with exit code {code}",
            "Install cibeacon again with everything it depends on (the package jq), or free some memory.",
        )
    if word == b"results":
        return _values(rest)
    message = rest.decode(errors="replace")
    if word == b"syntax":
        why, hint = _place(message), "Mend it; https://jqlang.org/manual/v1.8/ has the language."
        raise SettingsError("The jq program cannot be compiled", why, hint)
    if word == b"runtime":
        why = clipped(" ".join(message.split()), _SHOWN)
        raise SettingsError("The jq program failed", why, "Mend it, or catch the error with ? or //.")
    raise _stopped(f"its results are over {OUTPUT >> 20} MiB")


def _values(lines: bytes) -> list[Any]:
    try:
        results = [json.loads(line, parse_float=_finite) for line in lines.split(b"\n") if line]
        if not any(deeper(result, DEEPEST) for result in results):
            return results
        why = f"it is nested in more than {DEEPEST} levels"
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else clipped(error, _SHOWN)
    raise SettingsError("The jq program's result cannot be used", why, "Mend the program.")


def _finite(text: str) -> float:
    """The number; what a double cannot hold is the largest that it can, as jq itself would compute."""
    return max(-_LARGEST, min(_LARGEST, float(text)))


def _place(message: str) -> str:
    """jq's own first message in one line, without the program's text that it repeats below."""
    first = message.strip().partition("\n")[0]
    return clipped(_DULL.sub("", first).replace(" at <top-level>,", " at"), _SHOWN)


def _stopped(why: str) -> SettingsError:
    return SettingsError("The jq program was stopped", why, "Make it do less.")
