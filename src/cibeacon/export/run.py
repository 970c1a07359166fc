"""Writes history as rows: which pull requests changed which services, and what was deployed. Sends nothing.

Rows come in the order of history, so a file that was cut off goes on behind its last row; what came before is not
asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from cibeacon.ci.history import Mark, Merged, earlier
from cibeacon.export.rows import Deployed, deployment, pull_services, reference_id
from cibeacon.export.services import Brought, Stretch, Teller
from cibeacon.export.source import Source, Totals, What, Window
from cibeacon.runtime.errors import HostError, SettingsError

_AT_ONCE = 256
"""Merges or deployments that git compares in one go."""
Row = tuple[str, ...]
_Each = TypeVar("_Each")


def pull_service_rows(
    source: Source, teller: Teller, window: Window, repository: str, last: Mapping[str, str] | None, totals: Totals
) -> Iterator[Row]:
    """A row for every merged pull request that changed a service; only those behind the row `last`."""
    merges: Iterator[Merged] = source.merges(window, totals)
    if last:
        merges = _behind(merges, lambda each: str(each.number) == last["pull_number"], totals)
    for some in _chunks(merges):
        told = teller.brought(source.stretches(some))
        for each, brought in zip(some, told, strict=True):
            totals.found += 1
            if _counts(brought, f"#{each.number}", totals):
                totals.rows += 1
                yield pull_services(repository, each.number, brought.services)


def deployment_rows(
    source: Source,
    teller: Teller,
    window: Window,
    what: What,
    common: Deployed,
    last: Mapping[str, str] | None,
    totals: Totals,
    wanted: Callable[[Mark], bool] = lambda _: True,
) -> Iterator[Row]:
    """A row for every service of every deployment; only those behind the row `last`."""
    plan = _Plan(source, teller, what, [mark for mark in source.marks(what, window, totals) if wanted(mark)], totals)
    places: Iterator[int] = iter([at for at, mark in enumerate(plan.marks) if window.holds(mark.seconds)])
    first: Row = ()
    if last:
        service = last["service"]
        places = _behind(
            places,
            lambda at: reference_id(common, plan.marks[at], service) == last["reference_id"],
            totals,
            keep=True,
        )
        first = (last["reference_id"], service)
    for some in _chunks(places):
        for mark, brought in plan.told(some):
            totals.found += 1
            if not _counts(brought, mark.name or mark.ident, totals):
                continue
            services = brought.services
            if first and reference_id(common, mark, first[1]) == first[0]:
                services, first = tuple(name for name in services if name > first[1]), ()
            for name in services:
                totals.rows += 1
                yield deployment(common, mark, name)


class _Plan:
    """Deployments, each with its end, and what came before it."""

    def __init__(self, source: Source, teller: Teller, what: What, marks: Sequence[Mark], totals: Totals) -> None:
        self.marks = marks
        self._source, self._teller, self._what, self._totals = source, teller, what, totals
        self._earlier = earlier(marks)
        self._named, self._strangers = _series(marks, teller)
        self._ends: dict[int, Mark | str | None] = {}

    def told(self, places: Sequence[int]) -> Iterator[tuple[Mark, Brought]]:
        """Each deployment that came to an end, with its services."""
        asked: list[tuple[Mark, Stretch | Brought]] = []
        for at in places:
            mark = self._ended(at)
            if mark is None:
                self._totals.unended += 1
            elif isinstance(mark, str):
                asked.append((self.marks[at], Brought(unknown=mark)))
            elif mark.environment is None and mark.family in self._strangers:
                self._totals.add_stranger(mark.family)
            elif mark.environment is None and mark.family in self._named:
                asked.append((mark, Brought((mark.family,))))
            else:
                asked.append((mark, self._source.compared(mark, mark.base or self._base(at))))
        stretches = [each for _, each in asked if isinstance(each, Stretch)]
        answers = iter(self._teller.brought(stretches, standing=True))
        for mark, each in asked:
            yield mark, next(answers) if isinstance(each, Stretch) else each

    def _base(self, at: int) -> str | None:
        """The commit that was there before: of the last deployment of the same family that did not fail."""
        place = self._earlier[at]
        while place is not None:
            mark = self._ended(place)
            if isinstance(mark, Mark) and mark.success is not False and mark.sha:
                return mark.sha
            place = self._earlier[place]
        return None

    def _ended(self, at: int) -> Mark | str | None:
        """As it ended; None when it did not; why, where the host does not say."""
        if at not in self._ends:
            try:
                self._ends[at] = self._source.ended(self._what, self.marks[at])
            except HostError as error:
                self._ends[at] = f"{error.what} ({error.why})"
        return self._ends[at]


def _series(marks: Sequence[Mark], teller: Teller) -> tuple[set[str], set[str]]:
    """The series of tags that are called after a service, and those after what never was one.

    There are none of the latter where no series is called after a service: then each is of the whole repository.
    """
    tags = [mark for mark in marks if mark.environment is None and mark.family]
    named = {mark.family for mark in tags if mark.family in teller.names()}
    for mark in tags:
        if mark.family not in named and mark.sha and mark.family in teller.names(mark.sha):
            named.add(mark.family)
    others = {mark.family for mark in tags} - named
    named |= teller.ever(others)
    return named, others - named if named else set()


def _counts(brought: Brought, which: str, totals: Totals) -> bool:
    """Whether there is anything to write."""
    if brought.unknown:
        totals.add_unknown(which, brought.unknown)
    elif not brought.services:
        totals.idle += 1
    return bool(brought.services)


def _behind(
    each: Iterable[_Each], is_last: Callable[[_Each], bool], totals: Totals, *, keep: bool = False
) -> Iterator[_Each]:
    """What comes behind the one that a file's last row is about; with `keep` that one too."""
    waiting = iter(each)
    for one in waiting:
        if is_last(one):
            if keep:
                yield one
            yield from waiting
            return
        totals.known += 1
    raise SettingsError(
        "The file cannot be continued",
        "its last row is not in this history",
        "Give the same dates, source and repository as before, or another file.",
    )


def _chunks(each: Iterator[_Each]) -> Iterator[list[_Each]]:
    while some := list(islice(each, _AT_ONCE)):
        yield some
