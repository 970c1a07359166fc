"""The door to jq: runs a program in a separate process that has nothing to steal. Does not know what the program is for.

A jq program is untrusted, and the library is not a sandbox: it exposes the environment, reads `~/.jq` and modules, and
cannot be interrupted (https://github.com/jqlang/jq/issues/1361). So the process has no environment, an empty folder, no
right to open files, and limits on time, memory and output.
"""

from __future__ import annotations

import json
import math
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
from cibeacon.runtime.errors import SettingsError
from cibeacon.runtime.isolated_child import run_isolated
from cibeacon.runtime.safe_text import clipped
from cibeacon.runtime.shutdown import OwnFolder

SECONDS = 5.0
"""The time limit of a program, unless less time is left."""
MEMORY = 512 << 20
"""Bytes of address space, including Python's own 30 MiB and the input."""
OUTPUT = 1 << 20
"""Bytes of JSON for all results together."""

_CHILD = Path(__file__).with_name("jq_child.py")
_LARGEST = sys.float_info.max
_LONGEST_REASON = 200
_PREFIX_OR_COLON = re.compile(r"^(jq: )?error: |:$")
_TOO_DEEP = "it is nested too deeply"
_BY_SIGNAL = {
    signal.SIGABRT: f"it needs more than {MEMORY >> 20} MiB of memory",  # how jq ends when memory is refused
    signal.SIGSEGV: _TOO_DEEP,
}


def run(program: str, value: Any, *, seconds: float, environ: Mapping[str, str] | None = None) -> list[Any]:
    """Every result of the program for one JSON value, in order. Raises only `SettingsError`.

    `environ` provides only what Python itself needs to start. Integers that the program does not change keep all their
    digits; computed numbers are doubles, and numbers that are too large become the largest double, as in jq itself.
    """
    stdin = _stdin(program, value)
    if seconds <= 0:
        raise _stopped("there is no time left for it")
    limits = (math.ceil(seconds), MEMORY, OUTPUT)
    try:
        with _empty_folder() as folder:
            code, answer = run_isolated(_CHILD, limits, stdin, seconds=seconds, environ=environ or {}, folder=folder)
    except subprocess.TimeoutExpired as error:
        raise _stopped(f"it took more than {seconds:.3g} s") from error
    except OSError as error:
        reason = clipped(error, _LONGEST_REASON)
        raise SettingsError("jq could not be run", reason, "Check the machine's resource limits.") from error
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise _stopped(f"it took more than {seconds:.3g} s")
    if code < 0:
        raise _stopped(_BY_SIGNAL.get(signal.Signals(-code), f"it was ended by signal {-code}"))
    status, _, rest = answer.partition(b"\n")
    if not code and status == b"results":
        return _parse_results(rest)
    raise _failure(code, status, rest.decode(errors="replace"))


def _empty_folder() -> AbstractContextManager[Path]:
    """A temporary folder; the root if none can be created (read-only container): jq cannot open files there either."""
    try:
        return OwnFolder()
    except OSError:
        return nullcontext(Path("/"))


def _stdin(program: str, value: Any) -> bytes:
    """The child's input. Text that is not valid Unicode, such as a file name, gets question marks."""
    try:
        parsers.program(program)
    except ValueError as error:
        raise SettingsError("The jq program cannot be read", f"it {error}", "Retype it as plain text.") from error
    try:
        document = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise SettingsError(
            "The input of the jq program is not JSON", _reason(error), "Correct the value that it is applied to."
        ) from error
    return f"{json.dumps(program)}\n{document}".encode(errors="replace")


def _failure(code: int, status: bytes, message: str) -> SettingsError:
    if not code and status == b"syntax":
        first = _PREFIX_OR_COLON.sub("", message.strip().partition("\n")[0])  # jq repeats the program's text below it
        reason = clipped(first.replace(" at <top-level>,", " at"), _LONGEST_REASON)
        hint = "Correct it; https://jqlang.org/manual/v1.8/ describes the language."
        return SettingsError("The jq program cannot be compiled", reason, hint)
    if not code and status == b"runtime":
        reason = clipped(" ".join(message.split()), _LONGEST_REASON)
        return SettingsError("The jq program failed", reason, "Correct it, or catch the error with ? or //.")
    if not code and status == b"output":
        return _stopped(f"its results are larger than {OUTPUT >> 20} MiB")
    hint = "Reinstall cibeacon with its dependencies (package jq), or free some memory."
    return SettingsError("jq could not be run", f"its process ended with exit code {code}", hint)


def _parse_results(lines: bytes) -> list[Any]:
    try:
        results = [json.loads(line, parse_float=_finite) for line in lines.split(b"\n") if line]
        if any(deeper(result, DEEPEST) for result in results):
            raise ValueError(f"it is nested more than {DEEPEST} levels deep")
    except (ValueError, RecursionError) as error:
        what = "The jq program's result cannot be used"
        raise SettingsError(what, _reason(error), "Correct the program.") from error
    return results


def _reason(error: Exception) -> str:
    return _TOO_DEEP if isinstance(error, RecursionError) else clipped(error, _LONGEST_REASON)


def _finite(text: str) -> float:
    """The number; one that is too large becomes the largest double, as in jq itself."""
    return max(-_LARGEST, min(_LARGEST, float(text)))


def _stopped(reason: str) -> SettingsError:
    return SettingsError("The jq program was stopped", reason, "Simplify it.")
