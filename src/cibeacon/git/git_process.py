"""Starts git, reads its output, and ends it with its helpers at the deadline. Knows no particular command.

Its environment is built from scratch, so that no variable of the job (GIT_DIR, GIT_TRACE, GIT_SSH_COMMAND, …) reaches git,
and it never prompts. It has its own resource limits: a repository is untrusted, and a tree of a few kilobytes can expand to
billions of files.
"""

import os
import resource
import select
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import IO, NamedTuple

from cibeacon.git import Remote
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import CheckoutError
from cibeacon.runtime.shutdown import begun, end, interruptible, temporary_folder, uninterrupted

_INHERITED = ("PATH", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH")
_PROXIES = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")
_CONFIG = {
    "safe.directory": "*",
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.packedGitWindowSize": "1m",
    "core.packedGitLimit": "8m",
}
_SCRATCH_CONFIG = {
    "core.alternateRefsPrefixes": "refs/cibeacon/nothing/",  # the refs of the alternate repository must not be offered
    "gc.auto": "0",
    "maintenance.auto": "false",
    "pack.threads": "1",  # every thread has its own cache, and memory is bounded
    "core.deltaBaseCacheLimit": "16m",
    "core.bigFileThreshold": "4m",  # larger files are streamed
}
_NETWORK_CONFIG = {
    "http.followRedirects": "false",  # the credential would be sent along
    "protocol.version": "2",  # version 1 refuses commits that no ref points to
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
}
_NO_INDEX = "/nonexistent/cibeacon/index"
"""git diff-tree would read the checkout's whole index, although comparing two trees does not need it."""
_ALWAYS = {
    "HOME": "/nonexistent/cibeacon",  # curl would read .netrc from it, and from the user's home without the variable
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_INDEX_FILE": _NO_INDEX,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def reading_env(environ: Mapping[str, str]) -> dict[str, str]:
    """For reading a clone: no prompt, no hook, no fsmonitor, no network, no configuration besides the clone's own.

    A partial clone must not fetch on its own. `safe.directory` is set only for these children, because a container's
    checkout belongs to another user.
    """
    return _base(environ) | _as_variables(_CONFIG)


def scratch_env(environ: Mapping[str, str]) -> dict[str, str]:
    """For reading a scratch repository."""
    return _base(environ) | _as_variables(_CONFIG | _SCRATCH_CONFIG)


def fetching_env(environ: Mapping[str, str], remote: Remote, name: str, *, negotiate: bool) -> dict[str, str]:
    """For a fetch into a scratch repository. The credential is neither in an argument nor in a file.

    With `negotiate` git lists the commits that are here, so that the server sends less; this can take another round trip.
    Only here may git fetch missing objects from the remote, by its `name`: reading must never fetch.
    """
    config = _CONFIG | _SCRATCH_CONFIG | _NETWORK_CONFIG
    config |= {"fetch.negotiationAlgorithm": "default" if negotiate else "noop"}
    config |= {f"remote.{name}.promisor": "true", f"remote.{name}.partialCloneFilter": "blob:none"}
    if remote.authorization:
        config[f"http.{remote.origin}.extraHeader"] = remote.authorization
    network = {name: environ[name] for name in _PROXIES if environ.get(name)} | _authorities(environ)
    scheme = remote.url.partition(":")[0]
    return _base(environ) | network | {"GIT_ALLOW_PROTOCOL": scheme} | _as_variables(config)


def _base(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[name] for name in _INHERITED if name in environ} | _ALWAYS


def _as_variables(config: Mapping[str, str]) -> dict[str, str]:
    variables = {"GIT_CONFIG_COUNT": str(len(config))}
    for number, (key, value) in enumerate(config.items()):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


def _authorities(environ: Mapping[str, str]) -> dict[str, str]:
    """The certificate authorities that the rest of the job trusts: a file, or a folder of them."""
    names = ("GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
    path = next((environ[name] for name in names if environ.get(name)), None)
    return {"GIT_SSL_CAPATH" if Path(path).is_dir() else "GIT_SSL_CAINFO": path} if path else {}


MEMORY = 256 << 20
"""Bytes of anonymous memory for a child. Packs are mapped and do not count, so a repository may be of any size."""
WRITTEN = 4 << 30
"""Bytes of a file that a child may write, and so of one fetch."""
LARGEST = 64 << 20
"""Bytes of output that are read at once."""
_CHUNK = 1 << 16
_CLIP = 2000


class GitResult(NamedTuple):
    """The result of one git command."""

    code: int
    out: bytes
    err: str


class Git:
    """git in one folder, with one environment and one deadline."""

    def __init__(self, root: Path, environ: Mapping[str, str], deadline: Deadline) -> None:
        self.root, self._environ, self._deadline = root, environ, deadline
        self._ahead: dict[tuple[str, ...], subprocess.Popen[bytes]] = {}

    def close(self) -> None:
        """Ends commands that were started ahead and never read."""
        while self._ahead:
            end(self._ahead.popitem()[1])

    def _begin(self, *arguments: str) -> None:
        """Starts a command whose output will probably be read. If it cannot be started, reading raises the error."""
        if arguments not in self._ahead:
            with suppress(CheckoutError):
                self._ahead[arguments] = self._start(arguments)

    def _run(self, *arguments: str, environ: Mapping[str, str] | None = None, given: bytes = b"") -> GitResult:
        """Runs one command until it ends."""
        child = self._start(arguments, environ, given)
        out, complaints = bytearray(), bytearray()
        try:
            for piece in self._chunks(child, complaints, arguments[0]):
                out += piece
                if len(out) > LARGEST:
                    raise _too_large(arguments[0], f"its output is larger than {LARGEST >> 20} MiB")
            code, err = self._wait(child, complaints, arguments[0])
        finally:
            end(child)
        return GitResult(code, bytes(out), err)

    def _stream(self, *arguments: str, given: bytes = b"") -> Iterator[bytes]:
        """The output of one command, as it arrives. The child ends when the reader stops."""
        child = self._start(arguments, given=given)
        complaints = bytearray()
        try:
            yield from self._chunks(child, complaints, arguments[0])
            code, err = self._wait(child, complaints, arguments[0])
        finally:
            end(child)
        if code != 0:
            raise CheckoutError("git could not compare the commits", err, "Check out the whole history.")

    def _chunks(self, child: subprocess.Popen[bytes], complaints: bytearray, command: str) -> Iterator[bytes]:
        """A child's output. Its stderr is collected meanwhile, because a full pipe would block it."""
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
        """The exit code and stderr of a child that closed its output."""
        try:
            code = child.wait(max(self._deadline.remaining(), 0.01))
        except subprocess.TimeoutExpired as error:
            raise _too_slow(command) from error
        err = os.fsdecode(bytes(complaints)).strip()
        if code and "out of memory" in err.lower():
            raise _too_large(command, f"it needs more than {MEMORY >> 20} MiB of memory")
        return code, err

    def _start(
        self, arguments: tuple[str, ...], environ: Mapping[str, str] | None = None, given: bytes = b""
    ) -> subprocess.Popen[bytes]:
        """Starts a command, unless it was started ahead.

        Input that does not fit in a pipe is passed as a file: git may write output before it reads.
        """
        if ahead := self._ahead.pop(arguments, None):
            return ahead
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
                "git cannot be run", "it is not installed, or the folder no longer exists", "Install git in the image."
            ) from error
        except (OSError, ValueError) as error:
            raise CheckoutError("git cannot be run", str(error), "Check the git installation.") from error
        finally:
            if file:
                file.close()


def _limit(pid: int) -> None:
    """Sets the limits of a child that has just started. Only Linux can do this from outside, at no cost."""
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
        "Set services to the names of the changed services, or pass the changed paths (cibeacon services --files-from -).",
    )


def _too_slow(command: str) -> CheckoutError:
    return CheckoutError(
        f"git {command} took too long", "git may use at most half of the timeout", "Set a larger timeout."
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
    """The error if a temporary file cannot be created."""
    return CheckoutError(
        "A temporary file cannot be created", error.strerror or str(error), "Set TMPDIR to a writable folder."
    )


def as_lines(lines: Iterable[str]) -> bytes:
    """The input for a command that reads ASCII lines."""
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def nul_separated(chunks: Iterator[bytes]) -> Iterator[str]:
    """The texts between the NUL bytes of an output."""
    return chain.from_iterable(_texts(chunks))


def _texts(chunks: Iterator[bytes]) -> Iterator[list[str]]:
    rest = b""
    for chunk in chunks:
        complete, nul, rest = (rest + chunk).rpartition(b"\0")
        if nul:
            yield os.fsdecode(complete).split("\0")
