"""Knows what must not outlive this process, however it ends: children with their helpers, and folders of our own."""

from __future__ import annotations

import errno
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cibeacon.runtime.interrupt_guard import uninterrupted

if TYPE_CHECKING:
    from subprocess import Popen

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
        if child.returncode is None:  # nobody waited for it yet, so the number is still its own
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
