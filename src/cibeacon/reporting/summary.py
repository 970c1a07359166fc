"""The report as Markdown for a step summary. Every cell has passed the sanitiser; it stays far below any CI system's limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote

from cibeacon.model.changes import Changes
from cibeacon.model.ci_output import Link
from cibeacon.model.outcome import Outcome
from cibeacon.model.parsers import moment
from cibeacon.model.report import Report
from cibeacon.runtime.sanitize import cell

_KEPT_IN_URLS = ":/?#&+,;=%"
"""What a URL keeps as it is: no bracket, so that it cannot end a link, and nothing that Markdown reads."""
_MOST_ROWS = 200
_MARKS = {
    "sent": "✅",
    "duplicate": "✅",
    "skipped": "➖",
    "spooled": "⏳",
    "failed": "❌",
    "invalid": "❌",
    "dry-run": "🔍",
}


def markdown(report: Report, links: Iterable[Link] = ()) -> str:
    """The summary: what was sent, which services changed and why, and where to look on."""
    return "\n".join((*_heading(report, links), *_signals(report), *_services(report.changes), *_notices(report), ""))


def _heading(report: Report, links: Iterable[Link]) -> Iterator[str]:
    yield from (f"### cibeacon: {report.verb if report.verb == 'services' else report.status}", "")
    shown = " · ".join(f"[{label}]({quote(url, safe=_KEPT_IN_URLS, errors='replace')})" for label, url in links)
    if shown:
        yield from (shown, "")


def _signals(report: Report) -> Iterator[str]:
    if not report.outcomes:
        return
    yield from ("| signal | outcome | about | note |", "|---|---|---|---|")
    for one in report.outcomes[:_MOST_ROWS]:
        note = ": ".join(part for part in (one.error, one.reason) if part) or _duration(one)
        yield f"| {cell(one.kind)} | {_MARKS[one.status]} {one.status} | {cell(one.subject)} | {cell(note)} |"
    yield from _more(len(report.outcomes))
    if report.dci_job_page:
        yield from ("", f"[The DCI job]({report.dci_job_page})")


def _duration(outcome: Outcome) -> str:
    """How long the run took, in the two largest units."""
    body = outcome.request.body if outcome.request and isinstance(outcome.request.body, dict) else {}
    try:
        seconds = moment(str(body.get("finished_at", ""))) - moment(str(body.get("started_at", "")))
    except ValueError:
        return ""
    if seconds <= 0:
        return ""
    units = ((seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    return " ".join([f"{count} {unit}" for count, unit in units if count][:2])


def _services(changes: Changes | None) -> Iterator[str]:
    if changes is None:
        return
    if changes.status == "unknown":
        yield from ("", f"Changed services: unknown, {cell(changes.unknown)}")
        return
    plural = "" if len(changes.services) == 1 else "s"
    title = f"{len(changes.services)} changed service{plural} ({cell(changes.how)})"
    yield from ("", f"<details open><summary>{title}</summary>", "")
    if changes.services:
        yield from ("| service | because of |", "|---|---|")
    for name in changes.services[:_MOST_ROWS]:
        yield f"| {cell(name)} | {cell((changes.why or {}).get(name, ''))} |"
    yield from _more(len(changes.services))
    yield from ("", "</details>")


def _notices(report: Report) -> Iterator[str]:
    for notice in report.asides:
        yield from ("", f"{'⚠️' if notice.weight == 'error' else 'ℹ️'} {cell(notice.text)}")


def _more(count: int) -> Iterator[str]:
    if count > _MOST_ROWS:
        yield f"| … and {count - _MOST_ROWS} more |"
