"""Knows how DataOps.live lists jobs and bridges, plays, retries, cancels and erases them, and hands out their logs. Does not
know what logs say.

https://docs.gitlab.com/api/jobs/; 206 and 416: https://www.rfc-editor.org/rfc/rfc9110#name-range-requests.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from starlette.responses import StreamingResponse

from cibeacon.sandbox.dataops_access import Developer, Page, Reader, ReaderOrJob, Turn, Viewer, ViewerOrJob, Visit
from cibeacon.sandbox.dataops_pipelines import PROJECT, Status
from cibeacon.sandbox.dataops_records import OVER, LiveJob, Pipeline
from cibeacon.sandbox.dataops_requests import Refusal, forbidden
from cibeacon.sandbox.dataops_rows import Row
from cibeacon.sandbox.safe_json import JSONAnswer

_JOBS, _JOB, _PIPELINE = f"{PROJECT}/jobs", f"{PROJECT}/jobs/{{job_id}}", f"{PROJECT}/pipelines/{{pipeline_id}}"
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})", re.ASCII)

router = APIRouter(route_class=Turn, default_response_class=JSONAnswer)


class JobFilters(Page):
    """Which jobs are listed."""

    scope: Sequence[Status] = ()
    include_retried: bool = False

    def select(self, pipelines: Iterable[Pipeline], *, bridges: bool = False) -> list[tuple[Pipeline, LiveJob]]:
        """The jobs or bridges that are wanted, newest first."""
        jobs = [(each, job) for each in pipelines for job in (each.jobs if self.include_retried else each.latest())]
        wanted = [(each, job) for each, job in jobs if not self.scope or job.status in self.scope]
        return sorted((pair for pair in wanted if bool(pair[1].spec.child) == bridges), key=lambda pair: -pair[1].id)


_Filters = Annotated[JobFilters, Query()]


@router.get(_JOBS)
async def list_jobs(visit: ReaderOrJob, filters: _Filters) -> Response:
    """List a project's jobs, newest first, retried ones too, without a count of all."""
    filters.include_retried = True
    jobs = filters.select(visit.state.pipelines_of(visit.project))
    return visit.show_page(filters, jobs, lambda pair: visit.rows.job(*pair), counted=False)


@router.get(f"{_PIPELINE}/jobs")
async def list_jobs_of_pipeline(visit: ViewerOrJob, pipeline_id: int, filters: _Filters) -> Response:
    """List a pipeline's jobs, without those that were tried again, unless they are asked for."""
    pipeline = visit.pipeline(pipeline_id)
    answer = visit.show_page(filters, filters.select([pipeline]), lambda pair: visit.rows.job(*pair))
    if visit.caller.kind == "job" and filters.page == 1:
        visit.state.advance_seen(pipeline)  # a job token may not ask for the pipeline itself
    return answer


@router.get(f"{_PIPELINE}/bridges")
async def list_bridges(visit: Viewer, pipeline_id: int, filters: _Filters) -> Response:
    """List a pipeline's trigger jobs, each with the pipeline that it started."""
    bridges = filters.select([visit.pipeline(pipeline_id)], bridges=True)
    return visit.show_page(filters, bridges, lambda pair: visit.rows.bridge(*pair))


@router.get(_JOB)
async def show_job(visit: Reader, job_id: int) -> Row:
    """Show a job."""
    pipeline, job = visit.job(job_id)
    row = visit.rows.job(pipeline, job)
    visit.state.advance_seen(pipeline)
    return row


@router.get(f"{_JOB}/trace")
async def show_log(visit: Reader, job_id: int, range_: Annotated[str, Header(alias="Range")] = "") -> Response:
    """Show what there is of a job's log so far: whole, or from a byte on."""
    _, job = visit.job(job_id)
    size, ranges = job.visible(), visit.state.account.ranges
    match = _RANGE.fullmatch(range_.strip())
    if match is None or ranges == "ignored" or (ranges == "archived" and job.finished_at is None):
        return _show_bytes(job, 200, 0, size)
    start, end = _bounds(match[1], match[2], size)
    if start >= end:
        return _show_bytes(job, 416, 0, 0, f"bytes */{size}")
    return _show_bytes(job, 206, start, end, f"bytes {start}-{end - 1}/{size}")


def _show_bytes(job: LiveJob, status: int, start: int, end: int, content_range: str = "") -> Response:
    log, headers = job.log, {"Content-Type": "text/plain", "Content-Length": str(end - start)}

    async def pieces() -> AsyncIterator[bytes]:
        for piece in log.pieces(start, end):
            yield piece

    return StreamingResponse(pieces(), status, headers | ({"Content-Range": content_range} if content_range else {}))


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """The first byte and the one after the last; not in order when nothing of the range is there."""
    if not first:
        return (max(0, size - int(last)), size) if last else (0, 0)
    return int(first), min(size, int(last) + 1) if last else size


@router.post(f"{_JOB}/play")
async def play(visit: Developer, job_id: int) -> Row:
    """Start a manual job."""
    pipeline, job = visit.job(job_id)
    if job.status != "manual":
        raise Refusal(400, {"message": "400 Bad request - Unplayable Job"})
    job.played = True
    job.become("pending", visit.state.now())
    return _show_revived(visit, pipeline, job)


@router.post(f"{_JOB}/retry", status_code=201)
async def retry(visit: Developer, job_id: int) -> Row:
    """Try a job again, under another id."""
    pipeline, job = visit.job(job_id)
    if job.retried or job.status not in OVER:
        raise forbidden("Job is not retryable")
    (again,) = visit.state.retry(pipeline, [job], played=True)
    return visit.rows.job(pipeline, again)


@router.post(f"{_JOB}/cancel", status_code=201)
async def cancel(visit: Developer, job_id: int) -> Row:
    """Cancel a job; one that is over stays as it is."""
    pipeline, job = visit.job(job_id)
    visit.state.cancel_job(pipeline, job)
    return _show_revived(visit, pipeline, job)


@router.post(f"{_JOB}/erase", status_code=201)
async def erase(visit: Developer, job_id: int) -> Row:
    """Erase the log of a job that is over."""
    pipeline, job = visit.job(job_id)
    if job.status not in OVER or job.erased_at is not None:
        raise forbidden("Job is not erasable!")
    job.erased_at = visit.state.now()
    return _show_revived(visit, pipeline, job)


def _show_revived(visit: Visit, pipeline: Pipeline, job: LiveJob) -> Row:
    visit.state.revive(pipeline)
    return visit.rows.job(pipeline, job)
