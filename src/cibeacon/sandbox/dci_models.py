"""Knows what DCI accepts, property by property, how it refuses the rest, and how it shows and lists rows. Does not know what
a request changes.

https://github.com/redhat-cip/dci-control-server, as it was observed: what breaks a rule is malformed, except what only the
database finds, a NUL or a text too long for its column; the layers in front of it answer in HTML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal, Self, TypeAlias

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt
from pydantic.functional_validators import AfterValidator, PlainValidator, field_validator, model_validator
from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import Response

from cibeacon.sandbox.safe_json import JSONAnswer, read_data
from cibeacon.sandbox.vendor import error_page

Row: TypeAlias = dict[str, Any]
"""A row as the API shows it."""

MALFORMED = "Request malformed"
SIMILAR = "We are unable to create this resource. A similar resource already exists."
_UNABLE = "We are unable to create this resource. Please contact a DCI administrator."
_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
FINAL = ("success", "failure", "killed", "error")
STATUSES = ("new", "pre-run", "running", "post-run", *FINAL)
_CAP = 200
"""Most rows of a page."""
COLUMNS: Mapping[str, Row] = read_data("dci_columns.json")
"""By table, named as in lists: its columns with their defaults."""


class Refusal(Exception):
    """A refusal in JSON: status, message and payload. Error pages are `HTTPException`s."""

    def __init__(self, status: int, message: str, payload: Mapping[str, object] | None = None) -> None:
        super().__init__(status, message)
        self.status, self.message, self.payload = status, message, payload or {}


def check_uuid(column: str, value: object) -> None:
    """Refuse a value that no model checks and the database cannot read, with the database's message and SQL."""
    if not (isinstance(value, str) and re.fullmatch(_UUID, value)):
        table, shown = column.partition(".")[0], str(value)[:200]
        error = f'(psycopg2.errors.InvalidTextRepresentation) invalid input syntax for type uuid: "{shown}"'
        raise Refusal(400, f"{error}\nLINE 3: WHERE {column} = '{shown}'\n\n[SQL: SELECT {table}.* \nFROM {table}]")


async def refuse(_request: Request, error: Exception) -> Response:
    """Answer what was raised."""
    if isinstance(error, RequestValidationError):
        broken = [each for each in error.errors() if each["type"] not in ("unstorable", "string_too_long")]
        said = [_describe(each) for each in broken]
        error = Refusal(400, MALFORMED, {"error": said[0], "errors": said}) if said else Refusal(400, _UNABLE)
    if isinstance(error, Refusal):
        body = {"message": error.message, "payload": dict(error.payload), "status_code": error.status}
        return JSONAnswer(body, error.status)
    return error_page(getattr(error, "status_code", 500))


def _describe(error: Mapping[str, Any]) -> str:
    name = str(error["loc"][1])[:200] if len(error["loc"]) > 1 else ""
    if error["type"] == "extra_forbidden":
        return f"Additional properties are not allowed ('{name}' was unexpected)"
    return f"'{name}' is a required property" if error["type"] == "missing" else f"{name}: {error['msg']}".lstrip(": ")


def _storable(text: Any) -> Any:
    if not isinstance(text, str) or "\0" in text:
        raise PydanticCustomError("unstorable", "Input cannot be stored")
    return text


Text = Annotated[str, Field(strict=True), AfterValidator(_storable)]
Short = Annotated[str, Field(strict=True, max_length=255), AfterValidator(_storable)]
Uuid = Annotated[str, Field(strict=True, pattern=_UUID)]
Link = Annotated[str, Field(strict=True, pattern=r"^(?i)https?://\S+$"), AfterValidator(_storable)]
Tag = Annotated[str, PlainValidator(_storable, json_schema_input_type=str)]
Tags = Annotated[list[Tag], AfterValidator(lambda tags: [tag for tag in tags if tag.strip()])]
Status = Annotated[Text, AfterValidator(lambda text: _storable(text if text in STATUSES else None))]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Words(_Strict):
    """The fields of a job that may be set at any time."""

    name: Short | None = None
    comment: Text | None = None
    configuration: Text | None = None
    status_reason: Text | None = None
    url: Link | None = None


