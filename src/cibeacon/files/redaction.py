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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from cibeacon.model.request import Request
from cibeacon.runtime import paths
from cibeacon.runtime.errors import RedactionError
from cibeacon.runtime.isolated_child import run_isolated
from cibeacon.runtime.safe_text import clipped
from cibeacon.runtime.shutdown import OwnFolder

DEFAULTS: tuple[str, ...] = (
    r"gh[opusr]_[A-Za-z0-9_.-]{36,}",
    r"github_pat_[A-Za-z0-9_]{22,}",
    r"remoteci/[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    r"DCI\.[A-Za-z0-9]{60}",
    r'(?<=")(?<="auth"[ \t]{0,4}:[ \t]{0,4}"|\\"auth\\"[ \t]{0,4}:[ \t]{0,4}\\")[A-Za-z0-9+/=_-]+',
)
"""Regular expressions in the syntax of the library `regex`, each for one kind of secret."""
_NEEDLES = ("gho_", "ghp_", "ghu_", "ghs_", "ghr_", "github_pat_", "remoteci/", "DCI.", 'auth"', 'auth\\"')
"""A text without any of them holds no default secret: so most of a log is never held against a regular expression."""
MEMORY = 256 << 20
"""Bytes of address space, Python's own 30 MiB included."""
_CHILD = Path(__file__).with_name("redaction_child.py")
_BEGINNING = 8 << 10
_LONGEST_REASON = 200
_OTHER = "application/octet-stream"
_PACKED = frozenset({"application/x-gzip", "application/x-xz"})
_HINT = "Look at the file and at the space for temporary files."


def file_redaction(
    patterns: Sequence[str], environ: Mapping[str, str]
) -> Callable[[Request, float], AbstractContextManager[Request]]:
    """For an HTTP client: makes of a request with a file one with a masked copy of it. No pattern means the default ones.

    `environ` is looked at for what Python itself needs to start.
    """
    return partial(_redacted, patterns=patterns or DEFAULTS, environ=environ)


@contextmanager
def _redacted(
    request: Request, seconds: float, patterns: Sequence[str], environ: Mapping[str, str]
) -> Iterator[Request]:
    """The request as it is, where it has no file or one that is no text. Raises `RedactionError`."""
    source, mime = request.file, (request.headers or {}).get("DCI-MIME", "")
    if source is None or not _is_text(source, mime):
        yield request
        return
    with _own_folder() as folder:
        copy = folder / source.name
        redact(source, copy, patterns, seconds=seconds, environ=environ)
        yield request._replace(file=copy)


def redact(source: Path, target: Path, patterns: Sequence[str], *, seconds: float, environ: Mapping[str, str]) -> None:
    """Copies `source` to the new file `target`, masked. Raises nothing but `RedactionError`; there is no copy then."""
    task = {"patterns": list(patterns), "needles": _NEEDLES if tuple(patterns) == DEFAULTS else ()}
    try:
        with os.fdopen(paths.open_regular(source), "rb") as given, target.open("xb") as taken:
            numbers = (given.fileno(), taken.fileno())
            limits = (max(1, math.ceil(seconds)), MEMORY)
            code, stderr = run_isolated(
                _CHILD,
                (*numbers, *limits),
                json.dumps(task).encode(),
                seconds=max(seconds, 0.001),
                environ=environ,
                output="stderr",
                descriptors=numbers,
            )
    except subprocess.TimeoutExpired as error:
        raise _stopped(source, seconds) from error
    except OSError as error:
        raise RedactionError(
            f"{source.name} cannot be redacted", clipped(error.strerror, _LONGEST_REASON), _HINT
        ) from error
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise _stopped(source, seconds)
    if code:
        last = stderr.decode(errors="replace").strip().rpartition("\n")[2]
        reason = clipped(last, _LONGEST_REASON) or f"its process ended with exit code {code}"
        raise RedactionError(f"{source.name} cannot be redacted", reason, "Look at the space for temporary files.")


def _stopped(source: Path, seconds: float) -> RedactionError:
    reason = f"it took more than {seconds:.3g} s"
    hint = "Look for a pattern that tries too much (setting dci_redact_patterns), or give dci_upload_timeout more time."
    return RedactionError(f"{source.name} is not redacted", reason, hint)


def _own_folder() -> OwnFolder:
    try:
        return OwnFolder()
    except OSError as error:
        raise _not_copied(error) from error


def _is_text(path: Path, mime: str) -> bool:
    """Whether lines can be looked at. What is not said to be text is, where its beginning holds no NUL."""
    if mime in _PACKED:
        return False
    try:
        with os.fdopen(paths.open_regular(path), "rb") as file:
            beginning = file.read(_BEGINNING)
    except OSError as error:
        raise _not_copied(error) from error
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        hint = "Write it as UTF-8, or leave it out (setting dci_files)."
        raise RedactionError(f"{path.name} is not redacted", "it is UTF-16, in which nothing would be found", hint)
    return mime != _OTHER or b"\0" not in beginning


def _not_copied(error: OSError) -> RedactionError:
    return RedactionError("A file is not redacted", f"it cannot be copied ({error.strerror})", _HINT)
