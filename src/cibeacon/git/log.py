"""Reads a branch's whole history with few children: its commits, its tags, what they changed. Knows no host and no service.

A shallow clone shows its oldest commit as if it had brought every file, so callers check `shallow` first.
https://git-scm.com/docs/git-log and https://git-scm.com/docs/git-diff-tree
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cibeacon.git.git_process import as_lines, nul_separated
from cibeacon.git.repository import Repository

_FORMAT = ("-z", "--no-show-signature", "--no-notes", "--no-color", "--format=%H%x00%P%x00%ct%x00%B")
"""The clone's configuration may ask for more, and even for a program that is run."""
_TAGS = "%(refname:strip=2)%00%(objectname)%00%(*objectname)%00%(creatordate:unix)%00"


class LoggedCommit(NamedTuple):
    """A commit in a history."""

    sha: str
    parents: tuple[str, ...]
    seconds: int
    """When it was committed, Unix seconds."""
    message: str


class Tag(NamedTuple):
    """A tag, and the commit that it names in the end."""

    name: str
    sha: str
    seconds: int
    """When it was made; of a tag without a date of its own, when its commit was."""


class ChangedPaths(NamedTuple):
    """What differs between two commits."""

    paths: list[str]
    remaining: list[str]
    """Those of them that the later commit still has."""


class CommitLog(Repository):
    """A repository whose history is read from end to end."""

    def mainline(self, revision: str) -> Iterator[LoggedCommit]:
        """A branch along first parents, oldest first. Raises `CheckoutError`, also while it is read."""
        yield from _read_commits(self._stream("log", "--first-parent", "--reverse", *_FORMAT, revision, "--"))

    def commits_by_id(self, shas: Sequence[str]) -> Iterator[LoggedCommit]:
        """Commits by their full ids, all of which must be here, in the same order."""
        if shas:
            given = as_lines(shas)
            yield from _read_commits(self._stream("log", "--no-walk=unsorted", "--stdin", *_FORMAT, given=given))

    def changed_paths(self, pairs: Sequence[tuple[str, str | None]]) -> Iterator[ChangedPaths]:
        """For each commit and the one it is compared with, every path that differs; None stands for no commit at all.

        Only a commit without parents is compared with none. Raises `CheckoutError`.
        """
        if not pairs:
            return
        output = self._stream(
            *("diff-tree", "--stdin", "-r", "-z", "--raw", "--root", "--always", "--no-renames"),
            "--ignore-submodules=none",
            given=as_lines(f"{sha} {base}" if base else sha for sha, base in pairs),
        )
        yield from _grouped(nul_separated(output))

    def tags(self) -> Iterator[Tag]:
        """Every tag that names a commit, or seems to."""
        tokens = nul_separated(self._stream("for-each-ref", f"--format={_TAGS}", "refs/tags/"))
        for name, direct, peeled, seconds in _fours(tokens):
            if seconds.isdecimal():
                yield Tag(name.removeprefix("\n"), peeled or direct, int(seconds))


def _read_commits(chunks: Iterator[bytes]) -> Iterator[LoggedCommit]:
    for sha, parents, seconds, message in _fours(nul_separated(chunks)):
        yield LoggedCommit(sha, tuple(parents.split()), int(seconds), message)


def _fours(tokens: Iterator[str]) -> Iterator[tuple[str, str, str, str]]:
    return zip(tokens, tokens, tokens, tokens, strict=False)


def _grouped(tokens: Iterator[str]) -> Iterator[ChangedPaths]:
    """The paths behind each commit's id. A path always follows a mode, so none can pass for an id."""
    changed: ChangedPaths | None = None
    for token in tokens:
        if token.startswith(":") and changed is not None:
            path = next(tokens)
            changed.paths.append(path)
            if not token.endswith("D"):
                changed.remaining.append(path)
            continue
        if changed is not None:
            yield changed
        changed = ChangedPaths([], [])
    if changed is not None:
        yield changed
