"""Knows what DCI takes, property by property, and how it refuses the rest. Does not know what becomes of it.

https://github.com/redhat-cip/dci-control-server, as it was observed: what breaks a rule is malformed, but for what only
the database finds, a NUL or a text too long for its column; and the layers in front of it answer in HTML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt
from pydantic.functional_validators import AfterValidator, PlainValidator, field_validator, model_validator
from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import Response

from cibeacon.sandbox.safe_json import JSONAnswer
from cibeacon.sandbox.vendor import error_page

MALFORMED = "Request malformed"
SIMILAR = "We are unable to create this resource. A similar resource already exists."
_UNABLE = "We are unable to create this resource. Please contact a DCI administrator."
_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
FINAL = ("success", "failure", "killed", "error")
STATUSES = ("new", "pre-run", "running", "post-run", *FINAL)


class Refusal(Exception):
    """An answer of the application in JSON: status, message, and what else it says. Pages are `HTTPException`s."""

    def __init__(self, status: int, message: str, payload: Mapping[str, object] | None = None) -> None:
        super().__init__(status, message)
        self.status, self.message, self.payload = status, message, payload or {}


def check_uuid(column: str, value: object) -> None:
    """Refuse a value that no model looked at and that the database cannot read: in its own words, SQL and all."""
    if not (isinstance(value, str) and re.fullmatch(_UUID, value)):
        table, shown = column.partition(".")[0], str(value)[:200]
        error = f'(psycopg2.errors.InvalidTextRepresentation) invalid input syntax for type uuid: "{shown}"'
        raise Refusal(400, f"{error}\nLINE 3: WHERE {column} = '{shown}'\n\n[SQL: SELECT {table}.* \nFROM {table}]")


async def refuse(_request: Request, error: Exception) -> Response:
    """The answer to what was raised."""
    if isinstance(error, RequestValidationError):
        error = _refusal_of(error.errors())
    if isinstance(error, Refusal):
        body = {"message": error.message, "payload": dict(error.payload), "status_code": error.status}
        return JSONAnswer(body, error.status)
    return error_page(getattr(error, "status_code", 500))


def _refusal_of(errors: Sequence[Mapping[str, Any]]) -> Refusal:
    malformed = [_describe(each) for each in errors if each["type"] not in ("unstorable", "string_too_long")]
    if not malformed:
        return Refusal(400, _UNABLE)
    return Refusal(400, MALFORMED, {"error": malformed[0], "errors": malformed})


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
    """What a job may say about itself at any time."""

    name: Short | None = None
    comment: Text | None = None
    configuration: Text | None = None
    status_reason: Text | None = None
    url: Link | None = None


class JobFields(_Words):
    """What every new job may say about itself."""

    tags: Tags | None = None
    data: dict[str, Any] | None = None
    previous_job_id: Uuid | None = None
    update_previous_job_id: Uuid | None = None
    pipeline_id: Uuid | None = None


class NewJob(JobFields):
    """A job with the components that it names; nothing of it is null. The last two properties are ignored."""

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
    """A job with the components of its topic that were created last, or with one of each type as given."""

    topic_id: Uuid
    components_ids: list[Uuid] = []


class JobPatch(_Words):
    """What may change of a job."""

    tags: Tags = []
    status: Status = ""
    state: Literal["active", "inactive", "archived"] = "active"


class NewState(_Strict):
    """A state of a job."""

    job_id: Uuid
    status: Status
    comment: Text | None = None


class KeyValue(_Strict):
    """A number of a job, under a key that it does not have yet."""

    key: Short
    value: StrictInt | StrictFloat


class Paging(_Strict):
    """What a list takes: `where` is a list of equalities, `sort` one of columns, each after `-` in falling order."""

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
