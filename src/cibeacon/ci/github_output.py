"""Knows the format of GitHub Actions' annotations, step summary, outputs and state. Writes nothing itself.

Grammar: https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands. Each output is a
heredoc with a fresh delimiter, since a value with a line break could otherwise set another output.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import quote

from cibeacon.model.error_ids import help_link
from cibeacon.model.report import CIOutput, Link, OutputFile, Report, ReportTexts, signal_names, with_short_repeats
from cibeacon.runtime import safe_text
from cibeacon.runtime.safe_text import command_data, command_property, escaped, json_text

_URL = re.compile(r"https?://[^/\s]+\S*")
_WARNING = "warning: "
_MOST_ANNOTATIONS = 10
"""The runner keeps at most this many annotations of each kind per step."""


def render(
    report: Report, environ: Mapping[str, str], folder: str, token: Callable[[], str], texts: ReportTexts
) -> CIOutput:
    """Annotations for what went wrong, the summary, the outputs, and the JSON report if there is a folder for it."""
    path = f"{folder}/{report.verb}.json" if folder else ""
    files = [OutputFile(path, json_text(report.document(), indent=2) + "\n")] if path else []
    files += outputs(texts.outputs(report, path), environ, token)
    if page := environ.get("GITHUB_STEP_SUMMARY"):
        files.append(OutputFile(page, texts.summary(report, _links(report, environ)), append=True))
    if report.dci_job_id:
        files += state({"dci_job_id": report.dci_job_id}, environ, token)
    return CIOutput(tuple(_annotations(report))[:_MOST_ANNOTATIONS], tuple(files))


def state(values: Mapping[str, str], environ: Mapping[str, str], token: Callable[[], str]) -> tuple[OutputFile, ...]:
    """Values for later stages of the same step."""
    return _assigned("GITHUB_STATE", values, environ, token)


def outputs(values: Mapping[str, str], environ: Mapping[str, str], token: Callable[[], str]) -> tuple[OutputFile, ...]:
    """Values for later steps. Each is one line of ASCII."""
    return _assigned("GITHUB_OUTPUT", values, environ, token)


def masks(secrets: Iterable[str]) -> tuple[str, ...]:
    """Commands that make the runner mask secrets, in every spelling, in all further output of the job.

    The runner removes these lines from the log. It masks its own secrets anyway, but not those from elsewhere.
    """
    spellings = dict.fromkeys(spelling for secret in secrets for spelling in safe_text.spellings(secret))
    return tuple(f"::add-mask::{escaped(spelling)}" for spelling in spellings)


def _links(report: Report, environ: Mapping[str, str]) -> Iterator[Link]:
    """Pages that the reader of the summary may want to open."""
    context, changes = report.context, report.changes
    if context is None or not context.repository:
        return
    server = environ.get("GITHUB_SERVER_URL") or f"https://{context.server or 'github.com'}"
    project = f"{server.rstrip('/')}/{context.repository}"
    links = [("the reported run", context.run_url or "")] if context.about_upstream else []
    if context.pull_request:
        number, page = context.pull_request.number, "pull" if context.host == "github" else "pulls"
        links.append((f"pull request #{number}", f"{project}/{page}/{number}"))
    if changes and changes.base and changes.head:
        ends = "...".join(quote(end, safe="", errors="replace") for end in (changes.base, changes.head))
        links.append(("the commits that were compared", f"{project}/compare/{ends}"))
    yield from ((label, url) for label, url in links if _URL.fullmatch(url))


def _annotations(report: Report) -> Iterator[str]:
    """An error where it costs the build, a warning where it does not; nothing for what was merely skipped."""
    level = "error" if report.exit_code else "warning"
    names = signal_names(report.outcomes)
    for outcome, short, name in zip(report.outcomes, with_short_repeats(report.outcomes), names, strict=True):
        if outcome.status in ("failed", "invalid", "spooled"):
            title = command_property(f"cibeacon: {name} {outcome.status}")
            text = ": ".join(part for part in (outcome.subject, short.error, short.reason) if part)
            yield f"::{level} title={title}::{command_data(_linked(text, outcome.error_id))}"
    for notice in report.notices:
        if notice.weight == "error":
            yield f"::{level} title=cibeacon::{command_data(_linked(notice.text, notice.error_id))}"
        elif notice.text.startswith(_WARNING):
            yield f"::warning title=cibeacon::{command_data(notice.text.removeprefix(_WARNING))}"


def _linked(text: str, name: str | None) -> str:
    return f"{text} {help_link(name)}" if name else text


def _assigned(
    variable: str, values: Mapping[str, str], environ: Mapping[str, str], token: Callable[[], str]
) -> tuple[OutputFile, ...]:
    """Name and value pairs, as heredocs, for the file that a variable points to."""
    if not environ.get(variable):
        return ()
    lines: list[str] = []
    for name, value in values.items():
        delimiter = f"cibeacon_{token()}"
        if delimiter in value:
            raise ValueError("a value contains its heredoc delimiter")
        lines += [f"{name}<<{delimiter}", value, delimiter, ""]
    return (OutputFile(environ[variable], "\n".join(lines), append=True),)
