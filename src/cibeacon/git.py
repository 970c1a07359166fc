"""The only git: reads one repository's objects with plumbing commands. Knows no host and no service; writes nothing.

Every child has an environment of its own (`gitenv`), ends with the time budget, and takes its helpers along.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import IO

from cibeacon import gitenv
from cibeacon.budget import Budget
from cibeacon.context import Checkout
from cibeacon.errors import CheckoutError

_CHUNK = 1 << 16
_CLIP = 2000
_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?", re.ASCII)


def toplevel(start: Path) -> Path:
    """The top of the checkout that holds `start`, or `start` itself outside any."""
    return next((folder for folder in (start, *start.parents) if (folder / ".git").exists()), start)


class Repository:
    """One repository on disk. A question that it cannot answer is None; a broken one is a `CheckoutError`."""

    fetched = False
    trouble: CheckoutError | None = None
    """A repository on disk asks no server, so it never has trouble with one."""

    def __init__(self, root: Path, environ: Mapping[str, str], budget: Budget) -> None:
        self._root, self._budget = root, budget
        self._environ = gitenv.reading(environ)

    def commit(self, revision: str) -> str | None:
        """The full id of the commit that a SHA or ref names, when its tree is here."""
        found = self.tip(revision)
        return found if found and self._ask("cat-file", "-e", f"{found}^{{tree}}") is not None else None

    def tip(self, revision: str) -> str | None:
        """The full id of the commit that a SHA or ref names, with or without its tree."""
        if not revision or revision.startswith("-"):
            return None
        return self._ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")

    def parents(self, sha: str) -> tuple[str, ...] | None:
        """A commit's parents, read from the object itself: a shallow clone hides them from revision syntax."""
        if not _SHA.fullmatch(sha):
            return None
        text = self._ask("cat-file", "commit", sha)
        if text is None:
            return None
        headers = text.partition("\n\n")[0].split("\n")
        return tuple(line.removeprefix("parent ") for line in headers if line.startswith("parent "))

    def is_ancestor(self, older: str, newer: str) -> bool | None:
        """Whether `newer` holds `older`. In a shallow clone only a yes can be trusted."""
        code, _, _ = self._run("merge-base", "--is-ancestor", older, newer)
        if code == 0:
            return True
        return False if code == 1 and not self.shallow() else None

    def merge_base(self, one: str, *others: str) -> str | None:
        """The best common ancestor; None in a shallow clone, where a better one may be hidden."""
        return None if self.shallow() else self._ask("merge-base", one, *others)

    def previous_tag(self, sha: str) -> str | None:
        """The commit of the nearest tag before `sha`."""
        name = None if self.shallow() else self._ask("describe", "--tags", "--abbrev=0", f"{sha}^")
        return self.tip(f"refs/tags/{name}") if name else None

    def shallow(self) -> bool:
        """True when history is cut."""
        return self._ask("rev-parse", "--is-shallow-repository") == "true"

    def paths(self, base: str, head: str) -> Iterator[str]:
        """Every path that differs between two commits' trees, in git's order; both sides of a move.

        They come as git finds them. A comparison that fails raises `CheckoutError` here, or while they are read.
        """
        found = _names(
            self._stream(
                "diff-tree", "-r", "-z", "--name-only", "--no-renames", "--ignore-submodules=none", base, head, "--"
            )
        )
        first = next(found, None)
        return iter(()) if first is None else chain((first,), found)

    def text(self, commit: str, path: str) -> bytes | None:
        """The content of a file in a commit's tree."""
        code, out, _ = self._run("cat-file", "blob", f"{commit}:{path}")
        return out if code == 0 else None

    def entries(self, commit: str, *options: str) -> Iterator[str]:
        """A line of `git ls-tree` for every file in a commit's tree; with `-d` for every folder."""
        return _names(self._stream("ls-tree", "-r", "-z", "--full-tree", *options, commit, "--"))

    def batch(self, form: str, blobs: Iterable[str]) -> bytes:
        """What `git cat-file` says of many objects at once: `--batch` or `--batch-check`."""
        from tempfile import TemporaryFile

        with TemporaryFile() as asked:
            asked.write("".join(f"{blob}\n" for blob in blobs).encode("ascii"))
            asked.seek(0)
            return b"".join(self._stream("cat-file", form, given=asked))

    def objects(self) -> Path | None:
        """Where the objects are; a linked worktree shares another repository's."""
        found = self._ask("rev-parse", "--git-path", "objects")
        return (self._root / found).resolve() if found else None

    def lacks_trees(self) -> bool:
        """True for a partial clone that may leave out folders, not only files."""
        filters = self._ask("config", "--get-regexp", r"^remote\..*\.partialclonefilter$") or ""
        return any(not line.rpartition(" ")[2].startswith("blob:") for line in filters.splitlines())

    def checkout(self) -> Checkout:
        """The remote, the commit and the branches, for a repository outside CI."""
        remote_head = self._ask("symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD")
        names = ("main", "master")
        return Checkout(
            remote_url=self._ask("config", "--get", "remote.origin.url"),
            head=self._ask("rev-parse", "--verify", "--quiet", "HEAD"),
            branch=self._ask("symbolic-ref", "--quiet", "--short", "HEAD"),
            default_branch=remote_head.removeprefix("origin/")
            if remote_head
            else next((name for name in names if self.commit(f"refs/heads/{name}")), None),
        )

    def _ask(self, *arguments: str) -> str | None:
        code, out, err = self._run(*arguments)
        if code == 128 and "not a git repository" in err:
            raise CheckoutError(
                "There is no git repository here",
                f"git found none in {self._root} or above",
                "Check out the repository before this step (actions/checkout), or run inside it.",
            )
        return os.fsdecode(out).strip() if code == 0 else None

    def _run(self, *arguments: str, environ: Mapping[str, str] | None = None) -> tuple[int, bytes, str]:
        """Exit code, stdout and stderr of one git command, inside the budget."""
        child = self._start(arguments, environ)
        try:
            out, err = child.communicate(timeout=self._budget.remaining())
        except subprocess.TimeoutExpired as error:
            raise _late(arguments[0]) from error
        finally:
            _end(child)
        return child.returncode, out, os.fsdecode(err).strip()

    def _stream(self, *arguments: str, given: IO[bytes] | None = None) -> Iterator[bytes]:
        """What one git command prints, as it comes. The child ends when nobody reads on."""
        child, complaints = self._start(arguments, given=given), bytearray()
        try:
            yield from self._chunks(child, complaints, arguments[0])
            code = child.wait(max(self._budget.remaining(), 0.01))
        except subprocess.TimeoutExpired as error:
            raise _late(arguments[0]) from error
        finally:
            _end(child)
        if code != 0:
            err = os.fsdecode(bytes(complaints)).strip()
            raise CheckoutError("git could not compare the commits", err, "Check out with the whole history.")

    def _chunks(self, child: subprocess.Popen[bytes], complaints: bytearray, command: str) -> Iterator[bytes]:
        """A child's output, while its complaints are put aside: a full pipe of either would stop it."""
        pipes = [pipe for pipe in (child.stdout, child.stderr) if pipe]
        while pipes:
            ready, _, _ = select.select(pipes, [], [], self._budget.remaining())
            if not ready:
                raise _late(command)
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
        given: IO[bytes] | None = None,
    ) -> subprocess.Popen[bytes]:
        if self._budget.remaining() <= 0:
            raise _late(arguments[0])
        try:
            return subprocess.Popen(
                ["git", "--no-pager", *arguments],
                cwd=self._root,
                env=self._environ if environ is None else environ,
                stdin=given or subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=0,
            )
        except FileNotFoundError as error:
            raise CheckoutError(
                "git cannot be run", "it is not installed here, or the folder is gone", "Install git in the image."
            ) from error
        except (OSError, ValueError) as error:
            raise CheckoutError("git cannot be run", str(error), "Check the installation of git.") from error


def _end(child: subprocess.Popen[bytes]) -> None:
    """Leaves nothing behind: neither the child nor its helper for the network, which would go on alone."""
    if child.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    for pipe in (child.stdout, child.stderr):
        if pipe:
            pipe.close()


def _names(chunks: Iterator[bytes]) -> Iterator[str]:
    """The names between NUL bytes."""
    rest = b""
    for chunk in chunks:
        whole, found, rest = (rest + chunk).rpartition(b"\0")
        if found:
            yield from os.fsdecode(whole).split("\0")


def _late(command: str) -> CheckoutError:
    return CheckoutError(
        f"git {command} took too long", "half of the time budget is git's at most", "Give a larger timeout."
    )
