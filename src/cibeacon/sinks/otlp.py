"""Knows the spans of a run, and OTLP over HTTP with JSON. Does not know HTTP, clocks, tokens or any SDK.

A span is sent once, after its end. Requests and responses: https://opentelemetry.io/docs/specs/otlp/; names and values:
https://opentelemetry.io/docs/specs/semconv/cicd/cicd-spans/ and https://opentelemetry.io/docs/specs/semconv/resource/cicd/.
Other names begin with `cibeacon.`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cibeacon import __version__
from cibeacon.model.context import RunFacts
from cibeacon.model.request import (
    Exchange,
    Request,
    Response,
    Resumed,
    SinkResult,
    Unneeded,
    foreign_error,
    not_json,
    redirect_error,
    status_advice,
)
from cibeacon.model.signals import Deployment, PipelineRun, PullServices, Signal
from cibeacon.model.spool_record import Record
from cibeacon.model.trace_position import trace_position

NAME = "otlp"
PATH = "/v1/traces"
_INTERNAL, _SERVER = 1, 2
_ERROR = 2
_SAMPLED = 1
_RESULTS = {"success": "success", "failure": "failure", "cancelled": "cancellation"}
_PROVIDERS = {"github.com": "github", "gitlab.com": "gitlab", "bitbucket.org": "bitbucket"}
_VENDOR, _VENDOR_FIRST = "the OTLP receiver", "The OTLP receiver"
_SETTING = "otlp_endpoint"
_PARTIAL = "partial success"
ERROR_IDS: Mapping[str, str] = {_PARTIAL: "otlp-partial-success"}
"""Error → heading in docs/troubleshooting.md."""
_REFUSED = "The receiver rejects the credential. Check the secret otlp_headers (OTEL_EXPORTER_OTLP_HEADERS)."
_LONGEST = 300
"""Characters of a receiver's message that are shown."""

Attributes = Mapping[str, str | tuple[str, ...] | None]


def method(signal: Signal, form: str) -> str:
    """The request's path, since it has no other name."""
    return form or PATH


def faults(signal: Signal) -> str | None:
    """Why the signal cannot become a span, or None."""
    if not isinstance(signal, PullServices | Deployment | PipelineRun):
        return "OTLP accepts only pull requests, deployments and pipeline runs."
    if signal.run is None:
        return "The run of this signal is unknown."
    if isinstance(signal, PipelineRun) and signal.status not in _RESULTS:
        return Unneeded("a span is sent once the run has ended")
    return None


def request(signal: Signal, form: str) -> Request:
    """The request with the signal's span. `form` is the path."""
    return _request({"resourceSpans": [_resource_spans(signal)]}, form)


def send(signal: Signal, form: str) -> Exchange:
    """Sends the span, and interprets the response."""
    return judge((yield request(signal, form)))


def spooled_signal(signal: Signal, form: str) -> Mapping[str, Any] | None:
    """Nothing besides the request."""
    return None


def resume(record: Record, form: str = "") -> Resumed | None:
    """Sends the spans of a record, to the path of the current settings."""
    if record.method != "POST" or not isinstance((record.body or {}).get("resourceSpans"), list):
        return None
    spooled = _request(record.body or {}, form)
    return Resumed(spooled, _send_again(spooled))


def export_nothing(form: str) -> Exchange:
    """Tests whether the receiver accepts spans, with a request that contains none."""
    return judge((yield _request({"resourceSpans": []}, form)))


def _send_again(spooled: Request) -> Exchange:
    return judge((yield spooled))


def _request(body: Mapping[str, Any], form: str) -> Request:
    return Request("POST", form or PATH, body, auth="headers")


# Requests -------------------------------------------------------------------------------------------------------------


