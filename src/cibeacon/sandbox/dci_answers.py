"""Knows in which two forms DCI refuses: JSON with a message, and the HTML of the layers in front of it. Does not know what
for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from cibeacon.sandbox.exchange import Answer, in_json

UNABLE = "We are unable to create this resource. Please contact a DCI administrator."
SIMILAR = "We are unable to create this resource. A similar resource already exists."


class Refusal(Exception):
    """An answer of the application: status, message, and what else it says."""

    def __init__(self, status: int, message: str, payload: Mapping[str, object] | None = None) -> None:
        super().__init__(status, message)
        self.status, self.message, self.payload = status, message, payload or {}

    def answer(self) -> Answer:
        """As JSON."""
        body = {"message": self.message, "payload": dict(self.payload), "status_code": self.status}
        return in_json(self.status, body)


class Page(Exception):
    """An answer of the framework or the proxy, in HTML."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status

    def answer(self) -> Answer:
        """As HTML."""
        phrase = HTTPStatus(self.status).phrase
        text = f"<!doctype html>\n<html lang=en>\n<title>{self.status} {phrase}</title>\n<h1>{phrase}</h1>\n"
        return Answer(self.status, text.encode(), "text/html; charset=utf-8")


def malformed(errors: Sequence[str]) -> Refusal:
    """A body or a query that breaks its schema; at least one error."""
    return Refusal(400, "Request malformed", {"error": errors[0], "errors": list(errors)})


def database(column: str, value: str) -> Refusal:
    """A value that no schema looked at and that the database could not read as a uuid: its own words, SQL and all."""
    table = column.partition(".")[0]
    return Refusal(
        400,
        f'(psycopg2.errors.InvalidTextRepresentation) invalid input syntax for type uuid: "{value}"\n'
        f"LINE 3: WHERE {column} = '{value}'\n\n[SQL: SELECT {table}.* \nFROM {table} \nWHERE {column} = %(id_1)s]\n"
        f"[parameters: {{'id_1': '{value}'}}]\n(Background on this error at: https://sqlalche.me/e/14/9h9h)",
    )
