"""The wire of DX's workflow runs, one JSON file a dialogue under `dx_workflow/`: `why`, the `signal`, the `talk` and the
`verdict` at its end.

A talk is a list of the `call` that is made (`method`, `path`, `body`) and the `reply` to it: `status` with `json`, `html`
or `location`, or `lost`. `text` is what the user adds. Of a verdict's `reason` a part is enough.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.model.report import Outcome
from cibeacon.model.request import Request, Response, SinkResult
from cibeacon.model.signals import Deployment, PipelineRun
from cibeacon.model.spool_record import Record
from cibeacon.model.spool_record import read as read_record
from cibeacon.settings import load_settings
from cibeacon.sinks import dx_workflow
from dialogues import answered, conversation, reply_of, shown

CASES = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted((Path(__file__).parent / "dx_workflow").glob("*.json"))
}
RUN = "4vyq52b7b4a4"
ENDED = PipelineRun("build", "x", "r", 1, "success", source_url="https://ci.example/1")


def form_of(case):
    return f"{RUN}\n{case.get('text', '')}"


def record_of(signal, form=f"{RUN}\n"):
    row = Outcome("pipeline-run", "dx_workflow", "skipped", subject=signal.subject, key=signal.key)
    held = dx_workflow.spooled_signal(signal, form)
    return Record.of(dx_workflow.request(signal, form), row, 1.0, signal=held)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_run_is_reported_in_exactly_this_dialogue(case):
    signal = PipelineRun(**case["signal"])
    assert dx_workflow.faults(signal) is None
    calls, result = conversation(
        dx_workflow.send(signal, form_of(case)), [reply_of(step["reply"]) for step in case["talk"]]
    )
    assert [json.dumps(shown(call)) for call in calls] == [json.dumps(step["call"]) for step in case["talk"]]
    expected = case["verdict"]
    assert expected.get("reason", "") in (result.reason or "")
    assert result._replace(reason=None) == SinkResult(**{**expected, "reason": None})


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_replay_has_the_same_dialogue_whatever_is_set_where_it_runs(case):
    again = read_record(record_of(PipelineRun(**case["signal"]), form_of(case)).line())
    calls, _ = conversation(
        dx_workflow.resume(again, "other\nother").exchange, [reply_of(step["reply"]) for step in case["talk"]]
    )
    assert [shown(call) for call in calls] == [step["call"] for step in case["talk"]]


def test_the_request_that_matters_is_the_status_and_before_the_end_the_message():
    assert dx_workflow.method(ENDED, f"{RUN}\n") == "workflowRuns.changeStatus"
    assert dx_workflow.method(ENDED._replace(status="running"), f"{RUN}\n") == "workflowRuns.postMessage"
    body = {"workflow_run_id": RUN, "status": "SUCCEEDED"}
    assert dx_workflow.request(ENDED, f"{RUN}\n") == Request("POST", dx_workflow.STATUS, body)


def test_only_what_may_be_there_twice_without_harm_is_repeated_blindly():
    calls, _ = conversation(dx_workflow.send(ENDED, f"{RUN}\n"), [Response(200, b"{}")] * 4)
    assert [call.path.partition("?")[0] for call in calls if call.repeatable] == [dx_workflow.INFO, dx_workflow.STATUS]


def test_no_other_signal_is_taken():
    assert "only pipeline runs" in dx_workflow.faults(Deployment("a", 1, "r"))


LINK = {"workflow_run_id": RUN, "link": {"url": "https://ci.example/1", "label": "x"}}


@pytest.mark.parametrize(
    "requests",
    [
        None,
        [],
        [["/workflowRuns.trigger", {"workflow_run_id": RUN}]],
        [["/workflowRuns.changeStatus", {"status": "SUCCEEDED"}]],
        [["/workflowRuns.changeStatus", {"workflow_run_id": 1, "status": "SUCCEEDED"}]],
        [["/workflowRuns.changeStatus", {"workflow_run_id": RUN, "status": 1}]],
        [["/workflowRuns.changeStatus", {"workflow_run_id": RUN, "status": "SUCCEEDED", "more": 1}]],
        [["/workflowRuns.addLink", {"workflow_run_id": RUN, "link": "x"}]],
        [["/workflowRuns.addLink", LINK]],
        [
            ["/workflowRuns.addLink", {**LINK, "workflow_run_id": "another"}],
            ["/workflowRuns.changeStatus", {"workflow_run_id": RUN, "status": "SUCCEEDED"}],
        ],
        ["x"],
        [["/workflowRuns.changeStatus"]],
    ],
    ids=str,
)
def test_a_record_that_is_no_call_of_ours_is_not_believed(requests):
    whole = record_of(ENDED)
    assert dx_workflow.resume(whole) is not None
    signal = whole.signal | {"requests": requests} if requests is not None else None
    assert dx_workflow.resume(whole._replace(signal=signal)) is None


@pytest.mark.parametrize("change", [{"path": "/x"}, {"body": None}, {"body": {}}, {"signal": {"type": "JobState"}}])
def test_a_record_whose_request_is_another_is_not_believed(change):
    assert dx_workflow.resume(record_of(ENDED)._replace(**change)) is None


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda i: st.lists(i, max_size=2))
OBJECTS = st.dictionaries(st.sampled_from(["status", "links", "events", "message", "data", "link", "url"]), JSON)


@given(requests=st.lists(st.lists(JSON | OBJECTS, max_size=3), max_size=2) | JSON)
def test_whatever_a_record_holds_is_replayed_or_not_believed(requests):
    whole = record_of(ENDED)
    dx_workflow.resume(whole._replace(signal={**whole.signal, "requests": requests}))


@given(run=OBJECTS | JSON, status=st.sampled_from([200, 204, 302, 400, 403, 404, 500]))
def test_whatever_dx_says_of_the_run_ends_in_a_call_or_a_verdict(run, status):
    exchange = dx_workflow.send(ENDED, f"{RUN}\n")
    next(exchange)
    reply = Response(status, json.dumps({"ok": status == 200, "error": run, "workflow_run": run}).encode())
    following = answered(exchange, reply)
    if isinstance(following, SinkResult):
        assert following.outcome in ("failed", "duplicate")
    else:
        assert following.path in (dx_workflow.LINK, dx_workflow.MESSAGE, dx_workflow.STATUS)


@pytest.mark.parametrize("run_id", ["", "a b", "{{run.id}}", "../x", "a?b", "a" * 129])
def test_what_is_no_id_of_a_workflow_run_is_a_problem_or_not_given(run_id):
    settings = load_settings({"dx_workflow_run": run_id}, {}, {})
    assert settings.dx_workflow.dx_workflow_run is None
    assert [problem.group for problem in settings.problems] == (["dx_workflow"] if run_id else [])
