"""The only git: reads one repository's objects with plumbing commands. Knows no host and no service; writes nothing.

Children get an environment of their own: no prompt, no hook, no fsmonitor, no network (a partial clone must not fetch
behind our back), and `safe.directory` for this process alone, since a container's checkout belongs to another user.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from cibeacon.budget import Budget
from cibeacon.context import Checkout
from cibeacon.errors import CheckoutError

_CONFIG = {
    "safe.directory": "*",
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.packedGitWindowSize": "1m",
    "core.packedGitLimit": "8m",
}
_KEPT = ("PATH", "HOME", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH")
_NO_INDEX = "/nonexistent/cibeacon/index"
"""git diff-tree would read the checkout's whole index, though comparing two trees needs none."""
_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?", re.ASCII)


def toplevel(start: Path) -> Path:
    """The top of the checkout that holds `start`, or `start` itself outside any."""
    return next((folder for folder in (start, *start.parents) if (folder / ".git").exists()), start)


class Repository:
    """One repository on disk. A question that it cannot answer is None; a broken one is a `CheckoutError`."""

    def __init__(self, root: Path, environ: Mapping[str, str], budget: Budget) -> None:
        self._root, self._budget = root, budget
        self._environ = _child_environment(environ)

    def commit(self, revision: str) -> str | None:
        """The full id of the commit that a SHA or ref names, when its tree is here."""
        if not revision or revision.startswith("-"):
            return None
        found = self._ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        return found if found and self._ask("cat-file", "-e", f"{found}^{{tree}}") is not None else None

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
        return self.commit(f"refs/tags/{name}") if name else None

    def shallow(self) -> bool:
        """True when history is cut."""
        return self._ask("rev-parse", "--is-shallow-repository") == "true"

    def paths(self, base: str, head: str) -> list[str]:
        """Every path that differs between two commits' trees; both sides of a move."""
        code, out, err = self._run(
            "diff-tree", "-r", "-z", "--name-only", "--no-renames", "--ignore-submodules=none", base, head, "--"
        )
        if code != 0:
            raise CheckoutError("git could not compare the commits", err, "Check out with the whole history.")
        return os.fsdecode(out).split("\0")[:-1]

    def text(self, commit: str, path: str) -> bytes | None:
        """The content of a file in a commit's tree."""
        code, out, _ = self._run("cat-file", "blob", f"{commit}:{path}")
        return out if code == 0 else None

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

    def _run(self, *arguments: str) -> tuple[int, bytes, str]:
        """Exit code, stdout and stderr of one git command, inside the budget."""
        seconds = self._budget.remaining()
        if seconds <= 0:
            raise _late(arguments[0])
        try:
            done = subprocess.run(
                ["git", "--no-pager", *arguments],
                cwd=self._root,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except FileNotFoundError as error:
            raise CheckoutError(
                "git cannot be run", "it is not installed here, or the folder is gone", "Install git in the image."
            ) from error
        except subprocess.TimeoutExpired as error:
            raise _late(arguments[0]) from error
        except (OSError, ValueError) as error:
            raise CheckoutError("git cannot be run", str(error), "Check the installation of git.") from error
        return done.returncode, done.stdout, os.fsdecode(done.stderr).strip()


def _late(command: str) -> CheckoutError:
    return CheckoutError(
        f"git {command} took too long", "half of the time budget is git's at most", "Give a larger timeout."
    )


def _child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: environ[name] for name in _KEPT if name in environ}
    config = {"GIT_CONFIG_COUNT": str(len(_CONFIG))}
    for number, (key, value) in enumerate(_CONFIG.items()):
        config |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return (
        kept
        | config
        | {
            "LC_ALL": "C",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_INDEX_FILE": _NO_INDEX,
        }
    )
