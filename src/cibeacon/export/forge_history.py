"""Tells history as GitHub or GitLab knows it; the clone says what each commit changed, where it holds them.

The lists that hosts give are in no order that helps, so a short entry a merge or deployment is kept in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol, TypeVar

from cibeacon.ci.history import Mark, Merged, family
from cibeacon.export.services import Stretch
from cibeacon.export.source import Totals, What, Window
from cibeacon.git.log import Log
from cibeacon.runtime.errors import CibeaconError, HostError
from cibeacon.runtime.threads import within

LONGEST = 1800.0
"""Seconds that one question may take, waits for a rate limit included."""
_AT_ONCE = 100
_MOST_REFUSED = 5
_LATER = "Run again later with --append."
_Answer = TypeVar("_Answer")


class Host(Protocol):
    """A host's API. Every question may raise `HostError`."""

    def merged(self, since: int) -> Iterator[Merged]:
        """The pull requests that were merged at `since` or later."""
        ...

    def deployments(self) -> Iterator[Mark]:
        """Every deployment, newest first."""
        ...

    def ended(self, mark: Mark) -> Mark | None:
        """A deployment with its end."""
        ...

    def releases(self) -> Iterator[Mark]:
        """Every release."""
        ...

    def tags(self) -> Iterator[tuple[str, str]]:
        """Every tag with its commit."""
        ...

    def resolved(self, revision: str) -> tuple[str, int]:
        """The id and the time of a commit."""
        ...

    def single(self, number: int) -> tuple[bool, str | None]:
        """Whether a pull request holds a single commit, and what it is to be compared with."""
        ...

    def changed_files(self, number: int) -> tuple[str, ...]:
        """Every path that a pull request changed."""
        ...

    def paths_between(self, base: str, head: str) -> tuple[str, ...]:
        """Every path that differs between two commits."""
        ...


class HostSource:
    """A repository on a host, and its clone where there is one with its whole history."""

    def __init__(self, host: Host, log: Log | None) -> None:
        self._host, self._log = host, log
        self._landed: set[str] = set()
        self._refused = 0

    def merges(self, window: Window, totals: Totals) -> Iterator[Merged]:
        """By the time of the merge."""
        found = {each.number: each for each in self._listed(self._host.merged(window.since))}
        self._landed = {each.sha for each in found.values() if each.sha}
        yield from sorted(
            (each for each in found.values() if window.holds(each.seconds)),
            key=lambda each: (each.seconds, each.number),
        )

    def stretches(self, merges: Sequence[Merged]) -> list[Stretch]:
        """A merge commit is compared with its first parent; of a single commit it must be found out first.

        Behind the commit of another pull request it stands alone; else it may be the last of several that were rebased.
        """
        parents = self._parents([each.sha for each in merges if each.sha])
        return [self._stretch(each, parents.get(each.sha or "")) for each in merges]

    def marks(self, what: What, window: Window, totals: Totals) -> list[Mark]:
        """As the host lists them."""
        if what == "deployments":
            found = self._deployments(window)
        elif what == "releases":
            found = list(self._listed(self._host.releases()))
        else:
            tags = list(self._listed(self._host.tags()))
            moments = self._moments([sha for _, sha in tags])
            found = [Mark(name, sha, moments[sha], family(name), name=name) for name, sha in tags]
        unique = {each.ident: each for each in found}
        return sorted(unique.values(), key=lambda mark: (mark.seconds, len(mark.ident), mark.ident))

    def ended(self, what: What, mark: Mark) -> Mark | None:
        """The commit of a release, and the end of a deployment."""
        if what == "deployments":
            return self._asked(lambda: self._host.ended(mark))
        if mark.sha is None:
            return mark._replace(sha=self._asked(lambda: self._host.resolved(mark.ident))[0])
        return mark

    def compared(self, mark: Mark, base: str | None) -> Stretch:
        """By the clone, else by the host."""
        if base is None or mark.sha is None:
            return Stretch(mark.sha, base)
        before, after = base, mark.sha
        return Stretch(after, before, lambda: self._asked(lambda: self._host.paths_between(before, after)))

    def _stretch(self, each: Merged, parents: tuple[str, ...] | None) -> Stretch:
        def files() -> Sequence[str]:
            return self._asked(lambda: self._host.changed_files(each.number))

        if not parents:
            return Stretch(None, None, files)
        if len(parents) > 1 or each.whole or parents[0] in self._landed:
            return Stretch(each.sha, parents[0], files)
        try:
            alone, base = self._asked(lambda: self._host.single(each.number))
        except HostError:
            return Stretch(None, None, files)  # which will say why
        base = parents[0] if alone else base
        return Stretch(each.sha if base else None, base, files)

    def _parents(self, shas: Sequence[str]) -> dict[str, tuple[str, ...]]:
        if self._log is None:
            return {}
        here = [sha for sha, found in zip(shas, self._log.commits(*shas), strict=True) if found]
        return {step.sha: step.parents for step in self._log.steps(here)}

    def _moments(self, shas: Sequence[str]) -> dict[str, int]:
        """When each commit was made: by the clone, and one question to the host for each that it lacks."""
        here: Iterable[str] = ()
        if self._log:
            here = [sha for sha, found in zip(shas, self._log.commits(*shas), strict=True) if found]
        found = {step.sha: step.seconds for step in self._log.steps(tuple(here))} if self._log else {}
        for sha in shas:
            if sha not in found:
                found[sha] = self._asked(lambda sha=sha: self._host.resolved(sha))[1]  # type: ignore[misc]
        return found

    def _deployments(self, window: Window) -> list[Mark]:
        """Those of the window, and older ones until every environment has one to be compared with."""
        found: list[Mark] = []
        waiting: set[str] = set()
        for mark in self._listed(self._host.deployments()):
            if mark.seconds >= window.until:
                continue
            if mark.seconds >= window.since:
                waiting.add(mark.family)
            elif mark.family in waiting:
                ended = self.ended("deployments", mark)
                if ended and ended.success:
                    waiting.discard(mark.family)
            elif not waiting:
                break
            found.append(mark)
        return found

    def _asked(self, ask: Callable[[], _Answer]) -> _Answer:
        """The answer, in time: the libraries bound each wait and not a whole question.

        One that is refused leaves a row out. A host that refuses one after the other has no more to say.
        """
        try:
            answer = within(LONGEST, ask)
        except TimeoutError as error:
            raise CibeaconError("The host did not answer", "it took over half an hour", _LATER) from error
        except HostError as error:
            self._refused += 1
            if self._refused >= _MOST_REFUSED:
                raise CibeaconError(error.what, error.why, _LATER) from error
            raise
        self._refused = 0
        return answer

    def _listed(self, answers: Iterator[_Answer]) -> Iterator[_Answer]:
        while some := self._asked(lambda: list(islice(answers, _AT_ONCE))):
            yield from some
