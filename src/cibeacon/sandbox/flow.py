"""Knows how Instabase lists Flow pipelines and sets those of a job. Does not know sockets or any client.

https://instabase.com/docs/apis/flow-pipeline/: the status is 200 for errors too, and the list calls `name` and `id` what
the update calls `flowPipelineName` and `flowPipelineId`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field, TypeAdapter
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse

from cibeacon.sandbox import vendor
from cibeacon.sandbox.safe_json import JSONAnswer, parse_json, read_data
from cibeacon.sandbox.store import Store

PREFIX = "/api/v1"
LISTING, UPDATE = "/flow/pipeline", "/jobs/pipelines"
READ, EXECUTE, WRITE = "flow_pipeline:read", "flow_pipeline:execute", "flow_pipeline:write"
EVERYTHING = (READ, EXECUTE, "flow_pipeline:delete", "flow_pipeline:manage_pipelines", WRITE)
JOB = "f403399d-7ac7-4285-bb06-f7ad82ddbea2"
"""The documented job, which has no pipeline at first."""
ASSIGNED_JOB = "0b7d3f52-6c1e-4e8a-9a55-3f2d1c0b9a87"
"""A job that has one pipeline at first."""
TOKEN = "sandbox-flow-token"  # noqa: S105 - the sandbox's own


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPipeline:
    """A group of reviewers that a job's documents are routed to; its name need not be the only one of its kind."""

    id: str
    name: str
    permissions: Sequence[str] = EVERYTHING
    is_manager: bool = True

    @property
    def assignable(self) -> bool:
        """Whether the user may set it on a job."""
        return EXECUTE in self.permissions or WRITE in self.permissions


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """An organisation or a user: its pipelines, and its jobs with the ids of the pipelines of each."""

    pipelines: Sequence[FlowPipeline] = ()
    jobs: Mapping[str, Sequence[str]] = field(default_factory=dict)


EXAMPLE = TypeAdapter(dict[str, Context]).validate_python(read_data("flow_example.json"))
"""An organisation with the documented pipelines, two of one name and one that may only be read; and the community."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowAccount:
    """What Instabase knows already.

    A request whose `IB-Context` is missing or names none of the contexts is about the `fallback`. `listing` is the path
    that lists; the other one answers a GET with the status `trap`. `stranger` is what a wrong token gets: `envelope` (200
    and an error in JSON), `401`, or `login` (200 and a page).
    """

    tokens: Sequence[str] = field(default=(TOKEN,), repr=False)
    contexts: Mapping[str, Context] = field(default_factory=lambda: EXAMPLE)
    fallback: str = "community"
    listing: str = LISTING
    trap: int = 405
    stranger: str = "envelope"

    def exports(self, url: str) -> dict[str, str]:
        """The settings that lead to the sandbox at `url`."""
        return {
            "CIBEACON_FLOW_URL": url,
            "CIBEACON_FLOW_TOKEN": self.tokens[0],
            "CIBEACON_FLOW_CONTEXT": next(iter(self.contexts)),
        }


class FlowError(Exception):
    """An error in words; the status is 200 all the same."""


class Assignment(BaseModel):
    """The pipelines that a job is to have."""

    job_id: Annotated[str, Field(strict=True, min_length=1)]
    pipeline_ids: list[Annotated[str, Field(strict=True)]]


class Flow:
    """Instabase with a memory; safe to use from many threads."""

    def __init__(self, account: FlowAccount, store: Store) -> None:
        self.account = account
        self._lock = store.lock
        self._jobs = store.table("flow_jobs")
        """By context and job: the ids of its pipelines."""
        for name, context in account.contexts.items():
            self._jobs.setdefault(name, {job: list(ids) for job, ids in context.jobs.items()})

    def document(self) -> dict[str, Any]:
        """By context: its pipelines with id and name, and its jobs, each with the pipelines that it has now."""
        shown = {}
        with self._lock:
            for name, context in self.account.contexts.items():
                pipelines = {one.id: {"id": one.id, "name": one.name} for one in context.pipelines}
                jobs = {
                    job: [pipelines[each] for each in ids if each in pipelines] for job, ids in self._jobs[name].items()
                }
                shown[name] = {"pipelines": list(pipelines.values()), "jobs": jobs}
        return shown

    async def authenticate(self, request: Request) -> None:
        """Raise where the path lists nothing, or the token is none of the account's."""
        if request.method == "GET" and request.url.path != PREFIX + self.account.listing:
            raise HTTPException(405)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        good = [hmac.compare_digest(token.strip().encode(), one.encode()) for one in self.account.tokens]
        if scheme.lower() != "bearer" or not any(good):
            raise HTTPException(401)

    def context(self, named: str | None) -> str:
        """The context of a request, by its header `IB-Context`."""
        return named if named in self.account.contexts else self.account.fallback  # type: ignore[return-value]

    def pipelines(self, context: str) -> Sequence[FlowPipeline]:
        """The Flow pipelines of a context."""
        return self.account.contexts.get(context, Context()).pipelines

    def assign(self, context: str, job_id: str, pipeline_ids: Sequence[str]) -> list[FlowPipeline]:
        """Set the pipelines of a job."""
        with self._lock:
            jobs = self._jobs.get(context, {})
            if job_id not in jobs:
                raise FlowError(f"Job {job_id} does not exist")
            chosen = [self._assignable(context, one) for one in dict.fromkeys(pipeline_ids)]
            self._jobs[context] = jobs | {job_id: [one.id for one in chosen]}
            return chosen

    def _assignable(self, context: str, pipeline_id: str) -> FlowPipeline:
        pipeline = next((one for one in self.pipelines(context) if one.id == pipeline_id), None)
        if pipeline is None:
            raise FlowError(f"Flow pipeline {pipeline_id} does not exist")
        if not pipeline.assignable:
            raise FlowError(f"User does not have permission to use flow pipeline {pipeline_id}")
        return pipeline


