"""Knows how GitLab's API takes requests: their parameters, whose token may do what, how they are refused. Does not know
what the routes do.

https://docs.gitlab.com/api/rest/, https://docs.gitlab.com/security/tokens/, https://docs.gitlab.com/ci/jobs/ci_job_token/. On
a route that does not take job tokens one counts for nothing, so that a private project is not found.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, TypeAlias
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode

from fastapi import APIRouter, Depends, HTTPException, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cibeacon.sandbox.dataops_account import ROLES, Project, Token
from cibeacon.sandbox.dataops_records import LiveJob, Pipeline
from cibeacon.sandbox.dataops_rows import Row, Rows
from cibeacon.sandbox.dataops_state import DataOpsState
from cibeacon.sandbox.safe_json import LIMIT, JSONAnswer, media_type, parse_json

_WORDS = {
    **{"missing": "is missing", "string_too_short": "is empty"},
    **dict.fromkeys(("literal_error", "greater_than_equal"), "does not have a valid value"),
}
_TEXTS = {404: "404 Not Found", 405: "405 Not Allowed"}
_TOKENS = ("token", "private_token", "job_token", "access_token")
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded", "")
_MOST = 100
"""Most rows of a page."""
_UNAUTHORIZED = {"message": "401 Unauthorized"}
_WORTHLESS = {
    "expired": "Token is expired. You can either do re-authorization or token refresh.",
    "revoked": "Token was revoked. You have to re-authorize from the user.",
}
_PRIVATE, _JOB = (
    APIKeyHeader(name=name, scheme_name=name, auto_error=False) for name in ("PRIVATE-TOKEN", "JOB-TOKEN")
)
_BEARER = HTTPBearer(scheme_name="GitLab token", auto_error=False)


def missing(what: str = "") -> HTTPException:
    """404, with the name of what was not found, if any."""
    return HTTPException(404, {"message": f"404 {what} Not Found" if what else "404 Not Found"})


def invalid(**errors: str) -> HTTPException:
    """400, with an error per field; `base` is the whole request."""
    return HTTPException(400, {"message": {name: [text] for name, text in errors.items()}})


def forbidden(why: str = "") -> HTTPException:
    """403."""
    return HTTPException(403, {"message": f"403 Forbidden - {why}" if why else "403 Forbidden"})


async def refuse(_request: Request, error: Exception) -> Response:
    """Answer a refusal: its detail is the body, or FastAPI's message where the detail is no body."""
    if isinstance(error, RequestValidationError):
        return JSONAnswer({"error": ", ".join(dict.fromkeys(_words(each) for each in error.errors()))}, 400)
    assert isinstance(error, StarletteHTTPException)  # noqa: S101 - no other kind is handled here
    own = {"error": _TEXTS.get(error.status_code, error.detail)}
    return JSONAnswer(error.detail if isinstance(error.detail, dict) else own, error.status_code)


def _words(error: Mapping[str, Any]) -> str:
    """The message about a parameter that breaks a rule."""
    name, *inner = [part for part in error["loc"][1:] if isinstance(part, str)]
    return f"{name}{''.join(f'[{part}]' for part in inner)} {_WORDS.get(error['type'], 'is invalid')}"


class JSONParameters:
    """Passes parameters to the app as JSON, query lists under their plain names, and the path as it was sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        request = Request(scope, receive)
        try:
            params = await _read_parameters(request)
        except StarletteHTTPException as refusal:
            request.state.remembered = None
            await (await refuse(request, refusal))(scope, receive, send)
            return
        request.state.remembered = {name: value for name, value in params.items() if name not in _TOKENS} or None
        left: list[Message] = [{"type": "http.request", "body": json.dumps(params).encode()}]

        async def receive_json() -> Message:
            return left.pop() if left else await receive()

        headers = [pair for pair in scope["headers"] if not pair[0].startswith(b"content-")]
        plain = {
            "path": scope["raw_path"].decode("latin-1"),
            "query_string": re.sub(rb"(?i)(\[\]|%5b%5d)(?==)", b"", scope["query_string"]),
            "headers": [*headers, (b"content-type", b"application/json")],
        }
        await self._app({**scope, **plain}, receive_json, send)


async def _read_parameters(request: Request) -> dict[str, Any]:
    """All parameters; those of the body win. Raises 400 for a body that cannot be read, 413 for one that is too large."""
    body, kind = await request.body(), media_type(request)
    params = _nested(parse_qsl(request.url.query, keep_blank_values=True))
    if len(body) > LIMIT:
        raise HTTPException(413, {"message": "413 Request Entity Too Large"})
    if not body:
        return params
    if kind == "application/json":
        value = parse_json(body)
        if not isinstance(value, dict):
            raise HTTPException(400, {"error": "Problem in request: the body is no JSON object"})
        return params | value
    if kind not in _FORMS:
        raise HTTPException(406, {"error": "The provided content-type is not supported."})
    async with request.form() as form:
        return params | _nested((name, value) for name, value in form.multi_items() if isinstance(value, str))


def _nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Parameters by name: `variables[KEY]` makes a map, `scope[]` a list, `variables[][key]` a list of maps."""
    params: dict[str, Any] = {}
    for name, value in pairs:
        name, bracket, key = name.partition("[")
        held = params.get(name)
        if not bracket:
            params[name] = value
        elif key.startswith("]["):
            items, inner = held if isinstance(held, list) else [], key[2:].removesuffix("]")
            if not items or not isinstance(items[-1], dict) or inner in items[-1]:
                items = [*items, {}]
            params[name] = [*items[:-1], {**items[-1], inner: value}]
        elif key == "]":
            params[name] = [*(held if isinstance(held, list) else ()), value]
        else:
            params[name] = (held if isinstance(held, dict) else {}) | {key.removesuffix("]"): value}
    return params


