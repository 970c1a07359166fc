"""Knows how a row becomes a signal, and everything that keeps it from becoming one. Does not know files or networks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from cibeacon.backfill import identity
from cibeacon.backfill.columns import OURS, Column, Kind, unknown
from cibeacon.backfill.parsers import About
from cibeacon.model.signals import Deployment, PipelineRun, PullServices
from cibeacon.sinks import dx

_SHOWN = 60


class Fault(NamedTuple):
    """One thing that is wrong with a row, and what to do about it."""

    row: int
    """As a spreadsheet counts: the header is row 1. In NDJSON, the line."""
    column: str
    """Empty for the row as a whole."""
    what: str
    mend: str

    def __str__(self) -> str:
        place = f"row {self.row}, {self.column}" if self.column else f"row {self.row}"
        return f"{place}: {self.what}. {self.mend}".rstrip()


class Row(NamedTuple):
    """A row that can be told."""

    signal: identity.Told
    content: bytes
    """What it says, in one spelling: rows that say the same have the same."""
    order: str
    """What its calls must keep their order for: a pull request, a service, a run."""


class Refused(NamedTuple):
    """A row that cannot be told, with every fault of it; `order` where it is known all the same."""

    faults: tuple[Fault, ...]
    order: str | None = None


def read(kind: Kind, number: int, cells: Mapping[str, str], about: About) -> Row | Refused:
    """The row that these cells say. Empty cells count as absent."""
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    columns = kind.by_name
    for name, given in cells.items():
        if not (stripped := given.strip()) or name in OURS:
            continue
        column = columns.get(name)
        if column is None:
            faults.append(Fault(number, name, "is no field of this call", unknown(kind, name)))
            continue
        try:
            values[column.field or name] = _read(column, stripped, about)
        except ValueError as error:
            faults.append(Fault(number, name, f"{_quoted(stripped)} {error}", column.mend))
    named = {fault.column for fault in faults}
    faults += [
        Fault(number, column.name, "is empty, and DX requires it", column.mend)
        for column in kind.columns
        if column.required and (column.field or column.name) not in values and column.name not in named
    ]
    order = identity.order(kind.signal, values)
    if faults:
        return Refused(tuple(faults), order)
    signal, content = identity.signal(kind.signal, values)
    if what := _whole(signal):
        return Refused((Fault(number, "", what[0], what[1]),), order)
    return Row(signal, content, order or identity.text(content))


def _read(column: Column, given: str, about: About) -> Any:
    if any("\ud800" <= character <= "\udfff" for character in given):
        raise ValueError("is not UTF-8")
    return column.read(given, about)


def _quoted(given: str) -> str:
    return json.dumps(given if len(given) <= _SHOWN else f"{given[:_SHOWN]}…", ensure_ascii=False)


def _whole(signal: Deployment | PullServices | PipelineRun) -> tuple[str, str] | None:
    """What is wrong with a row whose cells are right, each for itself."""
    if (
        isinstance(signal, PullServices)
        and signal.github_pull_id is None
        and not (signal.repository and signal.pr_number)
    ):
        return "it does not say which pull request", "Fill github_pull_id, or repository and pull_number."
    if isinstance(signal, Deployment) and signal.commit_sha and signal.merge_commit_shas:
        return "it has commit_sha and merge_commit_shas", "Keep one of the two."
    if isinstance(signal, Deployment) and not signal.repository and not signal.merge_commit_shas:
        return "it does not say what was deployed", "Fill repository, or merge_commit_shas."
    if isinstance(signal, PipelineRun) and not signal.repository and (signal.commit_sha or signal.pr_number):
        return "it has a commit or pull request, and no repository", "Fill repository."
    if isinstance(signal, PipelineRun) and signal.finished_at is not None and signal.finished_at < signal.started_at:
        return "finished_at is before started_at", "Look whether the two columns are exchanged, or their zones differ."
    fault = dx.faults(signal)
    return (fault.rstrip("."), "Mend the row.") if fault else None