class JobFields(_Words):
    """The optional fields of every new job."""

    tags: Tags | None = None
    data: dict[str, Any] | None = None
    previous_job_id: Uuid | None = None
    update_previous_job_id: Uuid | None = None
    pipeline_id: Uuid | None = None


class NewJob(JobFields):
    """A job with the components that it names; no property may be null. The last two properties are ignored."""

    components: list[Any]
    topic_id: Uuid | None = None
    remoteci_id: Uuid | None = None
    team_id: Uuid | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_null(cls, value: object) -> object:
        if value is None:
            raise PydanticCustomError("null", "Input should not be null")
        return value


class ScheduledJob(JobFields):
    """A job with the newest components of its topic, or with one given component of each type."""

    topic_id: Uuid
    components_ids: list[Uuid] = []


class JobPatch(_Words):
    """The fields of a job that may change."""

    tags: Tags = []
    status: Status = ""
    state: Literal["active", "inactive", "archived"] = "active"


class NewState(_Strict):
    """A state of a job."""

    job_id: Uuid
    status: Status
    comment: Text | None = None


class KeyValue(_Strict):
    """A number of a job, under a new key."""

    key: Short
    value: StrictInt | StrictFloat


class Paging(_Strict):
    """The parameters of a list: `where` holds conditions, `sort` columns, with `-` in descending order."""

    limit: int = Field(20, ge=1, description="200 rows are the most of a page.")
    offset: int = Field(0, ge=0)
    sort: str | None = None
    where: str | None = Field(None, examples=["name:RHEL-8.2"])
    embed: str | None = None

    @model_validator(mode="after")
    def _check_pair(self) -> Self:
        for given, other in (("limit", "offset"), ("offset", "limit")):
            if given in self.model_fields_set and other not in self.model_fields_set:
                raise PydanticCustomError("dependency", f"'{other}' is a dependency of '{given}'")
        return self


def show(row: Row, table: str) -> Row:
    """A row as the API shows it: only the columns of its table."""
    return {name: row[name] for name in COLUMNS[table]}


def list_rows(table: str, rows: Sequence[Row], paging: Paging, order: str = "-created_at") -> Row:
    """The requested page of a table's `rows`, which come oldest first, and how many match. Raises for an unknown column."""
    conditions = [] if paging.where is None else [_parse(part, table) for part in paging.where.split(",")]
    keys = [key for key in (paging.sort or order).split(",") if key]
    for key in keys:
        _check_column("sort", key.removeprefix("-"), table)
    found = [row for row in rows if all(_matches(row.get(column), value) for column, value in conditions)]
    if keys and keys[0].startswith("-"):
        found.reverse()  # of rows of the same moment the newest comes first
    for key in reversed(keys):
        found.sort(key=partial(_rank, key.removeprefix("-")), reverse=key.startswith("-"))
    page = found[paging.offset : paging.offset + min(paging.limit, _CAP)]
    return {"_meta": {"count": len(found)}, table: [show(row, table) for row in page]}


def _rank(column: str, row: Row) -> tuple[bool, Any]:
    held = row.get(column)
    return (held is not None, held if isinstance(held, int | float | str) else str(held))


def _parse(part: str, table: str) -> tuple[str, str]:
    """A column and its value; with a star at the end the column has to contain it."""
    column, colon, value = part.partition(":")
    if not colon:
        form = 'where key must have the following form "key:value"'
        raise Refusal(400, f'Invalid where key: "{part}"', {"error": form})
    _check_column("where", column, table)
    if column == "id" or column.endswith("_id"):
        check_uuid(f"{table}.{column}", value.lower())
    return column, value


def _check_column(use: str, column: str, table: str) -> None:
    if column not in COLUMNS[table]:
        valid = {"error": f"Valid {use} keys are: {', '.join(sorted(COLUMNS[table]))}"}
        raise Refusal(400, f'Invalid {use} key: "{column}"', valid)


def _matches(held: object, value: str) -> bool:
    if isinstance(held, list):
        return value in held
    text, asked = str(held).lower(), value.lower()
    return held is not None and (asked[:-1] in text if asked.endswith("*") else text == asked)
