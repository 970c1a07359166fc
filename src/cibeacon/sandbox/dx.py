"""Knows how DX receives a request: key, method, JSON, rules, and the envelope of its answer. Does not know sockets.

The envelope: https://docs.getdx.com/datacloudapi/overview; the status of a refusal is 422 unless listed here.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cibeacon.sandbox import rules
from cibeacon.sandbox.account import Account
from cibeacon.sandbox.jsonbody import parsed
from cibeacon.sandbox.ledger import Ledger
from cibeacon.sandbox.methods import METHODS
from cibeacon.sandbox.rules import Refusal

STATUS: Mapping[str, int] = {
    "not_authed": 401,
    "invalid_auth": 401,
    "account_inactive": 401,
    "unknown_method": 404,
    "method_not_allowed": 405,
    "reference_id_exists": 409,
    "body_too_large": 413,
}
"""HTTP status by error code, where it is not 422."""

INACTIVE = "inactive"
"""The token that plays a deactivated account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request. `body` is None when it was over the limit."""

    method: str
    path: str
    authorization: str | None = field(repr=False)
    content_type: str
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answered:
    """HTTP status, envelope, and the ledger's entry of the request."""

    status: int
    envelope: Mapping[str, Any]
    entry: Mapping[str, Any]


def answer(asked: Asked, account: Account, ledger: Ledger) -> Answered:
    """Judge a request, change the ledger accordingly and note the request in it."""
    body = parsed(asked.body)
    status = 200
    envelope: dict[str, Any] = {"ok": True}
    try:
        _settle(asked, body, account, ledger)
    except Refusal as refusal:
        status = STATUS.get(refusal.code, 422)
        envelope = {"ok": False, "error": refusal.code, "message": refusal.message}
    entry = ledger.note(
        method=asked.method,
        path=asked.path,
        body=body,
        status=status,
        error=envelope.get("error"),
        message=envelope.get("message"),
    )
    return Answered(status, envelope, entry)


def _settle(asked: Asked, body: object, account: Account, ledger: Ledger) -> None:
    method = METHODS.get(asked.path)
    if method is None:
        raise Refusal("unknown_method", "There is no such method.")
    if asked.method != "POST":
        raise Refusal("method_not_allowed", "Every method is called with POST.")
    _authenticate(asked.authorization, account)
    if asked.body is None:
        raise Refusal("body_too_large", "The body is over the limit.")
    if asked.content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refusal("invalid_json", "Content-Type must be application/json.")
    if not isinstance(body, dict):
        raise Refusal("invalid_json", "The body must be one JSON object in UTF-8.")
    method.settle(rules.read(body, method.fields, method.required), account, ledger)


def _authenticate(authorization: str | None, account: Account) -> None:
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Refusal("not_authed", "The request needs the header Authorization: Bearer and an API key.")
    if token == INACTIVE:
        raise Refusal("account_inactive", "The account of this API key is deactivated.")
    if account.token is not None and not hmac.compare_digest(token.encode(), account.token.encode()):
        raise Refusal("invalid_auth", "This is not the Data Cloud API key that the sandbox expects.")
