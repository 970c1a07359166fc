"""Knows what DataOps.live tells of a project, its refs, and of who asks. Does not know pipelines.

https://docs.gitlab.com/api/projects/, https://docs.gitlab.com/api/branches/, https://docs.gitlab.com/api/tags/,
https://docs.gitlab.com/api/users/ and https://docs.gitlab.com/api/personal_access_tokens/.
"""

from __future__ import annotations

from urllib.parse import unquote

from cibeacon.sandbox import dataops_rows as rows
from cibeacon.sandbox.dataops_answers import missing
from cibeacon.sandbox.dataops_call import Asked
from cibeacon.sandbox.exchange import Answer, in_json


def project(asked: Asked) -> Answer:
    """GET projects/ID."""
    return in_json(200, rows.project(asked.project, asked.base))


def branch(asked: Asked) -> Answer:
    """GET repository/branches/NAME."""
    return _named(asked, "Branch")


def tag(asked: Asked) -> Answer:
    """GET repository/tags/NAME."""
    return _named(asked, "Tag")


def commit(asked: Asked) -> Answer:
    """GET repository/commits/REF, by branch, tag, id or the first digits of an id."""
    ref, one = unquote(asked.ids[0]), asked.project
    known = [*one.branches.values(), *one.tags.values()]
    named = one.branches.get(ref) or one.tags.get(ref)
    sha = named or next((sha for sha in known if len(ref) >= 7 and sha.startswith(ref)), None)
    if sha is None:
        raise missing("Commit")
    return in_json(200, {"id": sha, "short_id": sha[:8], "title": "Load the flights", "parent_ids": []})


def _named(asked: Asked, kind: str) -> Answer:
    name = unquote(asked.ids[0])
    sha = (asked.project.branches if kind == "Branch" else asked.project.tags).get(name)
    if sha is None:
        raise missing(kind)
    default = name == next(iter(asked.project.branches))
    return in_json(200, {"name": name, "default": default, "commit": {"id": sha, "short_id": sha[:8]}})


def user(asked: Asked) -> Answer:
    """GET user: whose token it is."""
    return in_json(200, rows.user(asked.caller.user if asked.caller else "", asked.base))


def token(asked: Asked) -> Answer:
    """GET personal_access_tokens/self: what the token may."""
    scopes = list(asked.caller.scopes) if asked.caller else []
    return in_json(200, {"id": 1, "name": "sandbox", "scopes": scopes, "active": True, "revoked": False})


def version(asked: Asked) -> Answer:
    """GET version."""
    return in_json(200, {"version": "17.5.3-ee", "revision": "sandbox"})
