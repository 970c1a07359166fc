"""The only way to git: starts a child, reads it, ends it with the time budget and takes its helpers along. Knows no question.

Its environment is its own (`environment`), and so are its limits: a repository is anybody's, and a tree of a few
kilobytes can stand for billions of files. A child may be started ahead of the question, so that it works meanwhile.
"""

from __future__ import annotations

import os
import resource
import select
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from cibeacon.runtime.cleanup import begun, end, temporary_folder
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import CheckoutError
from cibeacon.runtime.interrupt_guard import interruptible, uninterrupted

MEMORY = 256 << 20
"""Bytes of anonymous memory of a child. Packs are mapped and do not count, so a repository may be of any size."""
WRITTEN = 4 << 30
"""Bytes of a file that a child may write: what one fetch can bring."""
LARGEST = 64 << 20
"""Bytes of an answer that is read as a whole."""
_CHUNK = 1 << 16
_CLIP = 2000
_OUT_OF_MEMORY = "out of memory"


class Git:
    """git in one folder, with one environment and one budget."""

    def __init__(self, root: Path, environ: Mapping[str, str], deadline: Deadline) -> None:
        self.root, self._environ, self._budget = root, environ, deadline
        self._ahead: dict[tuple[tuple[str, ...], bytes | None], subprocess.Popen[bytes]] = {}

    def close(self) -> None:
        """Ends what was started ahead and never asked for."""
        while self._ahead:
            end(self._ahead.popitem()[1])

    def _begin(self, *arguments: str, given: bytes | None = None) -> None:
        """Starts a command that is likely to be asked for. Where it cannot be started, the question will say so."""
        question = (arguments, given)
        if question in self._ahead or (given and len(given) > select.PIPE_BUF):  # which a pipe takes at once
            return
        with suppress(CheckoutError):
            self._ahead[question] = self._start(arguments, given=given)

    def _run(
        self, *arguments: str, environ: Mapping[str, str] | None = None, given: bytes | None = None
    ) -> tuple[int, bytes, str]:
        """Exit code, stdout and stderr of one git command, inside the budget."""
        with ExitStack() as held:
            child = self._ahead.pop((arguments, given), None)
            if child is None:
                small = given is None or len(given) <= select.PIPE_BUF
                child = self._start(arguments, environ, given if small else held.enter_context(_file(given or b"")))
            held.callback(end, child)
            out, complaints = bytearray(), bytearray()
            for piece in self._chunks(child, complaints, arguments[0]):
                out += piece
                if len(out) > LARGEST:
                    raise _too_much(arguments[0], f"its answer is over {LARGEST >> 20} MiB")
            code = self._ended(child, arguments[0])
        err = os.fsdecode(bytes(complaints)).strip()
        if code and _OUT_OF_MEMORY in err.lower():
            raise _too_much(arguments[0], f"git needs over {MEMORY >> 20} MiB of memory for it")
        return code, bytes(out), err

    def _ended(self, child: subprocess.Popen[bytes], command: str) -> int:
        """The exit code of a child that closed its output."""
        try:
            return child.wait(max(self._budget.remaining(), 0.01))
        except subprocess.TimeoutExpired as error:
            raise late(command) from error

    def _stream(self, *arguments: str, given: IO[bytes] | None = None) -> Iterator[bytes]:
        """What one git command prints, as it comes. The child ends when nobody reads on."""
        ahead = None if given else self._ahead.pop((arguments, None), None)
        child = ahead or self._start(arguments, given=given)
        complaints = bytearray()
        try:
            yield from self._chunks(child, complaints, arguments[0])
            code = self._ended(child, arguments[0])
        finally:
            end(child)
        if code != 0:
            err = os.fsdecode(bytes(complaints)).strip()
            if _OUT_OF_MEMORY in err.lower():
                raise _too_much(arguments[0], f"git needs over {MEMORY >> 20} MiB of memory for it")
            raise CheckoutError("git could not compare the commits", err, "Check out with the whole history.")

    def _chunks(self, child: subprocess.Popen[bytes], complaints: bytearray, command: str) -> Iterator[bytes]:
        """A child's output, while its complaints are put aside: a full pipe of either would stop it."""
        pipes = [pipe for pipe in (child.stdout, child.stderr) if pipe]
        while pipes:
            with interruptible():
                ready, _, _ = select.select(pipes, [], [], self._budget.remaining())
            if not ready:
                raise late(command)
            for pipe in ready:
                piece = os.read(pipe.fileno(), _CHUNK)
                if not piece:
                    pipes.remove(pipe)
                elif pipe is child.stdout:
                    yield piece
                else:
                    complaints += piece[: _CLIP - len(complaints)]

    def _start(
        self,
        arguments: tuple[str, ...],
        environ: Mapping[str, str] | None = None,
        given: IO[bytes] | bytes | None = None,
    ) -> subprocess.Popen[bytes]:
        if self._budget.remaining() <= 0:
            raise late(arguments[0])
        try:
            with uninterrupted():
                child = subprocess.Popen(
                    ["git", "--no-pager", *arguments],
                    cwd=self.root,
                    env=self._environ if environ is None else environ,
                    stdin=subprocess.PIPE if isinstance(given, bytes) else given or subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    process_group=0,
                )
                begun(child)
                _limit(child.pid)
                if isinstance(given, bytes) and child.stdin:
                    with suppress(OSError), child.stdin:
                        child.stdin.write(given)
            return child
        except FileNotFoundError as error:
            raise CheckoutError(
                "git cannot be run", "it is not installed here, or the folder is gone", "Install git in the image."
            ) from error
        except (OSError, ValueError) as error:
            raise CheckoutError("git cannot be run", str(error), "Check the installation of git.") from error


