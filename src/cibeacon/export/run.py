"""Turns history into rows: which pull requests changed which services, and what was deployed. Writes nothing.

Rows are in the order of history, so an incomplete file continues after its last row; earlier entries are not requested again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from cibeacon.ci.history import Mark, earlier
from cibeacon.export.options import ExportOptions, ExportTotals
from cibeacon.export.rows import ExportRow, deployment_row, pull_services_row, reference_id
from cibeacon.export.service_history import Comparison, HistoricServices, ServiceHistory
from cibeacon.runtime.errors import HostError, SettingsError

if TYPE_CHECKING:
    from cibeacon.export.forge_history import ForgeHistory
    from cibeacon.export.git_history import GitHistory

    History: TypeAlias = GitHistory | ForgeHistory

_CHUNK = 256
"""Merges or deployments that git compares at once."""
_Item = TypeVar("_Item")


def pull_services_rows(
    history: History,
    services: ServiceHistory,
    options: ExportOptions,
    last: Mapping[str, str] | None,
    totals: ExportTotals,
) -> Iterator[ExportRow]:
    """A row for every merged pull request that changed a service; only those after the row `last`."""
    merges = history.merges(totals)
    if last:
        merges = _behind(merges, lambda merged: str(merged.number) == last["pull_number"], totals)
    for chunk in _chunks(merges):
        changes = services.changes(history.comparisons(chunk))
        for merged, changed in zip(chunk, changes, strict=True):
            if _has_row(changed, f"#{merged.number}", totals):
                totals.rows += 1
                yield pull_services_row(options, merged.number, changed.services)


def deployment_rows(
    history: History,
    services: ServiceHistory,
    options: ExportOptions,
    last: Mapping[str, str] | None,
    totals: ExportTotals,
) -> Iterator[ExportRow]:
    """A row for every service of every deployment; only those after the row `last`."""
    marks = [mark for mark in history.marks(totals) if options.includes(mark)]
    deployments = _Deployments(history, services, marks, totals)
    indexes: Iterator[int] = iter([index for index, mark in enumerate(marks) if options.window.holds(mark.seconds)])

    def is_last(mark: Mark) -> bool:
        return last is not None and reference_id(options, mark, last["service"]) == last["reference_id"]

    if last:
        indexes = _behind(indexes, lambda index: is_last(marks[index]), totals, keep=True)
    for chunk in _chunks(indexes):
        for mark, changed in deployments.changes(chunk):
            if not _has_row(changed, mark.name or mark.ident, totals):
                continue
            for service in changed.services:
                if last and is_last(mark) and service <= last["service"]:
                    continue  # it is in the file
                totals.rows += 1
                yield deployment_row(options, mark, service)


class _Deployments:
    """Deployments, each with its result and the deployment before it."""

    def __init__(self, history: History, services: ServiceHistory, marks: Sequence[Mark], totals: ExportTotals) -> None:
        self._history, self._services, self._marks, self._totals = history, services, marks, totals
        self._earlier = earlier(marks)
        self._series, self._foreign_series = _tag_series(marks, services)
        self._finished: dict[int, Mark | str | None] = {}

    def changes(self, indexes: Sequence[int]) -> Iterator[tuple[Mark, HistoricServices]]:
        """The finished ones of these deployments, each with its services."""
        answers: list[tuple[Mark, Comparison | HistoricServices]] = []
        for index in indexes:
            mark = self._finish(index)
            if mark is None:
                self._totals.unfinished += 1
            elif isinstance(mark, str):
                answers.append((self._marks[index], HistoricServices(unknown=mark)))
            elif mark.environment is None and mark.family in self._foreign_series:
                self._totals.add_foreign_tag(mark.family)
            elif mark.environment is None and mark.family in self._series:
                answers.append((mark, HistoricServices((mark.family,))))
            else:
                answers.append((mark, self._history.comparison(mark, mark.base or self._base(index))))
        comparisons = [answer for _, answer in answers if isinstance(answer, Comparison)]
        compared = iter(self._services.changes(comparisons, only_existing=True))
        for mark, answer in answers:
            yield mark, next(compared) if isinstance(answer, Comparison) else answer

    def _base(self, index: int) -> str | None:
        """The commit deployed before: that of the last deployment of the same family that did not fail."""
        before = self._earlier[index]
        while before is not None:
            mark = self._finish(before)
            if isinstance(mark, Mark) and mark.success is not False and mark.sha:
                return mark.sha
            before = self._earlier[before]
        return None

    def _finish(self, index: int) -> Mark | str | None:
        """The deployment with its result; None if it has none; the error if the forge does not give it."""
        if index not in self._finished:
            try:
                self._finished[index] = self._history.finish(self._marks[index])
            except HostError as error:
                self._finished[index] = f"{error.what} ({error.why})"
        return self._finished[index]


def _tag_series(marks: Sequence[Mark], services: ServiceHistory) -> tuple[set[str], set[str]]:
    """The series of tags named after a service, and those named after something that never was one.

    The latter is empty if no series is named after a service: then every tag is for the whole repository.
    """
    tags = [mark for mark in marks if mark.environment is None and mark.family]
    series = {mark.family for mark in tags if mark.family in services.names_at(None)}
    for mark in tags:
        if mark.family not in series and mark.sha and mark.family in services.names_at(mark.sha):
            series.add(mark.family)
    others = {mark.family for mark in tags} - series
    series |= services.ever(others)
    return series, others - series if series else set()


def _has_row(changed: HistoricServices, name: str, totals: ExportTotals) -> bool:
    """Whether an entry changed a service; counts it."""
    totals.entries += 1
    if changed.unknown:
        totals.add_unknown(name, changed.unknown)
    elif not changed.services:
        totals.unchanged += 1
    return bool(changed.services)


def _behind(
    items: Iterable[_Item], is_last: Callable[[_Item], bool], totals: ExportTotals, *, keep: bool = False
) -> Iterator[_Item]:
    """The items after the one in the file's last row; with `keep` including that one."""
    iterator = iter(items)
    for item in iterator:
        if is_last(item):
            if keep:
                yield item
            yield from iterator
            return
        totals.continued += 1
    raise SettingsError(
        "The file cannot be continued",
        "its last row is not in this history",
        "Use the same dates, source and repository as before, or another file.",
    )


def _chunks(items: Iterator[_Item]) -> Iterator[list[_Item]]:
    while chunk := list(islice(items, _CHUNK)):
        yield chunk
