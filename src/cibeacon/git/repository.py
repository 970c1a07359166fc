"""Reads one repository's objects with plumbing commands. Knows no host and no service.

It writes nothing. `git_process` starts and ends git.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from cibeacon.git import BRANCH, OWN, TRACKING, git_process, is_readable
from cibeacon.git.git_process import Git, GitResult, as_lines, nul_separated
from cibeacon.model.context import Checkout, NamedCommit
from cibeacon.model.payload import SHA
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import CheckoutError, ServiceMapError

LARGEST_FILE = 4 << 20
"""Bytes of one file of the repository, such as the configuration, CODEOWNERS or a build graph."""
MOST_ENTRIES = 5_000_000
"""Files or folders in one tree."""
_COMPARISON = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", "--ignore-submodules=none")
_SHORT = r"[0-9a-f]{7,39}"
_HEADS, _ORIGIN = BRANCH, f"{TRACKING}origin/"
_DEFAULT_BRANCHES = ("main", "master")
_TAG_FIELDS = "--format=%(objectname)%09%(*objectname)%09%(refname:strip=2)"
_MOST_TAGS = 500
"""Candidate tags, newest first. Bounded, because they are command line arguments."""
_COMMIT = ("cat-file", "commit")
_LOOK_UP = ("cat-file", "--batch-check=%(objectname)")
_URL = ("config", "--get", "remote.origin.url")
_REFS = (
    *("for-each-ref", "--format=%(refname)%09%(symref)%09%(HEAD)"),
    *(_HEADS, *(f"{_ORIGIN}{name}" for name in ("HEAD", *_DEFAULT_BRANCHES))),
)
"""The local branches, with a star at the checked-out one; the remote's likely default branches, and the target of its
HEAD."""


class Repository(Git):
    """One repository on disk. Answers are None if unknown; a broken repository raises `CheckoutError`.

    Answers are cached: the repository does not change while cibeacon reads it.
    """

    fetched = False
    fetch_error: CheckoutError | None = None
    """A repository on disk fetches nothing."""

    def __init__(self, root: Path, environ: Mapping[str, str], deadline: Deadline) -> None:
        super().__init__(root, git_process.reading_env(environ), deadline)
        self._commits: dict[str, str | None] = {}
        self._expected: tuple[str, ...] = ()
        self._results: dict[tuple[str, ...], GitResult] = {}

    @property
    def exists(self) -> bool:
        """Whether there is a checkout at all."""
        return os.path.exists(self.root / ".git")  # noqa: PTH110 - False if the folder may not be read

    def complaint(self) -> str | None:
        """git's message if it cannot read the repository at all."""
        result = self._result("rev-parse", "--git-dir")
        return None if result.code == 0 else result.err or f"exit code {result.code}"

    def depth(self) -> int:
        """How many commits of the checked-out history are here."""
        count = self._ask("rev-list", "--count", "HEAD") or ""
        return int(count) if count.isdecimal() else 0

    def commit(self, revision: str) -> str | None:
        """The full id of the commit that a SHA or ref names, if its tree is here."""
        return self.commits(revision)[0]

    def commits(self, *revisions: str) -> tuple[str | None, ...]:
        """`commit` for several revisions, with one child."""
        if new := dict.fromkeys(revision for revision in revisions if revision not in self._commits):
            self._look_up(tuple(filter(is_readable, new | dict.fromkeys(self._expected))))
            self._expected = ()
        return tuple(self._commits.get(revision) for revision in revisions)

    def expect(self, *revisions: str) -> None:
        """Lets the first lookup include these."""
        self._expected = revisions

    def _look_up(self, revisions: tuple[str, ...]) -> None:
        """Caches the commit of each. git stops at the first object that a partial clone lacks."""
        while revisions:
            given = "".join(f"{revision}^{{{kind}}}\n" for revision in revisions for kind in ("commit", "tree"))
            out = self._checked(self._run(*_LOOK_UP, given=os.fsencode(given))).out
            ids = [line if SHA.fullmatch(line) else None for line in os.fsdecode(out).split("\n")[:-1]]
            pairs = zip(ids[::2], ids[1::2], strict=False)
            commits = [*(commit if tree else None for commit, tree in pairs), None]
            self._commits |= dict(zip(revisions, commits, strict=False))
            revisions = revisions[len(commits) :]

    def named(self, revision: str) -> NamedCommit | None:
        """The commit that a revision names, in any of git's forms."""
        sha, own = self.commit(revision), re.fullmatch(OWN, revision)
        if sha is None:
            return None
        id_ = own["id"] if own else None
        is_own = own is not None and (id_ is None or (self.commit(id_) or "").startswith(id_))
        return NamedCommit(sha, revision.removeprefix(TRACKING).removeprefix(BRANCH), local=not is_own)

    def tip(self, revision: str) -> str | None:
        """The full id of the commit that a SHA or ref names, with or without its tree."""
        if not revision or revision.startswith("-"):
            return None
        return self._ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")

    def parents(self, sha: str) -> tuple[str, ...] | None:
        """A commit's parents, read from the object itself: a shallow clone hides them from revision syntax."""
        return self._headers(sha, "parent ")

    def author(self, sha: str) -> str | None:
        """The author of a commit, as `name <address>`."""
        lines = self._headers(sha, "author ")
        return lines[0].rpartition(">")[0] + ">" if lines else None

    def _headers(self, sha: str, name: str) -> tuple[str, ...] | None:
        """The values of a commit's headers with this name."""
        full = self.commit(sha) if re.fullmatch(_SHORT, sha) else sha if SHA.fullmatch(sha) else None
        text = self._ask(*_COMMIT, full) if full else None
        if text is None:
            return None
        headers = text.partition("\n\n")[0].split("\n")
        return tuple(line.removeprefix(name) for line in headers if line.startswith(name))

    def is_ancestor(self, older: str, newer: str) -> bool | None:
        """Whether `older` is an ancestor of `newer`. In a shallow clone only a yes is certain."""
        code = self._result("merge-base", "--is-ancestor", older, newer).code
        if code == 0:
            return True
        return False if code == 1 and not self.shallow() else None

    def merge_base(self, one: str, *others: str) -> str | None:
        """The best common ancestor; None in a shallow clone, which may lack a better one."""
        return None if self.shallow() else self._ask("merge-base", one, *others)

    def first_parents(self, before: str, after: str) -> tuple[str, ...] | None:
        """The commits in `after` that are not in `before`, oldest first, along first parents; None if some are missing."""
        if not SHA.fullmatch(before) or not SHA.fullmatch(after):
            return None
        output = self._ask("rev-list", "--first-parent", "--reverse", after, f"^{before}", "--")
        commits = tuple(output.split()) if output else ()
        if not commits or (self.shallow() and (self.parents(commits[0]) or ())[:1] != (before,)):
            return None
        return commits

    def previous_tag(self, sha: str, wanted: Callable[[str], bool]) -> NamedCommit | None:
        """The nearest tag before `sha` whose name `wanted` accepts; None in a shallow clone, which may lack one."""
        output = self._ask("for-each-ref", f"--merged={sha}", "--sort=-creatordate", _TAG_FIELDS, "refs/tags/")
        tags = [line.split("\t") for line in output.split("\n")] if output and not self.shallow() else []
        names = [name for direct, peeled, name in tags if wanted(name) and sha not in (direct, peeled)]
        if not names:
            return None
        among = (f"--match={name}" for name in names[:_MOST_TAGS])  # tag names cannot contain wildcards
        name = self._ask("describe", "--tags", "--abbrev=0", *among, sha)
        tip = self.tip(f"refs/tags/{name}") if name else None
        return NamedCommit(tip, str(name), local=True) if tip else None

    def shallow(self) -> bool:
        """True for a clone without its whole history."""
        return self._ask("rev-parse", "--is-shallow-repository") == "true"

    def paths(self, base: str, head: str) -> Iterator[str]:
        """Every path that differs between two commits' trees, in git's order; both paths of a moved file.

        They are read as git prints them. A comparison that fails raises `CheckoutError` here, or while they are read.
        """
        paths = nul_separated(self._stream(*_COMPARISON, base, head, "--"))
        first = next(paths, None)
        return iter(()) if first is None else chain((first,), paths)

    def compare(self, base: str, head: str) -> None:
        """Starts git for `paths`, which will be read later. git prints nothing before it has found all paths."""
        self._begin(*_COMPARISON, base, head, "--")

    def text(self, commit: str, path: str) -> bytes | None:
        """The content of a file in a commit's tree. Raises `ServiceMapError` for a file larger than `LARGEST_FILE`."""
        blob = f"{commit}:{path}"
        size = self._ask("cat-file", "-s", blob) or ""
        if size.isdecimal() and int(size) > LARGEST_FILE:
            raise ServiceMapError(
                f"{path[:200]} cannot be used", f"it is larger than {LARGEST_FILE >> 20} MiB", "Make it smaller."
            )
        result = self._run("cat-file", "blob", blob)
        return result.out if result.code == 0 else None

    def has_any(self, commit: str, *paths: str) -> bool:
        """Whether any of the paths is in a commit's tree."""
        return bool(self._ask("ls-tree", "--name-only", "--full-tree", commit, "--", *paths))

    def has_checked_out(self, sha: str) -> bool:
        """Whether this commit is checked out, according to the repository's files: this needs no child process."""
        try:
            head = (self.root / ".git/HEAD").read_text().strip()
            if head.startswith("ref: refs/"):
                head = (self.root / ".git" / head.removeprefix("ref: ")).read_text().strip()
            return head == sha
        except (OSError, ValueError):
            return False

    def entries(self, commit: str, *options: str) -> Iterator[str]:
        """A line of `git ls-tree` for every file in a commit's tree; with `-d` for every folder.

        Raises `CheckoutError`, also while they are read, and for a tree with more than `MOST_ENTRIES`.
        """
        for count, entry in enumerate(
            nul_separated(self._stream("ls-tree", "-r", "-z", "--full-tree", *options, commit, "--"))
        ):
            if count >= MOST_ENTRIES:
                raise CheckoutError(
                    f"The files of commit {commit[:12]} cannot be listed",
                    f"there are more than {MOST_ENTRIES:,}",
                    "Set services to names or templates.",
                )
            yield entry

    def batch(self, form: str, blobs: Iterable[str]) -> bytes:
        """The output of `git cat-file` for many objects at once, with `--batch` or `--batch-check`."""
        return b"".join(self._stream("cat-file", form, given=as_lines(blobs)))

    def objects(self) -> Path | None:
        """The folder of the objects; a linked worktree uses another repository's."""
        path = self._ask("rev-parse", "--git-path", "objects")
        return (self.root / path).resolve() if path else None

    def lacks_trees(self) -> bool:
        """True for a partial clone that may lack trees, not only file contents."""
        filters = self._ask("config", "--get-regexp", r"^remote\..*\.partialclonefilter$") or ""
        return any(not line.rpartition(" ")[2].startswith("blob:") for line in filters.splitlines())

    def remote_url(self) -> str | None:
        """The URL that it was cloned from."""
        return self._ask(*_URL)

    def checkout(self) -> Checkout:
        """The remote, the commit and the branches of a repository outside CI."""
        for question in {_REFS, _URL} - self._results.keys():  # so that three children run at once
            self._begin(*question)
        head = self.commit("HEAD")
        lines = [line.split("\t") for line in (self._ask(*_REFS) or "").split("\n")]
        refs = {name: (more or [""])[0] for name, *more in lines}
        branch = next((fields[0] for fields in lines if fields[-1] == "*"), None)
        branch = branch or self._ask("symbolic-ref", "--quiet", "HEAD") or ""  # it may have no commits yet
        url, remote_head = self.remote_url(), refs.get(f"{_ORIGIN}HEAD", "")
        if url and not remote_head:  # its target may no longer exist
            remote_head = self._ask("symbolic-ref", "--quiet", f"{_ORIGIN}HEAD") or ""
        likely = (name for kind in (_ORIGIN, _HEADS) for name in _DEFAULT_BRANCHES if f"{kind}{name}" in refs)
        return Checkout(
            remote_url=url,
            head=head or self._ask("rev-parse", "--verify", "--quiet", "HEAD"),
            branch=branch.removeprefix(_HEADS) or None,
            default_branch=remote_head.removeprefix(_ORIGIN) or next(likely, None),
        )

    def _ask(self, *arguments: str) -> str | None:
        result = self._checked(self._result(*arguments))
        return os.fsdecode(result.out).strip() if result.code == 0 else None

    def _result(self, *arguments: str) -> GitResult:
        """`_run`, but only once for the same arguments."""
        if arguments not in self._results:
            self._results[arguments] = self._run(*arguments)
        return self._results[arguments]

    def _checked(self, result: GitResult) -> GitResult:
        """The result, unless git says that there is no repository."""
        if result.code == 128 and "not a git repository" in result.err:
            raise CheckoutError(
                "There is no git repository here",
                f"git found none in {self.root} or above",
                "Check out the repository before this step, or run inside it.",
            )
        return result
