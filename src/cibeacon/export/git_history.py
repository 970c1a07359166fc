"""Reads history from the local clone alone: merges and tags on one branch. Asks no forge.

git knows a squashed pull request by its message alone, and a rebased one looks like any other commits: a commit that names
no pull request is counted, and none is guessed.
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
        believes_squashed: whether commits that are no merges may name a pull request; on another branch than the default
            one they may be copies.
        server: where the clone came from, if that is known.
    """

    def __init__(
        self, log: CommitLog, revision: str, options: ExportOptions, *, believes_squashed: bool, server: str | None
    ) -> None:
        if log.shallow():
            raise CheckoutError(
                "The history cannot be read",
                "the clone is shallow: its oldest commit seems to have brought everything",
                "Fetch the rest (git fetch --unshallow, or fetch-depth: 0).",
            )
        self._log, self._revision, self._options = log, revision, options
        self._believes_squashed, self._server = believes_squashed, server

    def merges(self, totals: ExportTotals) -> Iterator[PastMerge]:
        """The commits that name their pull request, in their order; the others are counted.

        A pull request lands once. Where several commits name it, a merge commit is believed, and without one none of them:
        the others may be of a history that was imported, or speak of an issue.
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
        """A merge is compared with its first parent."""
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
        return sorted(on_branch, key=lambda mark: mark.seconds)  # those of one second stay as they are on the branch

    def finish(self, mark: Mark) -> Mark:
        """A tag and a merge know no end."""
        return mark

    def comparison(self, mark: Mark, base: str | None) -> Comparison:
        """A deployment is compared as the clone has it."""
        return Comparison(mark.sha, base)

    def _number(self, step: LoggedCommit, *, is_merge: bool) -> int | None:
        if not self._options.pr_from_messages or not (is_merge or self._believes_squashed):
            return None
        return (number_in(step.message) if is_merge else None) or squashed_number(step.message, self._server)

    def _steps(self) -> Iterator[LoggedCommit]:
        return (step for step in self._log.mainline(self._revision) if self._options.window.holds(step.seconds))
