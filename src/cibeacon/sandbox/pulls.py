"""Knows what the sandbox may be given of merged pull requests, which DX imports from the repository's host. Does not know
what DX concludes from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cibeacon.sandbox import rules
from cibeacon.sandbox.exchange import Answer, Request, in_json
from cibeacon.sandbox.jsonbody import parsed
from cibeacon.sandbox.ledger import Ledger
from cibeacon.sandbox.rules import Refusal, Rule

PATH = "/sandbox/pull-requests"
_AT_ONCE = 1000
"""Most pull requests of one request."""
_KEPT = 20_000
"""Most pull requests of a sandbox."""
_LENGTH = 500
"""Most characters of a text."""
_COMMITS = 250
"""Most commits of a pull request, as GitHub lists them."""


def answer(request: Request, ledger: Ledger) -> Answer:
    """Keeps the pull requests of the body, one object or a list; all of them or, where one is refused, none."""
    if request.method != "POST":
        return in_json(405, {"ok": False, "error": "method_not_allowed"}, Allow="POST")
    try:
        pulls = {f"{record['repository']}#{record['number']}": record for record in _records(request)}
        if not ledger.import_pulls(pulls, _KEPT):
            raise Refusal("too_many", f"The sandbox keeps {_KEPT} pull requests at most.")
    except Refusal as refusal:
        return in_json(422, {"ok": False, "error": refusal.code, "message": refusal.message})
    return in_json(200, {"ok": True, "pull_requests": list(pulls)})


def _records(request: Request) -> list[dict[str, Any]]:
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal("invalid_json", "Content-Type must be application/json.")
    body = parsed(request.body)
    records: list[Any] = body if isinstance(body, list) else [body]
    if len(records) > _AT_ONCE:
        raise Refusal("too_many", f"One request holds {_AT_ONCE} pull requests at most.")
    if not all(isinstance(record, dict) for record in records):
        raise Refusal("invalid_json", "The body must be a JSON object or a list of objects, in UTF-8.")
    return [_kept(record) for record in records]


def _kept(record: Mapping[str, object]) -> dict[str, Any]:
    given = {name: value for name, value in record.items() if value is not None}
    return rules.read(given, _FIELDS, _REQUIRED)


def _text(name: str, value: object) -> str:
    if len(rules.text(name, value)) > _LENGTH:
        raise Refusal("invalid_arguments", f"{name} must have {_LENGTH} characters at most.")
    return str(value)


def _number(name: str, value: object) -> int:
    if rules.number(name, value) >= 2**53:
        raise Refusal("invalid_arguments", f"{name} is too large.")
    return rules.number(name, value)


def _sha(name: str, value: object) -> str:
    return rules.run_sha(name, value).lower()


def _commits(name: str, value: object) -> list[str]:
    if not isinstance(value, list) or len(value) > _COMMITS:
        raise Refusal("invalid_arguments", f"{name} must be a list of {_COMMITS} commit ids at most.")
    return [_sha(f"{name}[{index}]", item) for index, item in enumerate(value)]


_FIELDS: Mapping[str, Rule] = {
    "repository": _text,
    "number": _number,
    "base_ref": _text,
    "merged_at": rules.moment,
    "merge_commit_sha": _sha,
    "head_sha": _sha,
    "commits": _commits,
    "title": _text,
    "author": _text,
    "github_pull_id": _number,
    "default_branch": _text,
}
_REQUIRED = ("repository", "number", "base_ref", "merged_at", "merge_commit_sha")
