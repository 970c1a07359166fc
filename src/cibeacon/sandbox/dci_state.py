"""Knows what DCI holds: jobs, their states, files, results and values, as rows in memory. Does not know who may change them.

The columns are those of https://github.com/redhat-cip/dci-control-server; times are ISO 8601 in UTC without a zone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from cibeacon.sandbox.dci_account import Component, DciAccount, Topic, id_of
from cibeacon.sandbox.dci_upload import Upload

Row: TypeAlias = dict[str, Any]

FINAL = ("success", "failure", "killed", "error")
STATUSES = ("new", "pre-run", "running", "post-run", *FINAL)
_TOLD = ("success", "failure", "error")
"""The ends that people are notified of; killed is none of them."""


@dataclass(slots=True)
class Stored:
    """A file: its row and what arrived."""

    row: Row
    upload: Upload = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tested:
    """The results of one JUnit file, and which of its cases passed."""

    row: Row
    job_id: str
    passed: Mapping[str, bool] = field(repr=False)


class DciState:
    """Rows by id, in the order of their making. Not safe to use from many threads at once."""

    def __init__(self, account: DciAccount, clock: Callable[[], float]) -> None:
        self.account = account
        self._clock = clock
        self._made = 0
        self.jobs: dict[str, Row] = {}
        self.components_of: dict[str, list[str]] = {}
        self.jobstates: list[Row] = []
        self.files: dict[str, Stored] = {}
        self.results: list[Tested] = []
        self.values: list[Row] = []
        self.notifications: dict[str, int] = {}
        """How often people were notified of a job's end."""

    def now(self) -> str:
        """The time as DCI writes it."""
        return datetime.fromtimestamp(self._clock(), UTC).replace(tzinfo=None).isoformat(timespec="microseconds")

    def etag(self) -> str:
        """One that was never given before."""
        self._made += 1
        return hashlib.sha256(str(self._made).encode()).hexdigest()[:32]

    def base(self, kind: str) -> Row:
        """The columns that every new row of that kind has."""
        etag, now = self.etag(), self.now()
        return {"id": id_of(kind, self._made), "created_at": now, "updated_at": now, "etag": etag, "state": "active"}

    def job(self, job_id: str) -> Row | None:
        """The job of that id, unless it is archived."""
        job = self.jobs.get(job_id)
        return job if job and job["state"] != "archived" else None

    def add_state(self, job: Row, sent: str, comment: str | None, *, kept: str | None = None) -> Row:
        """Add a row of `kept` to the job's history, and make `sent` its status."""
        base = self.base("jobstate")
        row = {name: base[name] for name in ("id", "created_at")}
        row |= {"job_id": job["id"], "status": kept or sent, "comment": comment}
        self.jobstates.append(row)
        if sent in _TOLD and job["status"] not in FINAL:
            self.notifications[job["id"]] = self.notifications.get(job["id"], 0) + 1
        job |= {"status": sent, "duration": self._age(job), "updated_at": self.now(), "etag": self.etag()}
        return row

    def touch(self, job: Row) -> None:
        """A file on one of the job's states lengthens the job."""
        job["duration"] = self._age(job)

    def states_of(self, job_id: str) -> list[Row]:
        """Its history, oldest first."""
        return [row for row in self.jobstates if row["job_id"] == job_id]

    def files_of(self, job_id: str) -> list[Stored]:
        """Its files that were not deleted, those on a jobstate too."""
        return [one for one in self.files.values() if one.row["job_id"] == job_id and one.row["state"] == "active"]

    def results_of(self, job_id: str) -> list[Tested]:
        """The results of its JUnit files."""
        return [one for one in self.results if one.job_id == job_id]

    def values_of(self, job_id: str) -> list[Row]:
        """Its keys and values."""
        return [row for row in self.values if row["job_id"] == job_id]

    def close(self) -> None:
        """Forget the content of every file."""
        for one in self.files.values():
            one.upload.close()

    def _age(self, job: Mapping[str, Any]) -> int:
        created = datetime.fromisoformat(job["created_at"]).replace(tzinfo=UTC)
        return max(0, int(self._clock() - created.timestamp()))


def topic_row(topic: Topic) -> Row:
    """A topic as the API shows it."""
    return {
        "id": topic.id,
        "name": topic.name,
        "state": "active" if topic.active else "inactive",
        "component_types": [kind.lower() for kind in topic.component_types],
        "component_types_optional": [kind.lower() for kind in topic.component_types_optional],
        "export_control": topic.export_control,
        "product": {"id": topic.product_id, "name": "Red Hat", "label": "RH", "state": "active"},
        "product_id": topic.product_id,
        "next_topic": None,
        "next_topic_id": None,
        "data": {},
        "etag": hashlib.sha256(topic.id.encode()).hexdigest()[:32],
        "created_at": topic.created_at,
        "updated_at": topic.created_at,
    }


def component_row(component: Component, topic: Topic) -> Row:
    """A component as the API shows it."""
    return {
        "id": component.id,
        "type": component.type.lower(),
        "name": component.name,
        "display_name": component.name,
        "canonical_project_name": component.name,
        "version": component.version,
        "uid": "",
        "title": None,
        "message": None,
        "url": component.url,
        "tags": list(component.tags),
        "data": dict(component.data),
        "state": "active" if component.active else "inactive",
        "team_id": component.team_id,
        "topic_id": topic.id,
        "released_at": component.released_at,
        "etag": hashlib.sha256(component.id.encode()).hexdigest()[:32],
        "created_at": component.created_at or component.released_at,
        "updated_at": component.created_at or component.released_at,
    }


def component_rows(topic: Topic, team_id: str) -> list[Row]:
    """The components of a topic that a team may see: everybody's and its own."""
    return [component_row(one, topic) for one in topic.components if one.team_id in (None, team_id)]


def components_by_id(topics: Iterable[Topic], team_id: str) -> dict[str, Row]:
    """Every component that a team may name."""
    return {row["id"]: row for topic in topics for row in component_rows(topic, team_id)}
