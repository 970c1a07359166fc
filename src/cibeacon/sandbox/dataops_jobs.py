"""Knows how DataOps.live lists jobs and bridges, plays, retries, cancels and erases jobs, and hands out their logs. Does not
know what logs say.

https://docs.gitlab.com/api/jobs/; 206 and 416: https://www.rfc-editor.org/rfc/rfc9110#name-range-requests.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Annotated

from fastapi import Header, HTTPException, Query, Response
from starlette.responses import StreamingResponse

from cibeacon.sandbox import dataops_requests as api
from cibeacon.sandbox.dataops_pipelines import Status
from cibeacon.sandbox.dataops_records import OVER, LiveJob, Pipeline
from cibeacon.sandbox.dataops_rows import Row

_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})", re.ASCII)
router = api.create_router()


class JobFilters(api.Page):
    """Which jobs are listed."""

    scope: Sequence[Status] = ()
    include_retried: bool = False

    def select(self, pipelines: Iterable[Pipeline], *, bridges: bool = False) -> list[LiveJob]:
        """The jobs or bridges that are wanted, newest first."""
        jobs = [job for each in pipelines for job in (each.jobs if self.include_retried else each.latest())]
        wanted = [job for job in jobs if bool(job.spec.child) == bridges and job.status in (self.scope or job.status)]
        return sorted(wanted, key=lambda job: -job.id)


_Filters = Annotated[JobFilters, Query()]


@router.get("/jobs")
async def list_jobs(visit: api.ReaderOrJob, filters: _Filters) -> Response:
    """List a project's jobs, newest first, retried ones too, without a count of all."""
    filters.include_retried = True
    jobs = filters.select(visit.state.pipelines_of(visit.project))
    return visit.show_page(filters, jobs, visit.rows.job, counted=False)


@router.get("/pipelines/{pipeline_id}/jobs")
async def list_jobs_of_pipeline(visit: api.ViewerOrJob, pipeline_id: int, filters: _Filters) -> Response:
    """List a pipeline's jobs, without those that were tried again, unless they are asked for."""
    pipeline = visit.pipeline(pipeline_id)
    answer = visit.show_page(filters, filters.select([pipeline]), visit.rows.job)
    if visit.caller.kind == "job" and filters.page == 1:
        visit.state.advance_seen(pipeline)  # a job token may not ask for the pipeline itself
    return answer


@router.get("/pipelines/{pipeline_id}/bridges")
async def list_bridges(visit: api.Viewer, pipeline_id: int, filters: _Filters) -> Response:
    """List a pipeline's trigger jobs, each with the pipeline that it started."""
    bridges = filters.select([visit.pipeline(pipeline_id)], bridges=True)
    return visit.show_page(filters, bridges, visit.rows.bridge)


@router.get("/jobs/{job_id}")
async def show_job(visit: api.Reader, job_id: int) -> Row:
    """Show a job."""
    pipeline, job = visit.job(job_id)
    row = visit.rows.job(job)
    visit.state.advance_seen(pipeline)
    return row


@router.get("/jobs/{job_id}/trace")
async def show_log(visit: api.Reader, job_id: int, range_: Annotated[str, Header(alias="Range")] = "") -> Response:
    """Show what there is of a job's log so far: whole, or a range of bytes."""
    _, job = visit.job(job_id)
    log, size, ranges = job.log, job.visible(), visit.state.account.ranges
    match, headers = _RANGE.fullmatch(range_.strip()), {"Content-Type": "text/plain"}
    status, start, end = 200, 0, size
    if match and ranges != "ignored" and (ranges == "honoured" or job.finished_at is not None):
        first, last = match.groups()
        start = int(first) if first else max(0, size - int(last or 0))
        end = min(size, int(last) + 1) if first and last else size
        status, content_range = (206, f"bytes {start}-{end - 1}/{size}") if start < end else (416, f"bytes */{size}")
        headers["Content-Range"] = content_range

    async def pieces() -> AsyncIterator[bytes]:
        for piece in log.pieces(start, end):
            yield piece

    return StreamingResponse(pieces(), status, headers | {"Content-Length": str(max(0, end - start))})


@router.post("/jobs/{job_id}/play")
async def play_job(visit: api.Developer, job_id: int) -> Row:
    """Start a manual job."""
    pipeline, job = visit.job(job_id)
    if job.status != "manual":
        raise HTTPException(400, {"message": "400 Bad request - Unplayable Job"})
    job.played = True
    job.become("pending", visit.state.now())
    return _show_changed(visit, pipeline, job)


@router.post("/jobs/{job_id}/retry", status_code=201)
async def retry_job(visit: api.Developer, job_id: int) -> Row:
    """Try a job again, under another id."""
    pipeline, job = visit.job(job_id)
    if job.retried or job.status not in OVER:
        raise api.forbidden("Job is not retryable")
    job.played = True
    visit.state.retry(pipeline, [job])
    return visit.rows.job(pipeline.jobs[-1])


@router.post("/jobs/{job_id}/cancel", status_code=201)
async def cancel_job(visit: api.Developer, job_id: int) -> Row:
    """Cancel a job; one that is over stays as it is."""
    pipeline, job = visit.job(job_id)
    visit.state.cancel_job(pipeline, job)
    return _show_changed(visit, pipeline, job)


@router.post("/jobs/{job_id}/erase", status_code=201)
async def erase_job(visit: api.Developer, job_id: int) -> Row:
    """Erase the log of a job that is over."""
    pipeline, job = visit.job(job_id)
    if job.status not in OVER or job.erased_at is not None:
        raise api.forbidden("Job is not erasable!")
    job.erased_at = visit.state.now()
    return _show_changed(visit, pipeline, job)


def _show_changed(visit: api.Visit, pipeline: Pipeline, job: LiveJob) -> Row:
    visit.state.update(pipeline)
    return visit.rows.job(job)
