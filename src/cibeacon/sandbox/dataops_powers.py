"""Knows which token may do what: personal, project and group access tokens by scope and role, job tokens on a few routes,
trigger tokens nowhere but at the trigger. Does not know what the routes do.

https://docs.gitlab.com/security/tokens/ and https://docs.gitlab.com/ci/jobs/ci_job_token/. On a route that does not take
job tokens one counts for nothing, so that a private project is not found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from cibeacon.sandbox.dataops_account import ROLES, Project, Token
from cibeacon.sandbox.dataops_answers import forbidden, insufficient, missing, unauthorized, worthless
from cibeacon.sandbox.dataops_call import Asked
from cibeacon.sandbox.dataops_state import DataOpsState
from cibeacon.sandbox.exchange import Answer, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A handler and who may reach it. `nobody` is the status for a request without a token that counts."""

    handler: Callable[[Asked], Answer]
    role: str = "reporter"
    write: bool = False
    job_token: bool = False
    nobody: int = 401
    of_project: bool = True
    open: bool = False
    """Whether the handler looks at the token itself."""


def admitted(
    route: Route, request: Request, params: Mapping[str, Any], state: DataOpsState, ids: tuple[str, ...]
) -> tuple[Token | None, Project | None]:
    """Who asks and about which project. Raises what GitLab answers to somebody without the power."""
    project = state.account.project(unquote(ids[0])) if route.of_project else None
    if route.open:
        return None, project
    token = _known(_claim(request, params), state)
    if token and token.kind == "job" and not route.job_token:
        token = None
    if token is None:
        raise missing("Project") if route.nobody == 404 else unauthorized()
    if token.kind == "private":
        _scoped(token, write=route.write)
    if not route.of_project:
        return token, None
    if project is None or not member(token, project):
        raise missing("Project")
    if token.kind == "private" and ROLES.index(token.role) < ROLES.index(route.role):
        raise forbidden()
    return token, project


def member(token: Token, project: Project) -> bool:
    """Whether a token's owner belongs to the project."""
    return token.projects is None or project.id in token.projects


def _claim(request: Request, params: Mapping[str, Any]) -> tuple[str, str] | None:
    """The kind and value of what the request shows as its token."""
    headers = request.headers
    scheme, _, bearer = str(headers.get("Authorization", "")).partition(" ")
    if private := headers.get("PRIVATE-TOKEN") or params.get("private_token"):
        return "private", str(private)
    if scheme.lower() == "bearer":
        return "private", bearer.strip()
    if job := headers.get("JOB-TOKEN") or params.get("job_token"):
        return "job", str(job)
    return None


def _known(claim: tuple[str, str] | None, state: DataOpsState) -> Token | None:
    if claim is None:
        return None
    token = state.token(*claim)
    if token is None:
        raise unauthorized()
    if token.value in state.revoked or token.state == "revoked":
        raise worthless("Token was revoked. You have to re-authorize from the user.")
    if token.state == "expired":
        raise worthless("Token is expired. You can either do re-authorization or token refresh.")
    return token


def _scoped(token: Token, *, write: bool) -> None:
    if "api" in token.scopes:
        return
    if write:
        raise insufficient("api")
    if "read_api" not in token.scopes:
        raise insufficient("api read_api")
