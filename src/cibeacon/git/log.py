"""Reads a branch's whole history by few children: its commits, its tags, what each brought. Knows no host and no service.

A shallow clone shows its oldest commit as if it had brought every file, so whoever asks looks at `shallow` first.
https://git-scm.com/docs/git-log and https://git-scm.com/docs/git-diff-tree
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cibeacon.git.git_process import listed, names
from cibeacon.git.repository import Repository

_FIELDS = "%H%x00%P%x00%ct%x00%B"
_PLAIN = ("--no-show-signature", "--no-notes", "--no-color")
"""The clone's configuration may ask for more, and even for a program that is run."""
_TAGS = "%(refname:strip=2)%00%(objectname)%00%(*objectname)%00%(creatordate:unix)%00"


class Step(NamedTuple):
    """A commit as its history tells it."""

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


class Touched(NamedTuple):
    """What differs between two commits."""

    paths: list[str]
    kept: list[str]
    """Those of them that the later commit still has."""


class Log(Repository):
    """A repository whose history is read from end to end."""

    def mainline(self, revision: str) -> Iterator[Step]:
        """A branch along first parents, oldest first. Raises `CheckoutError`, also while it is read."""
        yield from _steps(self._stream("log", "--first-parent", "--reverse", "-z", *_PLAIN, *_form(), revision, "--"))

    def steps(self, shas: Sequence[str]) -> Iterator[Step]:
        """Commits by their full ids, all of which must be here, in the same order."""
        if shas:
            with listed(shas) as given:
                yield from _steps(
                    self._stream("log", "--no-walk=unsorted", "--stdin", "-z", *_PLAIN, *_form(), given=given)
                )

    def touched(self, pairs: Sequence[tuple[str, str | None]]) -> Iterator[Touched]:
        """For each commit and the one it is compared with, every path that differs; None stands for no commit at all.

        Only a commit without parents is compared with none. Raises `CheckoutError`.
        """
        if not pairs:
            return
        with listed([f"{sha} {base}" if base else sha for sha, base in pairs]) as given:
            said = names(
                self._stream(
                    *("diff-tree", "--stdin", "-r", "-z", "--raw", "--root", "--always", "--no-renames"),
                    "--ignore-submodules=none",
                    given=given,
                )
            )
            yield from _grouped(said)

    def tags(self) -> Iterator[Tag]:
        """Every tag that names a commit, or seems to."""
        said = names(self._stream("for-each-ref", f"--format={_TAGS}", "refs/tags/"))
        for name, direct, peeled, seconds in _fours(said):
            if seconds.isdecimal():
                yield Tag(name.removeprefix("\n"), peeled or direct, int(seconds))


def _form() -> tuple[str, ...]:
    return (f"--format={_FIELDS}",)


def _steps(chunks: Iterator[bytes]) -> Iterator[Step]:
    for sha, parents, seconds, message in _fours(names(chunks)):
        yield Step(sha, tuple(parents.split()), int(seconds), message)


def _fours(tokens: Iterator[str]) -> Iterator[tuple[str, str, str, str]]:
    return zip(tokens, tokens, tokens, tokens, strict=False)


def _grouped(tokens: Iterator[str]) -> Iterator[Touched]:
    """The paths behind each commit's id. A path always follows a mode, so none can pass for an id."""
    found: Touched | None = None
    for token in tokens:
        if token.startswith(":") and found is not None:
            path = next(tokens)
            found.paths.append(path)
            if not token.endswith("D"):
                found.kept.append(path)
            continue
        if found is not None:
            yield found
        found = Touched([], [])
    if found is not None:
        yield found
