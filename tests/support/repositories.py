"""Real git repositories for tests: each is a story of one pull request, and knows what that pull request truly changed.

Nobody's git configuration is read, and names and dates are fixed, so the same story has the same commit ids everywhere.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from cibeacon.git.repository import Repository
from cibeacon.runtime.deadline import Deadline
from cibeacon.services import Template
from cibeacon.services.service_map import ServiceMap

SERVICES = ServiceMap({}, (Template.parse("services/{service}/"),))
"""The map that all stories share: a service is a folder below `services/`."""

CHANGED = frozenset({"services/payments/api.py", "services/cart/new.py", "services/old/gone.py", "notes.txt"})
"""What every story's pull request truly changes. A file that it changed and changed back is not among them."""
CHANGED_SERVICES = ("cart", "old", "payments")

_NOON = 1_700_000_000
_NO_UPKEEP = ("-c", "core.fsync=none", "-c", "maintenance.auto=false", "-c", "gc.auto=0")
"""A repository of a test outlives no power cut, and is never tidied up: each would cost time at every commit."""
_FIRST: Mapping[str, str] = {
    "services/payments/api.py": "one\ntwo\n",
    "services/payments/other.py": "one\n",
    "services/cart/cart.py": "one\n",
    "services/search/find.py": "one\n",
    "services/old/gone.py": "one\n",
    "README.md": "one\n",
}


class Worktree:
    """One repository with a worktree, driven by the real git; its clock ticks a minute at each commit."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._ticks = 0

    @classmethod
    def new(cls, root: Path) -> Worktree:
        """An empty repository whose branch is `main`."""
        root.mkdir(parents=True, exist_ok=True)
        made = cls(root)
        made.git("init", "--quiet", "--template=", "--initial-branch=main")
        return made

    def copy(self, root: Path) -> Worktree:
        """The same in another folder, where its clock goes on."""
        made = Worktree(copied(self.root, root))
        made._ticks = self._ticks
        return made

    def git(self, *arguments: str | bytes, check: bool = True, stdin: bytes = b"", **extra: str) -> str:
        """What a git command printed, without the last line break."""
        done = subprocess.run(
            ["git", *_NO_UPKEEP, *arguments],
            cwd=self.root,
            env=self._environ() | extra,
            input=stdin,
            capture_output=True,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"git {arguments}: {os.fsdecode(done.stdout + done.stderr)}")
        return os.fsdecode(done.stdout).strip()

    def write(self, files: Mapping[str, str | None]) -> None:
        """Puts files into the worktree; None deletes one."""
        for name, content in files.items():
            path = Path(os.fsdecode(os.fsencode(self.root) + b"/" + os.fsencode(name)))
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)

    def commit(self, files: Mapping[str, str | None], **extra: str) -> str:
        """The id of a new commit that holds the files as given; None deletes one."""
        self.write(files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=work", **extra)
        return self.tip()

    def tip(self, revision: str = "HEAD") -> str:
        """The commit that a revision names. That of HEAD is read as git keeps it: most tests ask after every commit."""
        if revision == "HEAD" and (self.root / ".git").is_dir():
            head = (self.root / ".git/HEAD").read_text().strip()
            branch = self.root / ".git" / head.removeprefix("ref: ")
            if not head.startswith("ref: ") or branch.is_file():
                self._ticks += 1
                return branch.read_text().strip() if head.startswith("ref: ") else head
        return self.git("rev-parse", "--verify", f"{revision}^{{commit}}")

    def _environ(self) -> dict[str, str]:
        self._ticks += 1
        date = f"{_NOON + 60 * self._ticks} +0000"
        return {
            "PATH": os.environ["PATH"],
            "HOME": os.devnull,
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": "Ann Author",
            "GIT_AUTHOR_EMAIL": "ann@example.com",
            "GIT_AUTHOR_DATE": date,
            "GIT_COMMITTER_NAME": "Con Committer",
            "GIT_COMMITTER_EMAIL": "con@example.com",
            "GIT_COMMITTER_DATE": date,
            "GIT_EDITOR": "true",
        }


@dataclass(frozen=True, slots=True)
class Story:
    """One pull request in one repository, before and after it was merged."""

    root: Path
    method: str
    fork: str
    """The merge base of head and base branch: what GitLab calls `diff_refs.base_sha`."""
    seen: str
    """Tip of the base branch when the pull request was last synchronised: GitHub's `base.sha`, stale."""
    base: str
    """Tip of the base branch just before the merge."""
    head: str
    test_merge: str
    """What GitHub's `refs/pull/N/merge` names while the pull request is open."""
    merge: str
    """The commit that landed on the base branch."""
    squash: str | None = None
    """GitLab's squash commit, which a merge commit may hold."""
    commits: int = 4
    """How many commits the host counts."""

    def at(self, root: Path) -> Story:
        """The same story in another clone."""
        return replace(self, root=root)


