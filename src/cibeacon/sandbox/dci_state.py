"""Knows what DCI holds: what was there before, and the rows of what was sent since; how they are listed and shown. Does not
know routes or who may change them.

The columns are those of https://github.com/redhat-cip/dci-control-server; times are ISO 8601 in UTC without a zone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from cibeacon.sandbox.dci_account import COLUMNS, DciAccount, Row, Topic, id_of
from cibeacon.sandbox.dci_models import FINAL, Paging, Refusal, check_uuid
from cibeacon.sandbox.store import Store

_NOTIFIED = ("success", "failure", "error")
"""The ends that people are notified of; killed is none of them."""
_FAILING = 100
"""Most failing test cases that a job, or one of its results, is shown with."""
_CAP = 200
"""Most rows of a page."""


class Dci:
    """DCI over an account and a store, whose lock is held by whoever changes it."""

    def __init__(self, account: DciAccount, clock: Callable[[], float], store: Store) -> None:
        self.account, self.clock, self.store = account, clock, store
        table = store.table
        self._counts = table("dci counts")
        self.jobs, self.jobstates, self.values = table("dci jobs"), table("dci jobstates"), table("dci values")
        """A job with the ids of its `components`, and how many `notifications` of its end went out, beside its columns."""
        self.files, self.contents, self.results = table("dci files"), store.blobs("dci contents"), table("dci results")
        """A file with `sha256`, a result with `job_id`, and `passed` by test case, beside their columns."""

    def content(self, file_id: str) -> bytes | None:
        """The bytes of a file; None where they are not kept."""
        return self.contents.get(file_id)

    def topic(self, topic_id: str | None) -> Topic:
        """A topic that the team may see. Raises 404 and 401."""
        topic = next((one for one in self.account.topics if one.id == topic_id), None)
        if topic is None:
            raise Refusal(404, "topic not found")
        if not topic.granted:
            raise Refusal(401, "Operation not authorized.")
        return topic

    def job(self, job_id: str) -> Row:
        """The job of that id. Raises 404 where it is not, or is archived."""
        job: Row | None = self.jobs.get(job_id)
        if job is None or job["state"] == "archived":
            raise Refusal(404, "job not found")
        return job

    def new_row(self, table: str, **columns: object) -> Row:
        """A row to be of that table, with these of its columns, and what belongs to it beside them."""
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
        """Add a row of `kept` to the job's history, and make `status` its status."""
        row = self.new_row("jobstates", job_id=job["id"], status=kept or status, comment=comment)
        self.jobstates[row["id"]] = row
        ended = status in _NOTIFIED and job["status"] not in FINAL
        change = {"status": status, "duration": self.age(job), "notifications": job["notifications"] + ended}
        self.change_job(job["id"], change)
        return show(row, "jobstates")

    def age(self, job: Mapping[str, Any]) -> int:
        """Seconds since the job was made."""
        created = datetime.fromisoformat(job["created_at"]).replace(tzinfo=UTC)
        return max(0, int(self.clock() - created.timestamp()))

    def keep(self, file_id: str, content: bytes) -> None:
        """Keep the content of a file, and forget the oldest ones where they are too much in all."""
        self.contents[file_id] = content
        while sum(map(len, self.contents.values())) > self.account.kept_in_all:
            del self.contents[next(iter(self.contents))]

    def document(self) -> dict[str, Any]:
        """What `/ledger` shows: the client's id, the names of the visible topics, and by id each job with all of it."""
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
        """An etag that was never given before, and the time."""
        self._counts["etags"] = self._counts.get("etags", 0) + 1
        now = datetime.fromtimestamp(self.clock(), UTC).replace(tzinfo=None)
        etag = hashlib.sha256(str(self._counts["etags"]).encode()).hexdigest()[:32]
        return {"etag": etag, "updated_at": now.isoformat(timespec="microseconds")}


def show(row: Row, table: str) -> Row:
    """A row as the API shows it: only the columns of its table."""
    return {name: row[name] for name in COLUMNS[table]}


def list_rows(table: str, rows: Sequence[Row], paging: Paging, order: str = "-created_at") -> Row:
    """The page asked for of a table's `rows`, the oldest first, and how many there are. Raises for an unknown column."""
    conditions = [] if paging.where is None else [_parse(part, table) for part in paging.where.split(",")]
    keys = [key for key in (paging.sort or order).split(",") if key]
    for key in keys:
        _check_column("sort", key.removeprefix("-"), table)
    found = [row for row in rows if all(_matches(row.get(column), value) for column, value in conditions)]
    if keys and keys[0].startswith("-"):
        found.reverse()  # of rows made in the same moment the newest stands first
    for key in reversed(keys):
        found.sort(key=partial(_rank, key.removeprefix("-")), reverse=key.startswith("-"))
    page = found[paging.offset : paging.offset + min(paging.limit, _CAP)]
    return {"_meta": {"count": len(found)}, table: [show(row, table) for row in page]}


def _rank(column: str, row: Row) -> tuple[bool, Any]:
    held = row.get(column)
    return (held is not None, held if isinstance(held, int | float | str) else str(held))


def _parse(part: str, table: str) -> tuple[str, str]:
    """A column and the value that it is to have; a star at its end means that it is contained."""
    column, colon, value = part.partition(":")
    if not colon:
        form = 'where key must have the following form "key:value"'
        raise Refusal(400, f'Invalid where key: "{part}"', {"error": form})
    _check_column("where", column, table)
    if column == "id" or column.endswith("_id"):
        check_uuid(f"{table}.{column}", value.lower())
    return column, value


def _check_column(use: str, column: str, table: str) -> None:
    if column not in COLUMNS[table]:
        valid = {"error": f"Valid {use} keys are: {', '.join(sorted(COLUMNS[table]))}"}
        raise Refusal(400, f'Invalid {use} key: "{column}"', valid)


def _matches(held: object, value: str) -> bool:
    if isinstance(held, list):
        return value in held
    text, asked = str(held).lower(), value.lower()
    return held is not None and (asked[:-1] in text if asked.endswith("*") else text == asked)
