"""A repository of our own to fetch into, thrown away at the end. Never touches the user's clone; knows no rule.

It borrows the clone's objects and tells the server that it holds the commit that is checked out and nothing before it:
so only the folders that differ from it travel, and one round of questions is enough.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from cibeacon.git import git_env
from cibeacon.git.remote import Remote
from cibeacon.git.repository import Repository
from cibeacon.model.payload import SHA
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import CheckoutError

What: TypeAlias = Literal["trees", "parents", "graph", "files"]
"""What is fetched of a commit: its folders; those of its parents as well; its whole history with nothing in it; or,
by their own ids, files."""

_OPTIONS: Mapping[What, tuple[str, ...]] = {
    "trees": ("--depth=1", "--filter=blob:none"),
    "parents": ("--depth=2", "--filter=blob:none"),
    "graph": ("--filter=tree:0",),
    "files": ("--filter=blob:none",),  # what is asked for by its own id is sent whatever the filter
}
_GRAPH_WITH_TREES = ("--filter=blob:none",)
_ALWAYS = (
    "--quiet",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-gc",
    "--no-recurse-submodules",
    "--refmap=",
)
SHA256_DIGITS = 64
_ABSENT = re.compile(r"not our ref ([0-9a-f]{40,64})|couldn't find remote ref (\S+)")
_NO_TREE_FILTER = re.compile(r"filter '?tree|filter-spec", re.IGNORECASE)
_UNREACHED = (
    r"could not resolve|(?:failed|couldn't|unable) to connect|connection (?:refused|reset|timed out)|ssl|certificate"
)
_LONGEST_COMPLAINT = 300


class Unfetched(CheckoutError):
    """A fetch brought nothing."""


class Absent(Unfetched):
    """The server answered, and has no such commit or ref: `name`."""

    def __init__(self, name: str, fault: str) -> None:
        super().__init__(f"the server does not have {name[:100]}", fault, "")
        self.name = name


class Borrowed:
    """What a scratch repository may take from the clone: its objects, and the commit that they are complete for.

    `whole`: its history is lent, too, and not its folders alone.
    """

    def __init__(self, objects: Path, head: str, *, whole: bool = False) -> None:
        self.objects, self.head, self.whole = objects, head, whole

    @classmethod
    def of(cls, local: Repository) -> Borrowed | None:
        """None where the clone leaves out folders, or where git's list of lenders could not name its place."""
        objects, head = local.objects(), local.commit("HEAD")
        if objects is None or head is None or local.lacks_trees():
            return None
        odd = str(objects).startswith(('"', "#")) or "\n" in str(objects)
        return None if odd else cls(objects, head)

    @classmethod
    def history_of(cls, local: Repository) -> Borrowed | None:
        """The same with the history; None where the clone's own is cut."""
        found = None if local.shallow() else cls.of(local)
        return cls(found.objects, found.head, whole=True) if found else None


