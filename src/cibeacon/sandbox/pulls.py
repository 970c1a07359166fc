"""Knows how the sandbox is given merged pull requests, which DX imports from the repository's host. Does not know what DX
concludes from them.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import PydanticCustomError as Refusal

from cibeacon.sandbox.dx import refusal_of
from cibeacon.sandbox.dx_models import Call, Moment, Number, Sha, Text
from cibeacon.sandbox.ledger import Ledger
from cibeacon.sandbox.safe_json import JSONAnswer, media_type, read_json

PATH = "/sandbox/pull-requests"
_AT_ONCE = 1000
"""Most pull requests in one request."""
_KEPT = 20_000
"""Most pull requests in a sandbox."""
_Short = Annotated[Text, Field(max_length=500)]
_Id = Annotated[Number, Field(lt=2**53)]
"""Small enough for a number in JavaScript."""
_Commit = Annotated[Sha, AfterValidator(str.lower)]


class MergedRecord(Call):
    """A merged pull request."""

    repository: _Short
    number: _Id
    base_ref: _Short
    merged_at: Moment
    merge_commit_sha: _Commit
    head_sha: _Commit = Field(default="")
    commits: list[_Commit] = Field(default=[], max_length=250)
    """As many as GitHub lists."""
    title: _Short = Field(default="")
    author: _Short = Field(default="")
    github_pull_id: _Id = Field(default=0)
    default_branch: _Short = Field(default="")


async def import_pulls(request: Request, ledger: Ledger) -> Response:
    """Store the pull requests of the body, one object or a list. If one is refused, none is stored."""
    try:
        pulls = {f"{record.repository}#{record.number}": record.given() for record in await _records(request)}
        if not ledger.import_pulls(pulls, _KEPT):
            raise Refusal("too_many", f"The sandbox keeps {_KEPT} pull requests at most")
    except (Refusal, ValidationError) as error:
        code, message = refusal_of(error)
        return JSONAnswer({"ok": False, "error": code, "message": message}, 422)
    return JSONAnswer({"ok": True, "pull_requests": list(pulls)})


async def _records(request: Request) -> list[MergedRecord]:
    if media_type(request) != "application/json":
        raise Refusal("invalid_json", "Content-Type must be application/json")
    body = await read_json(request)
    records: list[Any] = body if isinstance(body, list) else [body]
    if len(records) > _AT_ONCE:
        raise Refusal("too_many", f"One request holds {_AT_ONCE} pull requests at most")
    if not all(isinstance(record, dict) for record in records):
        raise Refusal("invalid_json", "The body must be a JSON object or a list of objects, in UTF-8")
    known = [{name: value for name, value in record.items() if value is not None} for record in records]
    return [MergedRecord.model_validate(record) for record in known]
