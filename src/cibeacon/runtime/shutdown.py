"""An orderly end: where the work may be interrupted, and what must not outlive this process. Handles no signal itself.

Work is interrupted only in sections that wait or compute for long. Everything else is finished first: a batch of records
is complete on disk, a temporary folder is removed, a sent signal is recorded. An interruption that comes meanwhile is
raised in the next section that allows it. Child processes with their helpers, and our temporary folders, are gone however
the process ends.
"""

from __future__ import annotations

import errno
import os
import signal
from _thread import get_ident
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from subprocess import Popen


_MAIN = get_ident()
"""The main thread, which alone handles signals and interruptions; in other threads a section does nothing."""


class _State:
    """The pending interruption, and whether it may be raised. Only the main thread uses it."""

    interruptible = False
    pending: KeyboardInterrupt | None = None


class Section:
    """A section of the work; a context manager that is used once."""

    def __init__(self, *, interruptible: bool) -> None:
        self._interruptible, self._before = interruptible, False

    def __enter__(self) -> None:
        if get_ident() != _MAIN:
            return
        self._before, _State.interruptible = _State.interruptible, self._interruptible
        if self._interruptible and _State.pending:
            _State.interruptible = self._before
            raise _take_pending()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if get_ident() != _MAIN:
            return
        _State.interruptible = self._before
        if self._interruptible and isinstance(error, KeyboardInterrupt):
            _State.pending = None
        elif _State.pending and (self._interruptible or self._before):  # it came too late, or a callback swallowed it
            raise _take_pending()


_OWN_CODE: frozenset[CodeType] = frozenset((Section.__enter__.__code__, Section.__exit__.__code__))
"""Code between two sections, in which nothing is raised: a section would be neither entered nor left."""


def interruptible() -> Section:
    """A section that may be interrupted."""
    return Section(interruptible=True)


def uninterrupted() -> Section:
    """A section, inside one that may be interrupted, that is finished first."""
    return Section(interruptible=False)


def interrupt(stop: KeyboardInterrupt, frame: FrameType | None) -> None:
    """For signal handlers: raises the interruption if that is allowed now, else in the next section that allows it."""
    _State.pending = stop
    raise_pending(frame)


def discard(kind: type[KeyboardInterrupt]) -> None:
    """Drops a pending interruption of this kind."""
    if isinstance(_State.pending, kind):
        _State.pending = None


def raise_pending(frame: FrameType | None) -> None:
    """Raises the interruption again, if that is allowed: Python swallows exceptions in destructors and callbacks."""
    is_own_code = frame is not None and frame.f_code in _OWN_CODE
    if _State.pending and _State.interruptible and not is_own_code and not _is_importing(frame):
        raise _State.pending


def _is_importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported: a half-loaded library would fail later. The next alarm tries again."""
    while frame and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None


def _take_pending() -> KeyboardInterrupt:
    stop, _State.pending = _State.pending, None
    return stop or KeyboardInterrupt()


PREFIX = "cibeacon-"
"""The names of our temporary folders start with this."""
_KNOWN = ("/tmp", "/var/tmp", "/usr/tmp", "/private/tmp", "/private/var/tmp")  # noqa: S108 - nothing is created there
_children: set[int] = set()
_folders: set[str] = set()


def begun(child: Popen[bytes]) -> None:
    """Notes a child that was started in its own process group."""
    _children.add(child.pid)


def end(child: Popen[bytes]) -> None:
    """Ends the child and its network helper, which would otherwise continue alone."""
    with uninterrupted():
        if child.returncode is None:  # it was not reaped yet, so the process id is still its own
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        _children.discard(child.pid)
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()


def temporary_folder() -> str:
    """The folder for temporary files, with links resolved. Raises `OSError` if there is none.

    Python's last choice would be the working directory, which may be a checkout.
    """
    from tempfile import gettempdir

    folder = os.path.realpath(gettempdir())
    if folder == os.path.realpath(".") and folder not in _KNOWN:
        raise FileNotFoundError(errno.ENOENT, "there is no folder for temporary files (variable TMPDIR)")
    return folder


class OwnFolder:
    """A temporary folder; a context manager that returns its path. Raises `OSError` if none can be created."""

    def __init__(self) -> None:
        from tempfile import mkdtemp  # few runs need a folder

        with uninterrupted():
            self._name = mkdtemp(prefix=PREFIX, dir=temporary_folder())
            _folders.add(self._name)

    def __enter__(self) -> Path:
        return Path(self._name)

    def __exit__(self, *_: object) -> None:
        with uninterrupted():
            _remove(self._name)


def leave_nothing() -> None:
    """Ends remaining children and removes remaining folders: the last thing that a process does."""
    for group in tuple(_children):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    for name in tuple(_folders):
        _remove(name)


def _remove(name: str) -> None:
    from shutil import rmtree

    rmtree(name, ignore_errors=True)
    _folders.discard(name)
