"""Tells history by the local clone alone: merges and tags on the default branch. Asks no host.

A squashed pull request is known by its message alone, and a rebased one looks like any other commits: what names none is
counted and never guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from cibeacon.ci.history import Mark, Merged, family, number_in, squashed_number
from cibeacon.export.services import Stretch
from cibeacon.export.source import Totals, What, Window
from cibeacon.git.log import Log, Step
from cibeacon.runtime.errors import CheckoutError


class GitSource:
    """One branch of a clone.

    Args:
        revision: the branch.
        numbered: whether commits are believed where they name their pull request.
        squashed: whether those are that are no merges; on another branch than the default one they may be copies.
        server: where the clone came from, if it is known.
    """

    def __init__(
        self, log: Log, revision: str, *, numbered: bool, squashed: bool = True, server: str | None = None
    ) -> None:
        if log.shallow():
            raise CheckoutError(
                "The history cannot be told",
                "the clone is shallow: its oldest commit seems to have brought everything",
                "Fetch the rest (git fetch --unshallow, or fetch-depth: 0).",
            )
        self._log, self._revision, self._numbered = log, revision, numbered
        self._squashed, self._server = squashed, server

    def merges(self, window: Window, totals: Totals) -> Iterator[Merged]:
        """The commits that name their pull request; the others are counted.

        A pull request lands once. Where several name it, a merge commit is believed, and without one none of them: the
        others may be of a history that was imported, or speak of an issue.
        """
        found: list[tuple[Merged, bool]] = []
        for step in self._steps(window):
            merge = len(step.parents) > 1
            if number := self._number(step, merge=merge):
                base = next(iter(step.parents), None)
                found.append((Merged(number, step.sha, step.seconds, base=base), merge))
            elif merge:
                totals.numberless += 1
            else:
                totals.single += 1
        named = Counter(each.number for each, _ in found)
        for each, merge in found:
            if merge or named[each.number] == 1:
                yield each
            else:
                totals.doubled += 1

    def _number(self, step: Step, *, merge: bool) -> int | None:
        if not self._numbered or not (merge or self._squashed):
            return None
        return (number_in(step.message) if merge else None) or squashed_number(step.message, self._server)

    def stretches(self, merges: Sequence[Merged]) -> list[Stretch]:
        """A merge is compared with its first parent."""
        return [Stretch(each.sha, each.base) for each in merges]

    def marks(self, what: What, window: Window, totals: Totals) -> list[Mark]:
        """Every tag on the branch, or every merge into it."""
        if what == "merges":
            found: list[Mark] = []
            for step in self._steps(window):
                if len(step.parents) > 1:
                    found.append(Mark(step.sha, step.sha, step.seconds, base=step.parents[0]))
                else:
                    totals.single += 1
            return found
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

    def _steps(self, window: Window) -> Iterator[Step]:
        return (step for step in self._log.mainline(self._revision) if window.holds(step.seconds))
