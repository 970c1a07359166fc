"""Knows what DataOps.live says of a project and its references, of who asks, and of itself. Does not know pipelines.

https://docs.gitlab.com/api/projects/, https://docs.gitlab.com/api/branches/, https://docs.gitlab.com/api/commits/
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from fastapi import Request

from cibeacon.sandbox.dataops_requests import Guest, Person, Viewer, Visit, create_router, missing, rows_of
from cibeacon.sandbox.dataops_rows import Row

_PROJECT = "/projects/{project_id}"
router = create_router("")


@router.get(_PROJECT)
async def show_project(visit: Guest) -> Row:
    """Show a project."""
    return visit.rows.project(visit.project)


@router.get(f"{_PROJECT}/repository/branches/{{name}}")
async def show_branch(visit: Viewer, name: str) -> Row:
    """Show a branch."""
    return _show_reference(visit, "Branch", unquote(name), visit.project.branches)


@router.get(f"{_PROJECT}/repository/tags/{{name}}")
async def show_tag(visit: Viewer, name: str) -> Row:
    """Show a tag."""
    return _show_reference(visit, "Tag", unquote(name), visit.project.tags)


def _show_reference(visit: Visit, kind: str, name: str, known: Mapping[str, str]) -> Row:
    if name not in known:
        raise missing(kind)
    commit = {"id": known[name], "short_id": known[name][:8]}
    return {"name": name, "default": name == visit.project.default_branch, "commit": commit}


@router.get(f"{_PROJECT}/repository/commits/{{ref}}")
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
