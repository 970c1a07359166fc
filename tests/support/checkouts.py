"""What a CI system may leave in a job's folder: one repository in several shapes, the same commit ids everywhere.

`main` holds two commits, `old` and `base`; the pull request's branch begins at `old`, and its tip is `head`. `base` changed
the service cart, the pull request payments.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from repositories import Worktree

REMOTE = "https://github.com/acme/shop.git"
JENKINS = {"GIT_AUTHOR_NAME": "Jenkins", "GIT_AUTHOR_EMAIL": "nobody@nowhere"}


class Shape(NamedTuple):
    """A folder, and the ids of its commits by name."""

    root: Path
    ids: dict[str, str]


def shapes(folder: Path):
    """Makes each shape once, by name: see `SHAPES`."""
    return cache(lambda name: SHAPES[name](folder / name))


def _repository(root: Path) -> tuple[Worktree, dict[str, str]]:
    made = Worktree.new(root)
    old = made.commit({"services/payments/a.py": "1\n", "services/cart/a.py": "1\n"})
    made.git("checkout", "--quiet", "-b", "topic")
    head = made.commit({"services/payments/a.py": "2\n"})
    made.git("checkout", "--quiet", "main")
    base = made.commit({"services/cart/a.py": "2\n"})
    made.git("remote", "add", "origin", REMOTE)
    made.git("update-ref", "refs/remotes/origin/main", base)
    return made, {"old": old, "base": base, "head": head}


def _none(root: Path) -> Shape:
    root.mkdir()
    return Shape(root, {"old": "0a" * 20, "base": "0b" * 20, "head": "0c" * 20})


def _main(root: Path) -> Shape:
    return Shape(root, _repository(root)[1])


def _head(root: Path) -> Shape:
    made, ids = _repository(root)
    made.git("checkout", "--quiet", "--force", "--detach", ids["head"])
    return Shape(root, ids)


def _merge(first: str, second: str, **author: str):
    def make(root: Path) -> Shape:
        made, ids = _repository(root)
        made.git("checkout", "--quiet", "--force", "--detach", ids[first])
        made.git("merge", "--quiet", "--no-ff", "--message=merged for the job", ids[second], **author)
        return Shape(root, {**ids, "merge": made.tip()})

    return make


def _fast_forward(root: Path) -> Shape:
    """The branch holds all of main, so that merging the one into the other made no commit."""
    made, ids = _repository(root)
    made.git("checkout", "--quiet", "--force", "-b", "later", ids["base"])
    head = made.commit({"services/payments/a.py": "3\n"})
    made.git("checkout", "--quiet", "--detach", head)
    return Shape(root, {**ids, "head": head})


def _tags(root: Path) -> Shape:
    made, ids = _repository(root)
    made.git("tag", "v1.0.0", ids["old"])
    made.git("tag", "v1.1.0", ids["base"])
    return Shape(root, ids)


def _shallow(root: Path) -> Shape:
    made, ids = _repository(root.with_name("shallow-source"))
    source = f"file://{made.root}"
    made.git("clone", "--quiet", "--depth=1", "--branch=main", source, str(root))
    Worktree(root).git("remote", "set-url", "origin", REMOTE)
    return Shape(root, ids)


SHAPES = {
    "none": _none,
    "main": _main,
    "head": _head,
    "merge, base first": _merge("base", "head"),
    "merge, head first": _merge("head", "base"),
    "merge by Jenkins": _merge("head", "base", **JENKINS),
    "merge by a stranger as Jenkins": _merge("base", "head", **JENKINS),
    "fast-forward": _fast_forward,
    "tags": _tags,
    "shallow": _shallow,
}
"""Name → how it is made. `merge, base first` has the pull request's head as its second parent, and so on."""
