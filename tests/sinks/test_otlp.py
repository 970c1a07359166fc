"""OTLP's wire, one JSON file a pair under `otlp/`: `why`, the `kind` and fields of a `signal`, its `run`, and the `resource` and
`span` that must be sent, with attributes as plain names and values. Answers and their meaning are in `otlp_replies.json`.

OpenTelemetry's own packages are the judges: every body is decoded by its protocol's messages, strictly, and every name is
one of its semantic conventions.
"""

from __future__ import annotations

import base64
import importlib
import inspect
import json
import re
from pathlib import Path

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from cibeacon import __version__
from cibeacon.model.context import RunFacts
from cibeacon.model.report import Outcome
from cibeacon.model.request import Response, SinkResult, Unneeded
from cibeacon.model.signals import Deployment, FlowAssignment, PipelineRun, PullServices
from cibeacon.model.spool_record import Record
from cibeacon.sinks import otlp

HERE = Path(__file__).parent
CASES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((HERE / "otlp").glob("*.json"))}
REPLIES = json.loads((HERE / "otlp_replies.json").read_text("utf-8"))
KINDS = {"pipeline-run": PipelineRun, "deployment": Deployment, "pull-services": PullServices}
CONVENTIONS = [
    importlib.import_module(f"opentelemetry.semconv._incubating.attributes.{name}_attributes")
    for name in ("cicd", "vcs", "deployment", "service", "error")
]
STABLE = [
    importlib.import_module(f"opentelemetry.semconv.attributes.{name}_attributes")
    for name in ("service", "error", "deployment")
]
CURRENT = {
    value
    for module in (*CONVENTIONS, *STABLE)
    for name, value, text in re.findall(
        r'^([A-Z_]+): Final = "([^"]+)"(?:\n"""(.*?)""")?', inspect.getsource(module), re.M | re.S
    )
    if "Deprecated" not in text
}
WELL_KNOWN = {
    "cicd.pipeline.result": "CicdPipelineResultValues",
    "cicd.pipeline.task.run.result": "CicdPipelineTaskRunResultValues",
    "cicd.pipeline.task.type": "CicdPipelineTaskTypeValues",
    "cicd.pipeline.action.name": "CicdPipelineActionNameValues",
    "deployment.status": "DeploymentStatusValues",
    "vcs.provider.name": "VcsProviderNameValues",
    "vcs.ref.head.type": "VcsRefHeadTypeValues",
    "vcs.change.state": "VcsChangeStateValues",
}
RUN = RunFacts("github.com/acme%2Fshop/runs/901/attempts/1", 1_700_000_000, "CI")


def signal_of(case):
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in case["signal"].items()}
    return KINDS[case["kind"]](**fields, run=RunFacts(**case["run"]))


def as_attributes(plain):
    def value(one):
        return (
            {"stringValue": one} if isinstance(one, str) else {"arrayValue": {"values": [value(each) for each in one]}}
        )

    return [{"key": key, "value": value(one)} for key, one in plain.items()]


def decoded(body):
    """The body as OpenTelemetry's messages, whose own JSON has ids in base64; raises for whatever it does not know."""
    document = json.loads(json.dumps(body))
    for span in spans_of(document):
        for name in ("traceId", "spanId", "parentSpanId"):
            if name in span:
                span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return json_format.ParseDict(document, ExportTraceServiceRequest(), ignore_unknown_fields=False)


def spans_of(body):
    return [
        span
        for of_resource in body["resourceSpans"]
        for of_scope in of_resource["scopeSpans"]
        for span in of_scope["spans"]
    ]


