"""Knows how to read from DCI: identity, topics, components, jobs. Changes nothing, and drops secrets from responses.

DCI returns the secrets of remote CIs in jobs, and topics may contain registry passwords: fields with names of secrets are
removed before anything is shown.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from cibeacon.model.parsers import DEEPEST, deeper
from cibeacon.model.request import Exchange, SinkResult, ended_by_errors
from cibeacon.sinks.dci_api import PAGE, DciRow, ask, ask_all, foreign, get, id_of
from cibeacon.sinks.dci_topics import find_topic

JOBS_A_PAGE = 20
"""A job includes its topic, components and results: a larger page would exceed what cibeacon reads of a response."""
_LEVELS = 2 * DEEPEST
"""Of nesting in a response: our own requests have at most half as many, and Python's stack allows five times as many."""
_SECRETS = frozenset({"api_secret", "secret", "password", "passwd", "token", "pull_secret"})


class SinkRows:
    """The rows that a query read, and how many the sink has in total."""

    def __init__(self) -> None:
        self.rows: list[DciRow] = []
        self.total: int | None = None


class RowFilter(NamedTuple):
    """Which rows of a list to read: those whose columns have these values, at most `limit`."""

    where: Mapping[str, str] = {}
    limit: int | None = None


def identity(result: SinkRows) -> Exchange:
    """The owner of the credentials, and its teams."""
    return ended_by_errors(_read_one("/identity", "identity", result))


def topics(result: SinkRows, wanted: RowFilter) -> Exchange:
    """The topics that this remote CI may see."""
    return ended_by_errors(_read_list("/topics", "topics", PAGE, wanted, result))


def components(result: SinkRows, topic: str, wanted: RowFilter, *, latest_by: str | None = None) -> Exchange:
    """The components of a topic, the latest release first; with `latest_by` one of each active type.

    That is the last `released`, or the last `created` of those that belong to no single team, as DCI schedules.
    """
    return ended_by_errors(_read_components(result, topic, wanted, latest_by))


def jobs(result: SinkRows, wanted: RowFilter) -> Exchange:
    """The jobs of this remote CI's team, the newest first."""
    return ended_by_errors(_read_list("/jobs", "jobs", JOBS_A_PAGE, wanted, result))


def job(result: SinkRows, job_id: str) -> Exchange:
    """One job with its states, files and results."""
    return ended_by_errors(_read_one(f"/jobs/{job_id}", "job", result))


def without_secrets(value: Any) -> Any:
    """A JSON value without fields that have names of secrets, at any depth."""
    if isinstance(value, Mapping):
        return {name: without_secrets(part) for name, part in value.items() if str(name).lower() not in _SECRETS}
    return [without_secrets(part) for part in value] if isinstance(value, list) else value


def _public(row: DciRow) -> DciRow:
    """A row without secrets."""
    if deeper(row, _LEVELS):
        raise foreign(f"nested more than {_LEVELS} levels deep")
    public: DciRow = without_secrets(row)
    return public


def _read_one(path: str, name: str, result: SinkRows) -> Exchange:
    row = yield from ask(get(path), name)
    result.rows, result.total = [_public(row)], 1
    return SinkResult("sent")


def _read_list(path: str, name: str, page_size: int, wanted: RowFilter, result: SinkRows) -> Exchange:
    rows, total = yield from ask_all(path, name, wanted.where, page_size=page_size, limit=wanted.limit)
    result.rows, result.total = [_public(row) for row in rows], total
    return SinkResult("sent")


def _read_components(result: SinkRows, wanted_topic: str, wanted: RowFilter, latest_by: str | None) -> Exchange:
    topic = yield from find_topic(wanted_topic)
    path = f"/topics/{id_of(topic)}/components"
    if not latest_by:
        return (yield from _read_list(path, "components", PAGE, wanted, result))
    created = latest_by == "created"
    rows, _ = yield from ask_all(path, "components", wanted.where, sort="-created_at" if created else "")
    newest: dict[str, DciRow] = {}
    for row in rows:
        if row.get("state") == "active" and not (created and row.get("team_id")):
            newest.setdefault(str(row.get("type")), _public(row))
    result.rows, result.total = list(newest.values())[: wanted.limit], len(newest)
    return SinkResult("sent")
