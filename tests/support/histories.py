"""Long histories for tests: made by `git fast-import` in a moment, with the truth of what every merge and tag brought."""

from __future__ import annotations

import random
import subprocess
from dataclasses import dataclass, field

from repositories import Worktree

SERVICES = ("cart", "mail", "payments", "search", "users")
FIRST_MOMENT = 1_700_000_000
STEP = 3600
"""Seconds between two things that land."""


@dataclass
class History:
    """A repository and what is true of it."""

    root: object
    merges: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Number of the pull request → the services that it changed."""
    moments: dict[int, int] = field(default_factory=dict)
    """Number → when it was merged."""
    shas: dict[int, str] = field(default_factory=dict)
    """Number → the commit that landed."""
    heads: dict[int, str] = field(default_factory=dict)
    """Number → the last commit of its branch."""
    files: dict[int, list[str]] = field(default_factory=dict)
    """Number → every path that it changed."""
    tags: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Tag → the services that changed since the tag before."""
    direct: int = 0
    """Commits on the branch that are no merges."""

    @property
    def until(self):
        return max(self.moments.values()) + 1


class Import:
    """The input of `git fast-import`."""

    def __init__(self):
        self.lines, self.mark = [], 0

    def commit(self, branch, message, moment, files, parent=None, merge=None):
        self.mark += 1
        self.lines += [
            f"commit refs/heads/{branch}",
            f"mark :{self.mark}",
            f"committer Con <con@example.com> {moment} +0000",
            f"data {len(message.encode())}",
            message,
        ]
        self.lines += [f"from :{parent}"] if parent else []
        self.lines += [f"merge :{merge}"] if merge else []
        for path, content in files.items():
            self.lines += [f"M 100644 inline {path}", f"data {len(content)}", content]
        self.lines.append("")
        return self.mark

    def tag(self, name, mark, moment):
        self.lines += [
            f"tag {name}",
            f"from :{mark}",
            f"tagger Tom <tom@example.com> {moment} +0000",
            "data 1",
            "t",
        ]


def merged(root, count, *, seed=7, method="merge", message=None, every=25):
    """`count` pull requests that landed on main, each with a random share of the services; a tag after `every` ones.

    Between them are commits that nobody asked to pull. `method`: `merge`, `squash`, or `mixed` (with rebases).
    """
    dice, told, made = random.Random(seed), History(root), Import()
    Worktree.new(root)
    moment = FIRST_MOMENT
    base = {f"services/{name}/main.py": "0" for name in SERVICES} | {"README.md": "0"}
    tip = made.commit("main", "first", moment, base)
    marks, since, direct = {}, set(SERVICES), 1
    for number in range(1, count + 1):
        moment += STEP
        if dice.random() < 0.2:
            name = dice.choice(SERVICES)
            tip = made.commit("main", "direct", moment - STEP // 2, {f"services/{name}/main.py": f"d{number}"}, tip)
            since.add(name)
            direct += 1
        names = tuple(sorted(dice.sample(SERVICES, dice.randrange(4))))
        files = {f"services/{name}/main.py": str(number) for name in names} | {"README.md": str(number)}
        how = dice.choice(("merge", "squash", "rebase")) if method == "mixed" else method
        paths = sorted(files)
        parts = [dict.fromkeys(paths[:1], str(number)), dict.fromkeys(paths[1:], str(number))]
        text = message(number) if message else f"Merge pull request #{number} from acme/topic-{number}"
        if how == "merge":
            head = made.commit("topic", "work", moment - 60, parts[0], tip)
            head = made.commit("topic", "work", moment - 50, parts[1], head)
            tip = made.commit("main", text, moment, files, tip, merge=head)
        elif how == "squash":
            head = made.commit("topic", "work", moment - 60, parts[0], tip)
            text = message(number) if message else f"Topic (#{number})"
            tip = made.commit("main", text, moment, files, tip)
            direct += 1
        else:
            tip = made.commit("main", "one", moment - 60, parts[0], tip)
            tip = head = made.commit("main", "two", moment, parts[1], tip)
            direct += 2
        marks[number], told.moments[number] = (tip, head), moment
        told.merges[number], told.files[number] = names, sorted(files)
        since |= set(names)
        if every and number % every == 0:
            name = f"v1.{number // every}.0"
            made.tag(name, tip, moment + 60)
            told.tags[name], since = tuple(sorted(since)), set()
    done = subprocess.run(
        ["git", "fast-import", "--quiet", "--export-marks=.git/marks"],
        input="\n".join(made.lines).encode() + b"\n",
        cwd=root,
        check=True,
        capture_output=True,
    )
    assert not done.stdout
    ids = dict(line.split() for line in (root / ".git" / "marks").read_text().splitlines())
    told.shas = {number: ids[f":{tip}"] for number, (tip, _) in marks.items()}
    told.heads = {number: ids[f":{head}"] for number, (_, head) in marks.items()}
    told.direct = direct
    return told