def assert_valid(body):
    message = decoded(body)
    for of_resource in message.resource_spans:
        assert "service.name" in {each.key for each in of_resource.resource.attributes}
        for span in [span for of_scope in of_resource.scope_spans for span in of_scope.spans]:
            assert (len(span.trace_id), len(span.span_id)) == (16, 8)
            assert any(span.trace_id)
            assert any(span.span_id)
            assert len(span.parent_span_id) in (0, 8)
            assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
            assert span.start_time_unix_nano % 1_000_000_000 == 0
            assert span.kind in (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_INTERNAL)
            keys = [each.key for each in (*of_resource.resource.attributes, *span.attributes)]
            assert not [key for key in keys if key not in CURRENT and not key.startswith("cibeacon.")]
            attributes = {
                each.key: each.value.string_value for each in (*of_resource.resource.attributes, *span.attributes)
            }
            for key, name in WELL_KNOWN.items():
                values = next(vars(module)[name] for module in CONVENTIONS if name in vars(module))
                assert attributes.get(key) in {None, *(value.value for value in values)}
            has_failed = span.status.code == Status.STATUS_CODE_ERROR
            assert has_failed is ("error.type" in attributes)
            assert "service.name" in attributes
    for span in spans_of(body):
        assert isinstance(span["kind"], int)
        assert isinstance(span["startTimeUnixNano"], str)


def ended(exchange, reply):
    next(exchange)
    try:
        exchange.send(reply)
    except StopIteration as end:
        return end.value
    raise AssertionError("it asked again")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_signal_is_exactly_this_span(case):
    signal = signal_of(case)
    assert otlp.faults(signal) is None
    span = {**case["span"], "attributes": as_attributes(case["span"]["attributes"])}
    scope = {"scope": {"name": "cibeacon", "version": __version__}, "spans": [span]}
    body = {"resourceSpans": [{"resource": {"attributes": as_attributes(case["resource"])}, "scopeSpans": [scope]}]}
    request = otlp.request(signal, "")
    assert (request.method, request.path, request.auth) == ("POST", "/v1/traces", "headers")
    assert json.dumps(request.body) == json.dumps(body)
    assert_valid(request.body)


def test_a_claim_is_written_in_every_pair():
    assert all(case["why"].strip() for case in CASES.values())
    assert {case["kind"] for case in CASES.values()} == set(KINDS)


