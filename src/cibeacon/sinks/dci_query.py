"""Knows how one reads what DCI has: who signs, topics, components, jobs. Tells nothing, and keeps no secret of an answer.

The observed server answers with the secrets of remote CIs in jobs, and topics may hold passwords of registries: what is
named like one is taken out before anybody sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cibeacon.model.parsers import DEEPEST, deeper
from cibeacon.model.request import Exchange, Request, SinkResult
from cibeacon.sinks import dci_calls as calls
from cibeacon.sinks.dci_lookup import Row, Talk, asked, id_of
from cibeacon.sinks.dci_replies import Refused, answer, foreign
from cibeacon.sinks.dci_topics import any_topic

JOBS_A_PAGE = 20
"""A job brings its topic, components and results along: many of them would be more than is read of an answer."""
MOST_ROWS = 20_000
MOST_BYTES = 64 << 20
"""Of one list, over all its pages: a server that never comes to an end must not fill the memory."""
_LEVELS = 2 * DEEPEST
"""Of nesting in an answer: what we send DCI ourselves may have half of them, and Python's own stack has five times as many."""
_SECRETS = frozenset({"api_secret", "secret", "password", "passwd", "token", "pull_secret"})


class Found:
    """What was read so far, and how many rows there are altogether."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.total: int | None = None


class Wanted(NamedTuple):
    """Which rows of a list: those whose columns hold these values, at most so many."""

    where: Mapping[str, str] = {}
    limit: int | None = None
    sort: str = ""
    """The column that says which is first, where that is not DCI's own choice; with a dash the greatest is."""


def identity(found: Found) -> Exchange:
    """Who signs, and for which teams."""
    return _gathered(_one(calls.identity(), "identity", found))


def topics(found: Found, wanted: Wanted) -> Exchange:
    """The topics that this remote CI may see."""
    return _gathered(_pages("/topics", "topics", calls.PAGE, wanted, found))


def components(found: Found, topic: str, wanted: Wanted, *, latest_by: str | None = None) -> Exchange:
    """The components of a topic, the last released first; with `latest_by` one of each type that is in use.

    That is the last `released`, or the last `created` of those that are no team's own, as DCI schedules.
    """
    return _gathered(_components(found, topic, wanted, latest_by))


def jobs(found: Found, wanted: Wanted) -> Exchange:
    """The jobs of this remote CI's team, the newest first."""
    return _gathered(_pages("/jobs", "jobs", JOBS_A_PAGE, wanted, found))


def job(found: Found, job_id: str) -> Exchange:
    """One job with its states, files and results."""
    return _gathered(_one(calls.job(job_id), "job", found))


def without_secrets(value: Any) -> Any:
    """A JSON value without anything that is named like a secret, at any depth."""
    if isinstance(value, Mapping):
        return {name: without_secrets(part) for name, part in value.items() if str(name).lower() not in _SECRETS}
    return [without_secrets(part) for part in value] if isinstance(value, list) else value


def _shown(row: Row) -> Row:
    """A row as people may see it."""
    if deeper(row, _LEVELS):
        raise foreign(f"nested in more than {_LEVELS} levels")
    shown: Row = without_secrets(row)
    return shown


def _gathered(talk: Talk[None]) -> Exchange:
    try:
        yield from talk
    except Refused as refused:
        return refused.result
    return SinkResult("sent")


def _one(call: Request, name: str, found: Found) -> Talk[None]:
    row = yield from asked(call, name)
    found.rows.append(_shown(row))
    found.total = 1


def _components(found: Found, topic: str, wanted: Wanted, latest_by: str | None) -> Talk[None]:
    row = yield from any_topic(topic)
    created = latest_by == "created"
    every = wanted._replace(limit=None, sort="-created_at" if created else "") if latest_by else wanted
    yield from _pages(f"/topics/{id_of(row)}/components", "components", calls.PAGE, every, found)
    if latest_by:
        newest: dict[str, Row] = {}
        for each in found.rows:
            if each.get("state") == "active" and not (created and each.get("team_id")):
                newest.setdefault(str(each.get("type")), each)
        found.rows[:] = list(newest.values())[: wanted.limit]
        found.total = len(newest)


def _pages(path: str, name: str, page: int, wanted: Wanted, found: Found) -> Talk[None]:
    """All rows that are wanted. DCI gives at most a page at once, and tells how many there are."""
    read = 0
    while True:
        size = page if wanted.limit is None else min(page, wanted.limit - len(found.rows))
        reply = yield calls.rows(path, len(found.rows), size, wanted.where, wanted.sort)
        document = answer(reply)
        read += len(reply.content)
        more, meta = document.get(name), document.get("_meta")
        if not isinstance(more, list) or not all(isinstance(row, dict) for row in more):
            raise foreign(f"no list of {name}")
        found.rows += [_shown(row) for row in more[:size]]
        count = meta.get("count") if isinstance(meta, dict) else None
        found.total = count if isinstance(count, int) else len(found.rows)
        if not more or len(found.rows) >= min(found.total, wanted.limit or found.total):
            return
        if len(found.rows) >= MOST_ROWS or read > MOST_BYTES:
            why = f"DCI lists more than {MOST_ROWS:,} rows or {MOST_BYTES >> 20} MiB: give --limit or --where."
            raise Refused(SinkResult("failed", why, "the list is too long"))
