"""Knows what DX's Web API does with the runs of self-service workflows. Does not know sockets or any client.

https://docs.getdx.com/webapi/methods/workflowruns.info/ and .addlink, .postmessage, .changestatus beside it. They show two
error codes, for the token; the others are the Data Cloud API's. A run exists once somebody asks for it, so that any id
can be tried; after its end it takes no other status.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field
from pydantic_core import PydanticCustomError as Refusal
from starlette.exceptions import HTTPException

from cibeacon.sandbox import vendor
from cibeacon.sandbox.dx import refusal_of
from cibeacon.sandbox.safe_json import JSONAnswer
from cibeacon.sandbox.store import Store

PREFIX = "/webapi"
TOKEN = "sandbox-web-token"  # noqa: S105 - the sandbox's own
RUN = "4vyq52b7b4a4"
"""The documented run."""
UNKNOWN = "unknown"
"""The id that plays a run which does not exist."""
_STATUS: Mapping[str, int] = {
    "not_authed": 401,
    "invalid_auth": 401,
    "workflow_run_not_found": 404,
    "unknown_method": 404,
    "method_not_allowed": 405,
}
"""HTTP status by error code, where it is not 422."""
_Text = Annotated[str, Field(strict=True, min_length=1)]


class WorkflowRunCall(BaseModel):
    """What every method that writes is given."""

    workflow_run_id: _Text


class WorkflowRunMessage(WorkflowRunCall):
    """workflowRuns.postMessage."""

    message: _Text


class WorkflowRunLink(BaseModel):
    """A link with what it is called."""

    url: _Text
    label: _Text


class WorkflowRunLinked(WorkflowRunCall):
    """workflowRuns.addLink."""

    link: WorkflowRunLink


class WorkflowRunStatus(WorkflowRunCall):
    """workflowRuns.changeStatus."""

    status: Literal["SUCCEEDED", "FAILED"]


class DxWorkflowRuns:
    """The workflow runs of an account; safe to use from many threads."""

    def __init__(self, store: Store, clock: Callable[[], float], *, token: str = TOKEN) -> None:
        self.token, self._clock = token, clock
        self.may_read = True
        """Whether the token has the scope `workflows:read`."""
        self._lock = store.lock
        self._events = store.table("dx_workflow_events")
        """By the id of the run: what happened to it, in order."""

    def exports(self, url: str) -> dict[str, str]:
        """The settings that lead to the sandbox at `url`, but for the run."""
        return {"CIBEACON_DX_WORKFLOW_URL": url + PREFIX, "CIBEACON_DX_WORKFLOW_TOKEN": self.token}

    def document(self) -> dict[str, Any]:
        """Every run by its id: its status, links and events."""
        with self._lock:
            return {run_id: self._describe(events) for run_id, events in self._events.items()}

    async def authenticate(self, request: Request) -> None:
        """Refuse a request without the account's token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Refusal("not_authed", "The request needs the header Authorization: Bearer and a token")
        if not hmac.compare_digest(token.strip().encode(), self.token.encode()):
            raise Refusal("invalid_auth", "This is not the Web API token that the sandbox expects")

    def read(self, run_id: str) -> dict[str, Any]:
        """A run with its events."""
        if not self.may_read:
            raise HTTPException(403)
        self._know(run_id)
        return {"id": run_id, **self._describe(self._events.get(run_id, []))}

    def add(self, run_id: str, kind: str, message: str | None = None, **data: Any) -> dict[str, Any]:
        """Add an event to a run, and return it."""
        self._know(run_id)
        moment = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        with self._lock:
            events = self._events.get(run_id, [])
            ended = self._describe(events)["status"]
            if "status" in data and ended not in ("IN_PROGRESS", data["status"]):
                raise Refusal("invalid_arguments", f"The workflow run has ended: it is {ended}")
            event = {
                "id": f"{run_id}-{len(events) + 1}",
                "workflow_run_id": run_id,
                "type": kind,
                "message": message,
                "occurred_at": moment.replace("+00:00", "Z"),
                "data": data,
            }
            self._events[run_id] = [*events, event]
            return event

    def _know(self, run_id: str) -> None:
        if run_id == UNKNOWN:
            raise Refusal("workflow_run_not_found", "There is no such workflow run")

    def _describe(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        statuses = [event["data"]["status"] for event in events if event["type"] == "CHANGE_STATUS"]
        links = [event["data"]["link"] for event in events if event["type"] == "ADD_LINK"]
        return {"status": [*statuses, "IN_PROGRESS"][0], "links": links, "events": events}


async def _runs_of(request: Request) -> Any:
    return request.app.state.held


_Runs = Annotated[DxWorkflowRuns, Depends(_runs_of)]
router = APIRouter(
    route_class=vendor.AuthenticatedRoute,
    default_response_class=JSONAnswer,
    dependencies=[Security(HTTPBearer(auto_error=False, description="A Web API token of DX."))],
)


@router.get("/workflowRuns.info")
async def show_run(id: str, runs: _Runs) -> dict[str, Any]:
    """Show a run with its events."""
    return {"ok": True, "workflow_run": runs.read(id)}


@router.post("/workflowRuns.postMessage")
async def post_message(call: WorkflowRunMessage, runs: _Runs) -> dict[str, Any]:
    """Add a message to a run."""
    return {"ok": True, "event": runs.add(call.workflow_run_id, "POST_MESSAGE", call.message)}


@router.post("/workflowRuns.addLink")
async def add_link(call: WorkflowRunLinked, runs: _Runs) -> dict[str, Any]:
    """Add a link to a run."""
    return {"ok": True, "event": runs.add(call.workflow_run_id, "ADD_LINK", link=call.link.model_dump())}


@router.post("/workflowRuns.changeStatus")
async def change_status(call: WorkflowRunStatus, runs: _Runs) -> dict[str, Any]:
    """End a run."""
    return {"ok": True, "event": runs.add(call.workflow_run_id, "CHANGE_STATUS", status=call.status)}


async def _refuse(_request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == 403:
        return JSONAnswer({"ok": False, "error": "missing_scope"}, 403)
    code, message = refusal_of(error)
    return JSONAnswer({"ok": False, "error": code, "message": message}, _STATUS.get(code, 422))


def play(token: str | None, store: Store, clock: Callable[[], float]) -> vendor.Vendor:
    """The four methods, and the one token that is good for them."""
    runs = DxWorkflowRuns(store, clock, token=token or TOKEN)
    app = vendor.create_app("DX workflow runs", router, refuse=_refuse, errors=(Refusal,), held=runs)
    return vendor.Vendor(PREFIX, app, runs, runs.exports, runs.document)