def _resource_spans(signal: Signal) -> Mapping[str, Any]:
    if not isinstance(signal, PullServices | Deployment | PipelineRun) or signal.run is None:
        raise TypeError(type(signal).__name__)
    match signal:
        case PipelineRun():
            span = _run_span(signal, signal.run)
        case Deployment():
            span = _deployment_span(signal, signal.run)
        case PullServices():
            span = _services_span(signal, signal.run)
    scope = {"name": "cibeacon", "version": __version__}
    resource = {"attributes": _attributes(_resource(signal.run))}
    return {"resource": resource, "scopeSpans": [{"scope": scope, "spans": [span]}]}


def _resource(run: RunFacts) -> Attributes:
    """What all spans of a run have in common. The conventions do not define a service; users look for the repository."""
    provider = _PROVIDERS.get(run.server or "") or (run.host if run.host in _PROVIDERS.values() else None)
    owner, _, name = (run.repository or "").rpartition("/")
    url = f"https://{run.server}/{run.repository}" if provider and run.server and run.repository else None
    ref = run.tag or run.branch
    return {
        "service.name": run.repository or "cibeacon",
        "cicd.pipeline.name": run.pipeline,
        "cicd.pipeline.run.id": run.run_id,
        "cicd.pipeline.run.url.full": run.url,
        "vcs.provider.name": provider,
        "vcs.owner.name": owner or None,
        "vcs.repository.name": name or None,
        "vcs.repository.url.full": url,
        "vcs.ref.head.name": ref,
        "vcs.ref.head.type": ("tag" if run.tag else "branch") if ref else None,
        "vcs.ref.head.revision": run.commit_sha,
    }


def _run_span(signal: PipelineRun, run: RunFacts) -> Mapping[str, Any]:
    """The whole run, or one of its jobs or commands, which is a task."""
    result = _RESULTS[signal.status or ""]
    change = {"vcs.change.id": str(signal.pr_number) if signal.pr_number else None}
    times = signal.started_at, signal.finished_at or signal.started_at
    attributes: Attributes
    if signal.reference_id == run.reference:
        attributes = {"cicd.pipeline.action.name": "RUN", "cicd.pipeline.result": result, **change}
        name, kind = f"RUN {signal.pipeline_name}", _SERVER
    else:
        attributes = {**_task(signal.pipeline_name, signal.reference_id, signal.source_url, result), **change}
        name, kind = signal.pipeline_name, _INTERNAL
    return _span(run, signal.reference_id, name, kind, times, attributes, failed=result == "failure")


def _deployment_span(signal: Deployment, run: RunFacts) -> Mapping[str, Any]:
    """A moment: the start of the deployment is unknown."""
    failed, name = signal.success is False, f"deploy {signal.service}"
    attributes = {
        **_task(name, signal.reference_id, signal.source_url, "failure" if failed else "success"),
        "cicd.pipeline.task.type": "deploy",
        "deployment.id": signal.reference_id,
        "deployment.name": signal.service,
        "deployment.environment.name": signal.environment,
        "deployment.status": "failed" if failed else "succeeded",
        "vcs.ref.head.revision": signal.commit_sha,
        "cibeacon.merge_commits": signal.merge_commit_shas or None,
        "cibeacon.services": (signal.service,),
    }
    times = signal.deployed_at, signal.deployed_at
    return _span(run, signal.key, name, _INTERNAL, times, attributes, failed=failed)


def _services_span(signal: PullServices, run: RunFacts) -> Mapping[str, Any]:
    """Also a moment: the time when the merge was reported."""
    attributes = {
        "vcs.change.id": str(signal.pr_number) if signal.pr_number else None,
        "vcs.change.state": "merged",
        "cibeacon.services": signal.services,
    }
    times = run.reported_at, run.reported_at
    return _span(run, signal.key, "changed services", _INTERNAL, times, attributes, failed=False)


def _task(name: str, run_id: str, url: str | None, result: str) -> Attributes:
    return {
        "cicd.pipeline.task.name": name,
        "cicd.pipeline.task.run.id": run_id,
        "cicd.pipeline.task.run.url.full": url,
        "cicd.pipeline.task.run.result": result,
    }


