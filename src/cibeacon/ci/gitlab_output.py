"""Knows how one speaks to GitLab CI: a dotenv report, links on the job's page, a JSON artifact, sections of the log.

Limits: https://docs.gitlab.com/ci/yaml/artifacts_reports/ (dotenv: 5 KB, keys of letters, digits and underscores, one
line a value) and https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections. The keys begin with
CIBEACON_OUT_: a plain CIBEACON_ key would be a setting of later jobs. Writes nothing itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from cibeacon.ci.ci_system import Variables
from cibeacon.ci.gitlab import GitLab
from cibeacon.model.report import Report
from cibeacon.reporting import outputs
from cibeacon.model.ci_output import Speech, Writing
from cibeacon.reporting.text_report import MOST_REASONS
from cibeacon.runtime.environment import Stage
from cibeacon.runtime.sanitize import clipped, json_text, line

PREFIX = "CIBEACON_OUT_"
SETTINGS: Mapping[str, str] = {"dci_job_id": "CIBEACON_DCI_JOB_ID"}
"""Outputs that are meant to be settings of later jobs, as variables."""
DOTENV = "cibeacon.env"
ANNOTATIONS = "cibeacon-annotations.json"
_LARGEST_DOTENV = 5000
_MOST_LINES = 1000
_WIDTH = 400
_ADDRESS = re.compile(r"https?://[^/\s]+\S*")
_IN_ADDRESSES = ":/?#[]@!$&'()*+,;=%~"


def speak(report: Report, environ: Mapping[str, str], stage: Stage, now: int) -> Speech:
    """The outputs as variables of later jobs, links, the whole report as a file to keep, and details for the log."""
    folder = environ.get("CI_PROJECT_DIR") or "."
    kept = artifact(report.verb, stage)
    values = outputs.values(report, kept)
    links = [{"external_link": {"label": label, "url": url}} for label, url in _links(report, environ, kept)]
    writings = (
        Writing(f"{folder}/{DOTENV}", _dotenv(values)),
        Writing(f"{folder}/{ANNOTATIONS}", json_text({"cibeacon": links}) + "\n"),
        Writing(f"{folder}/{kept}", json_text(report.document(), indent=2) + "\n"),
    )
    return Speech(tuple(_details(report, now)) if GitLab().matches(Variables(environ)) else (), writings)


def results(values: Mapping[str, str], environ: Mapping[str, str]) -> tuple[Writing, ...]:
    """Outputs that are told while the work still goes on; those told before are told again."""
    folder = environ.get("CI_PROJECT_DIR") or "."
    return (Writing(f"{folder}/{DOTENV}", _dotenv(values)),)


def artifact(verb: str, stage: Stage) -> str:
    """The report's file: the first job of a pipeline must not leave its report in the place of the last one's."""
    return f"cibeacon-{verb}{'-running' if stage == 'main' else ''}.json"


def _dotenv(values: Mapping[str, str]) -> str:
    """What later jobs are to go on with is a setting of theirs; an empty one would hide the user's own.

    GitLab takes none of a file that is too long, so the longest values are left to the report, and settings last of all.
    """
    lines = {
        name: f"{SETTINGS.get(name, f'{PREFIX}{name.upper()}')}={line(values[name])}\n"
        for name in values
        if values[name] or name not in SETTINGS
    }
    while len("".join(lines.values()).encode()) > _LARGEST_DOTENV:
        del lines[max(lines, key=lambda name: (name not in SETTINGS, len(lines[name].encode())))]
    return "".join(lines.values())


def _links(report: Report, environ: Mapping[str, str], kept: str) -> Iterator[tuple[str, str]]:
    """Label and address of what a person who reads the job may want to see next."""
    job, project = environ.get("CI_JOB_URL", ""), environ.get("CI_PROJECT_URL", "")
    target = environ.get("CI_MERGE_REQUEST_PROJECT_URL") or project
    request = report.context.pull_request if report.context else None
    changes, shown = report.changes, _source(report)
    found = [("What cibeacon found and sent", f"{job}/artifacts/file/{kept}" if job else "")]
    if report.context and report.context.closes:
        found.append((f"Pipeline {report.context.run_id}, which this tells of", report.context.run_url or ""))
    if request and target:
        found.append((f"Merge request !{request.number}", f"{target}/-/merge_requests/{request.number}"))
    if changes and changes.base and changes.head and project:
        ends = f"{quote(changes.base, safe='')}...{quote(changes.head, safe='')}"
        found.append(("The commits that were compared", f"{project}/-/compare/{ends}?straight=true"))
    if report.dci_job_page:
        found.append(("The job of DCI", report.dci_job_page))
    if shown and report.context and shown != report.context.run_url:
        found.append(("The source that DX shows", shown))
    yield from ((label, quote(url, safe=_IN_ADDRESSES)) for label, url in found if _ADDRESS.fullmatch(url))


def _source(report: Report) -> str:
    """The link in what was told."""
    bodies = (row.request.body for row in report.outcomes if row.request)
    return next((str(body["source_url"]) for body in bodies if isinstance(body, dict) and body.get("source_url")), "")


def _details(report: Report, now: int) -> Iterator[str]:
    """What the log leaves out, folded away: the services that it only counts, and every request."""
    changes = report.changes
    if report.verb == "report" and changes and len(changes.services) > MOST_REASONS:
        why, width = changes.why or {}, max(map(len, changes.services))
        reasons = (f"{name:<{width}}  {why.get(name, '')}" for name in changes.services)
        yield from _section("services", f"{len(changes.services)} changed services and why", reasons, now)
    asked = [(row, row.request) for row in report.outcomes if row.request and not report.dry_run]
    if asked:
        told = (f"{row.status}: {call.method} {call.url} {json_text(call.body)}" for row, call in asked)
        yield from _section("requests", f"{len(asked)} requests", told, now)


def _section(name: str, title: str, details: Iterable[str], now: int) -> Iterator[str]:
    yield f"\x1b[0Ksection_start:{now}:cibeacon_{name}[collapsed=true]\r\x1b[0K{title}"
    for count, each in enumerate(details):
        if count == _MOST_LINES:
            yield "… and more, in the JSON report"
            break
        yield f"  {clipped(each, _WIDTH)}"
    yield f"\x1b[0Ksection_end:{now}:cibeacon_{name}\r\x1b[0K"
