"""Knows the format of GitLab CI's dotenv reports, job links, artifacts and log sections. Writes nothing itself.

Limits: https://docs.gitlab.com/ci/yaml/artifacts_reports/ (dotenv: 5 KB, keys of letters, digits and underscores, one
line per value) and https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections. The keys begin with
CIBEACON_OUT_: a plain CIBEACON_ key would be a setting of later jobs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from cibeacon.model.report import MOST_REASONS, CIOutput, Link, OutputFile, Report, ReportTexts
from cibeacon.runtime import Stage
from cibeacon.runtime.safe_text import clipped, json_text, line

PREFIX = "CIBEACON_OUT_"
SETTINGS: Mapping[str, str] = {"dci_job_id": "CIBEACON_DCI_JOB_ID"}
"""Output → variable, for outputs that are settings of later jobs."""
DOTENV = "cibeacon.env"
ANNOTATIONS = "cibeacon-annotations.json"
_LARGEST_DOTENV = 5000
_MOST_LINES = 1000
_WIDTH = 400
_URL = re.compile(r"https?://[^/\s]+\S*")
_SAFE_IN_URLS = ":/?#[]@!$&'()*+,;=%~"


def render(report: Report, environ: Mapping[str, str], stage: Stage, now: int, texts: ReportTexts) -> CIOutput:
    """The outputs as variables for later jobs, links, the JSON report as an artifact, and details for the log."""
    folder, name = environ.get("CI_PROJECT_DIR") or ".", report_file(report.verb, stage)
    links = [{"external_link": {"label": label, "url": url}} for label, url in _links(report, environ, name)]
    files = (
        *outputs(texts.outputs(report, name), environ),
        OutputFile(f"{folder}/{ANNOTATIONS}", json_text({"cibeacon": links}) + "\n"),
        OutputFile(f"{folder}/{name}", json_text(report.document(), indent=2) + "\n"),
    )
    return CIOutput(tuple(_details(report, now)), files)


def report_file(verb: str, stage: Stage) -> str:
    """The name of the JSON report: the first job of a pipeline must not overwrite the report of the last one."""
    return f"cibeacon-{verb}{'-running' if stage == 'main' else ''}.json"


def outputs(values: Mapping[str, str], environ: Mapping[str, str]) -> tuple[OutputFile, ...]:
    """All outputs so far, as variables for later jobs. Empty ones that are settings there are left out.

    GitLab rejects a whole file that is too long, so the longest values are dropped (the report has them), settings last.
    """
    lines = {
        name: f"{SETTINGS.get(name, f'{PREFIX}{name.upper()}')}={line(values[name])}\n"
        for name in values
        if values[name] or name not in SETTINGS
    }
    while len("".join(lines.values()).encode()) > _LARGEST_DOTENV:
        del lines[max(lines, key=lambda name: (name not in SETTINGS, len(lines[name].encode())))]
    return (OutputFile(f"{environ.get('CI_PROJECT_DIR') or '.'}/{DOTENV}", "".join(lines.values())),)


def _links(report: Report, environ: Mapping[str, str], report_name: str) -> Iterator[Link]:
    """Pages that the reader of the job's page may want to open."""
    job, project = environ.get("CI_JOB_URL", ""), environ.get("CI_PROJECT_URL", "")
    target = environ.get("CI_MERGE_REQUEST_PROJECT_URL") or project
    context, changes, source = report.context, report.changes, _source(report)
    links = [("What cibeacon detected and sent", f"{job}/artifacts/file/{report_name}" if job else "")]
    if context and context.closes:
        links.append((f"Pipeline {context.run_id}, the reported run", context.run_url or ""))
    if context and context.pull_request and target:
        number = context.pull_request.number
        links.append((f"Merge request !{number}", f"{target}/-/merge_requests/{number}"))
    if changes and changes.base and changes.head and project:
        ends = f"{quote(changes.base, safe='')}...{quote(changes.head, safe='')}"
        links.append(("The commits that were compared", f"{project}/-/compare/{ends}?straight=true"))
    if report.dci_job_page:
        links.append(("The DCI job", report.dci_job_page))
    if context and source != context.run_url:
        links.append(("Source link in DX", source))
    yield from ((label, quote(url, safe=_SAFE_IN_URLS)) for label, url in links if _URL.fullmatch(url))


def _source(report: Report) -> str:
    """The first source URL that was sent to DX."""
    bodies = (outcome.request.body for outcome in report.outcomes if outcome.request)
    return next((str(body["source_url"]) for body in bodies if isinstance(body, dict) and body.get("source_url")), "")


def _details(report: Report, now: int) -> Iterator[str]:
    """Collapsed sections with what the log omits: the services that it only counts, and every request."""
    changes = report.changes
    if report.verb == "report" and changes and len(changes.services) > MOST_REASONS:
        why, width = changes.why or {}, max(map(len, changes.services))
        reasons = (f"{name:<{width}}  {why.get(name, '')}" for name in changes.services)
        yield from _section("services", f"{len(changes.services)} changed services and why", reasons, now)
    requests = [
        f"{outcome.status}: {outcome.request.method} {outcome.request.url} {json_text(outcome.request.body)}"
        for outcome in report.outcomes
        if outcome.request and not report.dry_run
    ]
    if requests:
        yield from _section(
            "requests", "1 request" if len(requests) == 1 else f"{len(requests)} requests", requests, now
        )


def _section(name: str, title: str, lines: Iterable[str], now: int) -> Iterator[str]:
    yield f"\x1b[0Ksection_start:{now}:cibeacon_{name}[collapsed=true]\r\x1b[0K{title}"
    for count, text in enumerate(lines):
        if count == _MOST_LINES:
            yield "… and more, in the JSON report"
            break
        yield f"  {clipped(text, _WIDTH)}"
    yield f"\x1b[0Ksection_end:{now}:cibeacon_{name}\r\x1b[0K"
