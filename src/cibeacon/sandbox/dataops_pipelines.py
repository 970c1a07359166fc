"""Knows how DataOps.live starts, lists, cancels and retries pipelines, and what it says of their project. Does not know jobs
or schedules.

https://docs.gitlab.com/api/pipeline_triggers/, https://docs.gitlab.com/api/pipelines/. On DataOps the variable
`_PIPELINE_FILE_NAME` says which file makes the pipeline: https://docs.dataops.live/docs/operate-operate-pipelines/.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, Field

from cibeacon.sandbox.dataops_access import Developer, Guest, Page, Person, Turn, Viewer, Visit, rows_of, state_of
from cibeacon.sandbox.dataops_account import ROLES
from cibeacon.sandbox.dataops_records import OVER, Pipeline
from cibeacon.sandbox.dataops_requests import Refusal, forbidden, invalid, missing
from cibeacon.sandbox.dataops_rows import Row, variables
from cibeacon.sandbox.dataops_script import Script
from cibeacon.sandbox.dataops_state import DataOpsState
from cibeacon.sandbox.safe_json import JSONAnswer

FILE = "_PIPELINE_FILE_NAME"
PROJECT = "/projects/{project_id}"
Text = Annotated[str, Field(min_length=1)]
Status = Literal[
    "created", "waiting_for_resource", "preparing", "pending", "running", "success", "failed", "canceled", "skipped",
    "manual", "scheduled", "canceling", "waiting_for_callback",
]  # fmt: skip
Source = Literal[
    "push", "web", "trigger", "schedule", "api", "external", "pipeline", "chat", "webide", "merge_request_event",
    "external_pull_request_event", "parent_pipeline", "ondemand_dast_scan", "ondemand_dast_validation",
]  # fmt: skip

router = APIRouter(route_class=Turn, default_response_class=JSONAnswer)
"""Made once: a route takes longer to make than a sandbox."""


class TriggerCall(BaseModel):
    """What starts a pipeline with a trigger token, or that of a job."""

    ref: Text
    token: str
    variables: dict[str, Any] = {}


class Variable(BaseModel):
    """A variable of a pipeline."""

    key: str
    value: str


class PipelineCall(BaseModel):
    """What starts a pipeline with an access token."""

    ref: Text
    variables: list[Variable] = []


class PipelineFilters(Page):
    """Which pipelines are listed; children only when they are asked for."""

    scope: Literal["running", "pending", "finished", "branches", "tags"] | None = None
    status: Status | None = None
    source: Source | None = None
    ref: str | None = None
    sha: str | None = None
    username: str | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    order_by: Literal["id", "status", "ref", "updated_at", "user_id"] = "id"
    sort: Literal["asc", "desc"] = "desc"

    def match(self, pipeline: Pipeline) -> bool:
        """Whether a pipeline is wanted."""
        statuses = OVER if self.scope == "finished" else (self.scope,)
        same = [(name, getattr(pipeline, name)) for name in ("status", "source", "ref", "sha")]
        return (
            all(getattr(self, name) in (None, value) for name, value in [*same, ("username", pipeline.user)])
            and (pipeline.source != "parent_pipeline" or self.source is not None)
            and (pipeline.status in statuses or self.scope in (None, "tags" if pipeline.tag else "branches"))
            and _is_within(pipeline.created_at, self.created_after, self.created_before)
            and _is_within(pipeline.updated_at, self.updated_after, self.updated_before)
        )


def _is_within(seconds: float, after: datetime | None, before: datetime | None) -> bool:
    at = datetime.fromtimestamp(seconds, UTC)
    bounds = [each if each is None or each.tzinfo else each.replace(tzinfo=UTC) for each in (after, before)]
    return (bounds[0] is None or at >= bounds[0]) and (bounds[1] is None or at <= bounds[1])


@router.post(f"{PROJECT}/trigger/pipeline", status_code=201)
async def trigger(
    call: TriggerCall, request: Request, project_id: str, x_gitlab_event: Annotated[str, Header()] = ""
) -> Row:
    """Start a pipeline with a trigger token, or that of a job. A wrong token is answered like no project."""
    if x_gitlab_event == "Pipeline Hook":
        raise forbidden("Request triggered by pipeline hook")
    if not all(isinstance(value, str) for value in call.variables.values()):
        raise Refusal(400, {"message": "variables needs to be a map of key-valued strings"})
    state = state_of(request)
    project = state.account.project(unquote(project_id))
    kinds = ("trigger", "job") if project and project.job_token_allowed else ("trigger",)
    tokens = [each for each in state.account.tokens if each.value == call.token and each.kind in kinds]
    good = [each for each in tokens if each.state == "active" and each.value not in state.revoked]
    if project is None or not good or not good[0].is_member(project):
        raise missing()
    visit = Visit(request, state, rows_of(request), good[0], project)
    source = "pipeline" if visit.caller.kind == "job" else "trigger"
    return start(visit, call.ref, source, visit.caller.user, call.variables)


@router.post(f"{PROJECT}/pipeline", status_code=201)
async def create(visit: Developer, call: PipelineCall) -> Row:
    """Start a pipeline with an access token."""
    return start(visit, call.ref, "api", visit.caller.user, {each.key: each.value for each in call.variables})


def start(
    visit: Visit, ref: str, source: str, user: str, variables: Mapping[str, str], schedule: int | None = None
) -> Row:
    """Start a pipeline, and show it as it was before its first job began. Raises 400."""
    project, state = visit.project, visit.state
    has_variables = schedule is None and (variables or source != "api")  # a trigger's payload is a variable itself
    if has_variables and not project.variables_allowed:
        raise invalid(base="Insufficient permissions to set pipeline variables")
    name = ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    known = [names for names in (project.branches, project.tags) if name in names]
    if not known:
        raise invalid(base="Reference not found")
    if len(known) > 1 and name == ref:
        raise invalid(base="Ref is ambiguous")
    script = _choose_script(state, variables.get(FILE))
    fields = {"source": source, "user": user, "variables": dict(variables), "schedule_id": schedule}
    pipeline = state.create(project, script, name, **fields)
    row = visit.rows.whole_pipeline(pipeline)
    state.update(pipeline)
    return row


def _choose_script(state: DataOpsState, file: str | None) -> Script:
    """What the pipeline of a file does. Raises 400 when there is no such file."""
    script = state.scripts.get(file) if file else None
    if script is None and state.account.plain_gitlab:
        script = state.account.otherwise
    if state.ordered and (file or script):
        return state.ordered.pop(0)
    if script is None:
        raise invalid(base="Missing CI config file")
    return script


@router.get(f"{PROJECT}/pipelines")
async def list_pipelines(visit: Viewer, filters: Annotated[PipelineFilters, Query()]) -> Response:
    """List pipelines, newest first."""
    order = "user" if filters.order_by == "user_id" else filters.order_by
    rows = [each for each in visit.state.pipelines_of(visit.project) if filters.match(each)]
    rows.sort(key=lambda each: getattr(each, order), reverse=filters.sort == "desc")
    return visit.show_page(filters, rows, visit.rows.pipeline)


@router.get(f"{PROJECT}/pipelines/latest")
async def show_latest(visit: Viewer, ref: str = "") -> Row:
    """Show the latest pipeline of a ref, or of the default branch."""
    ref = ref or next(iter(visit.project.branches))
    own = [each for each in visit.state.pipelines_of(visit.project) if each.source != "parent_pipeline"]
    latest = [each for each in own if each.ref == ref][-1:]
    if not latest:
        raise forbidden()
    return visit.rows.whole_pipeline(latest[0])


@router.get(f"{PROJECT}/pipelines/{{pipeline_id}}")
async def show_pipeline(visit: Viewer, pipeline_id: int) -> Row:
    """Show a pipeline."""
    pipeline = visit.pipeline(pipeline_id)
    row = visit.rows.whole_pipeline(pipeline)
    visit.state.advance_seen(pipeline)
    return row


@router.get(f"{PROJECT}/pipelines/{{pipeline_id}}/variables")
async def list_variables(visit: Viewer, pipeline_id: int) -> list[Row]:
    """List a pipeline's variables: for a maintainer, or a developer whose pipeline it is."""
    pipeline, caller = visit.pipeline(pipeline_id), visit.caller
    is_own = caller.user == pipeline.user and caller.role == "developer"
    if not is_own and ROLES.index(caller.role) < ROLES.index("maintainer"):
        raise forbidden()
    return variables(pipeline.variables)


