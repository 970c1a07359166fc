"""Builds a small real monorepo and merges pull requests in it, with every merge method. Does not know CI systems."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_IDENTITY = {
    "GIT_AUTHOR_NAME": "Dana Dev",
    "GIT_AUTHOR_EMAIL": "dana@shop.example",
    "GIT_COMMITTER_NAME": "Dana Dev",
    "GIT_COMMITTER_EMAIL": "dana@shop.example",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}
_CONFIG = """\
version: 1
services:
  storefront: apps/storefront/
discover:
  - root: services/{service}/
"""
_START = {
    ".cibeacon.yml": _CONFIG,
    "README.md": "shop\n",
    "apps/storefront/index.ts": "export {}\n",
    **{f"services/{name}/main.py": f"{name}\n" for name in ("payments", "orders", "catalog", "search", "mail")},
    "services/catalog/legacy.py": "old\n",
    "tooling/lint.cfg": "strict\n",
}


@dataclass(frozen=True, slots=True)
class Merged:
    """A merged pull request."""

    number: int
    method: str
    base_sha: str
    """The base branch's commit when the pull request was opened; outdated at the time of the merge."""
    head_sha: str
    merge_sha: str
    head_ref: str
    services: tuple[str, ...]
    """The services that it changes."""
    title: str = ""


class Monorepo:
    """A checkout whose commits are ten minutes apart from `began_at` (Unix seconds) on; None uses the current time."""

    def __init__(self, root: Path, environ: Mapping[str, str], *, began_at: int | None = None) -> None:
        self.root = root
        self._time = began_at
        self._environ = {"PATH": environ.get("PATH", os.defpath), "HOME": str(root), **_IDENTITY}
        root.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("remote", "add", "origin", "https://github.com/acme/shop.git")
        self.commit("Start the shop", _START)

    def git(self, *arguments: str) -> str:
        """What a git command prints."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, env=self._environ, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, message: str, files: Mapping[str, str | None]) -> str:
        """Commits files, deleting those given as None; returns the commit's id."""
        for name, content in files.items():
            path = self.root / name
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content, encoding="utf-8")
        self._pass_time()
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def pull_request(
        self,
        number: int,
        method: str,
        commits: list[dict[str, str | None]],
        services: tuple[str, ...],
        title: str = "",
    ) -> Merged:
        """Creates a branch with these commits and merges it by `merge`, `squash` or `rebase` after main has moved on."""
        title = title or f"Change {number}"
        branch, base = f"change-{number}", self.git("rev-parse", "HEAD")
        self.git("switch", "--quiet", "--create", branch)
        for count, files in enumerate(commits, start=1):
            self.commit(f"{title}, part {count}", files)
        head = self.git("rev-parse", "HEAD")
        self.git("switch", "--quiet", "main")
        self.commit(f"Meanwhile on main, before {number}", {"services/mail/main.py": f"mail {number}\n"})
        self._pass_time()
        getattr(self, f"_{method}")(number, branch, title)
        merge = self.git("rev-parse", "HEAD")
        return Merged(number, method, base, head, merge, branch, services, title)

    def _pass_time(self) -> None:
        if self._time is not None:
            self._time += 600
            self._environ |= {"GIT_AUTHOR_DATE": f"@{self._time} +0000", "GIT_COMMITTER_DATE": f"@{self._time} +0000"}

    def _merge(self, number: int, branch: str, title: str) -> None:
        self.git("merge", "--quiet", "--no-ff", "--message", f"Merge pull request #{number}", branch)

    def _squash(self, number: int, branch: str, title: str) -> None:
        self.git("merge", "--quiet", "--squash", branch)
        self.git("commit", "--quiet", "--message", f"{title} (#{number})")

    def _rebase(self, number: int, branch: str, title: str) -> None:
        self.git("cherry-pick", f"main..{branch}")
