"""Knows which token may do what, and what an admitted request may see. Does not know what the routes do.

https://docs.gitlab.com/security/tokens/ and https://docs.gitlab.com/ci/jobs/ci_job_token/. On a route that does not take
job tokens one counts for nothing, so that a private project is not found.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any, NamedTuple, TypeAlias
from urllib.parse import parse_qs, unquote, urlencode

from fastapi import APIRouter, Depends, HTTPException, Request, Response, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from cibeacon.sandbox.dataops_account import ROLES, Project, Token
from cibeacon.sandbox.dataops_records import LiveJob, Pipeline
from cibeacon.sandbox.dataops_requests import forbidden, missing
from cibeacon.sandbox.dataops_rows import Row, Rows
from cibeacon.sandbox.dataops_state import DataOpsState
from cibeacon.sandbox.safe_json import JSONAnswer

_MOST = 100
"""Most rows of a page."""
_UNAUTHORIZED = HTTPException(401, {"message": "401 Unauthorized"})
_WORTHLESS = {
    "expired": "Token is expired. You can either do re-authorization or token refresh.",
    "revoked": "Token was revoked. You have to re-authorize from the user.",
}
_PRIVATE, _JOB = (
    APIKeyHeader(name=name, scheme_name=name, auto_error=False) for name in ("PRIVATE-TOKEN", "JOB-TOKEN")
)
_BEARER = HTTPBearer(scheme_name="GitLab token", auto_error=False)


class Page(BaseModel):
    """Which page of a list is asked for."""

    page: Annotated[int, Field(ge=1)] = 1
    per_page: Annotated[int, Field(ge=1)] = 20


class Visit(NamedTuple):
    """An admitted request: who asks, and about which project."""

    request: Request
    state: DataOpsState
    caller: Token
    project: Project

    @property
    def rows(self) -> Rows:
        """How things are shown to who asks."""
        return Rows(f"{self.request.url.scheme}://{self.request.url.netloc}", self.state)

    def pipeline(self, number: int) -> Pipeline:
        """The project's pipeline of that id. Raises 404."""
        pipeline = self.state.pipelines.get(number)
        if pipeline is None or pipeline.project_id != self.project.id:
            raise missing()
        return pipeline

    def job(self, number: int) -> tuple[Pipeline, LiveJob]:
        """The project's job of that id, which is no bridge, and its pipeline. Raises 404."""
        for pipeline in self.state.pipelines_of(self.project):
            for job in pipeline.jobs:
                if job.id == number and not job.spec.child:
                    return pipeline, job
        raise missing()

    def schedule(self, number: int) -> Row:
        """The fields of the project's schedule of that id. Raises 404."""
        schedule: Row | None = self.state.schedules.get(str(number))
        if schedule is None or schedule["project_id"] != self.project.id:
            raise missing("Pipeline Schedule")
        return schedule

    def show_page(
        self, query: Page, items: Sequence[Any], show: Callable[[Any], Row], *, counted: bool = True
    ) -> Response:
        """The page that is asked for, each item as `show` shows it. Without `counted` nothing says how many there are.

        https://docs.gitlab.com/api/rest/#offset-based-pagination
        """
        size = min(query.per_page, _MOST)
        start, last = (query.page - 1) * size, max(1, -(-len(items) // size))
        at = {"prev": query.page - 1 or None, "next": query.page + 1 if start + size < len(items) else None, "first": 1}
        headers = {"X-Page": query.page, "X-Per-Page": size, "X-Next-Page": at["next"], "X-Prev-Page": at["prev"]}
        if counted:
            at["last"] = last
            headers |= {"X-Total": len(items), "X-Total-Pages": last}
        asked = parse_qs(self.request.url.query, keep_blank_values=True)
        url = f"{self.rows.base}{self.request.scope['path']}"
        pages = {
            name: urlencode(asked | {"page": page, "per_page": size}, doseq=True) for name, page in at.items() if page
        }
        texts = {name: "" if value is None else str(value) for name, value in headers.items()}
        texts["Link"] = ", ".join(f'<{url}?{page}>; rel="{name}"' for name, page in pages.items())
        return JSONAnswer([show(item) for item in items[start : start + size]], headers=texts)


def state_of(request: Request) -> DataOpsState:
    """What there is."""
    state: DataOpsState = request.app.state.held
    return state


async def _turn(request: Request) -> AsyncIterator[None]:
    with state_of(request).turn():
        yield


def project_router() -> APIRouter:
    """A router for the paths below a project, where each request has the state to itself."""
    turn = Depends(_turn, scope="function")
    return APIRouter(prefix="/projects/{project_id}", dependencies=[turn], default_response_class=JSONAnswer)


async def _known(
    request: Request,
    private: Annotated[str | None, Security(_PRIVATE)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    job: Annotated[str | None, Security(_JOB)],
) -> Token | None:
    """The token that is shown. Raises 401 where it is none, or no longer."""
    private = private or (bearer.credentials if bearer else None)
    if not private and not job:
        return None
    shown = ("private", private) if private else ("job", job)
    token = next((each for each in state_of(request).account.tokens if (each.kind, each.value) == shown), None)
    if token is None:
        raise _UNAUTHORIZED
    if token.state in _WORTHLESS:
        raise HTTPException(401, {"error": "invalid_token", "error_description": _WORTHLESS[token.state]})
    return token


def _admit(
    role: str = "reporter", *, scopes: Sequence[str] = ("api", "read_api"), job: bool = False, nobody: int = 401
) -> Any:
    """Admits who may. `nobody` is the status for a request without a token that counts."""

    async def admit(request: Request, project_id: str, token: Annotated[Token | None, Depends(_known)]) -> Visit:
        if token is None or (token.kind == "job" and not job):
            raise missing("Project") if nobody == 404 else _UNAUTHORIZED
        if token.kind == "private" and not set(scopes) & set(token.scopes):
            why = "The request requires higher privileges than provided by the access token."
            body = {"error": "insufficient_scope", "error_description": why, "scope": " ".join(scopes)}
            raise HTTPException(403, body)
        project = state_of(request).account.project(unquote(project_id))
        if project is None or not token.is_member(project):
            raise missing("Project")
        if token.kind == "private" and ROLES.index(token.role) < ROLES.index(role):
            raise forbidden()
        return Visit(request, state_of(request), token, project)

    return Depends(admit)


Viewer: TypeAlias = Annotated[Visit, _admit(nobody=404)]
ViewerOrJob: TypeAlias = Annotated[Visit, _admit(nobody=404, job=True)]
Reader: TypeAlias = Annotated[Visit, _admit()]
ReaderOrJob: TypeAlias = Annotated[Visit, _admit(job=True)]
Developer: TypeAlias = Annotated[Visit, _admit("developer", scopes=("api",))]
