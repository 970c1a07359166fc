"""Knows how DataOps.live starts, lists and changes pipelines and their jobs, and hands out logs. Does not know schedules.

https://docs.gitlab.com/api/pipeline_triggers/, https://docs.gitlab.com/api/pipelines/, https://docs.gitlab.com/api/jobs/. On
DataOps a variable says which file makes the pipeline: https://docs.dataops.live/docs/operate-operate-pipelines/.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from fastapi import Body, Header, HTTPException, Query, Request, Response
from pydantic import AfterValidator, BaseModel, Field
from starlette.responses import StreamingResponse

from cibeacon.sandbox import dataops_requests as api
from cibeacon.sandbox.dataops_account import Script
from cibeacon.sandbox.dataops_records import OVER, LiveJob, Pipeline
from cibeacon.sandbox.dataops_rows import Row, variables
from cibeacon.sandbox.dataops_state import DataOpsState

FILE = "_PIPELINE_FILE_NAME"
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})", re.ASCII)
Text = Annotated[str, Field(min_length=1)]
Moment = Annotated[datetime, AfterValidator(lambda at: at if at.tzinfo else at.replace(tzinfo=UTC))]
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
Status = Literal[
    "created", "waiting_for_resource", "preparing", "pending", "running", "success", "failed", "canceled", "skipped",
    "manual", "scheduled", "canceling", "waiting_for_callback",
]  # fmt: skip

router = api.create_router()


class PipelineFilters(api.Page):
    """Which pipelines are listed; children only when they are asked for."""

    scope: Literal["running", "pending", "finished", "branches", "tags"] | None = None
    status: Status | None = None
    source: str | None = None
    ref: str | None = None
    sha: str | None = None
    username: str | None = None
    updated_after: Moment = _FIRST
    updated_before: Moment = _LAST
    created_after: Moment = _FIRST
    created_before: Moment = _LAST
    order_by: Literal["id", "status", "ref", "updated_at", "user_id"] = "id"
    sort: Literal["asc", "desc"] = "desc"

    def match(self, pipeline: Pipeline) -> bool:
        """Whether a pipeline passes the filters."""
        names = {"status": "status", "source": "source", "ref": "ref", "sha": "sha", "username": "user"}
        statuses = OVER if self.scope == "finished" else (self.scope,)
        return (
            all(getattr(self, name) in (None, getattr(pipeline, field)) for name, field in names.items())
            and (pipeline.source != "parent_pipeline" or self.source is not None)
            and (pipeline.status in statuses or self.scope in (None, "tags" if pipeline.tag else "branches"))
            and self.created_after <= datetime.fromtimestamp(pipeline.created_at, UTC) <= self.created_before
            and self.updated_after <= datetime.fromtimestamp(pipeline.updated_at, UTC) <= self.updated_before
        )


class Variable(BaseModel):
    """A variable of a pipeline."""

    key: str
    value: str


class JobFilters(api.Page):
    """Which jobs are listed."""

    scope: Sequence[Status] = ()
    include_retried: bool = False

    def select(self, pipelines: Iterable[Pipeline], *, bridges: bool = False) -> list[LiveJob]:
        """The jobs or bridges that pass the filters, newest first."""
        jobs = [job for each in pipelines for job in (each.jobs if self.include_retried else each.latest())]
        wanted = [job for job in jobs if bool(job.spec.child) == bridges and job.status in (self.scope or job.status)]
        return sorted(wanted, key=lambda job: -job.id)


_Filters = Annotated[JobFilters, Query()]


@router.post("/trigger/pipeline", status_code=201)
async def trigger(
    request: Request,
    project_id: str,
    ref: Annotated[Text, Body()],
    token: Annotated[str, Body()],
    variables: Annotated[dict[str, Any], Body(default_factory=dict)],
    x_gitlab_event: Annotated[str, Header()] = "",
) -> Row:
    """Start a pipeline with a trigger token or a job token. A wrong token is answered as if the project did not exist."""
    if x_gitlab_event == "Pipeline Hook":
        raise api.forbidden("Request triggered by pipeline hook")
    if not all(isinstance(value, str) for value in variables.values()):
        raise HTTPException(400, {"message": "variables needs to be a map of key-valued strings"})
    account = api.state_of(request).account
    project = account.project(unquote(project_id))
    kinds = ("trigger", "job") if project and project.job_token_allowed else ("trigger",)
    good = [each for each in account.tokens if (each.value, each.state) == (token, "active") and each.kind in kinds]
    if project is None or not good or not good[0].is_member(project):
        raise api.missing()
    source = "pipeline" if good[0].kind == "job" else "trigger"
    return start(api.Visit(request, api.state_of(request), good[0], project), ref, source, good[0].user, variables)


@router.post("/pipeline", status_code=201)
async def create(
    visit: api.Developer,
    ref: Annotated[Text, Body()],
    variables: Annotated[list[Variable], Body(default_factory=list)],
) -> Row:
    """Start a pipeline with an access token."""
    return start(visit, ref, "api", visit.caller.user, {each.key: each.value for each in variables})


def start(
    visit: api.Visit, ref: str, source: str, user: str, variables: Mapping[str, str], schedule: int | None = None
) -> Row:
    """Start a pipeline, and show it as it is before its first job begins. Raises 400."""
    project, state = visit.project, visit.state
    sets_variables = schedule is None and (variables or source != "api")  # a trigger's payload is a variable itself
    if sets_variables and not project.variables_allowed:
        raise api.invalid(base="Insufficient permissions to set pipeline variables")
    if len(known := project.refs(ref)) != 1:
        raise api.invalid(base="Ref is ambiguous" if known else "Reference not found")
    script = _choose_script(state, variables.get(FILE))
    fields = {"source": source, "user": user, "variables": dict(variables), "schedule_id": schedule}
    pipeline = state.create(project, script, known[0].split("/", 2)[2], **fields)
    row = visit.rows.whole_pipeline(pipeline)
    state.update(pipeline)
    return row


def _choose_script(state: DataOpsState, file: str | None) -> Script:
    """The script of a pipeline file. Raises 400 where the file does not exist."""
    plain = next(iter(state.scripts.values())) if state.account.plain_gitlab else None
    script = state.scripts.get(file or "", plain)
    if state.ordered and (file or script):
        return state.ordered.pop(0)
    if script is None:
        raise api.invalid(base="Missing CI config file")
    return script


@router.get("/pipelines")
async def list_pipelines(visit: api.Viewer, filters: Annotated[PipelineFilters, Query()]) -> Response:
    """List pipelines, newest first."""
    order = "user" if filters.order_by == "user_id" else filters.order_by
    pipelines = [each for each in visit.state.pipelines_of(visit.project) if filters.match(each)]
    pipelines.sort(key=lambda each: getattr(each, order), reverse=filters.sort == "desc")
    return visit.show_page(filters, pipelines, visit.rows.pipeline)


@router.get("/pipelines/latest")
async def show_latest(visit: api.Viewer, ref: str = "") -> Row:
    """Show the latest pipeline of a ref, or of the default branch."""
    wanted = PipelineFilters(ref=ref or visit.project.default_branch)
    latest = [each for each in visit.state.pipelines_of(visit.project) if wanted.match(each)][-1:]
    if not latest:
        raise api.forbidden()
    return visit.rows.whole_pipeline(latest[0])


@router.get("/pipelines/{pipeline_id}")
async def show_pipeline(visit: api.Viewer, pipeline_id: int) -> Row:
    """Show a pipeline."""
    pipeline = visit.pipeline(pipeline_id)
    row = visit.rows.whole_pipeline(pipeline)
    visit.state.advance_seen(pipeline)
    return row


@router.get("/pipelines/{pipeline_id}/variables")
async def list_variables(visit: api.Viewer, pipeline_id: int) -> list[Row]:
    """List a pipeline's variables: for a maintainer, or the developer whose pipeline it is."""
    pipeline, caller = visit.pipeline(pipeline_id), visit.caller
    if (caller.role, caller.user) != ("developer", pipeline.user) and caller.role != "maintainer":
        raise api.forbidden()
    return variables(pipeline.variables)