router = APIRouter(
    prefix=PREFIX,
    strict_content_type=False,
    route_class=vendor.AuthenticatedRoute,
    default_response_class=JSONAnswer,
    dependencies=[Security(HTTPBearer(auto_error=False, description="A token of Instabase."))],
)


@router.get(LISTING)
@router.get(UPDATE, include_in_schema=False)
async def list_pipelines(request: Request) -> dict[str, Any]:
    """List the Flow pipelines of the context that the header `IB-Context` names."""
    flow: Flow = request.app.state.held
    pipelines = flow.pipelines(flow.context(request.headers.get("ib-context")))
    return {"status": "OK", "pipelines": [asdict(one) for one in pipelines]}


@router.post(UPDATE)
async def set_pipelines(call: Assignment, request: Request) -> dict[str, Any]:
    """Set the Flow pipelines of a job."""
    flow: Flow = request.app.state.held
    chosen = flow.assign(flow.context(request.headers.get("ib-context")), call.job_id, call.pipeline_ids)
    updated = [{"flowPipelineName": one.name, "flowPipelineId": one.id} for one in chosen]
    return {"status": "OK", "updated_pipelines": updated}


def play(account: FlowAccount | None, store: Store, _clock: Callable[[], float]) -> vendor.Vendor:
    """Instabase's two methods, beside DCI's below one prefix."""
    flow = Flow(account or FlowAccount(), store)
    app = vendor.create_app("Instabase Flow", router, refuse=_refuse, errors=(FlowError,), held=flow)
    return vendor.Vendor("", app, flow, flow.account.exports, flow.document, verdict)


async def _refuse(request: Request, error: Exception) -> Response:
    account: FlowAccount = request.app.state.held.account
    if isinstance(error, HTTPException) and error.status_code != 401:
        return Response(status_code=account.trap, media_type="text/html")
    if isinstance(error, FlowError):
        return _envelope(str(error))
    if isinstance(error, RequestValidationError):
        is_job = any("pipeline_ids" not in each["loc"] for each in error.errors())
        return _envelope("Missing required parameter: job_id" if is_job else "pipeline_ids must be a list of strings")
    if account.stranger == "login":
        return HTMLResponse("<form method=post>Password</form>\n")
    return _envelope("Invalid access token", 401 if account.stranger == "401" else 200)


def _envelope(message: str, status: int = 200) -> Response:
    return JSONAnswer({"status": "ERROR", "msg": message}, status)


def verdict(response: Response) -> tuple[str | None, str | None]:
    """The error and the sentence of an answer."""
    body = parse_json(bytes(response.body)) if response.status_code == 200 else None
    if isinstance(body, dict) and body.get("status") == "ERROR":
        return "ERROR", body.get("msg")
    return vendor.verdict(response)
