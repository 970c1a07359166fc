"""Knows commits as a forge's API sees them: who came before whom, and which files a tree holds. Does not know git."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

Tree: TypeAlias = Mapping[str, str]
"""Path → anything that is the same exactly when the files are."""


class Commits:
    """The commits of a repository.

    Args:
        parents: the ids of each commit's parents.
        trees: the files of each commit, as far as anybody wants to compare them.
    """

    def __init__(self, parents: Mapping[str, Sequence[str]], trees: Mapping[str, Tree]) -> None:
        self._parents, self._trees = parents, trees
        self._depths: dict[str, int] = {}

    def __contains__(self, sha: str) -> bool:
        return sha in self._parents

    def parents(self, sha: str) -> Sequence[str]:
        """The ids of a commit's parents."""
        return self._parents.get(sha, ())

    def history(self, sha: str) -> list[str]:
        """A commit and all before it, children first."""
        found: dict[str, None] = {}
        waiting = [sha]
        while waiting:
            each = waiting.pop()
            if each not in found:
                found[each] = None
                waiting += self.parents(each)
        return sorted(found, key=lambda each: -self._depth(each))

    def between(self, base: str, head: str) -> list[str]:
        """What `head` holds beyond `base`, oldest first."""
        held = set(self.history(base))
        return [sha for sha in reversed(self.history(head)) if sha not in held]

    def merge_base(self, one: str, other: str) -> str | None:
        """The best common ancestor; None when there is none."""
        held = set(self.history(one))
        return next((sha for sha in self.history(other) if sha in held), None)

    def differing(self, base: str, head: str) -> Iterator[tuple[str, bool, bool]]:
        """Every path whose file differs, and on which of the two sides it is."""
        old, new = self._trees.get(base, {}), self._trees.get(head, {})
        for path in sorted({*old, *new}):
            if old.get(path) != new.get(path):
                yield path, path in old, path in new

    def _depth(self, sha: str) -> int:
        """The length of the longest way to the first commit."""
        depths, waiting = self._depths, [sha]
        while waiting:
            each = waiting[-1]
            if each in depths:
                waiting.pop()
                continue
            unknown = [parent for parent in self.parents(each) if parent not in depths]
            if unknown:
                waiting += unknown
                continue
            depths[each] = 1 + max((depths[parent] for parent in self.parents(each)), default=0)
        return depths[sha]
