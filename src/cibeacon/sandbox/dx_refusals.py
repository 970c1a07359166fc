"""Knows how DX refuses: the code, the sentence and the status of what was raised. Does not know what raises it.

The status of a refusal is 422 unless listed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import PydanticCustomError
from starlette.exceptions import HTTPException

from cibeacon.sandbox.dx_models import CODES, TAGS

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


class Refusal(Exception):
    """DX's answer to a request that breaks a rule: its error code and a sentence that names the field."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


def refusal_of(error: Exception) -> tuple[str, str]:
    """The code and the sentence for what was raised."""
    if isinstance(error, Refusal):
        return error.code, error.message
    if isinstance(error, PydanticCustomError):
        return error.type, f"{error.message()}."
    if isinstance(error, RequestValidationError):  # its places begin with "body"
        return _describe([{**each, "loc": each["loc"][1:]} for each in error.errors()])
    if isinstance(error, ValidationError):
        return _describe([dict(each) for each in error.errors()])
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
    code = error["type"] if error["type"] in CODES else "invalid_arguments"
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"] if part not in TAGS]
    return code, f"{''.join(parts).removeprefix('.')} {error['msg']}.".strip()


def _fields(errors: Sequence[Mapping[str, Any]], kind: str) -> list[str]:
    return [str(error["loc"][0]) for error in errors if error["type"] == kind and len(error["loc"]) == 1]
