"""Knows what DCI of the sandbox holds: a team with its remote CIs and topics before the first request, and the rows of what
was sent since. Does not know routes, or who may change a row.

https://github.com/redhat-cip/dci-control-server: its columns, and times in ISO 8601 in UTC without a zone. Every id is
fixed; those of RHEL-8.2, of the team and of the remote CI are the ids that DCI's API documentation shows.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cibeacon.sandbox.dci_models import COLUMNS, FINAL, Refusal, Row, show
from cibeacon.sandbox.safe_json import read_data
from cibeacon.sandbox.store import Store

REMOTECI = "6cee7286-5d99-4a96-9949-200977f4be07"
TEAM = "713ecb86-0157-4445-ad90-c7aa7d0306a0"
SECRET = "DCI." + ("sandbox" * 9)[:60]
_IDS = uuid.UUID("4c2f5d1e-6a0b-5b5e-9d3c-1f0a7e8b2c4d")
"""The namespace of ids that the documentation does not give."""
_MEGABYTE = 1024 * 1024
_NOTIFIED = ("success", "failure", "error")
"""The final states that send a notification; killed does not."""
_FAILING = 100
"""Most failing test cases that the ledger shows of a job, or of one of its results."""


def id_of(kind: str, name: object) -> str:
    """The id of a kind and a name, the same in every sandbox."""
    return str(uuid.uuid5(_IDS, f"{kind}:{name}"))


def _row(table: str, fields: Mapping[str, Any], created_at: str, **others: object) -> Row:
    """A row of the API: the columns of its table, with their defaults where `fields` has none."""
    row: Row = {name: fields.get(name, default) for name, default in COLUMNS[table].items()}
    row |= {"state": "active" if fields.get("active", True) else "inactive", "etag": fields["id"].replace("-", "")}
    return row | {"created_at": created_at, "updated_at": created_at} | others


@dataclass(frozen=True, kw_only=True)
class Remoteci:
    """Credentials that may create jobs, or only read while inactive. A `feeder` creates components, and no jobs."""

    id: str
    name: str
    secret: str = field(repr=False)
    active: bool = True
    kind: str = "remoteci"

    def row(self, team_id: str) -> Row:
        """Its row of the API, with its secret, as the observed server sends it."""
        return _row("remotecis", vars(self), "2019-10-01T00:00:00.000000", api_secret=self.secret, team_id=team_id)


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A product's version, or something else that jobs test; `granted` if the team may see it.

    `components` are versions of what is tested, as columns that differ from the defaults. A component is created when
    released unless `created_at` is given (times are ISO 8601 in UTC without a zone); without a team every team sees it.
    """

    id: str
    name: str
    component_types: Sequence[str]
    components: Sequence[Row] = ()
    component_types_optional: Sequence[str] = ()
    active: bool = True
    granted: bool = True
    export_control: bool = False

    def row(self) -> Row:
        """As the API shows it."""
        return _row("topics", vars(self), "2019-10-10T06:14:55.269457")

    def component_rows(self, team_id: str) -> list[Row]:
        """The components that a team may see: those of every team and those of this one."""
        rows = []
        for fields in self.components:
            names = dict.fromkeys(("display_name", "canonical_project_name"), fields["name"])
            created_at = fields.get("created_at") or fields["released_at"]
            rows.append(_row("components", fields, created_at, topic_id=self.id, **names))
        return [row for row in rows if row["team_id"] in (None, team_id)]


