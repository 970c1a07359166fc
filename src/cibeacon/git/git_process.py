"""Starts git, reads it, ends it with the deadline, and takes its helpers along. Knows no question.

Its environment is its own (`git_env`), and so are its limits: anybody may write a repository, and a tree of a few
kilobytes can stand for billions of files.
"""

from __future__ import annotations

import os
import resource
import select
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from cibeacon.runtime.cleanup import begun, end, temporary_folder
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import CheckoutError
from cibeacon.runtime.interrupt_guard import interruptible, uninterrupted

MEMORY = 256 << 20
"""Bytes of anonymous memory of a child. Packs are mapped and do not count, so a repository may be of any size."""
WRITTEN = 4 << 30
"""Bytes of a file that a child may write: what one fetch can bring."""
LARGEST = 64 << 20
"""Bytes of an answer that is read at once."""
_CHUNK = 1 << 16
_CLIP = 2000


class GitResult(NamedTuple):
    """How one command of git ended."""

    code: int
    out: bytes
    err: str


class Git:
    """git in one folder, with one environment and one deadline."""

    def __init__(self, root: Path, environ: Mapping[str, str], deadline: Deadline) -> None:
        self.root, self._environ, self._deadline = root, environ, deadline
        self._ahead: dict[tuple[str, ...], subprocess.Popen[bytes]] = {}

    def close(self) -> None:
        """Ends what was started ahead and never read."""
        while self._ahead:
            end(self._ahead.popitem()[1])

    def _begin(self, *arguments: str) -> None:
        """Starts a command that `_stream` is likely to read. If it cannot be started, `_stream` raises the error."""
        if arguments not in self._ahead:
            with suppress(CheckoutError):
                self._ahead[arguments] = self._start(arguments)

    def _run(self, *arguments: str, environ: Mapping[str, str] | None = None, given: bytes = b"") -> GitResult:
        """Runs one command to its end."""
        child = self._start(arguments, environ, given)
        out, complaints = bytearray(), bytearray()
        try:
            for piece in self._chunks(child, complaints, arguments[0]):
                out += piece
                if len(out) > LARGEST:
                    raise _too_large(arguments[0], f"its answer is over {LARGEST >> 20} MiB")
            code, err = self._wait(child, complaints, arguments[0])
        finally:
            end(child)
        return GitResult(code, bytes(out), err)

    def _stream(self, *arguments: str, given: bytes = b"") -> Iterator[bytes]:
        """The output of one command, as it comes. The child ends when the reader stops."""
        child = self._ahead.pop(arguments, None) or self._start(arguments, given=given)
        complaints = bytearray()
        try:
            yield from self._chunks(child, complaints, arguments[0])
            code, err = self._wait(child, complaints, arguments[0])
        finally:
            end(child)
        if code != 0:
            raise CheckoutError("git could not compare the commits", err, "Check out with the whole history.")

    def _chunks(self, child: subprocess.Popen[bytes], complaints: bytearray, command: str) -> Iterator[bytes]:
        """A child's output, while its complaints are put aside: a full pipe of either would stop it."""
        pipes = [pipe for pipe in (child.stdout, child.stderr) if pipe]
        while pipes:
            with interruptible():
                ready, _, _ = select.select(pipes, [], [], self._deadline.remaining())
            if not ready:
                raise _too_slow(command)
            for pipe in ready:
                piece = os.read(pipe.fileno(), _CHUNK)
                if not piece:
                    pipes.remove(pipe)
                elif pipe is child.stdout:
                    yield piece
                else:
                    complaints += piece[: _CLIP - len(complaints)]

    def _wait(self, child: subprocess.Popen[bytes], complaints: bytearray, command: str) -> tuple[int, str]:
        """The exit code of a child that closed its output, and its complaint."""
        try:
            code = child.wait(max(self._deadline.remaining(), 0.01))
        except subprocess.TimeoutExpired as error:
            raise _too_slow(command) from error
        err = os.fsdecode(bytes(complaints)).strip()
        if code and "out of memory" in err.lower():
            raise _too_large(command, f"git needs over {MEMORY >> 20} MiB of memory for it")
        return code, err

    def _start(
        self, arguments: tuple[str, ...], environ: Mapping[str, str] | None = None, given: bytes = b""
    ) -> subprocess.Popen[bytes]:
        """Starts a command. Input that a pipe does not take at once is given as a file: git may answer before it reads."""
        if self._deadline.remaining() <= 0:
            raise _too_slow(arguments[0])
        file = _file(given) if len(given) > select.PIPE_BUF else None
        try:
            with uninterrupted():
                child = subprocess.Popen(
                    ["git", "--no-pager", *arguments],
                    cwd=self.root,
                    env=self._environ if environ is None else environ,
                    stdin=file or (subprocess.PIPE if given else subprocess.DEVNULL),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    process_group=0,
                )
                begun(child)
                _limit(child.pid)
                if child.stdin:
                    with suppress(OSError), child.stdin:
                        child.stdin.write(given)
            return child
        except FileNotFoundError as error:
            raise CheckoutError(
                "git cannot be run", "it is not installed here, or the folder is gone", "Install git in the image."
            ) from error
        except (OSError, ValueError) as error:
            raise CheckoutError("git cannot be run", str(error), "Check the installation of git.") from error
        finally:
            if file:
                file.close()


def _limit(pid: int) -> None:
    """Bounds a child that has just started. Only Linux can do that from outside, which costs nothing."""
    if not hasattr(resource, "prlimit"):
        return
    for kind, most in ((resource.RLIMIT_DATA, MEMORY), (resource.RLIMIT_FSIZE, WRITTEN)):
        with suppress(OSError, ValueError):
            hard = resource.prlimit(pid, kind)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.prlimit(pid, kind, (most, most))


def _too_large(command: str, reason: str) -> CheckoutError:
    return CheckoutError(
        f"git {command} was stopped",
        reason,
        "Give the services by name (setting services), or the changed paths (cibeacon services --files-from -).",
    )


def _too_slow(command: str) -> CheckoutError:
    return CheckoutError(
        f"git {command} took too long", "git may use half of the time budget at most", "Give a larger timeout."
    )


def _file(content: bytes) -> IO[bytes]:
    """A temporary file to read from its start. Raises `CheckoutError`."""
    from tempfile import TemporaryFile

    try:
        file = TemporaryFile(dir=temporary_folder())  # noqa: SIM115 - `_start` closes it
        file.write(content)
        file.seek(0)
        return file
    except OSError as error:
        raise no_temporary_file(error) from error


def no_temporary_file(error: OSError) -> CheckoutError:
    """The error of what needs a file of its own and cannot have one."""
    return CheckoutError(
        "There is no room for temporary files", error.strerror or str(error), "Name a writable folder in TMPDIR."
    )


def as_lines(lines: Iterable[str]) -> bytes:
    """The input of a command that reads ASCII lines."""
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def nul_separated(chunks: Iterator[bytes]) -> Iterator[str]:
    """The texts between the NUL bytes of an output."""
    rest = b""
    for chunk in chunks:
        complete, nul, rest = (rest + chunk).rpartition(b"\0")
        if nul:
            yield from os.fsdecode(complete).split("\0")