class Scratch(Repository):
    """A bare repository in a folder of our own. Its remotes are asked in their order, and the first alone for a name:

    another project's branch of the same name is another branch.
    """

    def __init__(
        self,
        root: Path,
        remotes: Sequence[Remote],
        environ: Mapping[str, str],
        deadline: Deadline,
        borrowed: Borrowed | None = None,
        *,
        frank: bool = False,
        wide: bool = False,
    ) -> None:
        """`frank` tells the server what is here already. Nothing borrowed is not worth that round of questions.

        `wide`: the objects have SHA-256 ids.
        """
        super().__init__(root, environ, deadline)
        self._environ = git_env.scratch(environ)
        self._job, self._remotes, self._frank = environ, remotes, frank
        self._brought: set[str] = set()
        _lay_out(root, remotes, borrowed, wide=wide)

    def brought(self, name: str) -> str | None:
        """The commit that was fetched by a name."""
        return self.tip(_kept(name))

    def has(self, name: str, what: What) -> bool:
        """True when a commit needs no fetch any more: it was fetched, borrowed, or came along."""
        if name in self._brought:
            return True
        if not SHA.fullmatch(name):
            return False
        if what == "files":
            return self._ask("cat-file", "-e", name) is not None
        return (self.tip(name) if what == "graph" else self.commit(name)) is not None

    def fetch(self, what: What, *names: str) -> None:
        """Fetches commits by full id, or refs by name, in one go. Raises `Unfetched`, as `Absent` where that is why.

        Each is kept under a ref of its own, so that a later fetch can say that it is here.
        """
        self._commits.clear()
        self._told.clear()
        specs = names if what == "files" else [f"+{name}:{_kept(name)}" for name in names]
        faults = []
        by_id = all(SHA.fullmatch(name) for name in names)
        for number, remote in enumerate(self._remotes if by_id else self._remotes[:1]):
            frank = self._frank and what != "files"
            environ = git_env.fetching(self._job, remote, f"r{number}", frank=frank)
            place = (*_ALWAYS, "--", f"r{number}", *specs)
            code, _, err = self._run("fetch", *_OPTIONS[what], *place, environ=environ)
            if code != 0 and what == "graph" and _NO_TREE_FILTER.search(err):
                code, _, err = self._run("fetch", *_GRAPH_WITH_TREES, *place, environ=environ)
            if code == 0:
                self._brought.update(names)
                return
            faults.append(_fault(remote, names, err))
        raise next((fault for fault in faults if not isinstance(fault, Absent)), faults[0])

    def blob(self, commit: str, path: str) -> str | None:
        """The id of a file's content in a commit's tree; None when there is no such file."""
        return self._ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}:{path}")

    def content(self, blob: str, path: str) -> bytes | None:
        """The content with an id, which stands at a path. Raises `ServiceMapError` for one over `LARGEST_FILE`."""
        return self._file(blob, path)


def _kept(name: str) -> str:
    """The ref that holds what was fetched by a name or id. Names may begin alike, which refs that are files may not."""
    if name.startswith("refs/"):
        return name
    if SHA.fullmatch(name):
        return f"refs/cibeacon/{name}"
    return f"refs/cibeacon/named/{name.replace('%', '%25').replace('/', '%2F')}"


def _lay_out(root: Path, remotes: Sequence[Remote], borrowed: Borrowed | None, *, wide: bool) -> None:
    """An empty bare repository, written by hand: `git init` costs a child and copies somebody's templates.

    Extensions, such as another form of ids, are read from version 1 on
    (https://git-scm.com/docs/repository-version).
    """
    for folder in ("objects/info", "objects/pack", "refs/cibeacon"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "HEAD").write_text("ref: refs/heads/nothing\n")
    config = f"[core]\n\trepositoryFormatVersion = {int(wide)}\n\tbare = true\n"
    config += "[extensions]\n\tobjectFormat = sha256\n" if wide else ""
    for number, remote in enumerate(remotes):
        config += f'[remote "r{number}"]\n\turl = "{remote.url}"\n'
    (root / "config").write_text(config)
    if borrowed:
        (root / "objects/info/alternates").write_bytes(bytes(borrowed.objects) + b"\n")
        (root / "refs/cibeacon/checkout").write_text(f"{borrowed.head}\n")
        if not borrowed.whole:
            (root / "shallow").write_text(f"{borrowed.head}\n")


def _fault(remote: Remote, names: Sequence[str], complaint: str) -> Unfetched:
    """What git said, as an error of ours: only the end of it, where the reason stands."""
    lines = [line for line in complaint.splitlines() if line.strip()]
    words = " / ".join(lines[-3:])
    if len(words) > _LONGEST_COMPLAINT:
        words = words[-_LONGEST_COMPLAINT:].partition(" ")[2]  # half a word may be half a secret, which nobody knows
    absent = _ABSENT.search(complaint)
    if absent and (name := absent[1] or absent[2]) in names:
        return Absent(name, words)
    return Unfetched(
        f"what is missing in the checkout could not be fetched from {remote.url}",
        words,
        "Check that the job reaches this server: its network, proxy and certificates"
        if re.search(_UNREACHED, complaint, re.IGNORECASE)
        else remote.access,
    )
