"""Knows what each field of a DX request may hold, in both forms of the API. Does not know HTTP, API keys or the ledger.

Articles: https://help.getdx.com/en/articles/7669458-deployments-api and 8691575-pipelines-api. Beyond them, `replace`,
`environment` and `success` are accepted, and the `.upsert` methods of https://docs.getdx.com/datacloudapi/overview. The type
of an error is DX's code; errors that only pydantic knows are `invalid_arguments`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    StrictBool,
    Tag,
    ValidationError,
    WrapValidator,
    model_validator,
)
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_core import PydanticCustomError

CODES = frozenset({
    "ambiguous_commit_sha_arguments", "commit_sha_invalid", "integration_branch_not_valid", "invalid_arguments",
    "merge_commit_shas_blank", "merge_commit_shas_invalid", "metadata_invalid", "required_params_missing",
})  # fmt: skip
"""Error codes that follow from the request alone."""
_NUMBER, _TEXT, _ISO = "Unix seconds", "a string of Unix seconds", "an ISO 8601 time with a zone"
_ISO_8601 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)", re.ASCII)
_SECONDS = re.compile(r"\d{1,11}", re.ASCII)
_YEAR_5138 = 10**11
"""A larger number is taken for milliseconds, sent by mistake."""
TAGS = ("text", "object")
"""Parts of an error's location that are no field names."""


def _code(code: str) -> WrapValidator:
    """Replaces the code of every error of a field."""

    def validate(value: object, validate_field: ModelWrapValidatorHandler[Any]) -> object:
        try:
            return validate_field(value)
        except ValidationError as error:
            raise PydanticCustomError(code, "{why}", {"why": error.errors()[0]["msg"]}) from None

    return WrapValidator(validate)


def _invalid(why: str) -> PydanticCustomError:
    return PydanticCustomError("invalid_arguments", "{why}", {"why": why})


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _invalid("must be a string that is not blank")
    return value


def _reference(value: object) -> str:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else _text(value)


def _time(*forms: str) -> BeforeValidator:
    """Reads a time in one of these forms as Unix seconds."""

    def read(value: object) -> object:
        if _NUMBER in forms and not isinstance(value, str):
            return value
        if _TEXT in forms and isinstance(value, str) and _SECONDS.fullmatch(value):
            return int(value)
        if _ISO in forms and isinstance(value, str) and _ISO_8601.fullmatch(value):
            with suppress(ValueError):
                return int(datetime.fromisoformat(value).timestamp())
        raise _invalid(f"must be {' or '.join(forms)}")

    return BeforeValidator(read, json_schema_input_type=str | int if _NUMBER in forms else str)


def _alike(value: object) -> object:
    if not isinstance(value, list) or len({type(item) for item in value}) > 1:
        raise _invalid("must be a list, all strings or all objects")
    return value


def _not_blank(value: object) -> object:
    if value in (None, "", []):
        raise PydanticCustomError("merge_commit_shas_blank", "is blank")
    return value


Text = Annotated[str, PlainValidator(_text, json_schema_input_type=str)]
"""Not pydantic's own string, which refuses lone surrogates; JSON may contain them."""
Reference = Annotated[str, PlainValidator(_reference, json_schema_input_type=str | int)]
Number = Annotated[int, Field(strict=True, gt=0)]
Seconds = Annotated[int, Field(strict=True, ge=0, lt=_YEAR_5138)]
SecondsText = Annotated[Seconds, _time(_TEXT)]
"""The article says string, though its example shows an integer."""
Moment = Annotated[Seconds, _time(_NUMBER, _ISO)]
MomentText = Annotated[Seconds, _time(_TEXT, _ISO)]
Status = Literal["failure", "running", "success", "cancelled"]
"""A missing status means unknown."""
Sha = Annotated[str, Field(strict=True, pattern="^[0-9a-fA-F]{7,40}$")]
DeployedSha = Annotated[Sha, _code("commit_sha_invalid")]
MergeShas = Annotated[list[Sha], _code("merge_commit_shas_invalid"), BeforeValidator(_not_blank)]
Branch = Annotated[Text, _code("integration_branch_not_valid")]
Metadata = Annotated[dict[Annotated[str, Field(pattern="^[A-Za-z0-9_-]+$")], Any], _code("metadata_invalid")]