class Page(BaseModel):
    """Which page of a list is requested."""

    page: Annotated[int, Field(ge=1)] = 1
    per_page: Annotated[int, Field(ge=1)] = 20


class Visit(NamedTuple):
    """An admitted request, with its caller and its project."""

    request: Request
    state: DataOpsState
    caller: Token
    project: Project

    @property
    def rows(self) -> Rows:
        """The rows of the API, with links to the address of the request."""
        return rows_of(self.request)

    def pipeline(self, number: int) -> Pipeline:
        """The project's pipeline of that id. Raises 404."""
        pipeline = self.state.pipelines.get(number)
        if pipeline is None or pipeline.project_id != self.project.id:
            raise missing()
        return pipeline

    def job(self, number: int) -> tuple[Pipeline, LiveJob]:
        """The project's job of that id and its pipeline; bridges are not found here. Raises 404."""
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
        """The requested page, each item as a row of `show`. Without `counted` the answer does not say how many there are.

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
    """The state of the app."""
    state: DataOpsState = request.app.state.held
    return state


def rows_of(request: Request) -> Rows:
    """The rows of the API, with links to the address of the request."""
    return Rows(f"{request.url.scheme}://{request.url.netloc}", state_of(request))


async def _turn(request: Request) -> AsyncIterator[None]:
    with state_of(request).turn():
        yield


def create_router(prefix: str = "/projects/{project_id}") -> APIRouter:
    """A router whose requests run one at a time. Make it once: creating routes takes longer than creating a sandbox."""
    turn = Depends(_turn, scope="function")
    return APIRouter(prefix=prefix, dependencies=[turn], default_response_class=JSONAnswer)


async def _known(
    request: Request,
    private: Annotated[str | None, Security(_PRIVATE)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    job: Annotated[str | None, Security(_JOB)],
) -> Token | None:
    """The token of a request. Raises 401 for an unknown, expired or revoked one."""
    private = private or (bearer.credentials if bearer else None)
    if not private and not job:
        return None
    shown = ("private", private) if private else ("job", job)
    token = next((each for each in state_of(request).account.tokens if (each.kind, each.value) == shown), None)
    if token is None:
        raise HTTPException(401, _UNAUTHORIZED)
    if token.state in _WORTHLESS:
        raise HTTPException(401, {"error": "invalid_token", "error_description": _WORTHLESS[token.state]})
    return token


_Known: TypeAlias = Annotated[Token | None, Depends(_known)]


async def _person(token: _Known) -> Token:
    if token is None or token.kind == "job":
        raise HTTPException(401, _UNAUTHORIZED)
    _require_scope(token, "api", "read_api")
    return token


def _admit(
    role: str = "reporter", scopes: Sequence[str] = ("api", "read_api"), *, job: bool = False, anonymous: int = 401
) -> Any:
    """Admits callers with this role and one of these scopes. `anonymous` is the status without a usable token."""

    async def admit(request: Request, project_id: str, token: _Known) -> Visit:
        if token is None or (token.kind == "job" and not job):
            raise missing("Project") if anonymous == 404 else HTTPException(401, _UNAUTHORIZED)
        _require_scope(token, *scopes)
        project = state_of(request).account.project(unquote(project_id))
        if project is None or not token.is_member(project):
            raise missing("Project")
        if token.kind == "private" and ROLES.index(token.role) < ROLES.index(role):
            raise forbidden()
        return Visit(request, state_of(request), token, project)

    return Depends(admit)


def _require_scope(token: Token, *scopes: str) -> None:
    if token.kind == "private" and not set(scopes) & set(token.scopes):
        why = "The request requires higher privileges than provided by the access token."
        body = {"error": "insufficient_scope", "error_description": why, "scope": " ".join(scopes)}
        raise HTTPException(403, body)


Person: TypeAlias = Annotated[Token, Depends(_person)]
Guest: TypeAlias = Annotated[Visit, _admit("guest", anonymous=404)]
Viewer: TypeAlias = Annotated[Visit, _admit(anonymous=404)]
ViewerOrJob: TypeAlias = Annotated[Visit, _admit(anonymous=404, job=True)]
Reader: TypeAlias = Annotated[Visit, _admit()]
ReaderOrJob: TypeAlias = Annotated[Visit, _admit(job=True)]
Developer: TypeAlias = Annotated[Visit, _admit("developer", ("api",))]
