"""The report as lines for a person: what was found, what was sent, what was not and why. Knows no host's markup.

Every line has passed the sanitiser; a normal run takes at most fifteen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from cibeacon import __version__
from cibeacon.model.changes import Changes
from cibeacon.model.context import Context
from cibeacon.model.outcome import Outcome
from cibeacon.model.report import MOST_REASONS, Report
from cibeacon.runtime.sanitize import clipped, json_text
from cibeacon.settings.options import Origin

_MARKS = {
    "sent": "✓",
    "duplicate": "=",
    "skipped": "–",
    "spooled": "…",
    "failed": "✗",
    "invalid": "✗",
    "dry-run": "~",
}
_LABELS: dict[str, str] = {"dry-run": "would send"}
_MOST_NAMES = 8
_WIDTH = 400


def lines(report: Report) -> tuple[str, ...]:
    """The whole report."""
    found = [
        _heading(report),
        *_changes(report.changes),
        *_outcomes(report.outcomes),
        *_pages(report),
        *_notices(report),
    ]
    return (*(clipped(line, _WIDTH) for line in found), *_requests(report), clipped(_result(report), _WIDTH))


def services(report: Report) -> tuple[str, ...]:
    """The changed services alone, every reason shown."""
    found = [_heading(report), *_changes(report.changes, most=None), *_notices(report)]
    return tuple(clipped(line, _WIDTH) for line in found)


def origins(values: Mapping[str, Origin]) -> tuple[str, ...]:
    """Where each setting that somebody gave came from; never its value."""
    given = [f"setting     {name} from {origin.words}" for name, origin in values.items() if origin.given]
    return tuple(clipped(line, _WIDTH) for line in given)


def _heading(report: Report) -> str:
    context = report.context
    where = [report.host_title, context.repository, _event(context)] if context else []
    sha = context.commit_sha[:9] if context and context.commit_sha else None
    return f"cibeacon {__version__}: {', '.join(part for part in (*where, sha) if part) or 'no context'}"


def _event(context: Context) -> str | None:
    pull_request = context.pull_request
    if pull_request and context.about_pull_request:
        state = "merged" if pull_request.merged else "closed" if pull_request.closed else "open"
        return f"{'pull' if context.host == 'github' else 'merge'} request #{pull_request.number} {state}"
    if context.tag:
        return f"tag {context.tag}"
    return (
        f"{context.event} on {context.branch}" if context.event and context.branch else context.event or context.branch
    )


def _changes(changes: Changes | None, most: int | None = MOST_REASONS) -> Iterator[str]:
    if changes is None:
        return
    if changes.status == "unknown":
        yield f"services    unknown: {changes.unknown}"
        return
    files = ""
    if changes.changed_files is not None:
        plural = "" if changes.changed_files == 1 else "s"
        files = f"{changes.changed_files} file{plural} changed, {changes.unmatched} in no service; "
    yield f"services    {len(changes.services) or 'none'} changed ({files}{changes.how})"
    shown = changes.services if most is None else changes.services[:most]
    width = max((len(name) for name in shown), default=0)
    for name in shown:
        yield f"            {name:<{width}}  {(changes.why or {}).get(name, '')}"
    if len(shown) < len(changes.services):
        yield f"            … and {len(changes.services) - len(shown)} more"


def _outcomes(rows: Iterable[Outcome]) -> Iterator[str]:
    """A line a kind of signal and what became of it; neighbours that were not sent for one reason share a line too."""
    for (status, reason, error, _), group in groupby(
        rows, key=lambda row: (row.status, row.reason, row.error, row.subject and row.kind)
    ):
        alike = list(group)
        kinds = ", ".join(dict.fromkeys(row.kind for row in alike))
        parts = (kinds, _short(", ".join(row.subject for row in alike if row.subject)), error, reason)
        yield f"{_MARKS[status]} {_LABELS.get(status, status):<9} {': '.join(part for part in parts if part)}"


def _pages(report: Report) -> Iterator[str]:
    if report.dci_job_page:
        yield f"dci job     {report.dci_job_page}"


def _short(subject: str) -> str:
    names = subject.split(", ")
    return (
        subject
        if len(names) <= _MOST_NAMES
        else f"{', '.join(names[:_MOST_NAMES])} and {len(names) - _MOST_NAMES} more"
    )


def _requests(report: Report) -> Iterator[str]:
    """In a dry run: each request whole, since its exact body is the point."""
    for row in report.outcomes:
        if report.dry_run and row.request:
            yield clipped(f"            {row.request.method} {row.request.url}", _WIDTH)
            yield f"            {json_text(row.request.body)}"


def _notices(report: Report) -> Iterator[str]:
    for notice in report.asides:
        yield f"{'!' if notice.weight == 'error' else 'i'} {notice.text}"


def _result(report: Report) -> str:
    counts = groupby(sorted(row.status for row in report.outcomes))
    tally = ", ".join(f"{sum(1 for _ in group)} {word}" for word, group in counts)
    ending = f"exit {report.exit_code}" if report.strict or report.exit_code else "the build goes on"
    bad = report.status in ("failed", "partial") or report.troubled
    return f"result      {report.status}{f' ({tally})' if tally else ''}{f'; {ending}' if bad else ''}"
