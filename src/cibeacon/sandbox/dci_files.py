"""Knows how DCI takes files and counts the JUnit ones among them. Does not know how their bytes arrived.

As observed: a JUnit file that is no XML is refused and stays; one whose name had two results in the job before is
stored and answered with a page of the framework.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cibeacon.sandbox import dci_schema as schema
from cibeacon.sandbox.dci_answers import SIMILAR, Page, Refusal, database
from cibeacon.sandbox.dci_call import Asked, found_job
from cibeacon.sandbox.dci_junit import Junit
from cibeacon.sandbox.dci_listing import listed
from cibeacon.sandbox.dci_state import Row, Stored, Tested
from cibeacon.sandbox.exchange import Answer, Request, in_json

JUNIT = "application/junit"
_ALIKE = ("topic_id", "remoteci_id", "name", "configuration", "url")
"""Columns in which a job must equal an earlier one to be compared with it."""
_COUNTS = ("total", "success", "failures", "errors", "skips", "regressions", "successfixes", "time")
_FILES = (
    *("id", "created_at", "updated_at", "etag", "state", "name", "mime", "md5", "size"),
    *("job_id", "jobstate_id", "team_id"),
)
_RESULTS = ("id", "name", "filename", "file_id", "created_at", *_COUNTS)


def reader_for(request: Request) -> Junit | None:
    """What counts the cases of an upload, when its headers say that it has any."""
    return Junit() if request.headers.get("DCI-MIME") == JUNIT else None


def add(asked: Asked) -> Answer:
    """POST /files."""
    headers = asked.request.headers
    name, mime = headers.get("DCI-NAME"), headers.get("DCI-MIME")
    if not name:
        raise Refusal(400, "HTTP header DCI-NAME must be specified")
    job, jobstate_id = _place(asked, headers.get("DCI-JOB-ID"), headers.get("DCI-JOBSTATE-ID"))
    schema.storable(short=(name, mime))
    row = asked.state.base("file") | {
        "name": name,
        "mime": mime,
        "md5": None,
        "size": asked.upload.size,
        "job_id": job["id"],
        "jobstate_id": jobstate_id,
        "team_id": asked.account.team_id,
    }
    asked.state.files[row["id"]] = Stored(row, asked.upload)
    if jobstate_id:
        asked.state.touch(job)
    if asked.upload.junit:
        _count(asked, job, row, asked.upload.junit)
    return in_json(201, {"file": row}, ETag=row["etag"])


def _place(asked: Asked, job_id: str | None, jobstate_id: str | None) -> tuple[Row, str | None]:
    if not job_id and not jobstate_id:
        raise Refusal(400, "HTTP headers DCI-JOBSTATE-ID or DCI-JOB-ID must be specified")
    for column, value in (("jobs.id", job_id), ("jobstates.id", jobstate_id)):
        if value and not schema.is_uuid(value.lower()):
            raise database(column, value)
    if jobstate_id:
        found = next((row for row in asked.state.jobstates if row["id"] == jobstate_id.lower()), None)
        if found is None:
            raise Refusal(409, SIMILAR)
        job_id = job_id or found["job_id"]
    return found_job(asked.state, str(job_id).lower()), jobstate_id


def _count(asked: Asked, job: Row, row: Row, junit: Junit) -> None:
    junit.close()
    if junit.error is not None:
        raise Refusal(400, f"Invalid XML: {junit.error}")
    before = _before(asked, job, row["name"])
    counts = junit.counts() | {
        "regressions": sum(before.get(case) is True for case, passed in junit.passed.items() if not passed),
        "successfixes": sum(before.get(case) is False for case, passed in junit.passed.items() if passed),
    }
    base = asked.state.base("result")
    entry = {"id": base["id"], "created_at": base["created_at"], "name": row["name"], "filename": row["name"]}
    entry |= {"file_id": row["id"], **{name: counts[name] for name in _COUNTS}}
    asked.state.results.append(Tested(entry, job["id"], junit.passed))


def _before(asked: Asked, job: Row, name: str) -> Mapping[str, bool]:
    """Which cases of the file passed in the newest earlier job that is alike; one that has it twice is too much."""
    state = asked.state
    earlier = list(state.jobs.values())[: list(state.jobs).index(job["id"])]
    alike = [one for one in earlier if all(one[key] == job[key] for key in _ALIKE) and one["state"] != "archived"]
    if not alike:
        return {}
    results = [one for one in state.results_of(alike[-1]["id"]) if one.row["name"] == name]
    if len(results) > 1:
        raise Page(500)
    return results[0].passed if results else {}


def files(asked: Asked) -> Answer:
    """GET /jobs/ID/files."""
    rows = [one.row for one in asked.state.files_of(asked.job()["id"])]
    return in_json(200, listed("files", rows, asked.args, _FILES))


def results(asked: Asked) -> Answer:
    """GET /jobs/ID/results."""
    rows: list[dict[str, Any]] = [one.row for one in asked.state.results_of(asked.job()["id"])]
    return in_json(200, listed("results", rows, asked.args, _RESULTS))


def file(asked: Asked) -> Answer:
    """GET /files/ID."""
    row = _stored(asked).row
    return in_json(200, {"file": row}, ETag=row["etag"])


def content(asked: Asked) -> Answer:
    """GET /files/ID/content: its bytes, as they arrived; a page for one that was too large to keep."""
    one = _stored(asked)
    held = one.upload.content()
    if held is None:
        raise Page(404)
    return Answer(200, held, one.row["mime"] or "text/plain")


def delete(asked: Asked) -> Answer:
    """DELETE /files/ID; its results go with it."""
    one = _stored(asked)
    one.row["state"] = "archived"
    asked.state.results[:] = [each for each in asked.state.results if each.row["file_id"] != one.row["id"]]
    return Answer(204, b"")


def _stored(asked: Asked) -> Stored:
    one = asked.state.files.get(asked.ids[0])
    if one is None or one.row["state"] != "active":
        raise Refusal(404, "file not found")
    return one