@router.post("/pipelines/{pipeline_id}/cancel")
async def cancel(visit: api.Developer, pipeline_id: int) -> Row:
    """Cancel a pipeline and its children; one that has ended stays as it is."""
    visit.state.cancel(visit.pipeline(pipeline_id))
    return visit.rows.whole_pipeline(visit.pipeline(pipeline_id))


@router.post("/pipelines/{pipeline_id}/retry", status_code=201)
async def retry(visit: api.Developer, pipeline_id: int) -> Row:
    """Retry a pipeline's failed and canceled jobs, and after them those that were skipped."""
    pipeline = visit.pipeline(pipeline_id)
    visit.state.retry(pipeline, [job for job in pipeline.latest() if job.status in ("failed", "canceled")])
    return visit.rows.whole_pipeline(pipeline)


@router.get("/jobs")
async def list_jobs(visit: api.ReaderOrJob, filters: _Filters) -> Response:
    """List a project's jobs with all attempts, newest first. The answer does not say how many there are."""
    filters.include_retried = True
    jobs = filters.select(visit.state.pipelines_of(visit.project))
    return visit.show_page(filters, jobs, visit.rows.job, counted=False)


@router.get("/pipelines/{pipeline_id}/jobs")
async def list_jobs_of_pipeline(visit: api.ViewerOrJob, pipeline_id: int, filters: _Filters) -> Response:
    """List a pipeline's jobs; attempts that were retried only on request."""
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
    """Show a job's log so far: all of it, or a range of bytes."""
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


@router.post("/jobs/{job_id}/play", status_code=200)
@router.post("/jobs/{job_id}/retry", status_code=201)
@router.post("/jobs/{job_id}/cancel", status_code=201)
@router.post("/jobs/{job_id}/erase", status_code=201)
async def change_job(visit: api.Developer, job_id: int) -> Row:
    """Start a manual job, retry a job under another id, cancel it, or erase its log once it has ended."""
    (pipeline, job), state, action = visit.job(job_id), visit.state, visit.request.scope["path"].rpartition("/")[2]
    if action == "play" and job.status == "manual":
        job.played = True
        job.become("pending", state.now())
    elif action == "retry" and job.status in OVER and not job.retried:
        job.played = True
        state.retry(pipeline, [job])
        job = pipeline.jobs[-1]
    elif action == "cancel":
        state.cancel_job(pipeline, job)
    elif action == "erase" and job.status in OVER and job.erased_at is None:
        job.erased_at = state.now()
    elif action == "play":
        raise HTTPException(400, {"message": "400 Bad request - Unplayable Job"})
    else:
        raise api.forbidden("Job is not retryable" if action == "retry" else "Job is not erasable!")
    state.update(pipeline)
    return visit.rows.job(job)
