"""Knows how records of the API are told in columns. Every cell passes the sanitiser; nothing is printed here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cibeacon.dataops.records import Job, Snapshot
from cibeacon.model.payload import at
from cibeacon.runtime.sanitize import cell, clipped

_WIDEST = 60
Columns = Mapping[str, Sequence[str]]

PIPELINES: Columns = {
    "id": ("id",),
    "status": ("status",),
    "ref": ("ref",),
    "source": ("source",),
    "created": ("created_at",),
    "url": ("web_url",),
}
JOBS: Columns = {
    "id": ("id",),
    "status": ("status",),
    "stage": ("stage",),
    "name": ("name",),
    "seconds": ("duration",),
    "pipeline": ("pipeline", "id"),
    "url": ("web_url",),
}
"""Heading → where the value stands in a record."""


def rows(records: Iterable[Mapping[str, Any]], columns: Columns) -> list[tuple[str, ...]]:
    """The cells of each record."""
    return [tuple(_shown(at(each, *path)) for path in columns.values()) for each in records]


def aligned(found: Sequence[Sequence[str]], headings: Sequence[str] = ()) -> Iterator[str]:
    """Rows as lines of a table."""
    whole = [tuple(headings), *found] if headings else list(found)
    widths = [max(len(text) for text in column) for column in zip(*whole, strict=True)]
    for row in whole:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def details(record: Mapping[str, Any]) -> Iterator[str]:
    """A record as lines of name and value; what is nested is left to the JSON form."""
    plain = {name: value for name, value in record.items() if not isinstance(value, dict | list) and value is not None}
    width = max((len(name) for name in plain), default=0)
    for name, value in plain.items():
        yield clipped(f"{name:<{width}}  {value}", 300)


def job_table(look: Snapshot) -> list[tuple[str, ...]]:
    """The jobs of a wait."""
    return [
        tuple(clipped(text, _WIDEST) for text in (job.stage, job.name, _status(job), _seconds(job.duration)))
        for job in look.jobs
    ]


def markdown(title: str, look: Snapshot | None) -> str:
    """The step summary: how it ended, and every job."""
    lines = [f"### DataOps: {cell(title)}", ""]
    if look:
        lines += ["| stage | job | status | seconds |", "|---|---|---|---|"]
        for row in job_table(look)[:200]:
            lines.append(f"| {' | '.join(map(cell, row))} |")
        if len(look.jobs) > 200:
            lines.append(f"| … and {len(look.jobs) - 200} more | | | |")
    return "\n".join((*lines, "", ""))


def _status(job: Job) -> str:
    allowed = " (allowed)" if job.status == "failed" and job.allow_failure else ""
    reason = f": {job.failure_reason}" if job.status == "failed" and job.failure_reason else ""
    return f"{job.status}{reason}{allowed}"


def _seconds(duration: float | None) -> str:
    return "" if duration is None else f"{duration:.0f}"


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return clipped(f"{value:.0f}" if isinstance(value, float) else value, _WIDEST if not _is_link(value) else 200)


def _is_link(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("https://", "http://"))
