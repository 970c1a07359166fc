"""Knows how DCI takes files, and counts and compares the test cases of JUnit ones. Does not know how their bytes arrived.

As observed: a JUnit file that is not XML is refused and stored; one whose name had two results in the job before is stored
and answered with an error page of the framework. The format as CI servers take it: https://github.com/testmoapp/junitxml.
"""

from __future__ import annotations

from itertools import takewhile
from xml.etree import ElementTree

from fastapi import Response
from starlette.exceptions import HTTPException

from cibeacon.sandbox.dci_account import Dci
from cibeacon.sandbox.dci_models import SIMILAR, Refusal, Row, check_uuid, show
from cibeacon.sandbox.dci_signature import Ask, Given, Id, answer, create_router

JUNIT = "application/junit"
_ALIKE = ("topic_id", "remoteci_id", "name", "configuration", "url")
"""Columns that must be equal for a job to be compared with an earlier one."""
_OUTCOMES = {"error": "errors", "failure": "failures", "skipped": "skips"}
"""What a test case with this element counts as; the worst first."""
_BYTES = {"requestBody": {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}}
router = create_router()


@router.post("/files", status_code=201, openapi_extra=_BYTES)
async def add_file(
    ask: Ask, dci_name: Given = None, dci_mime: Given = None, dci_job_id: Given = None, dci_jobstate_id: Given = None
) -> Response:
    """Add a file to a job, or to one of its states; of type `application/junit` its test cases are counted."""
    if not dci_name:
        raise Refusal(400, "HTTP header DCI-NAME must be specified")
    dci, job = ask.dci, _find_job(ask.dci, dci_job_id, dci_jobstate_id)
    content = ask.upload.content
    if content is None and dci_mime == JUNIT:
        raise HTTPException(413)
    described = {"name": dci_name, "mime": dci_mime, "size": ask.upload.size, "jobstate_id": dci_jobstate_id}
    row = dci.new_row("files", **described, job_id=job["id"], team_id=dci.account.team_id)
    dci.files[row["id"]] = row | {"sha256": ask.upload.digest}
    if content is not None:
        dci.keep(row["id"], content)
    if dci_jobstate_id:  # which lengthens the job
        dci.jobs[job["id"]] = job | {"duration": dci.age(job)}
    if content is not None and dci_mime == JUNIT:
        _add_result(dci, job, row, content)
    return answer("file", row, 201)


@router.get("/files/{file_id:uuid}")
async def show_file(file_id: Id, ask: Ask) -> Response:
    """A file, without its content."""
    return answer("file", show(_find(ask.dci, file_id), "files"))


@router.get("/files/{file_id:uuid}/content")
async def show_content(file_id: Id, ask: Ask) -> Response:
    """The bytes of a file as they arrived; an error page where they are not stored."""
    row, content = _find(ask.dci, file_id), ask.dci.contents.get(file_id)
    if content is None:
        raise HTTPException(404)
    return Response(content, headers={"Content-Type": row["mime"] or "text/plain"})


@router.delete("/files/{file_id:uuid}", status_code=204)
async def delete_file(file_id: Id, ask: Ask) -> Response:
    """Delete a file and its test result."""
    ask.dci.files[file_id] = _find(ask.dci, file_id) | {"state": "archived"}
    ask.dci.contents.pop(file_id, None)
    for result_id in [key for key, row in ask.dci.results.items() if row["file_id"] == file_id]:
        del ask.dci.results[result_id]
    return Response(status_code=204, media_type="application/json")


def _find(dci: Dci, file_id: str) -> Row:
    row: Row | None = dci.files.get(file_id)
    if row is None or row["state"] != "active":
        raise Refusal(404, "file not found")
    return row


def _find_job(dci: Dci, job_id: str | None, jobstate_id: str | None) -> Row:
    """The job of a new file, by its id or by the id of one of its states."""
    if not job_id and not jobstate_id:
        raise Refusal(400, "HTTP headers DCI-JOBSTATE-ID or DCI-JOB-ID must be specified")
    for column, value in (("jobs.id", job_id), ("jobstates.id", jobstate_id)):
        if value:
            check_uuid(column, value.lower())
    if jobstate_id:
        if jobstate_id.lower() not in dci.jobstates:
            raise Refusal(409, SIMILAR)
        job_id = job_id or dci.jobstates[jobstate_id.lower()]["job_id"]
    return dci.job(str(job_id).lower())


def _add_result(dci: Dci, job: Row, row: Row, content: bytes) -> None:
    """Store the result of a JUnit file, compared with the result of that name in the last job alike; two of them are an error."""
    counts, passed = count(content)
    earlier = takewhile(lambda one: one["id"] != job["id"], dci.jobs.values())
    alike = [one for one in earlier if all(one[key] == job[key] for key in _ALIKE) and one["state"] != "archived"]
    namesakes = [one for each in alike[-1:] for one in dci.of_job("results", each) if one["name"] == row["name"]]
    if len(namesakes) > 1:
        raise HTTPException(500)
    before: Row = namesakes[0]["passed"] if namesakes else {}
    names = {"name": row["name"], "filename": row["name"], "file_id": row["id"], "job_id": job["id"]}
    result = dci.new_row("results", **names, passed=passed, **counts)
    for column, was in (("regressions", True), ("successfixes", False)):
        result[column] = sum(before.get(case) is was for case, good in passed.items() if good is not was)
    dci.results[result["id"]] = result


def count(content: bytes) -> tuple[dict[str, int], dict[str, bool]]:
    """The test cases of a JUnit file by outcome, with the sum of their times; and which passed, of those not skipped.

    An empty file has no test cases. Raises 400 for a file that is not XML or declares entities.
    """
    try:
        if b"<!ENTITY" in content:
            raise ValueError("entities are forbidden")
        root = ElementTree.fromstring(content or b"<empty/>")  # noqa: S314 - expat limits expansion
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise Refusal(400, f"Invalid XML: {error}") from None
    cases = dict.fromkeys(case for suite in root.iter("testsuite") for case in suite.iter("testcase"))
    counts = dict.fromkeys(("success", *_OUTCOMES.values()), 0)
    passed: dict[str, bool] = {}
    for case in cases:
        tags = {part.tag for part in case.iter()}
        outcome = next((outcome for tag, outcome in _OUTCOMES.items() if tag in tags), "success")
        counts[outcome] += 1
        if outcome != "skips":
            passed[f"{case.get('classname', '')}:{case.get('name', '')}"] = outcome == "success"
    seconds = sum(_seconds(case.get("time", "")) for case in cases)
    return {"total": len(cases), **counts, "time": round(seconds)}, passed


def _seconds(text: str) -> float:
    try:
        seconds = float(text.replace(",", ""))
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < 1e9 else 0.0
