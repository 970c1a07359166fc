"""The report as lines for a person: context, changed services, outcomes. Knows no CI system's markup.

Every line has passed the sanitiser; a normal run takes at most fifteen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from cibeacon import __version__
from cibeacon.model.changes import Changes
from cibeacon.model.context import Context
from cibeacon.model.outcome import Outcome
from cibeacon.model.report import MOST_REASONS, Report
from cibeacon.runtime.sanitize import clipped, json_text
from cibeacon.settings.options import Origin

_MARKS = {"sent": "✓", "duplicate": "=", "skipped": "–", "spooled": "…", "failed": "✗", "invalid": "✗", "dry-run": "~"}
_MOST_NAMES = 8
_WIDTH = 400
_INDENT = " " * 12


def lines(report: Report) -> tuple[str, ...]:
    """The complete report. In a dry run it ends with each request and its exact body."""
    short = [_heading(report), *_changes(report.changes), *_outcomes(report.outcomes)]
    if report.dci_job_page:
        short.append(f"dci job     {report.dci_job_page}")
    requests = [outcome.request for outcome in report.outcomes if report.dry_run and outcome.request]
    calls = [(f"{_INDENT}{call.method} {call.url}", f"{_INDENT}{json_text(call.body)}") for call in requests]
    return (
        *_clipped([*short, *_notices(report)]),
        *(line for call, body in calls for line in (clipped(call, _WIDTH), body)),
        clipped(_result(report), _WIDTH),
    )


def services(report: Report) -> tuple[str, ...]:
    """The changed services alone, every reason shown."""
    return _clipped([_heading(report), *_changes(report.changes, most=None), *_notices(report)])


def origins(values: Mapping[str, Origin]) -> tuple[str, ...]:
    """Where the value of each setting came from, except defaults; never the value."""
    return _clipped([f"setting     {name} from {origin.words}" for name, origin in values.items() if origin.given])


def _clipped(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(clipped(text, _WIDTH) for text in texts)


def _heading(report: Report) -> str:
    context = report.context
    sha = context.commit_sha[:9] if context and context.commit_sha else None
    parts = (report.host_title, context.repository, _event(context), sha) if context else ("no context",)
    return " · ".join(part for part in (f"cibeacon {__version__}", *parts) if part)


def _event(context: Context) -> str | None:
    pull_request = context.pull_request
    if pull_request and context.about_pull_request:
        state = "merged" if pull_request.merged else "closed" if pull_request.closed else "open"
        return f"{'pull' if context.host == 'github' else 'merge'} request #{pull_request.number}, {state}"
    if context.tag:
        return f"tag {context.tag}"
    return " on ".join(part for part in (context.event, context.branch) if part) or None


def _changes(changes: Changes | None, most: int | None = MOST_REASONS) -> Iterator[str]:
    if changes is None:
        return
    if changes.status == "unknown":
        yield f"services    unknown: {changes.unknown}"
        return
    files = ""
    if changes.changed_files is not None:
        plural = "" if changes.changed_files == 1 else "s"
        files = f"{changes.changed_files} file{plural}, {changes.unmatched} unowned; "
    yield f"services    {len(changes.services) or 'none'} changed ({files}{changes.how})"
    shown = changes.services[:most]
    width = max(map(len, shown), default=0)
    for name in shown:
        yield f"{_INDENT}{name:<{width}}  {(changes.why or {}).get(name, '')}"
    if len(shown) < len(changes.services):
        yield f"{_INDENT}… and {len(changes.services) - len(shown)} more"


def _outcomes(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """A line for each kind of signal and its outcome; neighbours that were not sent for one reason share a line too."""
    for (status, reason, error, _), group in groupby(
        outcomes, key=lambda one: (one.status, one.reason, one.error, one.subject and one.kind)
    ):
        alike = list(group)
        kinds = ", ".join(dict.fromkeys(one.kind for one in alike))
        parts = (_subjects([one.subject for one in alike if one.subject]), error, reason)
        details = ": ".join(part for part in parts if part)
        yield f"{_MARKS[status]} {'would send' if status == 'dry-run' else status:<9} {kinds:<14} {details}".rstrip()


def _subjects(subjects: Sequence[str]) -> str:
    names = ", ".join(subjects).split(", ")
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES])}{more}"


def _notices(report: Report) -> Iterator[str]:
    for notice in report.asides:
        yield f"{'!' if notice.weight == 'error' else 'i'} {notice.text}"


def _result(report: Report) -> str:
    counts = groupby(sorted(outcome.status for outcome in report.outcomes))
    tally = ", ".join(f"{sum(1 for _ in group)} {status}" for status, group in counts)
    ending = f"exit {report.exit_code}" if report.strict or report.exit_code else "the build goes on"
    bad = report.status in ("failed", "partial") or report.troubled
    return f"result      {report.status}{f' ({tally})' if tally else ''}{f'; {ending}' if bad else ''}"
