"""Formats a report: lines for a log, Markdown for a step summary, outputs for later steps. Does not know CI systems or print.

Every line and cell is sanitised. A normal run takes at most fifteen lines, and the summary stays far below any CI system's
limit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from urllib.parse import quote

from cibeacon import __version__
from cibeacon.model.changes import Changes
from cibeacon.model.context import Context
from cibeacon.model.error_ids import SITE, help_link
from cibeacon.model.parsers import timestamp
from cibeacon.model.report import MOST_REASONS, Link, Outcome, Report, signal_names, with_short_repeats
from cibeacon.runtime.safe_text import cell, clipped, json_text
from cibeacon.settings.options import Origin

OUTPUTS: Mapping[str, str] = {
    "status": "sent, partial, failed, skipped or dry-run.",
    "services": "The changed services, as a JSON array.",
    "services_status": "ok, none or unknown; from report empty when there is no service map.",
    "deployment_reference_ids": "Ids of the deployments that were announced, as a JSON array.",
    "dci_job_id": "Id of this run's DCI job; empty without one.",
    "spooled": "How many signals wait in the spool for cibeacon replay.",
    "report": "Path of the JSON report.",
    "pipeline_id": "Id of the DataOps.live pipeline that was started or waited for, written before the wait.",
    "web_url": "Page of that pipeline.",
    "pipeline_status": "How that pipeline ended; empty without a wait.",
}
"""Every output with its meaning. `scripts/render` copies these texts to the action and the docs."""
_MARKS = {"sent": "✓", "duplicate": "=", "skipped": "–", "spooled": "…", "failed": "✗", "invalid": "✗", "dry-run": "~"}
_SIGNS = {
    "sent": "✅",
    "duplicate": "✅",
    "skipped": "➖",
    "spooled": "⏳",
    "failed": "❌",
    "invalid": "❌",
    "dry-run": "🔍",
}
"""The same in a summary."""
_MOST_NAMES = 8
_MOST_ROWS = 200
_WIDTH = 400
_INDENT = " " * 12
_KEPT_IN_URLS = ":/?#&+,;=%"
"""Characters of a URL that are not escaped: no bracket, which would end a link, and nothing that Markdown interprets."""

# Outputs --------------------------------------------------------------------------------------------------------------


def output_values(report: Report, report_path: str) -> dict[str, str]:
    """The outputs of a run, each one line of ASCII. The verb `services` has no outputs about signals."""
    changes = report.changes
    services = {
        "services": _json_array(changes.services if changes else ()),
        "services_status": changes.status if changes else "",
    }
    if report.verb == "services":
        return {**services, "report": report_path}
    return {
        "status": report.status,
        **services,
        "deployment_reference_ids": _json_array(report.reference_ids),
        "dci_job_id": report.dci_job_id or "",
        "spooled": str(sum(outcome.retryable for outcome in report.outcomes)),
        "report": report_path,
    }


def _json_array(names: Sequence[str]) -> str:
    """A JSON array without dollar signs, since CI systems and shells would expand a variable there."""
    return json.dumps(list(names)).replace("$", "\\u0024")


# Lines ----------------------------------------------------------------------------------------------------------------


def report_lines(report: Report) -> tuple[str, ...]:
    """The complete report. A dry run also lists each request with its exact body."""
    short = [_heading(report), *_changes(report.changes), *_outcomes(report.outcomes)]
    if report.dci_job_page:
        short.append(f"dci job     {report.dci_job_page}")
    names = zip(report.outcomes, signal_names(report.outcomes), strict=True)
    requests = [(outcome.request, name) for outcome, name in names if report.dry_run and outcome.request]
    calls = [
        (f"{_INDENT}{name}: {call.method} {call.url}", f"{_INDENT}{json_text(call.body)}") for call, name in requests
    ]
    return (
        *_clipped(_links_once([*short, *_notices(report)])),
        *(line for call, body in calls for line in (clipped(call, _WIDTH), body)),
        clipped(_result(report), _WIDTH),
    )


def services_lines(report: Report) -> tuple[str, ...]:
    """Only the changed services, with every reason."""
    return _clipped(_links_once([_heading(report), *_changes(report.changes, most=None), *_notices(report)]))


def origin_lines(origins: Mapping[str, Origin]) -> tuple[str, ...]:
    """The source of each setting that is not a default; never its value."""
    return _clipped([f"setting     {name} from {origin.source}" for name, origin in origins.items() if origin.given])


def _clipped(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(clipped(text, _WIDTH) for text in texts)


def _heading(report: Report) -> str:
    context = report.context
    sha = context.commit_sha[:9] if context and context.commit_sha else None
    parts = (
        (report.host_title, context.repository, _event(context), sha)
        if context
        else (report.host_title or report.verb,)
    )
    return " · ".join(part for part in (f"cibeacon {__version__}", *parts) if part)


def _event(context: Context) -> str | None:
    pull_request = context.pull_request
    if pull_request and context.about_pull_request:
        state = "merged" if pull_request.merged else "closed" if pull_request.closed else "open"
        return f"{context.request_noun} #{pull_request.number}, {state}"
    if context.tag:
        return f"tag {context.tag}"
    return " on ".join(part for part in (context.event, context.branch) if part) or None


def _changes(changes: Changes | None, most: int | None = MOST_REASONS) -> Iterator[str]:
    if changes is None:
        return
    if changes.status == "unknown":
        yield f"services    unknown: {changes.unknown}"
        yield _link("services-unknown")
        return
    files = ""
    if changes.changed_files is not None:
        unowned = f", {changes.unmatched} unowned" if changes.unmatched else ""
        files = f"{_counted(changes.changed_files, 'file')}{unowned}; "
    yield f"services    {len(changes.services) or 'none'} changed ({files}{changes.how})"
    shown = changes.services[:most]
    width = max(map(len, shown), default=0)
    for name in shown:
        yield f"{_INDENT}{name:<{width}}  {(changes.why or {}).get(name, '')}"
    if len(shown) < len(changes.services):
        yield f"{_INDENT}… and {len(changes.services) - len(shown)} more"


def _outcomes(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """One line for each kind of signal and outcome; consecutive signals with the same reason share a line."""
    outcomes = list(outcomes)
    width = max([14, *map(len, signal_names(outcomes))])
    shown = zip(outcomes, with_short_repeats(outcomes), strict=True)
    for _, group in groupby(shown, key=lambda pair: _shared(pair[0])):
        alike, (short, *_) = zip(*group, strict=True)
        status = short.status
        label = _label(alike, outcomes)
        label = label if len(label) <= width else f"{label}:"
        subjects = _subjects(list(dict.fromkeys(one.subject for one in alike if one.subject)))
        error = f"{subjects} ({short.error})" if subjects and short.error else short.error or subjects
        details = _joined(error, short.reason)
        yield f"{_MARKS[status]} {'would send' if status == 'dry-run' else status:<9} {label:<{width}} {details}".rstrip()
        if name := alike[0].error_id:
            yield _link(name)


def _shared(one: Outcome) -> tuple[object, ...]:
    """What outcomes that share a line have in common."""
    return one.status, one.reason, one.error, one.subject and one.kind, one.status == "skipped" or one.sink


def _label(alike: Sequence[Outcome], outcomes: Sequence[Outcome]) -> str:
    """The kinds of the signals on a line, with their sinks if another sink receives such a signal, too."""
    kinds, sinks = dict.fromkeys(one.kind for one in alike), dict.fromkeys(one.sink for one in alike)
    elsewhere = any(one.kind in kinds and one.sink not in sinks for one in outcomes)
    return ", ".join(kinds) + (f" ({', '.join(sinks)})" if elsewhere else "")


def _subjects(subjects: Sequence[str]) -> str:
    names = ", ".join(subjects).split(", ")
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES])}{more}"


def _notices(report: Report) -> Iterator[str]:
    for notice in report.asides:
        yield f"{'!' if notice.weight == 'error' else 'i'} {notice.text}"
        if notice.weight == "error" and notice.error_id:
            yield _link(notice.error_id)


def _link(name: str) -> str:
    """The page that explains the line above."""
    return f"{_INDENT}{help_link(name)}"


def _links_once(lines: Iterable[str]) -> Iterator[str]:
    """The lines without repeated links."""
    shown = set[str]()
    for line in lines:
        if line not in shown:
            yield line
        if line.startswith(f"{_INDENT}{SITE}"):
            shown.add(line)


def _result(report: Report) -> str:
    counts = groupby(sorted(outcome.status for outcome in report.outcomes))
    tallies = [f"{sum(1 for _ in group)} {'would be sent' if word == 'dry-run' else word}" for word, group in counts]
    if kept := sum(outcome.retryable and outcome.status == "failed" for outcome in report.outcomes):
        tallies.append(f"{kept} in the spool")
    continues = "the build continues" if report.in_ci else ""
    ending = f"exit {report.exit_code}" if report.strict or report.exit_code else continues
    bad = report.status in ("failed", "partial") or report.troubled
    tally = f" ({', '.join(tallies)})" if tallies else ""
    return f"result      {report.status}{tally}{f'; {ending}' if bad and ending else ''}"


# Summary --------------------------------------------------------------------------------------------------------------


def summary(report: Report, links: Iterable[Link] = ()) -> str:
    """Markdown: what was sent, which services changed and why, and links for more."""
    name = "cibeacon" if report.context else f"cibeacon {report.host_title}".rstrip()
    lines = [f"### {name}: {report.verb if report.verb == 'services' else report.status}", ""]
    if shown := " · ".join(f"[{label}]({quote(url, safe=_KEPT_IN_URLS, errors='replace')})" for label, url in links):
        lines += [shown, ""]
    if report.outcomes:
        rows = [
            (
                name,
                f"{_SIGNS[one.status]} {one.status}",
                one.subject,
                _joined(one.error, one.reason) or _duration(one),
            )
            for one, name in zip(report.outcomes, signal_names(report.outcomes), strict=True)
        ]
        lines += markdown_table(("signal", "outcome", "about", "note"), rows)
    ids = dict.fromkeys(one.error_id for one in report.outcomes if one.error_id)
    if helps := " · ".join(f"[{name}]({help_link(name)})" for name in ids):
        lines += ["", f"Help: {helps}"]
    if report.dci_job_page:
        lines += ["", f"[The DCI job]({report.dci_job_page})"]
    lines += _changes_markdown(report.changes)
    for notice in report.asides:
        lines += ["", f"{'⚠️' if notice.weight == 'error' else 'ℹ️'} {cell(notice.text)}"]
    return "\n".join((*lines, ""))


def _changes_markdown(changes: Changes | None) -> Iterator[str]:
    if changes is None:
        return
    if changes.status == "unknown":
        yield from ("", f"Changed services: unknown, {cell(changes.unknown)}")
        return
    if not changes.services:
        yield from ("", f"Changed services: none ({cell(changes.how)})")
        return
    title = f"{_counted(len(changes.services), 'changed service')} ({cell(changes.how)})"
    yield from ("", f"<details open><summary>{title}</summary>", "")
    yield from markdown_table(
        ("service", "because of"), [(name, (changes.why or {}).get(name, "")) for name in changes.services]
    )
    yield from ("", "</details>")


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table. Every cell is sanitised, and the table stays below any CI system's limit."""
    yield from (f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}")
    yield from (f"| {' | '.join(map(cell, row))} |" for row in rows[:_MOST_ROWS])
    if len(rows) > _MOST_ROWS:
        yield f"| … and {len(rows) - _MOST_ROWS} more |"


def _duration(outcome: Outcome) -> str:
    """The duration of the run, in its two largest units."""
    body = outcome.request.body if outcome.request and isinstance(outcome.request.body, dict) else {}
    try:
        seconds = timestamp(str(body.get("finished_at", ""))) - timestamp(str(body.get("started_at", "")))
    except ValueError:
        return ""
    if seconds <= 0:
        return ""
    units = ((seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    return " ".join([f"{count} {unit}" for count, unit in units if count][:2])


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _joined(*parts: str | None) -> str:
    return ": ".join(part for part in parts if part)
