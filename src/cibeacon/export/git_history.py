"""Reads history only from the local clone: merges and tags on one branch. Queries no forge.

In git, only the message identifies a squashed pull request, and a rebased one looks like any other commits. A commit without
a pull request number is counted; no number is guessed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from cibeacon.ci.history import Mark, PastMerge, number_in, squashed_number
from cibeacon.export.options import ExportOptions, ExportTotals
from cibeacon.export.service_history import Comparison
from cibeacon.git import tag_series
from cibeacon.git.log import CommitLog, LoggedCommit
from cibeacon.runtime.errors import CheckoutError


class GitHistory:
    """One branch of a clone.

    Args:
        revision: the branch.
        believes_squashed: whether to trust pull request numbers in commits that are not merges; outside the default
            branch they may be copies.
        server: the server that the clone came from, if known.
    """

    def __init__(
        self, log: CommitLog, revision: str, options: ExportOptions, *, believes_squashed: bool, server: str | None
    ) -> None:
        if log.shallow():
            raise CheckoutError(
                "The history cannot be read",
                "the clone is shallow, so its oldest commit seems to contain every change",
                "Fetch the rest (git fetch --unshallow, or fetch-depth: 0).",
            )
        self._log, self._revision, self._options = log, revision, options
        self._believes_squashed, self._server = believes_squashed, server

    def merges(self, totals: ExportTotals) -> Iterator[PastMerge]:
        """The commits with a pull request number, in order; the others are counted.

        A pull request is merged once. If several commits have its number, only merge commits count: the others may be of an
        imported history or refer to an issue.
        """
        merges: list[tuple[PastMerge, bool]] = []
        for step in self._steps():
            is_merge = len(step.parents) > 1
            if number := self._number(step, is_merge=is_merge):
                base = next(iter(step.parents), None)
                merges.append((PastMerge(number, step.sha, step.seconds, base=base), is_merge))
            elif is_merge:
                totals.unnumbered += 1
            else:
                totals.plain_commits += 1
        named = Counter(merged.number for merged, _ in merges)
        for merged, is_merge in merges:
            if is_merge or named[merged.number] == 1:
                yield merged
            else:
                totals.ambiguous += 1

    def comparisons(self, merges: Sequence[PastMerge]) -> list[Comparison]:
        """Compares each merge with its first parent."""
        return [Comparison(merged.sha, merged.base) for merged in merges]

    def marks(self, totals: ExportTotals) -> list[Mark]:
        """Every tag on the branch, or every merge into it, oldest first."""
        if self._options.of == "merges":
            steps = list(self._steps())
            merges = [step for step in steps if len(step.parents) > 1]
            totals.plain_commits += len(steps) - len(merges)
            return [Mark(step.sha, step.sha, step.seconds, base=step.parents[0]) for step in merges]
        tags: dict[str, list[Mark]] = defaultdict(list)
        for tag in self._log.tags():
            tags[tag.sha].append(Mark(tag.name, tag.sha, tag.seconds, tag_series(tag.name), name=tag.name))
        on_branch = [mark for step in self._log.mainline(self._revision) for mark in tags.get(step.sha, ())]
        return sorted(on_branch, key=lambda mark: mark.seconds)  # within a second, the branch's order remains

    def finish(self, mark: Mark) -> Mark:
        """Tags and merges have no result."""
        return mark

    def comparison(self, mark: Mark, base: str | None) -> Comparison:
        """Compares a deployment in the clone."""
        return Comparison(mark.sha, base)

    def _number(self, step: LoggedCommit, *, is_merge: bool) -> int | None:
        if not self._options.pr_from_messages or not (is_merge or self._believes_squashed):
            return None
        return (number_in(step.message) if is_merge else None) or squashed_number(step.message, self._server)

    def _steps(self) -> Iterator[LoggedCommit]:
        return (step for step in self._log.mainline(self._revision) if self._options.window.holds(step.seconds))