def _first(root: Path) -> Worktree:
    made = Worktree.new(root)
    made.commit(_FIRST)
    return made


def _work(tree: Worktree) -> None:
    """The pull request: four commits, one of which takes another back."""
    tree.commit({"services/payments/api.py": "one\ntwo\nthree\n"})
    tree.commit({"services/cart/new.py": "one\n", "services/search/find.py": "changed\n"})
    tree.commit({"services/old/gone.py": None, "notes.txt": "one\n"})
    tree.commit({"services/search/find.py": "one\n"})


def _move_on(tree: Worktree, word: str) -> None:
    """The base branch, meanwhile: three commits, one to a service that the pull request changes as well."""
    tree.git("checkout", "--quiet", "main")
    tree.commit({f"services/{word}/main.py": "one\n"})
    tree.commit({"services/payments/other.py": f"{word}\n"})
    tree.commit({"README.md": f"{word}\n"})


def _merge(tree: Worktree) -> str | None:
    tree.git("merge", "--quiet", "--no-ff", "--message=merge", "feature")
    return None


def _squash(tree: Worktree) -> str | None:
    tree.git("merge", "--quiet", "--squash", "feature")
    tree.git("commit", "--quiet", "--message=squashed")
    return tree.tip()


def _squash_and_merge(tree: Worktree) -> str | None:
    """GitLab with a merge commit and squash: the head itself is in nobody's history."""
    tree.git("checkout", "--quiet", "-b", "squashed", tree.git("merge-base", "main", "feature"))
    tree.git("merge", "--quiet", "--squash", "feature")
    tree.git("commit", "--quiet", "--message=squashed")
    squash = tree.tip()
    tree.git("checkout", "--quiet", "main")
    tree.git("merge", "--quiet", "--no-ff", "--message=merge", "squashed")
    tree.git("branch", "--quiet", "-D", "squashed")
    return squash


def _rebase(tree: Worktree) -> str | None:
    tree.git("checkout", "--quiet", "-b", "rebased", "feature")
    tree.git("rebase", "--quiet", "--force-rebase", "main")
    tree.git("checkout", "--quiet", "main")
    tree.git("merge", "--quiet", "--ff-only", "rebased")
    tree.git("branch", "--quiet", "-D", "rebased")
    return None


def _fast_forward(tree: Worktree) -> str | None:
    tree.git("merge", "--quiet", "--ff-only", "feature")
    return None


def _backwards(tree: Worktree) -> str | None:
    """Somebody merged main into the branch and pushed that as main: the head is the first parent."""
    tree.git("checkout", "--quiet", "--detach", "feature")
    tree.git("merge", "--quiet", "--no-ff", "--message=backwards", "main")
    tree.git("branch", "--quiet", "--force", "main", "HEAD")
    tree.git("checkout", "--quiet", "main")
    return None


METHODS: Mapping[str, Callable[[Worktree], str | None]] = {
    "merge": _merge,
    "squash": _squash,
    "squash-and-merge": _squash_and_merge,
    "rebase": _rebase,
    "fast-forward": _fast_forward,
    "backwards": _backwards,
}
COURSES = ("still", "moved", "updated")
"""What the base branch did meanwhile: nothing, moved on, or moved on and was merged into the branch, and moved again."""
PLOTS = tuple(
    (method, course) for method in METHODS for course in COURSES if (method, course) != ("backwards", "still")
)
"""With a base that stood still, git itself would make no backwards merge."""


