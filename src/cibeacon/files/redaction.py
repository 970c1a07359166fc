"""Copies a text file without its secrets, so that only the copy is uploaded. Does not know where it goes.

By default it masks what DCI's own tools mask: GitHub tokens, ids and secrets of remote CIs, and the credentials in pull
secrets. https://docs.distributed-ci.io/
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
"""One regular expression per kind of secret, in the syntax of the library `regex`."""
_NEEDLES = ("gho_", "ghp_", "ghu_", "ghs_", "ghr_", "github_pat_", "remoteci/", "DCI.", 'auth"', 'auth\\"')
"""Text without any of these has no default secret: so most of a log is never matched against a regular expression."""
MEMORY = 256 << 20
"""Bytes of address space, including Python's own 30 MiB."""
_CHILD = Path(__file__).with_name("redaction_child.py")
_BEGINNING = 8 << 10
_LONGEST_REASON = 200
_OTHER = "application/octet-stream"
_PACKED = frozenset({"application/x-gzip", "application/x-xz"})
_HINT = "Check the file and the space for temporary files."


def file_redaction(
    patterns: Sequence[str], environ: Mapping[str, str]
) -> Callable[[Request, float], AbstractContextManager[Request]]:
    """For an HTTP client: replaces the file of a request with a masked copy. Without patterns, the defaults apply.

    `environ` provides only what Python itself needs to start.
    """
    return partial(_redacted, patterns=patterns or DEFAULTS, environ=environ)


@contextmanager
def _redacted(
    request: Request, seconds: float, patterns: Sequence[str], environ: Mapping[str, str]
) -> Iterator[Request]:
    """The request, unchanged if it has no file or if the file is not text. Raises `RedactionError`."""
    source, mime = request.file, (request.headers or {}).get("DCI-MIME", "")
    if source is None or not _is_text(source, mime):
        yield request
        return
    with _own_folder() as folder:
        copy = folder / source.name
        redact(source, copy, patterns, seconds=seconds, environ=environ)
        yield request._replace(file=copy)


def redact(source: Path, target: Path, patterns: Sequence[str], *, seconds: float, environ: Mapping[str, str]) -> None:
    """Copies `source` to the new file `target`, masked. Raises only `RedactionError`; the copy must then not be used."""
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
        raise RedactionError(f"{source.name} cannot be redacted", reason, "Check the space for temporary files.")


def _stopped(source: Path, seconds: float) -> RedactionError:
    reason = f"it took more than {seconds:.3g} s"
    hint = "Look for a pattern that backtracks too much (setting dci_redact_patterns), or increase dci_upload_timeout."
    return RedactionError(f"{source.name} is not redacted", reason, hint)


def _own_folder() -> OwnFolder:
    try:
        return OwnFolder()
    except OSError as error:
        raise _not_copied(error) from error


def _is_text(path: Path, mime: str) -> bool:
    """Whether the file has lines to search. A file of unknown type is text if its beginning has no NUL."""
    if mime in _PACKED:
        return False
    try:
        with os.fdopen(paths.open_regular(path), "rb") as file:
            beginning = file.read(_BEGINNING)
    except OSError as error:
        raise _not_copied(error) from error
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        hint = "Convert it to UTF-8, or leave it out (setting dci_files)."
        raise RedactionError(f"{path.name} is not redacted", "it is UTF-16, in which no pattern would match", hint)
    return mime != _OTHER or b"\0" not in beginning


def _not_copied(error: OSError) -> RedactionError:
    return RedactionError("A file is not redacted", f"it cannot be copied ({error.strerror})", _HINT)
