"""Knows what each field of a DX request may hold, in both forms of the API. Does not know methods, HTTP or the ledger.

A rule takes a field's name and value and returns what DX would keep, or raises the refusal that DX would answer.
Articles: https://help.getdx.com/en/articles/7669458-deployments-api and 8691575-pipelines-api; current form:
https://docs.getdx.com/datacloudapi/overview.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

Rule: TypeAlias = Callable[[str, object], object]

STATUSES = ("failure", "running", "success", "cancelled")
"""The words a notification may use; no word at all means unknown."""

_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)", re.ASCII)
_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_SECONDS = re.compile(r"\d{1,11}", re.ASCII)
_SHA = re.compile(r"[0-9a-f]{7,40}", re.ASCII | re.IGNORECASE)
_YEAR_5138 = 10**11
"""Unix seconds end here; a larger number is a time in milliseconds by mistake."""


class Refusal(Exception):
    """DX's answer to a request that breaks a rule: its error code and a sentence that names the field."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


def read(body: Mapping[str, object], fields: Mapping[str, Rule], required: Iterable[str]) -> dict[str, Any]:
    """The fields of `body`, each as its rule keeps it; an unlisted field and a missing required one are refused."""
    for name in body:
        if name not in fields:
            raise Refusal("invalid_arguments", f"{name[:80]} is not a field of this method.")
    require(body, required)
    return {name: fields[name](name, value) for name, value in body.items()}


def require(body: Mapping[str, object], names: Iterable[str]) -> None:
    """Refuse when a name is absent, null or an empty string."""
    if missing := [name for name in names if body.get(name) in (None, "")]:
        raise Refusal("required_params_missing", f"{' and '.join(missing)} must be given.")


def text(name: str, value: object) -> str:
    """A string that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise Refusal("invalid_arguments", f"{name} must be a string that is not blank.")
    return value


def truth(name: str, value: object) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise Refusal("invalid_arguments", f"{name} must be true or false.")
    return value


def number(name: str, value: object) -> int:
    """A positive integer; a string of digits is none."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise Refusal("invalid_arguments", f"{name} must be a positive integer.")
    return value


def reference(name: str, value: object) -> str:
    """An id as text; the current form takes an integer too."""
    return text(name, value) if isinstance(value, str) else str(number(name, value))


def seconds(name: str, value: object) -> int:
    """An integer of Unix seconds."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _YEAR_5138:
        raise Refusal("invalid_arguments", f"{name} must be an integer of Unix seconds.")
    return value


def seconds_text(name: str, value: object) -> int:
    """A string of Unix seconds: the article says string, though its example shows an integer."""
    if not isinstance(value, str) or not _SECONDS.fullmatch(value):
        raise Refusal("invalid_arguments", f"{name} must be a string of Unix seconds.")
    return int(value)


def moment(name: str, value: object) -> int:
    """An ISO 8601 time with a zone, or an integer of Unix seconds."""
    return _iso(name, value) if isinstance(value, str) else seconds(name, value)


def moment_text(name: str, value: object) -> int:
    """An ISO 8601 time with a zone, or a string of Unix seconds."""
    return seconds_text(name, value) if isinstance(value, str) and value.isdigit() else _iso(name, value)


def _iso(name: str, value: object) -> int:
    refusal = Refusal("invalid_arguments", f"{name} must be an ISO 8601 time with a zone.")
    if not isinstance(value, str) or not _ISO.fullmatch(value):
        raise refusal
    try:
        return seconds(name, int(datetime.fromisoformat(value).timestamp()))
    except ValueError:
        raise refusal from None


def status(name: str, value: object) -> str:
    """One of the four words."""
    if not isinstance(value, str) or value not in STATUSES:
        raise Refusal("invalid_arguments", f"{name} must be one of {', '.join(STATUSES)}.")
    return value


def is_sha(value: object) -> bool:
    """Whether the value is a commit id of 7 to 40 hexadecimal digits."""
    return isinstance(value, str) and _SHA.fullmatch(value) is not None


def run_sha(name: str, value: object) -> str:
    """A commit id; the pipelines article has no error code of its own for a bad one."""
    if not is_sha(value):
        raise Refusal("invalid_arguments", f"{name} must be 7 to 40 hexadecimal digits.")
    return str(value)


def deployed_sha(name: str, value: object) -> str:
    """A commit id."""
    if not is_sha(value):
        raise Refusal("commit_sha_invalid", f"{name} must be 7 to 40 hexadecimal digits.")
    return str(value)


def branch(name: str, value: object) -> str:
    """A branch name; that it is not the default branch is for the method to say."""
    if not isinstance(value, str) or not value.strip():
        raise Refusal("integration_branch_not_valid", f"{name} must be the name of a branch.")
    return value


def merge_shas(name: str, value: object) -> list[str]:
    """A list of commit ids, at least one."""
    if value in (None, "", []):
        raise Refusal("merge_commit_shas_blank", f"{name} is blank.")
    if not isinstance(value, list) or not all(map(is_sha, value)):
        raise Refusal("merge_commit_shas_invalid", f"{name} must be a list of ids of 7 to 40 hexadecimal digits.")
    return list(value)


def metadata(name: str, value: object) -> dict[str, object]:
    """An object whose keys are letters, digits, dashes and underscores."""
    if not isinstance(value, dict) or not all(map(_KEY.fullmatch, value)):
        raise Refusal("metadata_invalid", f"{name} must be an object; keys are letters, digits, dashes, underscores.")
    return value


def service(name: str, value: object) -> str:
    """A service's identifier, told as a string or, in the current form, as an object."""
    if isinstance(value, str):
        return text(name, value)
    if not isinstance(value, dict) or not value.keys() <= {"identifier", "name"}:
        raise Refusal("invalid_arguments", f"{name} must be a string, or an object of identifier and name.")
    if "name" in value:
        text(f"{name}.name", value["name"])
    return text(f"{name}.identifier", value.get("identifier"))


def services(name: str, value: object) -> list[str]:
    """Identifiers, told all as strings or all as objects."""
    if not isinstance(value, list) or len({type(item) for item in value}) > 1:
        raise Refusal("invalid_arguments", f"{name} must be a list, all strings or all objects.")
    return [service(f"{name}[{place}]", item) for place, item in enumerate(value)]
