"""Tells history by the local clone alone: merge commits and tags on the default branch. Asks no host.

Squashed and rebased pull requests look like any other commit, so they are counted and never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cibeacon.backfill.export_services import Stretch
from cibeacon.backfill.export_source import Totals, What, Window
from cibeacon.errors import CheckoutError
from cibeacon.git.log import Log, Step
from cibeacon.history import Mark, Merged, family, number_in


class GitSource:
    """One branch of a clone.

    Args:
        revision: the branch.
        numbered: whether merge commits are believed where they name their pull request.
    """

    def __init__(self, log: Log, revision: str, *, numbered: bool) -> None:
        if log.shallow():
            raise CheckoutError(
                "The history cannot be told",
                "the clone is shallow: its oldest commit seems to have brought everything",
                "Fetch the rest (git fetch --unshallow, or fetch-depth: 0).",
            )
        self._log, self._revision, self._numbered = log, revision, numbered

    def merges(self, window: Window, totals: Totals) -> Iterator[Merged]:
        """The merge commits that name their pull request; the others are counted."""
        for step in self._merges(window, totals):
            number = number_in(step.message) if self._numbered else None
            if number is None:
                totals.numberless += 1
            else:
                yield Merged(number, step.sha, step.seconds, base=step.parents[0])

    def stretches(self, merges: Sequence[Merged]) -> list[Stretch]:
        """A merge is compared with its first parent."""
        return [Stretch(each.sha, each.base) for each in merges]

    def marks(self, what: What, window: Window, totals: Totals) -> list[Mark]:
        """Every tag on the branch, or every merge into it."""
        if what == "merges":
            found = self._merges(window, totals)
            return [Mark(each.sha, each.sha, each.seconds, base=each.parents[0]) for each in found]
        tagged: dict[str, list[Mark]] = {}
        for tag in self._log.tags():
            mark = Mark(tag.name, tag.sha, tag.seconds, family(tag.name), name=tag.name)
            tagged.setdefault(tag.sha, []).append(mark)
        on_branch = (tagged.get(step.sha, ()) for step in self._log.mainline(self._revision))
        found_tags = [mark for marks in on_branch for mark in marks]  # of one moment, the order of the branch
        return sorted(found_tags, key=lambda mark: mark.seconds)

    def ended(self, what: What, mark: Mark) -> Mark | None:
        """A tag says nothing of an end."""
        return mark

    def compared(self, mark: Mark, base: str | None) -> Stretch:
        """As the clone has it."""
        return Stretch(mark.sha, base)

    def _merges(self, window: Window, totals: Totals) -> Iterator[Step]:
        for step in self._log.mainline(self._revision):
            if not window.holds(step.seconds):
                continue
            if len(step.parents) > 1:
                yield step
            else:
                totals.single += 1
