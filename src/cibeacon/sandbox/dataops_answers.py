"""Knows the forms in which GitLab's API refuses. Does not know what for.

https://docs.gitlab.com/api/rest/troubleshooting/: a message as text, as a list or by field, an error of the parameters, and
OAuth's error with a description.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cibeacon.sandbox.exchange import Answer, in_json


class Refusal(Exception):
    """A status and a body in JSON."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(status, body)
        self.status, self.body = status, body

    def answer(self) -> Answer:
        """As it is sent."""
        return in_json(self.status, self.body)


def message(status: int, text: str) -> Refusal:
    """`{"message": "404 Not Found"}`."""
    return Refusal(status, {"message": text})


def missing(what: str = "") -> Refusal:
    """404, of a thing with a name or of none."""
    return message(404, f"404 {what} Not Found" if what else "404 Not Found")


def invalid(errors: Mapping[str, list[str]]) -> Refusal:
    """400 by field; `base` stands for the whole."""
    return Refusal(400, {"message": errors})


def parameters(*errors: str) -> Refusal:
    """400 for parameters that are missing or malformed."""
    return Refusal(400, {"error": ", ".join(errors)})


def forbidden(why: str = "") -> Refusal:
    """403."""
    return message(403, f"403 Forbidden - {why}" if why else "403 Forbidden")


def unauthorized() -> Refusal:
    """401 for no token, or one that is none."""
    return message(401, "401 Unauthorized")


def worthless(why: str) -> Refusal:
    """401 for a token that was good once."""
    return Refusal(401, {"error": "invalid_token", "error_description": why})


def insufficient(scope: str) -> Refusal:
    """403 for a token without that scope."""
    why = "The request requires higher privileges than provided by the access token."
    return Refusal(403, {"error": "insufficient_scope", "error_description": why, "scope": scope})


def failure(answer: Answer) -> str | None:
    """What an answer says is wrong, as text; None when it says nothing in JSON."""
    try:
        body = json.loads(answer.content)
    except ValueError:
        return None
    message = (body.get("message") or body.get("error")) if isinstance(body, dict) else None
    return message if isinstance(message, str) or message is None else json.dumps(message)
