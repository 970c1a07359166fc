"""The report as Markdown for a step summary. Every cell has passed the sanitiser; it stays far below any host's limit."""

from __future__ import annotations

from collections.abc import Iterator

from cibeacon.changes import Changes
from cibeacon.outcome import Outcome
from cibeacon.report import Report
from cibeacon.sanitise import cell

_MOST_ROWS = 200
_MARKS = {
    "sent": "✅ sent",
    "duplicate": "✅ already there",
    "skipped": "➖ skipped",
    "spooled": "⏳ kept for later",
    "failed": "❌ failed",
    "invalid": "❌ invalid",
    "rehearsed": "🔍 dry run",
}


def markdown(report: Report) -> str:
    """The summary: what was sent, which services changed and why."""
    return "\n".join((*_signals(report), *_services(report.changes), *_notices(report), ""))


def _signals(report: Report) -> Iterator[str]:
    yield f"### cibeacon: {report.status}"
    yield ""
    if not report.outcomes:
        return
    yield from ("| signal | outcome | about | note |", "|---|---|---|---|")
    for row in report.outcomes[:_MOST_ROWS]:
        yield f"| {cell(row.kind)} | {_MARKS[row.word]} | {cell(row.subject)} | {cell(_note(row))} |"
    yield from _more(len(report.outcomes))


def _note(row: Outcome) -> str:
    return ": ".join(part for part in (row.error, row.reason) if part)


def _services(changes: Changes | None) -> Iterator[str]:
    if changes is None:
        return
    yield ""
    if changes.status == "unknown":
        yield f"Changed services: unknown, {cell(changes.unknown)}"
        return
    yield f"<details open><summary>{len(changes.services)} changed services ({cell(changes.how)})</summary>"
    yield ""
    if changes.services:
        yield from ("| service | because of |", "|---|---|")
    for name in changes.services[:_MOST_ROWS]:
        yield f"| {cell(name)} | {cell((changes.why or {}).get(name, ''))} |"
    yield from _more(len(changes.services))
    yield from ("", "</details>")


def _notices(report: Report) -> Iterator[str]:
    for notice in report.notices:
        yield from ("", f"{'⚠️ ' if notice.weight == 'trouble' else ''}{cell(notice.text)}")


def _more(count: int) -> Iterator[str]:
    if count > _MOST_ROWS:
        yield f"| … and {count - _MOST_ROWS} more |"
