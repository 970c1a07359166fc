"""Knows which token may do what, and what an admitted request may see: personal, project and group access tokens by scope and
role, job tokens on a few routes, trigger tokens nowhere but at the trigger. Does not know what the routes do.

https://docs.gitlab.com/security/tokens/ and https://docs.gitlab.com/ci/jobs/ci_job_token/. On a route that does not take
job tokens one counts for nothing, so that a private project is not found.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, NamedTuple, TypeAlias
from urllib.parse import parse_qs, unquote, urlencode

from fastapi import Depends, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from cibeacon.sandbox.dataops_account import ROLES, Project, Token
from cibeacon.sandbox.dataops_records import LiveJob, Pipeline, Schedule
from cibeacon.sandbox.dataops_requests import Refusal, forbidden, missing
from cibeacon.sandbox.dataops_rows import Row, Rows
from cibeacon.sandbox.dataops_state import DataOpsState
from cibeacon.sandbox.safe_json import JSONAnswer

_MOST = 100
"""Most rows of a page."""
_PRIVATE, _JOB = (
    APIKeyHeader(name=name, scheme_name=name, auto_error=False) for name in ("PRIVATE-TOKEN", "JOB-TOKEN")
)
_BEARER = HTTPBearer(scheme_name="GitLab token", auto_error=False)
_UNAUTHORIZED = {"message": "401 Unauthorized"}
_WORTHLESS = {
    "expired": "Token is expired. You can either do re-authorization or token refresh.",
    "revoked": "Token was revoked. You have to re-authorize from the user.",
}


class Turn(APIRoute):
    """A route that has the state to itself."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, within a turn."""
        handle = super().get_route_handler()

        async def call(request: Request) -> Response:
            with state_of(request).turn():
                return await handle(request)

        return call


class Page(BaseModel):
    """Which page of a list is asked for."""

    page: Annotated[int, Field(ge=1)] = 1
    per_page: Annotated[int, Field(ge=1)] = 20


class Visit(NamedTuple):
    """An admitted request: who asks, and about which project."""

    request: Request
    state: DataOpsState
    rows: Rows
    caller: Token
    project: Project

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

    def schedule(self, number: int) -> Schedule:
        """The project's schedule of that id. Raises 404."""
        schedule = self.state.schedules.get(number)
        if schedule is None or schedule.project_id != self.project.id:
            raise missing("Pipeline Schedule")
        return schedule

    def show_page(
        self, query: Page, items: Sequence[Any], show: Callable[[Any], Row], *, counted: bool = True
    ) -> Response:
        """The page that is asked for, each item as `show` shows it. Without `counted` nothing says how many there are.

        https://docs.gitlab.com/api/rest/#offset-based-pagination
        """
        size = min(query.per_page, _MOST)
        start = (query.page - 1) * size
        last = max(1, -(-len(items) // size))
        at = {"prev": query.page - 1 or None, "next": query.page + 1 if start + size < len(items) else None, "first": 1}
        headers = {"X-Page": query.page, "X-Per-Page": size, "X-Next-Page": at["next"], "X-Prev-Page": at["prev"]}
        if counted:
            at["last"] = last
            headers |= {"X-Total": len(items), "X-Total-Pages": last}
        asked = parse_qs(self.request.url.query, keep_blank_values=True)
        kept = {name: values for name, values in asked.items() if not name.endswith("_token")}
        url = f"{self.rows.base}{self.request.scope['path']}"
        links = [
            f'<{url}?{urlencode(kept | {"page": page, "per_page": size}, doseq=True)}>; rel="{name}"'
            for name, page in at.items()
            if page
        ]
        texts = {name: "" if value is None else str(value) for name, value in headers.items()}
        shown = [show(item) for item in items[start : start + size]]
        return JSONAnswer(shown, headers=texts | {"Link": ", ".join(links)})


def state_of(request: Request) -> DataOpsState:
    """What there is."""
    state: DataOpsState = request.app.state.held
    return state


def rows_of(request: Request) -> Rows:
    """How it is shown to who asks."""
    return Rows(f"{request.url.scheme}://{request.url.netloc}", state_of(request))


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
    shown, state = ("private", private) if private else ("job", job), state_of(request)
    token = next((each for each in state.account.tokens if (each.kind, each.value) == shown), None)
    if token is None:
        raise Refusal(401, _UNAUTHORIZED)
    worth = "revoked" if token.value in state.revoked else token.state
    if worth in _WORTHLESS:
        raise Refusal(401, {"error": "invalid_token", "error_description": _WORTHLESS[worth]})
    return token


_Known: TypeAlias = Annotated[Token | None, Depends(_known)]


async def _person(token: _Known) -> Token:
    if token is None or token.kind == "job":
        raise Refusal(401, _UNAUTHORIZED)
    _require_scope(token, "api", "read_api")
    return token


def _admit(
    role: str = "reporter", *, scopes: Sequence[str] = ("api", "read_api"), job: bool = False, nobody: int = 401
) -> Any:
    """Admits who may. `nobody` is the status for a request without a token that counts."""

    async def admit(request: Request, project_id: str, token: _Known) -> Visit:
        if token is None or (token.kind == "job" and not job):
            raise missing("Project") if nobody == 404 else Refusal(401, _UNAUTHORIZED)
        if token.kind == "private":
            _require_scope(token, *scopes)
        project = state_of(request).account.project(unquote(project_id))
        if project is None or not token.is_member(project):
            raise missing("Project")
        if token.kind == "private" and ROLES.index(token.role) < ROLES.index(role):
            raise forbidden()
        return Visit(request, state_of(request), rows_of(request), token, project)

    return Depends(admit)


def _require_scope(token: Token, *scopes: str) -> None:
    if not set(scopes) & set(token.scopes):
        why = "The request requires higher privileges than provided by the access token."
        body = {"error": "insufficient_scope", "error_description": why, "scope": " ".join(scopes)}
        raise Refusal(403, body)


Person: TypeAlias = Annotated[Token, Depends(_person)]
Guest: TypeAlias = Annotated[Visit, _admit("guest", nobody=404)]
Viewer: TypeAlias = Annotated[Visit, _admit(nobody=404)]
ViewerOrJob: TypeAlias = Annotated[Visit, _admit(nobody=404, job=True)]
Reader: TypeAlias = Annotated[Visit, _admit()]
ReaderOrJob: TypeAlias = Annotated[Visit, _admit(job=True)]
Developer: TypeAlias = Annotated[Visit, _admit("developer", scopes=("api",))]
