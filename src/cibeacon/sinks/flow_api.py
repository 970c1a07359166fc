"""Knows what Instabase's responses contain and mean, and what to do about errors. Does not know the request.

Errors also have status 200: a response is a success if it is JSON whose `status` is OK, in any case. The list of pipelines
has `name` and `id`, the update has `flowPipelineName` and `flowPipelineId`; names need not be unique.
https://instabase.com/docs/apis/index.html and https://instabase.com/docs/apis/flow-pipeline/
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from cibeacon.model.request import Response, SinkError, foreign_error, redirect_error, status_advice

PREFIX = "flow_pipeline:"
_TOKEN = "Instabase rejects the token. Check that the secret flow_token is current."  # noqa: S105 - advice
_ACCESS = "The token's user may not do this. Ask a manager of the pipeline (Admin app), and check flow_context."
_BY_MESSAGE: tuple[tuple[str, str, bool], ...] = (
    ("token", _TOKEN, True),
    ("permission", _ACCESS, True),
    ("access", _ACCESS, True),
    ("authori", _ACCESS, True),
    ("pipeline", "Instabase rejects a pipeline. Run cibeacon flow list to show those that the token can see.", False),
    ("job", "Instabase rejects the job. Check flow_job_id, and that flow_context is the job's.", False),
)
"""A part of Instabase's message, what to do about it, and whether the same request may be accepted later."""
_BY_STATUS: Mapping[int, str] = {
    401: _TOKEN,
    403: "Instabase, or a proxy in between, rejects the request. Check flow_token, flow_context, flow_client_cert and the proxy.",
}
_LONGEST = 200


class FlowPipeline(NamedTuple):
    """A group of reviewers who get the documents of a job."""

    name: str
    id: str
    permissions: tuple[str, ...] | None = None
    """What the token may do with it, such as `flow_pipeline:read`; None if the response does not say."""
    is_manager: bool | None = None
    listed: bool = True
    """False if the user gave an id that is not in the list."""

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        permissions = None if self.permissions is None else list(self.permissions)
        return {"name": self.name, "id": self.id, "permissions": permissions, "is_manager": self.is_manager}

    @property
    def shown(self) -> str:
        """Name and id."""
        return f"{self.name} ({self.id})" if self.name else self.id


def read_pipelines(rows: object) -> tuple[FlowPipeline, ...]:
    """The pipelines in the list of either response. Raises `SinkError` if it is not a list."""
    if not isinstance(rows, list):
        raise _foreign("no list of pipelines")
    return tuple(dict.fromkeys(_pipeline(row if isinstance(row, dict) else {}) for row in rows))


def _pipeline(row: Mapping[str, Any]) -> FlowPipeline:
    name = row.get("name", row.get("flowPipelineName"))
    pipeline_id = row.get("id", row.get("flowPipelineId"))
    if not isinstance(pipeline_id, str) or not pipeline_id:
        raise _foreign("a pipeline without an id")
    permissions, is_manager = row.get("permissions"), row.get("is_manager")
    return FlowPipeline(
        name=name if isinstance(name, str) else "",
        id=pipeline_id,
        permissions=tuple(map(str, permissions)) if isinstance(permissions, list) else None,
        is_manager=is_manager if isinstance(is_manager, bool) else None,
    )


def answer(response: Response) -> Mapping[str, Any]:
    """The JSON object of a successful response. Raises `SinkError` for every other response."""
    document = response.json()
    if 300 <= response.status < 400:
        raise redirect_error(response, "Instabase", "flow_url")
    if not 200 <= response.status < 300:
        message = _message(document)
        advice, retryable = _advice(response.status, message)
        raise SinkError(advice, message or f"HTTP {response.status}", retryable=retryable)
    if not isinstance(document, dict):
        raise _foreign(f"{response.content_type.partition(';')[0] or 'no content type'} instead of JSON")
    status = document.get("status")
    if not isinstance(status, str):
        raise _foreign("without a status")
    if status.upper() != "OK":
        message = _message(document)
        advice, retryable = _advice(response.status, message)
        raise SinkError(advice, message or f"status {status[:40]}", retryable=retryable)
    return document


def _foreign(content: str) -> SinkError:
    """The error for a response that is not Instabase's, or not of a known version."""
    return foreign_error("Instabase", "flow_url", content)


def _advice(status: int, message: str) -> tuple[str, bool]:
    if by_status := _BY_STATUS.get(status) or status_advice(status, "Instabase", "flow_url"):
        return by_status, True
    for part, advice, retryable in _BY_MESSAGE:
        if part in message.lower():
            return advice, retryable
    return "Instabase rejected the request.", False


def _message(document: Any) -> str:
    """Instabase's message, if it is readable."""
    message = document.get("msg") if isinstance(document, dict) else None
    if not isinstance(message, str) or "<" in message:
        return ""
    return message if len(message) <= _LONGEST else f"{message[:_LONGEST]}…"
