"""Knows the columns of each kind of file, which are named after the fields of DX's calls. Reads no file.

The fields: https://help.getdx.com/en/articles/7669458-deployments-api and 8691575-pipelines-api.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeAlias

from cibeacon.backfill import parsers
from cibeacon.backfill.parsers import TimeRules
from cibeacon.model import identifiers
from cibeacon.model import parsers as common
from cibeacon.model.signals import Deployment, PipelineRun, PullServices

FAILURE_COLUMNS = ("error", "advice")
"""The additional columns of a file of failed rows."""
IGNORED = frozenset({*FAILURE_COLUMNS, "seal"})
"""Columns that are ignored; version 0.1 wrote `seal`."""
BackfillSignal: TypeAlias = Deployment | PullServices | PipelineRun


class Column(NamedTuple):
    """One column: how to parse its cells, and how to write them."""

    name: str
    parse: Callable[[str, TimeRules], Any]
    hint: str
    required: bool = False
    field: str = ""
    """The signal's field that it sets."""


class Kind(NamedTuple):
    """One kind of file: the verb, the signal of a row, and the columns."""

    name: str
    signal: type[BackfillSignal]
    columns: Mapping[str, Column]
    either: tuple[tuple[str, ...], ...] = ()
    """Sets of columns; the header must have all columns of at least one set."""


def _column(name: str, parse: Callable[[str], Any], hint: str, *, required: bool = False, field: str = "") -> Column:
    return Column(name, lambda text, _: parse(text), hint, required, field or name)


def _time(name: str, *, required: bool = False) -> Column:
    hint = "Write Unix seconds or ISO 8601 such as 2024-05-01T12:00:00Z, or give the zone with --tz."
    return Column(name, parsers.time, hint, required, name)


def _text(name: str, *, required: bool = False) -> Column:
    return _column(name, common.text, "Write one line of plain text.", required=required)


def _number(name: str, field: str = "") -> Column:
    hint = "Write only digits, such as 7; if a spreadsheet changed them, format the column as text."
    return _column(name, parsers.number, hint, field=field)


def _boolean(name: str) -> Column:
    return _column(name, common.boolean, "Write true or false.")


def _kind(name: str, signal: type[BackfillSignal], columns: Sequence[Column], *either: tuple[str, ...]) -> Kind:
    return Kind(name, signal, {column.name: column for column in columns}, either)


_REPOSITORY = _column("repository", parsers.repository, "Write its full name, such as acme/shop.")
_SHA = _column(
    "commit_sha",
    parsers.sha,
    "Write 7 to 40 hexadecimal digits; if a spreadsheet changed them, format the column as text.",
)
_SHAS = _column(
    "merge_commit_shas",
    parsers.shas,
    "Write commit ids of 7 to 40 hexadecimal digits separated by semicolons, or a JSON array of strings.",
)
_URL = _column("source_url", common.link, "Write a full URL that starts with https://.")
_ID = _column(
    "reference_id", common.text, "Write any unique text, or leave it empty: then cibeacon derives an id from the row."
)
_SERVICE = _column("service", identifiers.service, "Write the service's name.", required=True)
_SERVICES = _column(
    "services",
    parsers.service_names,
    'Write the names separated by semicolons, or a JSON array such as ["cart","payments"].',
    required=True,
)
_METADATA = _column(
    "metadata", common.metadata, 'Write a JSON object such as {"version":"1.2"}, quoted as CSV requires.'
)
_STATUS = _column("status", parsers.status, "Write success, failure, cancelled or running, or leave it empty.")

DEPLOYMENTS = _kind(
    "deployments",
    Deployment,
    [
        *(_ID, _time("deployed_at", required=True), _SERVICE, _REPOSITORY, _SHA, _SHAS),
        *(_text("integration_branch"), _text("source_name"), _URL, _METADATA, _text("environment")),
        _boolean("success"),
    ],
    ("repository",),
    ("merge_commit_shas",),
)
PULL_SERVICES = _kind(
    "pull-services",
    PullServices,
    [_number("github_pull_id"), _REPOSITORY, _number("pull_number", "pr_number"), _SERVICES, _boolean("replace")],
    ("github_pull_id",),
    ("repository", "pull_number"),
)
PIPELINE_RUNS = _kind(
    "pipeline-runs",
    PipelineRun,
    [
        *(_text("pipeline_name", required=True), _text("pipeline_source", required=True), _ID),
        *(_time("started_at", required=True), _time("finished_at"), _STATUS, _REPOSITORY, _SHA, _number("pr_number")),
        *(_URL, _text("head_branch"), _text("email"), _text("github_username"), _text("gitlab_username")),
    ],
)
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (DEPLOYMENTS, PULL_SERVICES, PIPELINE_RUNS)}
"""By verb."""


def suggest(kind: Kind, name: str) -> str:
    """Suggests a column for a name that is not a column."""
    near = get_close_matches(name.lower().replace(" ", "_"), kind.columns, 1, 0.5)
    return f"Did you mean {near[0]}?" if near else f"The columns are {', '.join(kind.columns)}."


def header_faults(kind: Kind, names: Sequence[str]) -> list[str]:
    """The faults of a header, with their fixes in parentheses."""
    faults: list[str] = []
    for index, name in enumerate(names):
        if not name:
            faults.append(f"column {index + 1} has no name (Name it, or remove the column)")
        elif name not in kind.columns and name not in IGNORED:
            faults.append(f'"{name}" is not a column of {kind.name} ({suggest(kind, name).rstrip(".")})')
        elif name in names[:index]:
            faults.append(f'"{name}" appears twice (Remove one of the two columns)')
    faults += [
        f"the column {column.name} is missing"
        for column in kind.columns.values()
        if column.required and column.name not in names
    ]
    if kind.either and not any(set(columns) <= set(names) for columns in kind.either):
        sets = ", or ".join(" and ".join(columns) for columns in kind.either)
        faults.append(f"add {sets}")
    return faults
