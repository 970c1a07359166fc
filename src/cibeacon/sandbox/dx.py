"""Knows DX's methods: who may call them, what they change in the ledger, and how they refuse. Does not know the rules of a
field.

The envelope: https://docs.getdx.com/datacloudapi/overview.
"""

from __future__ import annotations

import hmac
import json
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError as Refusal
from starlette.exceptions import HTTPException

from cibeacon.sandbox import dx_models as models
from cibeacon.sandbox import vendor
from cibeacon.sandbox.ledger import Ledger
from cibeacon.sandbox.safe_json import LIMIT, JSONAnswer, media_type, parse_json
from cibeacon.sandbox.store import Store

PREFIX = "/api"
TOKEN = "sandbox-token"  # noqa: S105 - the sandbox's own
"""The key in the printed settings. It must not be a common word: a secret is masked wherever it appears."""
INACTIVE = "inactive"
"""The key of a deactivated account."""
_OTHER: Mapping[str, str] = {"commit_sha": "merge_commit_shas", "merge_commit_shas": "commit_sha"}
"""Each of these fields replaces the other one."""
_STATUS: Mapping[str, int] = {
    "not_authed": 401,
    "invalid_auth": 401,
    "account_inactive": 401,
    "unknown_method": 404,
    "method_not_allowed": 405,
    "reference_id_exists": 409,
    "body_too_large": 413,
}
"""HTTP status by error code; 422 for all others."""


class Ok(BaseModel):
    """The envelope of a success."""

    ok: Literal[True] = True


class Refused(BaseModel):
    """The envelope of a refusal."""

    ok: Literal[False] = False
    error: str
    message: str