def _limit(pid: int) -> None:
    """Bounds a child that has just started. Only Linux can do that from outside, which costs nothing."""
    if not hasattr(resource, "prlimit"):
        return
    for kind, most in ((resource.RLIMIT_DATA, MEMORY), (resource.RLIMIT_FSIZE, WRITTEN)):
        with suppress(OSError, ValueError):
            hard = resource.prlimit(pid, kind)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.prlimit(pid, kind, (most, most))


def _too_much(command: str, why: str) -> CheckoutError:
    """The error of a command whose answer is too large to be meant."""
    return CheckoutError(
        f"git {command} was stopped",
        why,
        "Give the services by name (setting services), or the changed paths (cibeacon services --files-from -).",
    )


@contextmanager
def _file(content: bytes) -> Iterator[IO[bytes]]:
    """Input as a file, for a child that answers before it has read it all. Raises `CheckoutError`."""
    from tempfile import TemporaryFile

    try:
        with TemporaryFile(dir=temporary_folder()) as file:
            file.write(content)
            file.seek(0)
            yield file
    except OSError as error:
        raise no_room(error) from error


def listed(lines: Iterable[str]) -> AbstractContextManager[IO[bytes]]:
    """A file of ASCII lines. Raises `CheckoutError`."""
    return _file("".join(f"{line}\n" for line in lines).encode("ascii"))


def no_room(error: OSError) -> CheckoutError:
    """The error of what needs a file of its own and cannot have one."""
    return CheckoutError(
        "There is no room for temporary files", error.strerror or str(error), "Name a writable folder in TMPDIR."
    )


def late(command: str) -> CheckoutError:
    """The error of a command that the budget ended."""
    return CheckoutError(
        f"git {command} took too long", "half of the time budget is git's at most", "Give a larger timeout."
    )


def names(chunks: Iterator[bytes]) -> Iterator[str]:
    """What stands between the NUL bytes of an answer."""
    rest = b""
    for chunk in chunks:
        whole, found, rest = (rest + chunk).rpartition(b"\0")
        if found:
            yield from os.fsdecode(whole).split("\0")