TEXT = st.text(max_size=8) | st.sampled_from(["a\ud800b", "", "::error::", "ü"])
RUNS = st.builds(
    RunFacts,
    reference=TEXT,
    reported_at=st.integers(1, 4_000_000_000),
    pipeline=TEXT,
    run_id=st.none() | TEXT,
    url=st.none() | TEXT,
    host=st.sampled_from(["github", "gitlab", "jenkins", None]),
    server=st.none() | st.sampled_from(["github.com", "git.example.com"]),
    repository=st.none() | st.sampled_from(["acme/shop", "group/sub/shop", "shop", "/", ""]),
    commit_sha=st.none() | TEXT,
    branch=st.none() | TEXT,
    tag=st.none() | TEXT,
    pr_number=st.none() | st.integers(1, 9),
    traceparent=st.none() | st.just("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
)
SECONDS = st.integers(1, 4_000_000_000)
SIGNALS = st.one_of(
    st.builds(
        lambda **fields: PullServices(**fields), services=st.lists(TEXT, min_size=1).map(tuple), pr_number=st.integers(1, 9),
        run=RUNS,
    ),
    st.builds(
        lambda **fields: Deployment(**fields), service=TEXT, deployed_at=SECONDS, reference_id=TEXT, environment=st.none() | TEXT,
        success=st.none() | st.booleans(), merge_commit_shas=st.lists(TEXT, max_size=2).map(tuple), run=RUNS,
    ),
    st.builds(
        lambda start, **fields: PipelineRun(started_at=start, finished_at=start + 7, **fields),
        start=st.integers(1, 4_000_000_000), pipeline_name=TEXT, pipeline_source=TEXT, reference_id=TEXT,
        status=st.sampled_from(["success", "failure", "cancelled"]), source_url=st.none() | TEXT, run=RUNS,
    ),
)  # fmt: skip


@given(signal=SIGNALS)
def test_whatever_a_signal_holds_opentelemetry_decodes_it(signal):
    assert otlp.faults(signal) is None
    request = otlp.request(signal, "")
    assert_valid(request.body)
    assert otlp.request(signal, "").content() == request.content()


@pytest.mark.parametrize("status", ["running", None])
def test_a_run_that_goes_on_is_no_span_yet_and_no_fault(status):
    fault = otlp.faults(PipelineRun("CI", "x", RUN.reference, 1, status, run=RUN))
    assert isinstance(fault, Unneeded)
    assert "has ended" in fault


@pytest.mark.parametrize(
    "signal", [FlowAssignment("job", ("a",)), PipelineRun("CI", "x", "r", 1, "success", 2), Deployment("a", 1, "r")]
)
def test_what_belongs_to_no_run_is_no_span(signal):
    fault = otlp.faults(signal)
    assert fault
    assert not isinstance(fault, Unneeded)


@pytest.mark.parametrize("told", REPLIES, ids=lambda told: told["why"])
def test_an_answer_means_this(told):
    content = told["content"] if isinstance(told["content"], str) else json.dumps(told["content"])
    kind = told.get("content_type", "application/json")
    reply = Response(told["status"], content.encode(), kind, told.get("location"))
    result = ended(otlp.send(signal_of(CASES["run-that-failed"]), ""), reply)
    assert (result.outcome, result.retryable) == (told["outcome"], told.get("retryable", False))
    assert result.error == told.get("error")
    assert bool(result.error_id) == (result.error or "").startswith("partial success")
    assert told.get("reason", "") in (result.reason or "")
    assert (result.reason is None) == (told["outcome"] == "sent" and "reason" not in told)


def test_answers_of_the_protocols_own_messages_are_understood():
    message = ExportTraceServiceResponse()
    assert ended(otlp.export_nothing(""), Response(200, json_format.MessageToJson(message).encode())).outcome == "sent"
    message.partial_success.rejected_spans = 1
    message.partial_success.error_message = "no."
    for keep in (False, True):
        text = json_format.MessageToJson(message, preserving_proto_field_name=keep)
        assert ended(otlp.export_nothing(""), Response(200, text.encode())).error == "partial success: no"


@given(content=st.recursive(st.none() | st.integers() | st.text(max_size=4), lambda one: st.dictionaries(
    st.sampled_from(["partialSuccess", "rejectedSpans", "errorMessage", "message"]), one) | st.lists(one, max_size=2)),
    status=st.sampled_from([200, 202, 301, 400, 401, 413, 503]))  # fmt: skip
def test_whatever_is_answered_has_a_meaning(content, status):
    result = ended(otlp.export_nothing(""), Response(status, json.dumps(content).encode(), "application/json"))
    assert isinstance(result, SinkResult)
    assert result.outcome == "sent" or result.reason


def record_of(signal):
    row = Outcome("pipeline-run", "otlp", "skipped", subject=signal.subject, key=f"otlp/{signal.key}")
    return Record.of(otlp.request(signal, ""), row, 1.0, signal=otlp.spooled_signal(signal, ""))


def test_a_record_is_sent_again_byte_for_byte_to_the_path_of_whoever_sends_it():
    signal = signal_of(CASES["run-that-failed"])
    resumed = otlp.resume(record_of(signal), "/custom")
    assert resumed.request.path == "/custom"
    assert resumed.request.content() == otlp.request(signal, "").content()
    assert next(resumed.exchange) == resumed.request


@pytest.mark.parametrize(
    "change", [{"method": "GET"}, {"body": None}, {"body": {}}, {"body": {"resourceSpans": {}}}], ids=str
)
def test_a_record_that_is_no_request_of_ours_is_not_believed(change):
    assert otlp.resume(record_of(signal_of(CASES["run-that-failed"]))._replace(**change)) is None
