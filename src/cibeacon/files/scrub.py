"""Makes a copy of a text file without tokens, before the file leaves. Does not know where it goes.

What is looked for by default is what DCI's own tools look for: tokens of GitHub, ids and secrets of remote CIs, and
the credentials of a pull secret. https://docs.distributed-ci.io/
"""

from __future__ import annotations

import codecs
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

from cibeacon.runtime import paths
from cibeacon.runtime.cleanup import begun, end
from cibeacon.runtime.errors import ScrubError
from cibeacon.runtime.interrupt_guard import interruptible, uninterrupted
from cibeacon.runtime.sanitize import clipped

_MOST_BLANKS = 4


def _credentials() -> str:
    """Those of a pull secret: what stands in quotes behind their name and a colon, with a few blanks around it or none.

    What a pattern looks back at has one width, so there is one for each number of blanks.
    """
    behind = (
        rf"(?<={quote}auth{quote}[ \t]{{{left}}}:[ \t]{{{right}}}{quote})"
        for quote in ('"', r'\\"')
        for left, right in product(range(_MOST_BLANKS + 1), repeat=2)
    )
    return rf"""(?<=")(?:{"|".join(behind)})[A-Za-z0-9+/=_-]+"""


DEFAULTS: tuple[str, ...] = (
    r"gh[opusr]_[A-Za-z0-9_.-]{36,}",
    r"github_pat_[A-Za-z0-9_]{22,}",
    r"remoteci/[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    r"DCI\.[A-Za-z0-9]{60}",
    _credentials(),
)
"""Each the text of one thing that nobody else may read."""
_NEEDLES = ("gho_", "ghp_", "ghu_", "ghs_", "ghr_", "github_pat_", "remoteci/", "DCI.", "auth")
"""A text without any of them holds nothing of that: so most of a log is never held against a regular expression."""
MEMORY = 256 << 20
"""Bytes of address space, Python's own 30 MiB included."""

_CHILD = Path(__file__).with_name("scrub_child.py")
_PYTHON_NEEDS = ("LD_LIBRARY_PATH", "SYSTEMROOT")
_HEAD = 8 << 10
_SHOWN = 200
_OTHER = "application/octet-stream"
_PACKED = frozenset({"application/x-gzip", "application/x-xz"})


def is_text(path: Path, mime: str) -> bool:
    """Whether lines can be looked at. Raises `OSError`, and `ScrubError` for text that is written in another way.

    What is not said to be text is, where its beginning holds no NUL.
    """
    if mime in _PACKED:
        return False
    with os.fdopen(paths.open_regular(path), "rb") as file:
        head = file.read(_HEAD)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        hint = "Write it as UTF-8, or leave it out (setting dci_files)."
        raise ScrubError(f"{path.name} is not redacted", "it is UTF-16, in which nothing would be found", hint)
    return mime != _OTHER or b"\0" not in head


def scrub(
    source: Path, target: Path, patterns: Sequence[str], *, seconds: float, environ: Mapping[str, str] | None = None
) -> None:
    """Copies `source` to the new file `target`, masked. Raises nothing but `ScrubError`; there is no copy then.

    `environ` is looked at for what Python itself needs to start.
    """
    try:
        code, said = _copied(source, target, patterns, seconds, environ or {})
    except subprocess.TimeoutExpired as error:
        raise _stopped(source, seconds) from error
    except OSError as error:
        hint = "Look at the file and at the space for temporary files."
        raise ScrubError(f"{source.name} cannot be redacted", clipped(error.strerror, _SHOWN), hint) from error
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise _stopped(source, seconds)
    if code:
        why = clipped(said.strip().rpartition("\n")[2], _SHOWN) or f"its process ended with exit code {code}"
        raise ScrubError(f"{source.name} cannot be redacted", why, "Look at the space for temporary files.")


def _stopped(source: Path, seconds: float) -> ScrubError:
    why = f"it took more than {seconds:.3g} s"
    hint = "Look for a pattern that tries too much (setting dci_redact_patterns), or give dci_upload_timeout more time."
    return ScrubError(f"{source.name} is not redacted", why, hint)


def _copied(
    source: Path, target: Path, patterns: Sequence[str], seconds: float, environ: Mapping[str, str]
) -> tuple[int, str]:
    """How the child ended, and what it said last."""
    asked = {"patterns": list(patterns), "needles": _NEEDLES if tuple(patterns) == DEFAULTS else ()}
    with os.fdopen(paths.open_regular(source), "rb") as given, target.open("xb") as taken:
        numbers = (given.fileno(), taken.fileno())
        limits = (max(1, math.ceil(seconds)), MEMORY)
        with uninterrupted():
            child = subprocess.Popen(
                [sys.executable, "-I", "-B", os.fspath(_CHILD), *(str(number) for number in (*numbers, *limits))],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={name: environ[name] for name in _PYTHON_NEEDS if name in environ},
                pass_fds=numbers,
                process_group=0,
            )
            begun(child)
        try:
            with interruptible():
                _, said = child.communicate(json.dumps(asked).encode(), timeout=max(seconds, 0.001))
        finally:
            end(child)
    return child.returncode, said.decode(errors="replace")
