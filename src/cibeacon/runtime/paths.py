"""The only way to open files that an outsider could have replaced by links: no symbolic link is followed.

Links above a folder that the machine or its user chose (the checkout, the project, the runner's temporary folder) are
trusted and resolved first; below it no component of the path may be a link at the moment of opening
(https://man7.org/linux/man-pages/man2/openat.2.html). A file that is sent is read up to the length that it had when it
was opened. Does not know what the files contain.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from cibeacon.runtime import Environment

_TOPS = ("CI_PROJECT_DIR", "GITHUB_WORKSPACE", "RUNNER_TEMP")
"""CI systems' variables for folders in which any job may have put links."""
_STEP = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW


def toplevel(start: Path) -> Path:
    """The top of the checkout that contains `start`, or `start` itself if it is in no checkout."""
    return next((folder for folder in (start, *start.parents) if _is_checkout(folder)), start)


def _is_checkout(folder: Path) -> bool:
    return os.path.exists(folder / ".git")  # noqa: PTH110 - False without permission to look


def boundary(env: Environment) -> Path:
    """The outermost untrusted folder around the working directory, or that itself if there is none."""
    here = Path(os.path.normpath(env.cwd))
    return _top(env, here) or here


def resolve_trusted(env: Environment, path: Path | str) -> Path:
    """The path with trusted links resolved: those above the outermost untrusted folder.

    The rest is left as written, to be opened without following links. Outside such folders that is only the last part.
    """
    whole = Path(os.path.normpath(env.cwd / path))
    top = _top(env, whole) or whole.parent
    return Path(os.path.realpath(top)) / whole.relative_to(top)


def is_outside(env: Environment, path: Path | str) -> bool:
    """Whether a path is in no untrusted folder."""
    return _top(env, Path(os.path.normpath(env.cwd / path))) is None


def _top(env: Environment, path: Path) -> Path | None:
    """The outermost untrusted folder that contains `path`; None if there is none."""
    named = (os.path.normpath(env.environ[name]) for name in _TOPS if env.environ.get(name, "").startswith("/"))
    checkout = toplevel(Path(os.path.normpath(env.cwd)))
    known = {*map(Path, named), *([checkout] if _is_checkout(checkout) else ())} - {Path("/")}
    return next((folder for folder in reversed((path, *path.parents)) if folder in known), None)


def in_checkout(env: Environment, path: Path) -> bool:
    """Whether a path is in any checkout, or in the folder in which the CI system makes one."""
    named = (env.environ.get(name, "") for name in _TOPS[:2])
    tops = {Path(os.path.realpath(each)) for each in named if each.startswith("/")}
    return _is_checkout(toplevel(path)) or not tops.isdisjoint((path, *path.parents))


def open_file(path: Path, flags: int, mode: int = 0o600) -> int:
    """The descriptor of a file. No part of its path, including the last, may be a link. Raises `OSError`."""
    with _stepped(path.parent) as folder:
        return _opened(path.name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, folder)


def open_regular(path: Path) -> int:
    """The same for reading a regular file. Anything else is refused, and a pipe is never waited for."""
    descriptor = open_file(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise PermissionError(errno.EINVAL, "it is not a regular file", str(path))
    return descriptor


@contextmanager
def folder(path: Path, *, make: bool = False) -> Iterator[int]:
    """The descriptor of a folder. No part of its path may be a link. `make`: missing folders are created."""
    with _stepped(path, make) as step:
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=step)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def replace(path: Path, content: bytes, part: str) -> None:
    """Writes a whole file or nothing, replacing one of the same name; `part` is its temporary name."""
    with folder(path.parent, make=True) as where:
        try:
            create(part, where, content, 0o666)
            os.replace(part, path.name, src_dir_fd=where, dst_dir_fd=where)
        finally:
            remove(part, where)


def create(name: str, where: int, content: bytes, mode: int = 0o600, *, sync: bool = False) -> None:
    """Creates a file with this content in an open folder. `sync`: returns only when it is on disk."""
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode, dir_fd=where)
    try:
        _write(descriptor, content)
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(name: str, where: int) -> None:
    """Removes a file from an open folder, if it is there. Raises `OSError` if it cannot be removed."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=where)


def append(path: Path, content: bytes, mode: int = 0o666, *, sync: bool = False, follow: bool = False) -> None:
    """Appends to a file, which may be new. A partial write is undone; a pipe is never waited for.

    `follow`: the path is the CI system's own, so it may be a link.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK
    descriptor = os.open(path, flags, mode) if follow else open_file(path, flags, mode)
    before = os.fstat(descriptor)
    try:
        _write(descriptor, content)
        if sync:
            os.fsync(descriptor)
    except OSError:
        if stat.S_ISREG(before.st_mode):
            with suppress(OSError):
                os.ftruncate(descriptor, before.st_size)
        raise
    finally:
        os.close(descriptor)


def _write(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


@contextmanager
def _stepped(path: Path, make: bool = False) -> Iterator[int]:
    """A descriptor of a folder, for opening its entries; opened step by step from the root."""
    current = os.open(path.anchor or ".", _STEP | os.O_CLOEXEC)
    try:
        for part in path.parts[bool(path.anchor) :]:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=current)
            following = _opened(part, _STEP | os.O_CLOEXEC, 0, current)
            os.close(current)
            current = following
        yield current
    finally:
        os.close(current)


def _opened(name: str, flags: int, mode: int, folder: int) -> int:
    """`openat`, whose error says if the name is a link."""
    try:
        return os.open(name, flags, mode, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and _is_link(name, folder):
            raise PermissionError(errno.ELOOP, f"{name} is a symbolic link", name) from error
        raise


def _is_link(name: str, folder: int) -> bool:
    with suppress(OSError):
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    return False


Watch: TypeAlias = Callable[[Path, int], object]
"""Called with a file and the number of its bytes read so far, from the thread that reads it."""


BECAME_SHORTER = "the file became shorter while it was read"


class Watched(io.FileIO):
    """A file, read up to the length that it had when it was opened."""

    def __init__(self, path: Path, watch: Watch | None) -> None:
        super().__init__(open_regular(path))
        self.len = os.fstat(self.fileno()).st_size
        """Bytes; `requests` uses this as the length."""
        self._path, self._watch, self._read = path, watch, 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Bytes, up to the length that the file had. Raises `OSError` if it became shorter."""
        left = self.len - self._read
        content = super().read(left if size is None or size < 0 else min(size, left))
        if size and not content:
            self.check_length(self._read)
        self._read += len(content)
        if self._watch:
            self._watch(self._path, self._read)
        return content

    def check_length(self, length: int) -> None:
        """Raises `OSError` if the file already ends at this length."""
        if length < self.len:
            raise OSError(BECAME_SHORTER)


def watched(path: Path, watch: Watch | None) -> Watched:
    """The file, open for reading. Raises `OSError`."""
    return Watched(path, watch)
