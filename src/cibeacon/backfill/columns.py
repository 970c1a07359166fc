"""Knows the columns of each kind of file: the fields of DX's calls, by their own names. Does not know files.

The fields: https://help.getdx.com/en/articles/7669458-deployments-api and 8691575-pipelines-api.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from cibeacon.backfill import parsers
from cibeacon.backfill.parsers import Reader
from cibeacon.model.signals import Deployment, PipelineRun, PullServices

OURS = ("error", "advice", "seal")
"""The columns that failed rows have besides; they are no fields, and are not read."""


class Column(NamedTuple):
    """One column, and how to write a cell of it."""

    name: str
    read: Reader
    mend: str
    required: bool = False
    field: str = ""
    """The signal's name for it, where that is another."""


class Kind(NamedTuple):
    """One kind of file: the verb, the signal that a row becomes, and its columns."""

    name: str
    signal: type[Deployment] | type[PullServices] | type[PipelineRun]
    columns: tuple[Column, ...]
    either: tuple[tuple[str, ...], ...] = ()
    """Sets of columns of which one must be there whole."""

    @property
    def by_name(self) -> Mapping[str, Column]:
        """The columns."""
        return {column.name: column for column in self.columns}


_TIME = "Write Unix seconds, or ISO 8601 with a zone such as 2024-05-01T12:00:00Z; for times without one give --tz."
_SHA = "Write 7 to 40 hexadecimal digits; format the column as text where a spreadsheet changed it."
_NUMBER = "Write digits alone, such as 7; format the column as text where a spreadsheet changed it."
_TEXT = "Write one line of plain text."
_NAMES = 'Write the names with semicolons between, or a JSON array such as ["cart","payments"].'
_SHAS = "Write commit ids of 7 to 40 hexadecimal digits with semicolons between, or a JSON array of strings."
_REPOSITORY = "Write its full name, such as acme/shop."
_LINK = "Write a whole address that starts with https://."
_TRUTH = "Write true or false."

_PLACE = Column("repository", parsers.repository, _REPOSITORY)
_COMMIT = Column("commit_sha", parsers.sha, _SHA)
_URL = Column("source_url", parsers.link, _LINK)
_ID = Column("reference_id", parsers.text, "Write any unique text, or leave it empty: an id is made from the row then.")


def _words(*names: str, required: bool = False) -> tuple[Column, ...]:
    return tuple(Column(name, parsers.text, _TEXT, required) for name in names)


KINDS: Mapping[str, Kind] = {
    "deployments": Kind(
        "deployments",
        Deployment,
        (
            _ID,
            Column("deployed_at", parsers.moment, _TIME, required=True),
            Column("service", parsers.service, _TEXT, required=True),
            _PLACE,
            _COMMIT,
            Column("merge_commit_shas", parsers.shas, _SHAS),
            *_words("integration_branch", "source_name"),
            _URL,
            Column(
                "metadata", parsers.metadata, 'Write a JSON object such as {"version":"1.2"}, quoted as CSV wants it.'
            ),
            *_words("environment"),
            Column("success", parsers.truth, _TRUTH),
        ),
        either=(("repository",), ("merge_commit_shas",)),
    ),
    "pull-services": Kind(
        "pull-services",
        PullServices,
        (
            Column("github_pull_id", parsers.number, _NUMBER),
            _PLACE,
            Column("pull_number", parsers.number, _NUMBER, field="pr_number"),
            Column("services", parsers.names, _NAMES, required=True),
            Column("replace", parsers.truth, _TRUTH),
        ),
        either=(("github_pull_id",), ("repository", "pull_number")),
    ),
    "pipeline-runs": Kind(
        "pipeline-runs",
        PipelineRun,
        (
            *_words("pipeline_name", "pipeline_source", required=True),
            _ID,
            Column("started_at", parsers.moment, _TIME, required=True),
            Column("finished_at", parsers.moment, _TIME),
            Column("status", parsers.status, "Write success, failure, cancelled or running, or leave it empty."),
            _PLACE,
            _COMMIT,
            Column("pr_number", parsers.number, _NUMBER),
            _URL,
            *_words("head_branch", "email", "github_username", "gitlab_username"),
        ),
    ),
}
"""By verb."""


def unknown(kind: Kind, name: str) -> str:
    """What to say of a column that no field is called after: the nearest one by name."""
    near = get_close_matches(name.lower().replace(" ", "_"), [column.name for column in kind.columns], 1, 0.5)
    listed = ", ".join(column.name for column in kind.columns)
    return f"Did you mean {near[0]}?" if near else f"The columns are {listed}."


def faults(kind: Kind, header: Iterable[str]) -> list[tuple[str, str]]:
    """What is wrong with a header: what, and how to mend it."""
    found: list[tuple[str, str]] = []
    names = list(header)
    known = kind.by_name
    for place, name in enumerate(names, 1):
        if not name:
            found.append((f"column {place} has no name", "Name it, or take the column out."))
        elif name not in known and name not in OURS:
            found.append((f'"{name}" is no field of this call', unknown(kind, name)))
        elif name in names[: place - 1]:
            found.append((f'"{name}" stands there twice', "Take one of the two columns out."))
    found += [
        (f"the column {column.name} is missing", f"Add it. {column.mend}")
        for column in kind.columns
        if column.required and column.name not in names
    ]
    if kind.either and not any(set(each) <= set(names) for each in kind.either):
        sets = ", or ".join(" and ".join(each) for each in kind.either)
        found.append((f"there must be {sets}", "Add what is missing."))
    return found
