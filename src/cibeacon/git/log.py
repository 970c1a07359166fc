"""Reads a branch's whole history with few child processes: commits, tags, changed paths. Knows no host and no service.

In a shallow clone the oldest commit looks as if it had added every file, so callers check `shallow` first.
https://git-scm.com/docs/git-log and https://git-scm.com/docs/git-diff-tree
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cibeacon.git.git_process import as_lines, nul_separated
from cibeacon.git.repository import Repository

_FORMAT = ("-z", "--no-show-signature", "--no-notes", "--no-color", "--format=%H%x00%P%x00%ct%x00%B")
"""Overrides the clone's configuration, which could add output or even run a program."""
_TAGS = "%(refname:strip=2)%00%(objectname)%00%(*objectname)%00%(creatordate:unix)%00"


class LoggedCommit(NamedTuple):
    """A commit in a history."""

    sha: str
    parents: tuple[str, ...]
    seconds: int
    """The time of the commit, Unix seconds."""
    message: str


class Tag(NamedTuple):
    """A tag, and the commit that it points to."""

    name: str
    sha: str
    seconds: int
    """When it was created; for a tag without a date, the time of its commit."""


class ChangedPaths(NamedTuple):
    """The paths that differ between two commits."""

    paths: list[str]
    remaining: list[str]
    """The ones that the later commit still has."""


class CommitLog(Repository):
    """A repository whose history is read from end to end."""

    def mainline(self, revision: str) -> Iterator[LoggedCommit]:
        """A branch along first parents, oldest first. Raises `CheckoutError`, also while it is read."""
        yield from _read_commits(self._stream("log", "--first-parent", "--reverse", *_FORMAT, revision, "--"))

    def commits_by_id(self, shas: Sequence[str]) -> Iterator[LoggedCommit]:
        """Commits by their full ids, in the same order. All of them must be in the repository."""
        if shas:
            given = as_lines(shas)
            yield from _read_commits(self._stream("log", "--no-walk=unsorted", "--stdin", *_FORMAT, given=given))

    def changed_paths(self, pairs: Sequence[tuple[str, str | None]]) -> Iterator[ChangedPaths]:
        """For each pair of a commit and its base, every path that differs. Raises `CheckoutError`.

        The base is None only for a commit without parents: then all its paths differ.
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
        """Every tag that may point to a commit."""
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
    """The paths after each commit's id. A path always follows a mode, so it cannot be mistaken for an id."""
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
