"""Knows how a webhook of Apache DevLake records deployments with their commits. Does not know sockets or any client.

https://devlake.apache.org/docs/Plugins/webhook, and backend/plugins/webhook and backend/server/api in apache/devlake: a
known id is replaced, commits of other repositories stay beside it, and fields that are unknown are ignored.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.exceptions import HTTPException

from cibeacon.sandbox import vendor
from cibeacon.sandbox.safe_json import JSONAnswer
from cibeacon.sandbox.store import Store

PREFIX = "/api/rest/plugins/webhook"
CONNECTION, NAME = "1", "sandbox"
WEBHOOK = f"{PREFIX}/connections/{CONNECTION}/deployments"
TOKEN = "sandbox-devlake-token"  # noqa: S105 - the sandbox's own


class DevlakeError(Exception):
    """A refusal in words, with its status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Fields(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=False)
    display_title: str = ""
    name: str = ""
    result: str = ""
    created_date: AwareDatetime | None = None
    started_date: AwareDatetime
    finished_date: AwareDatetime


class DeploymentCommit(_Fields):
    """A commit of a deployment, in its repository."""

    repo_id: str = ""
    repo_url: Annotated[str, Field(min_length=1)]
    ref_name: str = ""
    commit_sha: Annotated[str, Field(min_length=1)]
    commit_msg: str = ""
    status: str = ""


class WebhookDeployment(_Fields):
    """A deployment with its commits."""

    id: Annotated[str, Field(min_length=1)]
    environment: Literal["", "PRODUCTION", "STAGING", "TESTING", "DEVELOPMENT"] = ""
    original_environment: str = ""
    deployment_commits: list[DeploymentCommit] = []


class Devlake:
    """DevLake with a memory and one webhook; safe to use from many threads."""

    def __init__(self, token: str, store: Store) -> None:
        self.token = token
        self._lock = store.lock
        self._deployments = store.table("devlake_deployments")

    def exports(self, url: str) -> dict[str, str]:
        """The settings that lead here, where the sandbox is at `url`."""
        return {"CIBEACON_DEVLAKE_URL": url + WEBHOOK, "CIBEACON_DEVLAKE_TOKEN": self.token}

    def document(self) -> dict[str, Any]:
        """By id: each deployment with its commits."""
        with self._lock:
            return {"deployments": dict(self._deployments)}

    async def authenticate(self, request: Request) -> None:
        """Raise where the key is missing, wrong, or made for another webhook."""
        authorization = request.headers.get("authorization", "")
        scheme, _, key = authorization.partition(" ")
        if not authorization:
            raise DevlakeError(401, "token is missing")
        if scheme != "Bearer" or not key:
            raise DevlakeError(401, "token is not present or malformed")
        if not hmac.compare_digest(key.encode(), self.token.encode()):
            raise DevlakeError(403, "api key is invalid")
        ours = (
            f"{PREFIX}/connections/{CONNECTION}/",
            f"{PREFIX}/connections/by-name/{NAME}/",
            f"{PREFIX}/{CONNECTION}/",
        )
        if not request.url.path.startswith(ours):
            raise DevlakeError(403, "path doesn't match api key's scope")

    def record(self, sent: WebhookDeployment) -> None:
        """Record a deployment, or replace what is known of it."""
        if not sent.deployment_commits:
            raise DevlakeError(400, "deployment_commits is empty")
        fields = sent.model_dump(mode="json", by_alias=True)
        fields["environment"] = fields["environment"] or "PRODUCTION"
        fields["result"] = fields["result"] or "SUCCESS"
        with self._lock:
            known = self._deployments.get(sent.id, {"deploymentCommits": []})["deploymentCommits"]
            commits = {(one["repoUrl"], one["commitSha"]): one for one in (*known, *fields["deploymentCommits"])}
            self._deployments[sent.id] = fields | {"deploymentCommits": list(commits.values())}


router = APIRouter(
    strict_content_type=False,
    route_class=vendor.AuthenticatedRoute,
    default_response_class=JSONAnswer,
    dependencies=[Security(HTTPBearer(auto_error=False, description="An API key of DevLake."))],
)


@router.post("/connections/{connection}/deployments")
@router.post("/connections/by-name/{connection}/deployments")
@router.post("/{connection}/deployments")
async def post_deployment(call: WebhookDeployment, request: Request) -> dict[str, Any]:
    """Record a deployment with its commits."""
    request.app.state.held.record(call)
    return _body("success", success=True)


def play(key: str | None, store: Store, _clock: Callable[[], float]) -> vendor.Vendor:
    """The webhook, and the one key that is good for it."""
    devlake = Devlake(key or TOKEN, store)
    app = vendor.create_app("Apache DevLake", router, refuse=_refuse, errors=(DevlakeError,), held=devlake)
    return vendor.Vendor(PREFIX, app, devlake, devlake.exports, devlake.document)


async def _refuse(request: Request, error: Exception) -> Response:
    if isinstance(error, DevlakeError):
        return JSONAnswer(_body(str(error)), error.status)
    if isinstance(error, RequestValidationError):
        broken = ", ".join(".".join(map(str, each["loc"][1:])) or "body" for each in error.errors())
        is_json = all(each["type"] != "json_invalid" for each in error.errors())
        return JSONAnswer(
            _body(f"input json error: {broken} (400)" if is_json else "invalid character"), 400 if is_json else 500
        )
    status = error.status_code if isinstance(error, HTTPException) else 500
    return Response("404 page not found" if status == 404 else None, status, media_type="text/plain")


def _body(message: str, *, success: bool = False) -> dict[str, Any]:
    return {"code": 0, "success": success, "message": message, "causes": None, "data": None}
