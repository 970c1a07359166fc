"""Turns the cells of a row into a signal, or says everything that keeps it from being one. Knows no file and no network.

The same row is the same signal with the same id on every machine and at every run, wherever in a file it stands.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from cibeacon.backfill.columns import IGNORED, BackfillSignal, Column, Kind, suggest
from cibeacon.backfill.parsers import TimeRules
from cibeacon.model.signals import Deployment, PipelineRun, PullServices, reference
from cibeacon.sinks import dx

_SHOWN = 60


class RowFault(NamedTuple):
    """One thing that is wrong with a row, and what to do about it."""

    row: int
    """As a spreadsheet counts: the header is row 1. In NDJSON, the line."""
    column: str
    """Empty for the row as a whole."""
    what: str
    hint: str

    def __str__(self) -> str:
        position = f"row {self.row}, {self.column}" if self.column else f"row {self.row}"
        return f"{position}: {self.what}. {self.hint}".rstrip()


class ValidRow(NamedTuple):
    """A row that can be sent."""

    signal: BackfillSignal
    content: bytes
    """What it says, in one spelling: rows that say the same have the same."""
    partition_key: str
    """The pull request, service or run whose rows are sent in their order."""
    fingerprint: bytes = b""
    """By what the journal knows it."""


class InvalidRow(NamedTuple):
    """A row that cannot be sent, with every fault of it."""

    faults: tuple[RowFault, ...]
    partition_key: str | None = None
    """None where its cells do not say it."""


def read_row(kind: Kind, number: int, cells: Mapping[str, str], rules: TimeRules) -> ValidRow | InvalidRow:
    """The row that these cells say. Empty cells count as absent."""
    values: dict[str, Any] = {}
    faults: list[RowFault] = []
    for name, cell in cells.items():
        text = cell.strip()
        if not text or name in IGNORED:
            continue
        column = kind.columns.get(name)
        if column is None:
            faults.append(RowFault(number, name, "is no field of this call", suggest(kind, name)))
            continue
        try:
            values[column.field] = _parse(column, text, rules)
        except ValueError as error:
            faults.append(RowFault(number, name, f"{_quote(text)} {error}", column.hint))
    faulty = {fault.column for fault in faults}
    faults += [
        RowFault(number, column.name, "is empty, and DX requires it", column.hint)
        for column in kind.columns.values()
        if column.required and column.field not in values and column.name not in faulty
    ]
    key = _partition_key(kind, values)
    if faults:
        return InvalidRow(tuple(faults), key)
    content = json.dumps(values, separators=(",", ":"), sort_keys=True).encode("ascii")
    signal = _signal(kind, values, content)
    if fault := _signal_fault(signal):
        return InvalidRow((RowFault(number, "", *fault),), key)
    return ValidRow(signal, content, key or _short_hash(content))


def fingerprint(base_url: str, kind: str, content: bytes, repetition: int = 0) -> bytes:
    """By what a journal knows a row: what it says, to which DX, and for which time.

    14 bytes: two of a billion rows share one with a chance of one in 10^16.
    """
    head = json.dumps([base_url, kind, repetition]).encode("ascii")
    return hashlib.sha256(head + b"\0" + content).digest()[:14]


def _parse(column: Column, text: str, rules: TimeRules) -> Any:
    if not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("is not UTF-8")
    return column.parse(text, rules)


def _quote(text: str) -> str:
    return json.dumps(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…", ensure_ascii=False)


def _partition_key(kind: Kind, values: Mapping[str, Any]) -> str | None:
    """What a row must keep its order for; None where that is the row alone, or its cells do not say it.

    The services of a pull request depend on which of two statements came last; what a deployment ships depends on which
    deployments of the service DX has already.
    """
    if kind.signal is PullServices:
        if pull_id := values.get("github_pull_id"):
            return reference("pull", pull_id)
        pair = (values.get("repository"), values.get("pr_number"))
        return reference("pull", *pair) if all(pair) else None
    if kind.signal is Deployment:
        service = values.get("service")
        return reference("service", values.get("repository") or "", service) if service else None
    run = values.get("reference_id")
    return reference("run", run) if run else None


def _signal(kind: Kind, values: Mapping[str, Any], content: bytes) -> BackfillSignal:
    """The signal of these values; without a `reference_id` it gets one that is made of all of them."""
    if kind.signal is PullServices:
        return PullServices(**values)
    fields = ("service", "deployed_at") if kind.signal is Deployment else ("pipeline_name", "started_at")
    made = reference("backfill", *(values[field] for field in fields), _short_hash(content))
    if kind.signal is Deployment:
        return Deployment(**{"reference_id": made, **values}, own_reference="reference_id" in values)
    return PipelineRun(**{"reference_id": made, **values})


def _short_hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _signal_fault(signal: BackfillSignal) -> tuple[str, str] | None:
    """What is wrong with a row whose cells are right, each for itself; and what to do about it."""
    match signal:
        case PullServices(github_pull_id=None) if not (signal.repository and signal.pr_number):
            return "it does not say which pull request", "Fill github_pull_id, or repository and pull_number."
        case Deployment() if signal.commit_sha and signal.merge_commit_shas:
            return "it has commit_sha and merge_commit_shas", "Keep one of the two."
        case Deployment() if not signal.repository and not signal.merge_commit_shas:
            return "it does not say what was deployed", "Fill repository, or merge_commit_shas."
        case PipelineRun() if not signal.repository and (signal.commit_sha or signal.pr_number):
            return "it has a commit or pull request, and no repository", "Fill repository."
        case PipelineRun() if signal.finished_at is not None and signal.finished_at < signal.started_at:
            return "finished_at is before started_at", "Check whether the columns are exchanged, or their zones differ."
    fault = dx.faults(signal)
    return (fault.rstrip("."), "Correct the row.") if fault else None
