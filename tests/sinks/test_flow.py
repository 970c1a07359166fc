"""Instabase Flow's wire, one JSON file a dialogue under `flow/`: `why`, the `signal`, the `talk` and the `result` at its end.

A talk is a list of the `call` that is made (`method`, `path`, `body`) and the `reply` to it: `status` with `json`, `html`
or `location`. `form` is the path of the list, where it is set. Of a verdict's `reason` a part is enough.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.http import credential_headers
from cibeacon.model.report import Outcome
from cibeacon.model.request import Request, Response, SinkResult
from cibeacon.model.signals import Deployment, FlowAssignment
from cibeacon.model.spool_record import Record
from cibeacon.model.spool_record import read as read_record
from cibeacon.settings import load_settings
from cibeacon.sinks import flow
from cibeacon.sinks.flow_api import FlowPipeline
from dialogues import answered, conversation, reply_of, shown

CASES = {
    path.stem: json.loads(path.read_text("utf-8")) for path in sorted((Path(__file__).parent / "flow").glob("*.json"))
}
JOB = "f403399d-7ac7-4285-bb06-f7ad82ddbea2"
UDIT = "e05cc5f7-b199-49a6-b1bc-f17dc5247e0c"


def signal_of(case):
    return FlowAssignment(**case["signal"] | {"pipelines": tuple(case["signal"]["pipelines"])})


def record_of(signal):
    row = Outcome("flow", "flow", "skipped", subject=signal.subject, key=signal.key)
    return Record.of(flow.request(signal, ""), row, 1.0, signal=flow.spooled_signal(signal, ""))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_assignment_is_told_in_exactly_this_talk(case):
    signal = signal_of(case)
    assert flow.faults(signal) is None
    calls, result = conversation(
        flow.send(signal, case.get("form", "")), [reply_of(step["reply"]) for step in case["talk"]]
    )
    wanted = [step["call"] for step in case["talk"]]
    assert [json.dumps(shown(call)) for call in calls] == [json.dumps(call) for call in wanted]
    assert all(call.repeatable and call.auth == "bearer" for call in calls)
    expected = case["verdict"]
    assert expected["reason"] in result.reason
    assert result._replace(reason=None) == SinkResult(**{**expected, "reason": None})


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_record_is_told_again_word_for_word_at_the_path_of_whoever_sends_it(case):
    signal = signal_of(case)
    again = read_record(record_of(signal).line())
    assert flow.remembered(again) == signal
    calls, _ = conversation(
        flow.resume(again, case.get("form", "")).exchange, [reply_of(step["reply"]) for step in case["talk"]]
    )
    assert [shown(call) for call in calls] == [step["call"] for step in case["talk"]]


def test_a_dry_run_shows_ids_and_names_in_braces():
    call = flow.request(FlowAssignment(JOB, ("claims", UDIT.upper())), "")
    assert call == Request("POST", flow.UPDATE, {"job_id": JOB, "pipeline_ids": ["{claims}", UDIT]})
    assert flow.method(FlowAssignment(JOB, ()), "") == "jobs/pipelines"


@pytest.mark.parametrize(
    ("signal", "part"),
    [
        (FlowAssignment("", ("a",)), "flow_job_id"),
        (FlowAssignment(" ", ("a",)), "flow_job_id"),
        (FlowAssignment(JOB, ()), "an empty list would remove all of them"),
        (FlowAssignment(JOB, ("a",), clear=True), "exclude each other"),
        (Deployment("a", 1, "r"), "only the pipelines of jobs"),
    ],
)
def test_what_would_be_guessed_is_refused(signal, part):
    assert part in flow.faults(signal)


@pytest.mark.parametrize(
    "change",
    [
        {"path": "/api/v1/flow/pipeline"},
        {"method": "GET"},
        {"signal": None},
        {"signal": {"type": "JobState"}},
        {"signal": {"pipelines": []}},
        {"signal": {"pipelines": "claims"}},
        {"signal": {"pipelines": [1]}},
        {"signal": {"pipelines": [""]}},
        {"signal": {"clear": 1}},
        {"signal": {"clear": True}},
        {"signal": {"job_id": None}},
        {"signal": {"job_id": ""}},
    ],
    ids=str,
)
def test_a_record_that_is_no_call_of_ours_is_not_believed(change):
    whole = record_of(FlowAssignment(JOB, ("claims",)))
    assert flow.resume(whole) is not None
    told = change.get("signal", {})
    assert (
        flow.resume(
            whole._replace(**change | {"signal": told and {**whole.signal, **told} if told != {} else whole.signal})
        )
        is None
    )


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda i: st.lists(i, max_size=2))


@given(fields=st.dictionaries(st.sampled_from(["type", *FlowAssignment._fields]), JSON))
def test_whatever_stands_in_a_record_is_a_signal_without_faults_or_none(fields):
    whole = record_of(FlowAssignment(JOB, ("claims",)))
    found = flow.remembered(whole._replace(signal={**whole.signal, **fields}))
    assert found is None or flow.faults(found) is None


ROWS = st.recursive(JSON, lambda inner: st.dictionaries(st.sampled_from(["id", "name", "permissions"]), inner))


@given(listed=st.lists(ROWS, max_size=3) | JSON, status=st.sampled_from([200, 204, 302, 400, 404, 500]))
def test_whatever_is_listed_ends_in_a_call_or_a_verdict(listed, status):
    exchange = flow.send(FlowAssignment(JOB, (UDIT,)), "")
    assert next(exchange).method == "GET"
    reply = Response(status, json.dumps({"status": "OK", "pipelines": listed}).encode())
    found = answered(exchange, reply)
    assert found.outcome == "failed" if isinstance(found, SinkResult) else found.body["pipeline_ids"] == [UDIT]


def test_a_sentence_names_some_of_many():
    assert flow.name_pipelines([FlowPipeline(str(number), f"id{number}") for number in range(10)]).endswith(
        "7 (id7) and 2 more"
    )


def test_token_and_context_go_with_every_call_and_the_certificate_with_the_connection():
    environ = {"CIBEACON_FLOW_TOKEN": "secret", "CIBEACON_FLOW_CLIENT_CERT": "/c.pem", "CIBEACON_FLOW_CONTEXT": "org"}
    endpoint = load_settings({"flow_url": "https://ib.example/"}, environ, {}).endpoints["flow"]
    assert credential_headers(Request("GET", "/"), endpoint, None, 0.0) == {
        "Authorization": "Bearer secret",
        "IB-Context": "org",
    }
    assert (endpoint.base_url, endpoint.form, endpoint.certificate) == ("https://ib.example", flow.LISTING, "/c.pem")
    assert "IB-Context" not in credential_headers(
        Request("GET", "/"), load_settings({}, {}, {}).endpoints["flow"], None, 0.0
    )