@router.post(f"{PROJECT}/pipelines/{{pipeline_id}}/cancel")
async def cancel(visit: Developer, pipeline_id: int) -> Row:
    """Cancel a pipeline and those below it; one that is over stays as it is."""
    pipeline = visit.pipeline(pipeline_id)
    visit.state.cancel(pipeline)
    return visit.rows.whole_pipeline(pipeline)


@router.post(f"{PROJECT}/pipelines/{{pipeline_id}}/retry", status_code=201)
async def retry(visit: Developer, pipeline_id: int) -> Row:
    """Try a pipeline's failed and canceled jobs again, and after them those that were skipped."""
    pipeline = visit.pipeline(pipeline_id)
    state, over = visit.state, ("failed", "canceled")
    state.retry(pipeline, [job for job in pipeline.latest() if job.status in over])
    return visit.rows.whole_pipeline(pipeline)


@router.get(PROJECT)
async def show_project(visit: Guest) -> Row:
    """Show a project."""
    return visit.rows.project(visit.project)


@router.get(f"{PROJECT}/repository/branches/{{name}}")
@router.get(f"{PROJECT}/repository/tags/{{name}}")
async def show_reference(visit: Viewer, request: Request, name: str) -> Row:
    """Show a branch or a tag."""
    is_branch, name = "/repository/branches/" in request.url.path, unquote(name)
    sha = (visit.project.branches if is_branch else visit.project.tags).get(name)
    if sha is None:
        raise missing("Branch" if is_branch else "Tag")
    is_default = name == next(iter(visit.project.branches))
    return {"name": name, "default": is_default, "commit": {"id": sha, "short_id": sha[:8]}}


@router.get(f"{PROJECT}/repository/commits/{{ref}}")
async def show_commit(visit: Viewer, ref: str) -> Row:
    """Show a commit, by branch, tag, id or the first digits of an id."""
    ref, named = unquote(ref), {**visit.project.tags, **visit.project.branches}
    abbreviated = (sha for sha in named.values() if len(ref) >= 7 and sha.startswith(ref))
    sha = named.get(ref) or next(abbreviated, None)
    if sha is None:
        raise missing("Commit")
    return {"id": sha, "short_id": sha[:8], "title": "Load the flights", "parent_ids": []}


@router.get("/user")
async def show_user(caller: Person, request: Request) -> Row:
    """Show whose token it is."""
    return rows_of(request).user(caller.user)


@router.get("/personal_access_tokens/self")
async def show_token(caller: Person) -> Row:
    """Show what the token may."""
    return {"id": 1, "name": "sandbox", "scopes": list(caller.scopes), "active": True, "revoked": False}


@router.get("/version")
async def show_version(_caller: Person) -> Row:
    """Show the version of GitLab."""
    return {"version": "17.5.3-ee", "revision": "sandbox"}