def _span(
    run: RunFacts, key: str, name: str, kind: int, times: tuple[int, int], attributes: Attributes, *, failed: bool
) -> Mapping[str, Any]:
    """A span in OTLP's JSON: ids in hexadecimal, enums as numbers, nanoseconds as text."""
    place = trace_position(run, key)
    error = {"error.type": "failure"} if failed else {}
    return {
        "traceId": place.trace_id,
        "spanId": place.span_id,
        **({"parentSpanId": place.parent_id} if place.parent_id else {}),
        "flags": _SAMPLED,
        "name": _text(name),
        "kind": kind,
        "startTimeUnixNano": _nanoseconds(times[0]),
        "endTimeUnixNano": _nanoseconds(times[1]),
        "attributes": _attributes({**attributes, **error}),
        **({"status": {"code": _ERROR}} if failed else {}),
    }


def _nanoseconds(seconds: int) -> str:
    return f"{seconds}000000000"


def _attributes(values: Attributes) -> list[Mapping[str, Any]]:
    """The attributes that have a value."""
    return [{"key": key, "value": _any_value(value)} for key, value in values.items() if value is not None]


def _any_value(value: str | tuple[str, ...]) -> Mapping[str, Any]:
    if isinstance(value, str):
        return {"stringValue": _text(value)}
    return {"arrayValue": {"values": [{"stringValue": _text(each)} for each in value]}}


def _text(value: str) -> str:
    """The text as valid UTF-8, which names of files and branches may not be."""
    return value.encode("utf-8", "replace").decode()


# Responses ------------------------------------------------------------------------------------------------------------


def judge(response: Response) -> SinkResult:
    """The meaning of a response. Success is a 2xx status and a JSON object that rejects nothing, or an empty body."""
    if 300 <= response.status < 400:
        return redirect_error(response, _VENDOR_FIRST, _SETTING).result
    document = response.json()
    if 200 <= response.status < 300 and (isinstance(document, dict) or not response.content.strip()):
        return _judge_success(document or {})
    if advice := _advice(response.status):
        return SinkResult("failed", advice, f"HTTP {response.status}", retryable=True)
    if not isinstance(document, dict):
        error = f"HTTP {response.status} without JSON"
        return foreign_error(_VENDOR, _SETTING, not_json(response), error).result
    reason = "The receiver rejected the span. Compare the request in the JSON report with what it accepts."
    return SinkResult("failed", reason, _words(document.get("message")) or f"HTTP {response.status}")


def _judge_success(document: Mapping[str, Any]) -> SinkResult:
    """Rejected spans would be rejected again; a count of 0 means a warning."""
    partial = document.get("partialSuccess", document.get("partial_success"))
    partial = partial if isinstance(partial, dict) else {}
    rejected = partial.get("rejectedSpans", partial.get("rejected_spans", 0))
    message = _words(partial.get("errorMessage", partial.get("error_message")))
    if str(rejected) not in ("0", ""):
        error = f"{_PARTIAL}: {message}" if message else _PARTIAL
        reason = "The receiver accepted the request but rejected the span in it."
        return SinkResult("failed", reason, error, error_id=ERROR_IDS[_PARTIAL])
    return SinkResult("sent", f"The receiver warns: {message}." if message else None)


def _advice(status: int) -> str | None:
    """What to do about a status after which the receiver may accept the same span later."""
    if status in (401, 403):
        return _REFUSED
    if status == 415:
        return "The receiver does not accept JSON. Send to an OpenTelemetry Collector, which can convert it."
    return status_advice(status, _VENDOR_FIRST, _SETTING)


def _words(message: object) -> str:
    """A receiver's message, as a clause."""
    return message.strip().rstrip(".")[:_LONGEST] if isinstance(message, str) else ""
