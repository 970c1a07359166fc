"""Knows how one speaks to GitHub Actions: annotations, step summary, outputs, state. Writes nothing itself.

Grammar: https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands. Each output stands in a
heredoc with a fresh delimiter, since a value with a line break could otherwise set another output.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import quote

from cibeacon.model.outcome import Outcome
from cibeacon.model.report import Report
from cibeacon.reporting import outputs, summary
from cibeacon.model.ci_output import Speech, Writing
from cibeacon.runtime import redact
from cibeacon.runtime.sanitize import command_data, command_property, escaped, json_text

_ADDRESS = re.compile(r"https?://[^/\s]+\S*")
_MOST_ANNOTATIONS = 10
"""What the runner keeps of each kind a step."""


def speak(report: Report, environ: Mapping[str, str], token: Callable[[], str]) -> Speech:
    """Annotations for what went wrong, the summary and the outputs."""
    folder = environ.get("RUNNER_TEMP")
    path = f"{folder}/cibeacon/{report.verb}.json" if folder else ""
    writings = [Writing(path, json_text(report.document(), indent=2) + "\n")] if path else []
    for variable, text in (
        ("GITHUB_OUTPUT", _assignments(outputs.values(report, path), token)),
        ("GITHUB_STEP_SUMMARY", summary.markdown(report, _links(report, environ))),
    ):
        if environ.get(variable) and text:
            writings.append(Writing(environ[variable], text, append=True))
    if report.dci_job_id:
        writings += state({"dci_job_id": report.dci_job_id}, environ, token)
    return Speech(tuple(_annotations(report))[:_MOST_ANNOTATIONS], tuple(writings))


def state(values: Mapping[str, str], environ: Mapping[str, str], token: Callable[[], str]) -> tuple[Writing, ...]:
    """What the same step's later stages get to know."""
    path = environ.get("GITHUB_STATE")
    return (Writing(path, _assignments(values, token), append=True),) if path else ()


def results(values: Mapping[str, str], environ: Mapping[str, str], token: Callable[[], str]) -> tuple[Writing, ...]:
    """Outputs that are told while the work still goes on. Each is one line of ASCII."""
    path = environ.get("GITHUB_OUTPUT")
    return (Writing(path, _assignments(values, token), append=True),) if path else ()


def masks(secrets: Iterable[str]) -> tuple[str, ...]:
    """Commands that make the runner hide secrets in everything the job prints from now on, in every spelling.

    The runner takes these lines out of the log. It knows its own secrets already, not those from elsewhere.
    """
    spellings = dict.fromkeys(spelling for secret in secrets for spelling in redact.spellings(secret))
    return tuple(f"::add-mask::{escaped(spelling)}" for spelling in spellings)


def _links(report: Report, environ: Mapping[str, str]) -> Iterator[summary.Link]:
    """What a person who reads the summary may want to see next."""
    context, changes = report.context, report.changes
    if context is None or not context.repository:
        return
    project = f"{environ.get('GITHUB_SERVER_URL') or 'https://github.com'}/{context.repository}"
    found = [("the run that this tells of", context.run_url or "")] if context.about_upstream else []
    if context.pull_request:
        found.append((f"pull request #{context.pull_request.number}", f"{project}/pull/{context.pull_request.number}"))
    if changes and changes.base and changes.head:
        ends = "...".join(quote(end, safe="", errors="replace") for end in (changes.base, changes.head))
        found.append(("the commits that were compared", f"{project}/compare/{ends}"))
    yield from ((words, url) for words, url in found if _ADDRESS.fullmatch(url))


def _annotations(report: Report) -> Iterator[str]:
    """An error where it costs the build, a warning where it does not; nothing for what was merely skipped."""
    level = "error" if report.exit_code else "warning"
    for row in report.outcomes:
        if row.status in ("failed", "invalid", "spooled"):
            yield f"::{level} title={command_property(f'cibeacon: {row.kind} {row.status}')}::{command_data(_words(row))}"
    for notice in report.notices:
        if notice.weight == "error":
            yield f"::{level} title=cibeacon::{command_data(notice.text)}"


def _words(row: Outcome) -> str:
    return ": ".join(part for part in (row.subject, row.error, row.reason) if part)


def _assignments(values: Mapping[str, str], token: Callable[[], str]) -> str:
    """Name and value pairs in the file commands' heredoc form."""
    lines: list[str] = []
    for name, value in values.items():
        delimiter = f"cibeacon_{token()}"
        if delimiter in value:
            raise ValueError("a heredoc delimiter stands in its value")
        lines += [f"{name}<<{delimiter}", value, delimiter, ""]
    return "\n".join(lines)