@dataclass(frozen=True)
class Dx:
    """DX over a ledger, and what DX knows at the start; None accepts anything."""

    ledger: Ledger
    token: str | None = field(repr=False)
    """The only valid API key."""
    repositories: Collection[str] | None
    """Full names."""
    commits: Collection[str] | None
    """Full lower-case ids, which merge_commit_shas may name by their first digits."""
    default_branch: str
    """No integration_branch may be equal to it."""

    async def authenticate(self, request: Request) -> None:
        """Refuse a request without the account's key, and then one whose body is not a JSON object."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Refusal("not_authed", "The request needs the header Authorization: Bearer and an API key")
        if token == INACTIVE:
            raise Refusal("account_inactive", "The account of this API key is deactivated")
        good = self.token
        if good is not None and not hmac.compare_digest(token.encode(), good.encode()):
            raise Refusal("invalid_auth", "This is not the Data Cloud API key that the sandbox expects")
        body = await request.body()
        if len(body) > LIMIT:
            raise Refusal("body_too_large", "The body is over the limit")
        if media_type(request) != "application/json":
            raise Refusal("invalid_json", "Content-Type must be application/json")
        if not isinstance(parse_json(body), dict):
            raise Refusal("invalid_json", "The body must be one JSON object in UTF-8")

    def exports(self, url: str) -> dict[str, str]:
        """The settings that lead to the sandbox at `url`."""
        return {"CIBEACON_DX_URL": url, "DX_API_TOKEN": self.token or TOKEN}

    def check_attribution(self, deployment: Mapping[str, Any]) -> None:
        """Refuse a deployment whose repository or commits are missing or unknown."""
        if "merge_commit_shas" not in deployment:
            models.require(deployment, "repository")
        if "repository" in deployment:
            self.know_repository(deployment["repository"], "repository_not_found")
        if deployment.get("integration_branch") == self.default_branch:
            raise Refusal("integration_branch_not_valid", "integration_branch must not be the default branch")
        known = self.commits
        for sha in deployment.get("merge_commit_shas", ()):
            if known is not None and not any(commit.startswith(sha.lower()) for commit in known):
                raise Refusal("merge_commit_shas_not_found", f"{sha} is not a known commit")

    def know_repository(self, repository: str, code: str) -> None:
        """Refuse a repository that is not among the known ones."""
        if self.repositories is not None and repository not in self.repositories:
            raise Refusal(code, "repository is not known")


router = APIRouter(
    route_class=vendor.AuthenticatedRoute,
    default_response_class=JSONAnswer,
    dependencies=[Security(HTTPBearer(auto_error=False, description="A Data Cloud API key."))],
    responses={422: {"model": Refused}},
)
"""Made once: creating routes takes longer than creating a sandbox."""


async def _dx_of(request: Request) -> Any:
    return request.app.state.held


_Dx = Annotated[Dx, Depends(_dx_of)]


@router.post("/deployments.setPullServices")
async def set_pull_services(call: models.PullServices, dx: _Dx) -> Ok:
    """Add to the services of a pull request, or replace them."""
    if call.repository:
        dx.know_repository(call.repository, "repo_not_found")
    dx.ledger.set_services(call.pull, call.given()["services"], replace=call.replace)
    return Ok()


@router.post("/deployments.create")
async def create(call: models.NewDeployment, dx: _Dx) -> Ok:
    """Add a deployment. Sending the same again is fine; another one with its `reference_id` is refused."""
    deployment = {"reference_id": str(uuid.uuid4())} | call.given()
    dx.check_attribution(deployment)

    def new_or_same(held: Mapping[str, Any] | None) -> Mapping[str, Any]:
        if held is not None and json.dumps(held, sort_keys=True) != json.dumps(deployment, sort_keys=True):
            raise Refusal("reference_id_exists", "A deployment of this reference_id has other values")
        return deployment

    dx.ledger.change_deployment(deployment["reference_id"], new_or_same)
    return Ok()


@router.post("/deployments.upsert")
async def upsert(call: models.DeploymentPatch, dx: _Dx) -> Ok:
    """Add a deployment, or change the fields of a known one."""
    given = call.given()
    outdated = {_OTHER[name] for name in _OTHER.keys() & given.keys()}

    def patched(held: Mapping[str, Any] | None) -> Mapping[str, Any]:
        deployment = {name: value for name, value in (held or {}).items() if name not in outdated} | given
        models.require(deployment, "service", "deployed_at")
        dx.check_attribution(deployment)
        return deployment

    dx.ledger.change_deployment(call.reference_id, patched)
    return Ok()


@router.post("/pipelineRuns.sync")
async def sync(call: models.Notification, dx: _Dx) -> Ok:
    """Report the state of a run."""
    dx.ledger.notify(call.reference_id, call.given())
    return Ok()


@router.post("/pipelineRuns.upsert")
async def sync_current(call: models.CurrentNotification, dx: _Dx) -> Ok:
    """Report the state of a run, in the current form."""
    return await sync(call, dx)


def play(dx: Dx, _store: Store, _clock: Callable[[], float]) -> vendor.Vendor:
    """DX's methods."""
    app = vendor.create_app("DX", router, refuse=_refuse, errors=(Refusal,), held=dx)
    return vendor.Vendor(PREFIX, app, dx, dx.exports)


async def _refuse(_request: Request, error: Exception) -> Response:
    code, message = refusal_of(error)
    status = _STATUS.get(code, 422)
    return JSONAnswer(
        {"ok": False, "error": code, "message": message}, status, {"Allow": "POST"} if status == 405 else None
    )


def refusal_of(error: Exception) -> tuple[str, str]:
    """The error code and the sentence for what was raised."""
    if isinstance(error, Refusal):
        return error.type, f"{error.message()}."
    if isinstance(error, RequestValidationError | ValidationError):
        return _describe([{**each, "loc": [part for part in each["loc"] if part != "body"]} for each in error.errors()])
    if isinstance(error, HTTPException) and error.status_code == 405:
        return "method_not_allowed", "Every method is called with POST."
    return "unknown_method", "There is no such method."


def _describe(errors: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """An unknown field comes first, then all that are missing, then the first that breaks a rule."""
    if unknown := _fields(errors, "extra_forbidden"):
        return "invalid_arguments", f"{unknown[0][:80]} is not a field of this method."
    if missing := _fields(errors, "missing"):
        return "required_params_missing", f"{' and '.join(missing)} must be given."
    error = errors[0]
    code = error["type"] if error["type"] in models.CODES else "invalid_arguments"
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"] if part not in models.TAGS]
    return code, f"{''.join(parts).removeprefix('.')} {error['msg']}.".strip()


def _fields(errors: Sequence[Mapping[str, Any]], kind: str) -> list[str]:
    return [str(error["loc"][0]) for error in errors if error["type"] == kind and len(error["loc"]) == 1]
