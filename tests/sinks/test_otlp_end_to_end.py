"""Traces from end to end: `report`, `exec` and `replay` against the sandbox's receiver over HTTP."""

from __future__ import annotations

import json
import sys

import pytest

from cibeacon.model.context import RunFacts
from cibeacon.model.trace_position import trace_position
from cibeacon.sandbox.server import Sandbox
from living import records
from mishaps import mishaps
from processes import cibeacon
from repositories import Worktree
from wrapped import EXEC, job, observe

TOKEN = "good-otlp-token"
HEADERS = {"OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer%20{TOKEN}"}
CAUSE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
RUN = RunFacts("gitlab.example.com/acme%2Fshop/runs/900", 0, "CI")
ROOT = trace_position(RUN, RUN.reference)


@pytest.fixture
def sandbox():
    with Sandbox(otlp=TOKEN) as made:
        yield made


@pytest.fixture
def environ(sandbox, tmp_path):
    given = job(sandbox.url, tmp_path, HOME=str(tmp_path), CIBEACON_OTLP_ENDPOINT=sandbox.url, **HEADERS)
    del given["CIBEACON_DX_URL"], given["DX_API_TOKEN"]
    return given


@pytest.fixture
def root(tmp_path):
    tree = Worktree.new(tmp_path / "shop")
    tree.commit({"README.md": ""})
    return tree.root


def traces(sandbox):
    return {trace: {span["name"]: span for span in spans} for trace, spans in sandbox.otlp.document()["traces"].items()}


def report(environ, root, *argv, **more):
    return cibeacon("report", "--format=json", "--strict", *argv, environ=environ | more, cwd=root)


def outcome(ended, kind="pipeline-run"):
    return next(one for one in ended.document["signals"] if (one["sink"], one["kind"]) == ("otlp", kind))


FAILED = ("--status=failure", "--deploy-services=web,payments", "--deploy-success", "--environment=production")


def test_a_run_and_its_deployments_are_one_trace(sandbox, environ, root):
    ended = report(environ, root, *FAILED)
    assert ended.code == 0, ended.out
    ((trace, spans),) = traces(sandbox).items()
    assert trace == ROOT.trace_id
    assert set(spans) == {"RUN acme/shop", "deploy web", "deploy payments"}
    run = spans["RUN acme/shop"]
    assert (run["id"], run["parent"], run["error"]) == (ROOT.span_id, None, True)
    assert {spans[name]["parent"] for name in spans if name.startswith("deploy")} == {ROOT.span_id}
    assert run["resource"]["cicd.pipeline.run.id"] == "900"
    assert spans["deploy web"]["attributes"]["deployment.environment.name"] == "production"


def test_another_job_of_the_run_adds_to_the_trace_and_the_same_span_again_replaces_itself(sandbox, environ, root):
    report(environ, root, "--status=success")
    report(environ, root, "--status=success", CI_JOB_ID="78")
    report(environ, root, "--status=failure", "--run-scope=job", CI_JOB_ID="79", CI_JOB_NAME="test")
    ((_, spans),) = traces(sandbox).items()
    assert {name: (span["parent"], span["times"]) for name, span in spans.items()} == {
        "RUN acme/shop": (None, 2),
        "acme/shop / test": (ROOT.span_id, 1),
    }


def test_a_run_that_goes_on_is_skipped_which_is_no_trouble(sandbox, environ, root):
    ended = report(environ, root, "--status=running")
    assert (ended.code, outcome(ended)["outcome"]) == (0, "skipped")
    assert traces(sandbox) == {}


def test_what_caused_the_run_is_the_parent(sandbox, environ, root):
    report(environ, root, "--status=success", TRACEPARENT=CAUSE)
    report(environ, root, "--status=success", TRACEPARENT="no trace context")
    found = {trace: spans["RUN acme/shop"]["parent"] for trace, spans in traces(sandbox).items()}
    assert found == {CAUSE.split("-")[1]: CAUSE.split("-")[2], ROOT.trace_id: None}


def test_a_dry_run_shows_the_span_and_no_header(sandbox, environ, root):
    ended = report(environ, root, "--status=failure", "--dry-run")
    assert outcome(ended)["request"]["url"] == f"{sandbox.url}/v1/traces"
    assert TOKEN not in ended.out + ended.err
    assert sandbox.ledger.document()["requests"] == []


def test_the_receiver_is_asked_for_nothing_where_only_opentelemetry_s_variables_are_set(sandbox, environ, root):
    environ |= {"OTEL_EXPORTER_OTLP_ENDPOINT": environ.pop("CIBEACON_OTLP_ENDPOINT"), "CIBEACON_DX_URL": sandbox.url}
    report(environ | {"DX_API_TOKEN": "x"}, root, "--status=success")
    assert traces(sandbox) == {}
    report(environ, root, "--status=success", CIBEACON_OTLP_ENDPOINT="env")
    assert list(traces(sandbox)) == [ROOT.trace_id]


