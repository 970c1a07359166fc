"""Explains a failed request in one sentence, and lists how a verb can end. Sends nothing.

Bodies seen: `{"message": "404 …"}`, `{"message": {"base": […]}}`, `{"message": […]}`, `{"error": "…"}`,
`{"error": …, "error_description": …}`, and HTML from a proxy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from cibeacon.runtime.errors import CibeaconError
from cibeacon.runtime.safe_text import clipped

ResultStatus: TypeAlias = Literal["success", "failed", "canceled", "skipped", "manual", "timed-out", "lost", "refused"]


class Ending(NamedTuple):
    """The exit code of a result, and what it means."""

    code: int
    meaning: str


ENDINGS: Mapping[ResultStatus, Ending] = {
    "success": Ending(0, "The pipeline succeeded, or the command completed."),
    "failed": Ending(10, "The pipeline failed, or a downstream pipeline whose failure counts."),
    "canceled": Ending(11, "The pipeline was canceled, or a signal interrupted the wait."),
    "skipped": Ending(12, "The pipeline was skipped: it runs no jobs."),
    "manual": Ending(13, "The pipeline waits for a manual job to be started."),
    "timed-out": Ending(14, "The pipeline did not start or end in time."),
    "lost": Ending(15, "The server was unreachable for too long, or the result of a request is unknown."),
    "refused": Ending(16, "A token is missing or lacks a permission, or a value is invalid."),
}
"""Every result; docs/dataops.md lists them."""
_LONGEST = 300
_DEEPEST = 5
_PASSING = frozenset({408, 425, 429})
"""Client errors that a retry may not meet."""
_HINTS = {
    400: "Correct what the server reports and try again",
    401: "The token is wrong, expired or revoked: set the secret dataops_token to a valid access token",
    403: "The token may not do this: reading needs scope read_api and role Reporter; changing needs api and Developer",
    404: "Check dataops_project and the id: the server gives the same answer if the token may not see it",
}


class DataopsError(CibeaconError):
    """A request that failed or cannot be sent.

    Args:
        status: the HTTP status, if there is one.
        refused: whether a retry cannot help: a token, a permission or the request itself is wrong.
        retry_after: seconds that the server asks to wait before the next request; 0 if it does not ask.
        maybe_delivered: False if the server cannot have carried out the request.
    """

    def __init__(
        self,
        what: str,
        why: str,
        hint: str,
        *,
        status: int | None = None,
        refused: bool = False,
        retry_after: float = 0.0,
        maybe_delivered: bool = True,
    ) -> None:
        super().__init__(what, why, hint)
        self.status, self.refused = status, refused
        self.retry_after, self.maybe_delivered = retry_after, maybe_delivered


def usage_error(what: str, why: str, hint: str) -> DataopsError:
    """The error for something that is wrong before a request is sent."""
    return DataopsError(what, why, hint, refused=True, maybe_delivered=False)


def http_error(what: str, status: int, body: bytes, retry_after: float = 0.0) -> DataopsError:
    """The error for a response that is not a success."""
    hint = "Set dataops_url to the URL that the server points to" if 300 <= status < 400 else "Try again later"
    return DataopsError(
        what,
        explain_response(status, body),
        _HINTS.get(400 if status in (409, 422) else status, hint),
        status=status,
        refused=300 <= status < 500 and status not in _PASSING,
        retry_after=retry_after,
        maybe_delivered=status >= 500 or status == 408,
    )


def explain_response(status: int, body: bytes) -> str:
    """The server's answer in one line: the status, and its text if that adds anything."""
    text = clipped("; ".join(_texts(body)), _LONGEST).removeprefix(str(status)).strip(" -:")
    return f"the server answered {status}{f' ({text})' if text else ''}"


def _texts(body: bytes) -> Iterator[str]:
    text = body[:65536].decode("utf-8", "replace").strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        page = "a web page instead of JSON: there may be a proxy or login page in between"
        yield from filter(None, [page if text.startswith("<") else text])
        return
    if isinstance(value, Mapping):
        value = [value[name] for name in ("message", "error", "error_description", "scope") if value.get(name)]
    yield from _flatten(value)


def _flatten(value: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    """Each text in a message, which is a text, a list of texts, or a field's name with its errors."""
    if isinstance(value, Mapping | list) and depth <= _DEEPEST:
        pairs = value.items() if isinstance(value, Mapping) else ((name, part) for part in value)
        for key, part in pairs:
            yield from _flatten(part, "" if key == "base" else str(key), depth + 1)
    elif value not in (None, ""):
        yield f"{name} {value}" if name else str(value)