class ServiceObject(BaseModel):
    """A service in the current form."""

    model_config = ConfigDict(extra="forbid")
    identifier: Text
    name: Text = Field(default="")


Service = Annotated[
    Annotated[Text, Tag(TAGS[0])] | Annotated[ServiceObject, Tag(TAGS[1])],
    Discriminator(lambda value: TAGS[isinstance(value, dict)]),
    AfterValidator(lambda value: value.identifier if isinstance(value, ServiceObject) else value),
]
"""A service's identifier."""
Services = Annotated[list[Service], BeforeValidator(_alike)]


class Call(BaseModel):
    """The arguments of a method."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, body: object) -> object:
        """A required field that is null or empty is missing."""
        if not isinstance(body, Mapping):
            return body
        required = {name for name, field in cls.model_fields.items() if field.is_required()}
        return {name: value for name, value in body.items() if name not in required or value not in (None, "")}

    def given(self) -> dict[str, Any]:
        """The fields that were sent, as DX would store them."""
        return self.model_dump(exclude_unset=True)


class PullServices(Call):
    """deployments.setPullServices: the services of a pull request."""

    github_pull_id: Number = Field(default=0)
    repository: Text = Field(default="")
    pull_number: Number = Field(default=0)
    services: Services
    replace: StrictBool = False

    @model_validator(mode="after")
    def _names_one_pull_request(self) -> Self:
        by_number = sorted({"repository", "pull_number"} & self.model_fields_set)
        if not self.github_pull_id:
            require(self.given(), *(("repository", "pull_number") if by_number else ("github_pull_id",)))
        elif by_number:
            raise _invalid(f"{' and '.join(by_number)} cannot go with github_pull_id")
        if not self.services and not self.replace:
            raise PydanticCustomError("required_params_missing", "services is empty; only replace may remove all")
        return self

    @property
    def pull(self) -> str:
        """The pull request: its id, or repository#number."""
        return str(self.github_pull_id) if self.github_pull_id else f"{self.repository}#{self.pull_number}"


class _Deployment(Call):
    repository: Text = Field(default="")
    commit_sha: DeployedSha = Field(default="")
    merge_commit_shas: MergeShas = Field(default=[])
    integration_branch: Branch = Field(default="")
    source_url: Text = Field(default="")
    source_name: Text = Field(default="")
    metadata: Metadata = Field(default={})
    environment: Text = Field(default="")
    success: StrictBool = True

    @model_validator(mode="after")
    def _has_one_attribution(self) -> Self:
        if {"commit_sha", "merge_commit_shas"} <= self.model_fields_set:
            raise PydanticCustomError("ambiguous_commit_sha_arguments", "Give either commit_sha or merge_commit_shas")
        return self


class NewDeployment(_Deployment):
    """deployments.create: a complete deployment."""

    reference_id: Text = Field(default="")
    deployed_at: Seconds
    service: Service


class DeploymentPatch(_Deployment):
    """deployments.upsert: a deployment, or changes to a known one."""

    reference_id: Reference
    deployed_at: Moment = Field(default=0)
    service: Service = Field(default="")


class Notification(Call):
    """pipelineRuns.sync: the state of a run."""

    pipeline_name: Text
    pipeline_source: Text
    reference_id: Text
    started_at: SecondsText
    finished_at: SecondsText = Field(default=0)
    status: Status = Field(default="running")
    repository: Text = Field(default="")
    commit_sha: Sha = Field(default="")
    pr_number: Number = Field(default=0)
    source_url: Text = Field(default="")
    head_branch: Text = Field(default="")
    email: Text = Field(default="")
    github_username: Text = Field(default="")
    gitlab_username: Text = Field(default="")

    @model_validator(mode="after")
    def _names_the_repository_of_its_commit(self) -> Self:
        if {"commit_sha", "pr_number"} & self.model_fields_set:
            require(self.given(), "repository")
        return self


class CurrentNotification(Notification):
    """pipelineRuns.upsert: the same, also with times in ISO 8601."""

    started_at: MomentText
    finished_at: MomentText = Field(default=0)


def require(fields: Mapping[str, object], *names: str) -> None:
    """Refuse where one of these fields is missing."""
    if missing := [name for name in names if name not in fields]:
        raise PydanticCustomError("required_params_missing", "{names} must be given", {"names": " and ".join(missing)})
