"""An orderly end: where the work may be interrupted, and what must not outlive this process. Knows no signal.

Work is interrupted in sections that wait or compute for long, and nowhere else. Everything else is finished first: a batch
of records is complete on disk, a folder that was made is removed, what was sent is written down. An interruption that comes
meanwhile is raised in the next section that allows it. Children with their helpers, and folders of our own, are gone
however the process ends.
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
"""Signals are the main thread's, and so are interruptions; in other threads a section does nothing."""


class _State:
    """The interruption that is still to be raised, and whether it may be. The main thread's alone."""

    interruptible = False
    pending: KeyboardInterrupt | None = None


class Section:
    """A section of the work; a context manager for one use."""

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
        elif _State.pending and (self._interruptible or self._before):  # it came late, or a callback swallowed it
            raise _take_pending()


_OWN_CODE: frozenset[CodeType] = frozenset((Section.__enter__.__code__, Section.__exit__.__code__))
"""Between two sections nothing is raised: the one would be neither entered nor left."""


def interruptible() -> Section:
    """A section in which an interruption is raised."""
    return Section(interruptible=True)


def uninterrupted() -> Section:
    """A section that is finished first, inside one that may be interrupted."""
    return Section(interruptible=False)


def interrupt(stop: KeyboardInterrupt, frame: FrameType | None) -> None:
    """For a signal's handler: raises the interruption where it may be raised, else in the next section that allows it."""
    _State.pending = stop
    raise_pending(frame)


def discard(kind: type[KeyboardInterrupt]) -> None:
    """Drops a pending interruption of a kind."""
    if isinstance(_State.pending, kind):
        _State.pending = None


def raise_pending(frame: FrameType | None) -> None:
    """Raises the interruption again, where it may be: Python swallows what is raised in a destructor or a callback."""
    is_own_code = frame is not None and frame.f_code in _OWN_CODE
    if _State.pending and _State.interruptible and not is_own_code and not _is_importing(frame):
        raise _State.pending


def _is_importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported: half a library would stay, and fail later. The next alarm tries again."""
    while frame and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None


def _take_pending() -> KeyboardInterrupt:
    stop, _State.pending = _State.pending, None
    return stop or KeyboardInterrupt()


PREFIX = "cibeacon-"
"""How the names of our folders begin."""
_KNOWN = ("/tmp", "/var/tmp", "/usr/tmp", "/private/tmp", "/private/var/tmp")  # noqa: S108 - nothing is made there
_children: set[int] = set()
_folders: set[str] = set()


def begun(child: Popen[bytes]) -> None:
    """A child was started that leads a process group of its own."""
    _children.add(child.pid)


def end(child: Popen[bytes]) -> None:
    """Leaves nothing behind: neither the child nor its helper for the network, which would go on alone."""
    with uninterrupted():
        if child.returncode is None:  # it was not waited for yet, so the number is still its own
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        _children.discard(child.pid)
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()


def temporary_folder() -> str:
    """Where temporary files go, without a link on the way. Raises `OSError` where there is no such place.

    Python's own last choice is the working directory, which may be a checkout.
    """
    from tempfile import gettempdir

    folder = os.path.realpath(gettempdir())
    if folder == os.path.realpath(".") and folder not in _KNOWN:
        raise FileNotFoundError(errno.ENOENT, "there is no folder for temporary files (variable TMPDIR)")
    return folder


class OwnFolder:
    """An empty folder for a while; a context manager that gives its path. Raises `OSError` where none can be made."""

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
    """Ends what still runs and removes what is still there: the last thing that a process does."""
    for group in tuple(_children):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    for name in tuple(_folders):
        _remove(name)


def _remove(name: str) -> None:
    from shutil import rmtree

    rmtree(name, ignore_errors=True)
    _folders.discard(name)