def example_topics() -> tuple[Topic, ...]:
    """The documented topic, one with a long list of components, and one for each reason to refuse a topic."""
    return tuple(Topic(**topic) for topic in read_data("dci_example.json"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DciAccount:
    """What DCI holds at the start. The sandbox prints the settings of the first remote CI.

    A body over `body_limit` bytes is refused if it has a Content-Type. Files up to `kept` bytes can be downloaded; of a
    larger one only size and digest are stored; over `kept_in_all` bytes the oldest contents are deleted.
    """

    team_id: str = TEAM
    team_name: str = "Red Hat"
    team_active: bool = True
    remotecis: Sequence[Remoteci] = (
        Remoteci(id=REMOTECI, name="sandbox", secret=SECRET),
        Remoteci(id=id_of("remoteci", "retired"), name="retired", secret=SECRET, active=False),
        Remoteci(id=id_of("feeder", "sandbox"), name="feeder", secret=SECRET, kind="feeder"),
    )
    topics: Sequence[Topic] = field(default_factory=example_topics)
    body_limit: int = 20 * _MEGABYTE
    kept: int = 10 * _MEGABYTE
    kept_in_all: int = 128 * _MEGABYTE

    def exports(self, url: str) -> dict[str, str]:
        """The official tools' variables for the sandbox at `url`."""
        first = self.remotecis[0]
        return {"DCI_CS_URL": url, "DCI_CLIENT_ID": f"remoteci/{first.id}", "DCI_API_SECRET": first.secret}

    def topic(self, name: str) -> Topic:
        """The topic of that name. Raises KeyError where it is unknown."""
        return {topic.name: topic for topic in self.topics}[name]

    def components(self) -> dict[str, Row]:
        """Every component that the team may name, by id."""
        return {row["id"]: row for topic in self.topics for row in topic.component_rows(self.team_id)}


class Dci:
    """DCI's account and rows. Hold the lock of the store while you change them."""

    def __init__(self, account: DciAccount, clock: Callable[[], float], store: Store) -> None:
        self.account, self.clock, self.store = account, clock, store
        table = store.table
        self._counts = table("dci counts")
        self.jobs, self.jobstates, self.values = table("dci jobs"), table("dci jobstates"), table("dci values")
        """A job with the ids of its `components`, and how many `notifications` of its end went out, beside its columns."""
        self.files, self.contents, self.results = table("dci files"), store.blobs("dci contents"), table("dci results")
        """A file with `sha256`, a result with `job_id`, and `passed` by test case, beside their columns."""

    def topic(self, topic_id: str | None) -> Topic:
        """A topic that the team may see. Raises 404 and 401."""
        topic = next((one for one in self.account.topics if one.id == topic_id), None)
        if topic is None:
            raise Refusal(404, "topic not found")
        if not topic.granted:
            raise Refusal(401, "Operation not authorized.")
        return topic

    def job(self, job_id: str) -> Row:
        """The job of that id. Raises 404 where it is unknown or archived."""
        job: Row | None = self.jobs.get(job_id)
        if job is None or job["state"] == "archived":
            raise Refusal(404, "job not found")
        return job

    def new_row(self, table: str, **columns: object) -> Row:
        """A new row for a table: these columns, defaults for the others, and an id."""
        stamp = self._stamp()
        own = {"id": id_of(table, self._counts["etags"]), "created_at": stamp["updated_at"]}
        return {**COLUMNS[table], **stamp, **own, **columns}

    def of_job(self, table: str, job: Row) -> list[Row]:
        """The rows of a table that belong to a job and are not archived, oldest first."""
        rows = self.store.table(f"dci {table}").values()
        return [row for row in rows if row["job_id"] == job["id"] and row.get("state") != "archived"]

    def change_job(self, job_id: str, change: Mapping[str, Any]) -> Row:
        """Change columns of a job, and its etag."""
        job: Row = self.jobs[job_id] | change | self._stamp()
        self.jobs[job_id] = job
        return job

    def add_state(self, job: Row, status: str, comment: str | None, *, kept: str | None = None) -> Row:
        """Set the status of a job, and add it (or `kept` instead) to the history."""
        row = self.new_row("jobstates", job_id=job["id"], status=kept or status, comment=comment)
        self.jobstates[row["id"]] = row
        ended = status in _NOTIFIED and job["status"] not in FINAL
        change = {"status": status, "duration": self.age(job), "notifications": job["notifications"] + ended}
        self.change_job(job["id"], change)
        return show(row, "jobstates")

    def age(self, job: Mapping[str, Any]) -> int:
        """Seconds since the job was created."""
        created = datetime.fromisoformat(job["created_at"]).replace(tzinfo=UTC)
        return max(0, int(self.clock() - created.timestamp()))

    def keep(self, file_id: str, content: bytes) -> None:
        """Store the content of a file, and delete the oldest ones over the limit for all."""
        self.contents[file_id] = content
        while sum(map(len, self.contents.values())) > self.account.kept_in_all:
            del self.contents[next(iter(self.contents))]

    def document(self) -> dict[str, Any]:
        """What `/ledger` shows: the client's id, the names of the visible topics, and each job by id."""
        with self.store.lock:
            return {
                "client_id": f"remoteci/{self.account.remotecis[0].id}",
                "topics": [topic.name for topic in self.account.topics if topic.granted],
                "jobs": {job_id: self._describe(job) for job_id, job in self.jobs.items()},
            }

    def _describe(self, job: Row) -> Row:
        states, tested = self.of_job("jobstates", job), self.of_job("results", job)
        failing = [[case for case, passed in row["passed"].items() if not passed][:_FAILING] for row in tested]
        names = {topic.id: topic.name for topic in self.account.topics}
        return job | {
            "topic": names.get(job["topic_id"]),
            "states": [[row["status"], row["comment"]] for row in states],
            "timeline": [[row["status"], row["comment"], row["created_at"]] for row in states],
            "files": self.of_job("files", job),
            "results": [show(row, "results") | {"failing": each} for row, each in zip(tested, failing, strict=True)],
            "failing": [case for each in failing for case in each][:_FAILING],
            "keys_values": {row["key"]: row["value"] for row in self.of_job("values", job)},
        }

    def _stamp(self) -> Row:
        """A new etag, and the time."""
        self._counts["etags"] = self._counts.get("etags", 0) + 1
        now = datetime.fromtimestamp(self.clock(), UTC).replace(tzinfo=None)
        etag = hashlib.sha256(str(self._counts["etags"]).encode()).hexdigest()[:32]
        return {"etag": etag, "updated_at": now.isoformat(timespec="microseconds")}
