"""Knows how an OTLP receiver takes spans, written as JSON. Does not know sockets or any client.

https://opentelemetry.io/docs/specs/otlp/: ids in hexadecimal, enums as numbers, 64-bit numbers as text too, refusals as
google.rpc.Status. A field that is not known is ignored.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError
from starlette.exceptions import HTTPException

from cibeacon.sandbox import vendor
from cibeacon.sandbox.safe_json import JSONAnswer, media_type, parse_json
from cibeacon.sandbox.store import Store

PREFIX = "/v1"
_KEPT = 500
"""Spans that are remembered."""
_INVALID, _DENIED, _UNKNOWN, _UNAUTHENTICATED = 3, 7, 5, 16
"""Codes of google.rpc.Status."""

Number = Annotated[int, Field(ge=0, lt=1 << 64)]
TraceId = Annotated[str, Field(strict=True, pattern=r"^(?!0{32})[0-9a-fA-F]{32}\Z")]
SpanId = Annotated[str, Field(strict=True, pattern=r"^(?!0{16})[0-9a-fA-F]{16}\Z")]


class _Message(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, regex_engine="python-re")


class AnyValue(_Message):
    """A value of one type."""

    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | None = None
    double_value: float | None = None
    array_value: ArrayValue | None = None

    @property
    def plain(self) -> Any:
        """The value."""
        if self.array_value is not None:
            return [each.plain for each in self.array_value.values]
        given = (self.string_value, self.bool_value, self.int_value, self.double_value)
        return next((value for value in given if value is not None), None)


class ArrayValue(_Message):
    """Several values."""

    values: list[AnyValue] = []


class Attribute(_Message):
    """An attribute."""

    key: Annotated[str, Field(strict=True, min_length=1)]
    value: AnyValue


class Status(_Message):
    """How the operation ended: not said, well, or with an error."""

    code: Annotated[int, Field(strict=True, ge=0, le=2)] = 0
    message: str = ""


class Span(_Message):
    """One operation."""

    trace_id: TraceId
    span_id: SpanId
    parent_span_id: SpanId | None = None
    name: Annotated[str, Field(strict=True, min_length=1)]
    kind: Annotated[int, Field(strict=True, ge=0, le=5)] = 0
    start_time_unix_nano: Number
    end_time_unix_nano: Number
    attributes: list[Attribute] = []
    status: Status = Status()

    @model_validator(mode="after")
    def end_after_the_start(self) -> Span:
        """A span ends once it has started."""
        if self.end_time_unix_nano < self.start_time_unix_nano:
            raise PydanticCustomError("order", "ends before it starts")
        return self


class Scope(_Message):
    """What made the spans."""

    name: str = ""
    version: str = ""


class ScopeSpans(_Message):
    """Spans of one maker."""

    scope: Scope = Scope()
    spans: list[Span] = []


class Resource(_Message):
    """What the spans are about."""

    attributes: list[Attribute] = []


class ResourceSpans(_Message):
    """Spans of one resource."""

    resource: Resource = Resource()
    scope_spans: list[ScopeSpans] = []


class ExportTraceServiceRequest(_Message):
    """What is exported."""

    resource_spans: list[ResourceSpans] = []


class Otlp:
    """A receiver with a memory; safe to use from many threads. Without a `token` it takes anybody's spans."""

    def __init__(self, token: str | None, store: Store) -> None:
        self._token, self._lock, self._spans = token, store.lock, store.table("otlp_spans")

    async def authenticate(self, request: Request) -> None:
        """Raise where another token is good, or the body is not JSON."""
        sent, good = request.headers.get("authorization", ""), f"Bearer {self._token}"
        if self._token is not None and not hmac.compare_digest(sent.encode(), good.encode()):
            raise HTTPException(403 if sent else 401)
        if media_type(request) != "application/json":
            raise HTTPException(415)

    def exports(self, url: str) -> dict[str, str]:
        """The setting that leads to the receiver, where the sandbox is at `url`."""
        return {"CIBEACON_OTLP_ENDPOINT": url}

    def take(self, exported: ExportTraceServiceRequest) -> None:
        """Remember every span; the same one again takes the place of the one before."""
        with self._lock:
            for of_resource in exported.resource_spans:
                resource = _plain(of_resource.resource.attributes)
                for span in [span for of_scope in of_resource.scope_spans for span in of_scope.spans]:
                    key = f"{span.trace_id}/{span.span_id}"
                    times = self._spans[key]["times"] if key in self._spans else 0
                    self._spans[key] = _described(span) | {"resource": resource, "times": times + 1}
            for key in list(self._spans)[:-_KEPT]:
                del self._spans[key]

    def document(self) -> dict[str, Any]:
        """By trace: its spans, as they came. Times are Unix seconds; `times` says how often one came."""
        traces: dict[str, list[Any]] = {}
        with self._lock:
            for key, span in self._spans.items():
                traces.setdefault(key.partition("/")[0], []).append(span)
        return {"traces": traces}


def _plain(attributes: Sequence[Attribute]) -> dict[str, Any]:
    return {each.key: each.value.plain for each in attributes}


def _described(span: Span) -> dict[str, Any]:
    return {
        "id": span.span_id,
        "parent": span.parent_span_id,
        "name": span.name,
        "kind": span.kind,
        "start": span.start_time_unix_nano / 1e9,
        "end": span.end_time_unix_nano / 1e9,
        "error": span.status.code == 2,
        "attributes": _plain(span.attributes),
    }


router = APIRouter(route_class=vendor.AuthenticatedRoute, default_response_class=JSONAnswer)


@router.post("/traces")
async def export_traces(exported: ExportTraceServiceRequest, request: Request) -> dict[str, Any]:
    """Take spans."""
    request.app.state.held.take(exported)
    return {}


def play(token: str | None, store: Store, _clock: Callable[[], float]) -> vendor.Vendor:
    """The receiver; without a token it takes anybody's spans."""
    otlp = Otlp(token, store)
    app = vendor.create_app("OTLP", router, refuse=_refuse, errors=(), held=otlp)
    return vendor.Vendor(PREFIX, app, otlp, otlp.exports, otlp.document, verdict)


async def _refuse(_request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        code = {401: _UNAUTHENTICATED, 403: _DENIED, 404: _UNKNOWN}.get(error.status_code, _INVALID)
        return JSONAnswer({"code": code, "message": str(error.detail)}, error.status_code)
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {"loc": (), "msg": str(error)}
    place = ".".join(map(str, first["loc"][1:]))
    return JSONAnswer({"code": _INVALID, "message": f"{place or 'the body'}: {first['msg']}"}, 400)


def verdict(response: Response) -> tuple[str | None, str | None]:
    """The error and the sentence of an answer; a 200 may reject spans, too."""
    body = parse_json(bytes(response.body)) if response.status_code == 200 else None
    partial = body.get("partialSuccess") if isinstance(body, dict) else None
    if isinstance(partial, dict) and str(partial.get("rejectedSpans", "0")) != "0":
        return "partial success", partial.get("errorMessage")
    return vendor.verdict(response)