def crossed(*others: Iterable[object]) -> list[tuple[object, ...]]:
    """Every method with every combination of the others; the courses take turns, so that each meets each of the others."""
    found = []
    for (order, method), *rest in product(enumerate(METHODS), *map(enumerate, others)):
        courses = [course for name, course in PLOTS if name == method]
        turn = order + sum(index for index, _ in rest)
        found.append((method, courses[turn % len(courses)], *(value for _, value in rest)))
    return found


def open_crossed(*others: Iterable[object]) -> list[tuple[object, ...]]:
    """The same of pull requests that are open."""
    return [
        (COURSES[sum(index for index, _ in each) % len(COURSES)], *(value for _, value in each))
        for each in product(*map(enumerate, others))
    ]


def told(root: Path, method: str, course: str) -> Story:
    """The story of a pull request that was merged by `method` (or is `open`) while the base branch took `course`."""
    tree = _first(root)
    fork = seen = tree.tip()
    tree.git("checkout", "--quiet", "-b", "feature")
    _work(tree)
    commits = 4
    if course != "still":
        _move_on(tree, "moved")
    if course == "updated":
        fork = seen = tree.tip("main")
        tree.git("checkout", "--quiet", "feature")
        tree.git("merge", "--quiet", "--no-ff", "--message=update", "main")
        commits += 1
        _move_on(tree, "again")
    if method == "fast-forward" and course != "still":
        fork = seen = tree.tip("main")
        if course == "updated":
            tree.git("checkout", "--quiet", "feature")
            tree.git("merge", "--quiet", "--no-ff", "--message=update", "main")
            commits += 1
        else:
            tree.git("rebase", "--quiet", "main", "feature")
    base, head = tree.tip("main"), tree.tip("feature")
    test_merge = _test_merge(tree)
    tree.git("checkout", "--quiet", "main")
    squash = None if method == "open" else METHODS[method](tree)
    return Story(root, method, fork, seen, base, head, test_merge, tree.tip("main"), squash, commits)


def _test_merge(tree: Worktree) -> str:
    """GitHub's test merge, kept in the ref that GitHub gives it."""
    tree.git("checkout", "--quiet", "--detach", "main")
    tree.git("merge", "--quiet", "--no-ff", "--message=test", "feature")
    tree.git("update-ref", "refs/pull/7/merge", "HEAD")
    tree.git("update-ref", "refs/pull/7/head", "feature")
    return tree.tip()


def cloned(source: Path, root: Path, *options: str, ref: str = "refs/heads/main") -> Path:
    """A clone as a CI host makes one: an empty repository that fetches one ref, over the transport and not the disk."""
    tree = Worktree.new(root)
    tree.git("remote", "add", "origin", source.as_uri())
    wanted = f"+{ref}:refs/remotes/origin/{ref.removeprefix('refs/heads/').replace('refs/', '')}"
    tree.git("fetch", "--quiet", "--no-tags", *options, "origin", wanted)
    tree.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    return root


def whole_clone(source: Path, root: Path) -> Path:
    """A clone with every branch, tag and pull request, and the whole history."""
    tree = Worktree.new(root)
    tree.git("remote", "add", "origin", source.as_uri())
    tree.git("fetch", "--quiet", "origin", "+refs/heads/*:refs/remotes/origin/*", "+refs/pull/*:refs/remotes/pull/*")
    tree.git("checkout", "--quiet", "--detach", "refs/remotes/origin/main")
    return root


def repository(root: Path, **environ: str) -> Repository:
    """The product's view of a repository, with a home of its own and ample time."""
    home = root.parent / "home"
    home.mkdir(exist_ok=True)
    return Repository(root, {"PATH": os.environ["PATH"], "HOME": str(home)} | environ, ample())


def ample() -> Deadline:
    """More time than any test takes; its clock stands still."""
    return Deadline(60.0, lambda: 0.0, lambda _: None, 0.0)


def fingerprint(root: Path) -> dict[str, str]:
    """Every file and folder below a repository's `.git`, with a hash of its mode and content."""
    found = {}
    for path in sorted((root / ".git").rglob("*")):
        stat = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(root))] = hashlib.sha256(
            f"{stat.st_mode} {stat.st_mtime_ns}".encode() + content
        ).hexdigest()
    return found


def copied(source: Path, root: Path) -> Path:
    """A copy of a repository that a test may spoil."""
    shutil.copytree(source, root, symlinks=True)
    return root