@pytest.mark.parametrize(
    ("trouble", "status", "error", "help_id", "kept"),
    [
        (lambda m: m.fail("POST", "/traces", 503, times=9), "spooled", "HTTP 503", "http-5xx", True),
        (lambda m: m.limit("POST", "/traces", None, times=9), "spooled", "HTTP 429", "http-429", True),
        (lambda m: m.lose("POST", "/traces", times=9), "spooled", "connection failed", "connection-failed", True),
        (lambda m: m.fail("POST", "/traces", 401), "failed", "HTTP 401", "http-401", True),
        (lambda m: m.fail("POST", "/traces", 403), "failed", "HTTP 403", "http-403", True),
        (lambda m: m.fail("POST", "/traces", 404), "failed", "HTTP 404", "http-404", True),
        (lambda m: m.login("POST", "/traces"), "failed", "HTTP 200 without JSON", "unexpected-answer", True),
        (lambda m: m.redirect("POST", "/traces", "http://127.0.0.1:9"), "failed", "redirect 302", "redirect", True),
        (
            lambda m: m.fail("POST", "/traces", 400, body={"code": 3, "message": "no"}),
            *("failed", "no", "otlp-refused", False),
        ),
        (
            lambda m: m.fail(
                "POST", "/traces", 200, body={"partialSuccess": {"rejectedSpans": "1", "errorMessage": "old"}}
            ),
            *("failed", "partial success: old", "otlp-partial-success", False),
        ),
    ],
)
def test_trouble_is_reported_and_what_may_be_taken_later_is_replayed_as_the_same_span(
    sandbox, environ, root, tmp_path, trouble, status, error, help_id, kept
):
    trouble(mishaps(sandbox, "otlp"))
    ended = report(environ, root, "--status=failure", "--timeout=3")
    found = outcome(ended)
    assert (ended.code, found["outcome"], found["error"]) == (1, status, error)
    assert found["help"].endswith(f"#{help_id}")
    assert TOKEN not in ended.out + ended.err
    assert bool(records(tmp_path / "spool")) is kept
    mishaps(sandbox, "otlp")._ordered.clear()
    if kept:
        again = cibeacon("replay", "--strict", environ=environ, cwd=root)
        assert again.code == 0, again.out
        assert traces(sandbox)[ROOT.trace_id]["RUN acme/shop"]["id"] == ROOT.span_id
        assert records(tmp_path / "spool") == {}


def test_a_wrong_credential_is_named_in_one_look(environ, root):
    environ |= {"CIBEACON_OTLP_HEADERS": "Authorization=Bearer%20wrong-token"}
    ended = cibeacon("report", "--status=success", environ=environ, cwd=root)
    assert "The receiver rejects the credential. Check the secret otlp_headers" in ended.out
    assert "wrong-token" not in ended.out + ended.err


SHOW = (sys.executable, "-c", "import os; print(os.environ.get('TRACEPARENT'))")


def test_the_command_of_exec_is_a_span_and_what_it_does_is_below_it(sandbox, environ, tmp_path):
    seen = observe(EXEC, SHOW, environ=environ, cwd=tmp_path)
    assert (seen.code, seen.err) == (0, b"")
    _, trace, span, flags = seen.out.decode().strip().split("-")
    ((found, spans),) = traces(sandbox).items()
    (command,) = spans.values()
    assert (trace, flags, command["id"], command["parent"]) == (found, "01", span, ROOT.span_id)
    assert (command["name"], command["kind"]) == ("build", 1)
    assert command["attributes"]["cicd.pipeline.task.run.result"] == "success"


def test_a_report_in_the_command_of_exec_is_not_below_the_command(sandbox, environ, root):
    seen = observe(EXEC, (EXEC[0], "report", "--status=success"), environ=environ, cwd=root)
    assert seen.code == 0, seen.out
    ((_, spans),) = traces(sandbox).items()
    assert {name: span["parent"] for name, span in spans.items()} == {"RUN acme/shop": None, "build": ROOT.span_id}


def test_exec_hands_on_the_trace_of_what_caused_it(sandbox, environ, tmp_path):
    seen = observe(EXEC, SHOW, environ=environ | {"TRACEPARENT": CAUSE}, cwd=tmp_path)
    ((trace, spans),) = traces(sandbox).items()
    (command,) = spans.values()
    assert seen.out.decode().strip() == f"00-{trace}-{command['id']}-01"
    assert (trace, command["parent"]) == tuple(CAUSE.split("-")[1:3])


@pytest.mark.parametrize(
    "change", [{"CIBEACON_OTLP_ENDPOINT": ""}, {"CIBEACON_OTLP_ENDPOINT": "nowhere"}, {"CIBEACON_DRY_RUN": "true"}]
)
@pytest.mark.parametrize("given", [None, CAUSE])
def test_a_command_that_is_no_span_gets_the_variable_that_its_caller_has(environ, tmp_path, change, given):
    environ |= change | ({"TRACEPARENT": given} if given else {})
    assert observe(EXEC, SHOW, environ=environ, cwd=tmp_path).out.decode().strip() == str(given)


def test_every_sink_has_the_same_facts_and_one_that_is_down_holds_up_no_other(sandbox, environ, root, tmp_path):
    environ |= {"CIBEACON_DX_URL": "http://127.0.0.1:9", "DX_API_TOKEN": "token"}
    ended = report(environ, root, *FAILED)
    assert {(one["sink"], one["outcome"]) for one in ended.document["signals"] if one["outcome"] != "skipped"} == {
        ("dx", "spooled"),
        ("otlp", "sent"),
    }
    waiting = {
        one["request"]["body"].get("reference_id") for one in ended.document["signals"] if one["outcome"] == "spooled"
    }
    (spans,) = traces(sandbox).values()
    assert {span["attributes"].get("deployment.id") for span in spans.values()} - {None} < waiting
    again = cibeacon("replay", "--format=json", environ=environ | {"CIBEACON_DX_URL": sandbox.url}, cwd=root)
    assert {json.dumps(one["outcome"]) for one in again.document["signals"]} == {'"sent"'}
    assert records(tmp_path / "spool") == {}
