"""The only way to git: starts a child, reads it, ends it with the time budget and takes its helpers along. Knows no question.

Its environment is its own (`environment`). A child may be started ahead of the question, so that it works meanwhile.
"""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from cibeacon.errors import CheckoutError
from cibeacon.process.belongings import begun, end
from cibeacon.process.budget import Budget
from cibeacon.process.sections import interruptible, uninterrupted

_CHUNK = 1 << 16
_CLIP = 2000


class Git:
    """git in one folder, with one environment and one budget."""

    def __init__(self, root: Path, environ: Mapping[str, str], budget: Budget) -> None:
        self.root, self._environ, self._budget = root, environ, budget
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
            child = self._ahead[question] = self._start(arguments, given=_pipe(given))
            if child.stdin and given is not None:
                with suppress(OSError), child.stdin:
                    child.stdin.write(given)
                child.stdin = None

    def _run(
        self, *arguments: str, environ: Mapping[str, str] | None = None, given: bytes | None = None
    ) -> tuple[int, bytes, str]:
        """Exit code, stdout and stderr of one git command, inside the budget."""
        child = self._ahead.pop((arguments, given), None)
        if child is None:
            child = self._start(arguments, environ, _pipe(given))
        elif given is not None:
            given = None  # it has it
        try:
            with interruptible():
                out, err = child.communicate(given, timeout=self._budget.remaining())
        except subprocess.TimeoutExpired as error:
            raise late(arguments[0]) from error
        finally:
            end(child)
        return child.returncode, out, os.fsdecode(err).strip()

    def _stream(self, *arguments: str, given: IO[bytes] | None = None) -> Iterator[bytes]:
        """What one git command prints, as it comes. The child ends when nobody reads on."""
        ahead = None if given else self._ahead.pop((arguments, None), None)
        child = ahead or self._start(arguments, given=given or subprocess.DEVNULL)
        complaints = bytearray()
        try:
            yield from self._chunks(child, complaints, arguments[0])
            code = child.wait(max(self._budget.remaining(), 0.01))
        except subprocess.TimeoutExpired as error:
            raise late(arguments[0]) from error
        finally:
            end(child)
        if code != 0:
            err = os.fsdecode(bytes(complaints)).strip()
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
        given: IO[bytes] | int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        if self._budget.remaining() <= 0:
            raise late(arguments[0])
        try:
            with uninterrupted():
                child = subprocess.Popen(
                    ["git", "--no-pager", *arguments],
                    cwd=self.root,
                    env=self._environ if environ is None else environ,
                    stdin=given,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    process_group=0,
                )
                begun(child)
            return child
        except FileNotFoundError as error:
            raise CheckoutError(
                "git cannot be run", "it is not installed here, or the folder is gone", "Install git in the image."
            ) from error
        except (OSError, ValueError) as error:
            raise CheckoutError("git cannot be run", str(error), "Check the installation of git.") from error


def _pipe(given: bytes | None) -> int:
    return subprocess.DEVNULL if given is None else subprocess.PIPE


@contextmanager
def listed(lines: Iterable[str]) -> Iterator[IO[bytes]]:
    """A file of ASCII lines, for a child that answers before it has read them all. Raises `CheckoutError`."""
    from tempfile import TemporaryFile

    try:
        with TemporaryFile() as file:
            file.write("".join(f"{line}\n" for line in lines).encode("ascii"))
            file.seek(0)
            yield file
    except OSError as error:
        raise no_room(error) from error


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
