"""Pushes that merged several pull requests at once: the real repository, and what each forge's API says of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import githttp
from repositories import Worktree

ID_BASE = 9000


@dataclass
class Pull:
    """One pull request of a push."""

    number: int
    base: str
    """Where the base branch stood when it was opened."""
    head: str
    commits: list[str]
    merge: str
    introduced: list[str]
    """Its commits on the base branch."""
    services: list[str]

    def at_github(self) -> dict:
        """GitHub's record."""
        return {
            "number": self.number,
            "id": ID_BASE + self.number,
            "merge_commit_sha": self.merge,
            "head": {"ref": f"feature-{self.number}", "sha": self.head},
            "base": {"ref": "main", "sha": self.base},
            "commits": self.commits,
            "introduced": self.introduced,
            "files": [f"services/{name}/a" for name in self.services],
        }

    def at_gitlab(self) -> dict:
        """GitLab's record."""
        return {
            "iid": self.number,
            "merge_commit_sha": None if self.merge == self.head else self.merge,
            "sha": self.head,
            "source_branch": f"feature-{self.number}",
            "diff_refs": {"base_sha": self.base, "head_sha": self.head, "start_sha": self.base},
            "commits": self.commits,
            "introduced": self.introduced,
            "files": [f"services/{name}/a" for name in self.services],
        }


@dataclass
class Queue:
    """A default branch on which one push is being made."""

    tree: Worktree
    before: str
    pulls: list[Pull] = field(default_factory=list)

    @classmethod
    def new(cls, root: Path) -> Queue:
        """A repository of one commit."""
        tree = Worktree.new(root)
        return cls(tree, tree.commit({"services/old/a": "1", "README.md": "1"}))

    @property
    def after(self) -> str:
        """The tip of the push so far."""
        return self.tree.tip("main")

    def merge(
        self, number: int, method: str, *, count: int = 2, start: str | None = None, service: str | None = None
    ) -> Pull:
        """A pull request of `count` commits to a service, merged by a method."""
        tree, name = self.tree, service or f"s{number}"
        tree.git("checkout", "--quiet", "-b", f"feature-{number}", start or self.before)
        own = [tree.commit({f"services/{name}/{number}{letter}": "1"}) for letter in "abcdef"[:count]]
        tree.git("checkout", "--quiet", "main")
        old = tree.tip()
        if method == "merge":
            tree.git("merge", "--quiet", "--no-ff", "--message=merge", own[-1])
        elif method == "squash":
            tree.git("merge", "--quiet", "--squash", own[-1])
            tree.git("commit", "--quiet", "--message=squash")
        elif method == "rebase":
            tree.git("cherry-pick", f"{own[0]}^..{own[-1]}")
        else:
            tree.git("merge", "--quiet", "--ff-only", own[-1])
        introduced = tree.git("rev-list", "--first-parent", f"{old}..HEAD").split()
        pull = Pull(number, self.before, own[-1], own, tree.tip(), introduced, [name])
        self.pulls.append(pull)
        return pull

    def direct(self, name: str) -> str:
        """A commit that no pull request brought."""
        return self.tree.commit({f"services/{name}/a": "1"})

    def commits(self) -> list[str]:
        """The push's commits as GitHub's payload lists them."""
        return self.tree.git("rev-list", "--reverse", f"{self.before}..{self.after}").split()

    def known(self) -> dict:
        """Every commit and its files, as a forge knows them."""
        lines = [line.split() for line in self.tree.git("rev-list", "--all", "--parents").splitlines()]
        return {
            "parents": {sha: parents for sha, *parents in lines},
            "trees": {sha: self._files(sha) for sha, *_ in lines},
        }

    def _files(self, sha: str) -> dict[str, str]:
        lines = self.tree.git("ls-tree", "-r", sha).splitlines()
        return {line.partition("\t")[2]: line.partition("\t")[0] for line in lines}

    def github(self, server: str, api: str, folder: Path, *, listed: bool = True, **more: object) -> dict[str, str]:
        """The variables of the run that GitHub makes of the push."""
        repository = {"full_name": githttp.REPOSITORY, "default_branch": "main"}
        event = {"ref": "refs/heads/main", "before": self.before, "after": self.after, "repository": repository, **more}
        if listed:
            event["commits"] = [{"id": sha, "message": "work", "distinct": True} for sha in self.commits()]
        path = folder / "event.json"
        path.write_text(json.dumps(event))
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": "push",
            "GITHUB_EVENT_PATH": str(path),
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REPOSITORY": githttp.REPOSITORY,
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_RUN_ID": "77",
            "GITHUB_JOB": "deploy",
            "GITHUB_WORKFLOW": "ship",
            "GITHUB_SHA": self.after,
            "GITHUB_SERVER_URL": server,
            "GITHUB_API_URL": api,
            "GITHUB_TOKEN": githttp.TOKEN,
            "CIBEACON_SERVICES": "services/{service}/",
            "CIBEACON_SPOOL": str(folder / "spool"),
            "HOME": str(folder),
        }

    def gitlab(self, server: str, api: str, folder: Path) -> dict[str, str]:
        """The variables of the job that GitLab makes of the push."""
        return {
            "GITLAB_CI": "true",
            "CI_API_V4_URL": f"{api}/api/v4",
            "CI_COMMIT_BEFORE_SHA": self.before,
            "CI_COMMIT_BRANCH": "main",
            "CI_COMMIT_SHA": self.after,
            "CI_DEFAULT_BRANCH": "main",
            "CI_JOB_ID": "5",
            "CI_JOB_NAME": "deploy",
            "CI_JOB_STATUS": "success",
            "CI_JOB_TOKEN": githttp.TOKEN,
            "CI_PIPELINE_ID": "50",
            "CI_PIPELINE_SOURCE": "push",
            "CI_PROJECT_DIR": str(folder),
            "CI_PROJECT_PATH": githttp.REPOSITORY,
            "CI_SERVER_URL": server,
            "CIBEACON_SERVICES": "services/{service}/",
            "CIBEACON_SPOOL": str(folder / "spool"),
            "HOME": str(folder),
        }


def clone(queue: Queue, root: Path, kind: str) -> Path:
    """What a runner has of the push: everything, the last commit, or nothing."""
    if kind == "no clone":
        root.mkdir()
        return root
    made = Worktree.new(root)
    made.git("remote", "add", "origin", queue.tree.root.as_uri())
    depth = () if kind == "full" else ("--depth=1",)
    made.git("fetch", "--quiet", "--no-tags", *depth, "origin", "+main:refs/remotes/origin/main")
    made.git("checkout", "--quiet", "--detach", "refs/remotes/origin/main")
    return root


def questions(seen: list[str], *parts: str) -> Mapping[str, int]:
    """How often each of the parts was asked for."""
    return {part: sum(part in line for line in seen) for part in parts}
