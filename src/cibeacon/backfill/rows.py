"""Turns the cells of a row into a signal, or lists all of its faults. Reads no file and opens no connection.

The same row gives the same signal with the same id on every machine, in every run and at every position in a file.
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
    """One fault of a row, and how to fix it."""

    line: int
    """The line of the file at which the row begins; the header is line 1."""
    column: str
    """Empty for the row as a whole."""
    what: str
    hint: str

    def __str__(self) -> str:
        position = f"line {self.line}, {self.column}" if self.column else f"line {self.line}"
        return f"{position}: {self.what}. {self.hint}".rstrip()


class ValidRow(NamedTuple):
    """A row that can be sent."""

    signal: BackfillSignal
    content: bytes
    """Its values in normal form: rows with equal values have equal content."""
    partition_key: str
    """The pull request, service or run whose rows are sent in order."""
    fingerprint: bytes = b""
    """Identifies it in the journal."""


class InvalidRow(NamedTuple):
    """A row that cannot be sent, with all of its faults."""

    faults: tuple[RowFault, ...]
    partition_key: str | None = None
    """None if its cells do not give it."""


def read_row(kind: Kind, number: int, cells: Mapping[str, str], rules: TimeRules) -> ValidRow | InvalidRow:
    """Reads the cells of a row. Empty cells count as absent."""
    values: dict[str, Any] = {}
    faults: list[RowFault] = []
    for name, cell in cells.items():
        text = cell.strip()
        if not text or name in IGNORED:
            continue
        column = kind.columns.get(name)
        if column is None:
            faults.append(RowFault(number, name, "is not a field of this call", suggest(kind, name)))
            continue
        try:
            values[column.field] = _parse(column, text, rules)
        except ValueError as error:
            faults.append(RowFault(number, name, f"{_quote(text)} {error}", column.hint))
    faulty = {fault.column for fault in faults}
    faults += [
        RowFault(number, column.name, "is empty", column.hint)
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
    """Identifies a row in a journal by its content, its DX instance and, if repeated, the number of its repetition.

    14 bytes: among a billion rows, the chance that two share one is one in 10^16.
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
    """What rows must keep their order for; None if the row's order does not matter, or its cells do not give it.

    For the services of a pull request, DX keeps the last value; what a deployment ships depends on which deployments of the
    service DX already has.
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
    """The signal with these values; without a `reference_id` it gets one derived from all of them."""
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
    """The fault of a row whose cells are each valid but do not fit together, and how to fix it."""
    match signal:
        case PullServices(github_pull_id=None) if not (signal.repository and signal.pr_number):
            return "it does not give the pull request", "Fill in github_pull_id, or repository and pull_number."
        case Deployment() if signal.commit_sha and signal.merge_commit_shas:
            return "it has both commit_sha and merge_commit_shas", "Keep one of the two."
        case Deployment() if not signal.repository and not signal.merge_commit_shas:
            return "it does not say what was deployed", "Fill in repository or merge_commit_shas."
        case PipelineRun() if not signal.repository and (signal.commit_sha or signal.pr_number):
            return "it has a commit or pull request, but no repository", "Fill in repository."
        case PipelineRun() if signal.finished_at is not None and signal.finished_at < signal.started_at:
            hint = "Check whether the columns are swapped or their time zones differ."
            return "finished_at is before started_at", hint
    fault = dx.faults(signal)
    return (fault.rstrip("."), "Correct the row.") if fault else None
