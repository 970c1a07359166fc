"""DX's wire, one JSON file a body (`why`, `signal`, `form`, `call`), and what each of its replies means."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.model.report import Outcome
from cibeacon.model.request import Response, SinkResult
from cibeacon.model.signals import Deployment, PipelineRun, PullServices
from cibeacon.model.spool_record import Record, read
from cibeacon.settings import SIGNAL_KINDS
from cibeacon.sinks import dx

KINDS = {"pull-services": PullServices, "deployment": Deployment, "pipeline-run": PipelineRun}
CASES = {
    path.stem: json.loads(path.read_text("utf-8")) for path in sorted((Path(__file__).parent / "dx").glob("*.json"))
}
SEED_FIELDS = {
    "deployments.setPullServices": {"github_pull_id", "services", "repository", "pull_number"},
    "deployments.create": {
        "deployed_at", "service", "repository", "commit_sha", "merge_commit_shas", "reference_id", "source_url",
        "source_name", "metadata", "integration_branch",
    },
    "pipelineRuns.sync": {
        "pipeline_name", "pipeline_source", "reference_id", "started_at", "status", "finished_at", "repository",
        "commit_sha", "pr_number", "source_url", "head_branch", "email", "github_username", "gitlab_username",
    },
}  # fmt: skip
"""Every argument in the tables of DX's two articles."""
BEYOND = {
    "deployments.setPullServices": {"replace"},
    "deployments.create": {"environment", "success"},
    "pipelineRuns.sync": set(),
}
"""What the newer documents add, sent only when it was given."""
SEED_CODES = [
    "not_authed", "invalid_auth", "account_inactive", "invalid_json", "required_params_missing", "repo_not_found",
    "repository_not_found", "commit_sha_invalid", "reference_id_exists", "metadata_invalid",
    "integration_branch_not_valid", "ambiguous_commit_sha_arguments", "merge_commit_shas_blank",
    "merge_commit_shas_invalid", "merge_commit_shas_not_found",
]  # fmt: skip

MENDABLE = {
    "not_authed", "invalid_auth", "account_inactive", "repo_not_found", "repository_not_found",
    "merge_commit_shas_not_found",
}  # fmt: skip
"""The same bytes are accepted once the key is right, or DX has imported what they name."""


def signal_of(fields):
    given = {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items() if name != "kind"
    }
    return KINDS[fields["kind"]](**given)


def deployment(**fields):
    return Deployment(**{"service": "a", "deployed_at": 1, "reference_id": "r", "repository": "o/r", **fields})


def run(**fields):
    needed = {"pipeline_name": "ci", "pipeline_source": "x", "reference_id": "r", "started_at": 1}
    return PipelineRun(**{**needed, **fields})


def pull_services(**fields):
    return PullServices(**{"services": ("a",), "github_pull_id": 1, **fields})


def conversation(signal, reply, form="classic"):
    """The calls that were made, and the verdict once `reply` answered."""
    exchange, calls = dx.send(signal, form), []
    call = next(exchange)
    try:
        while True:
            calls.append(call)
            call = exchange.send(reply)
    except StopIteration as end:
        return calls, end.value


def json_reply(status, document):
    return Response(status, json.dumps(document).encode(), "application/json")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_signal_makes_exactly_this_call(case):
    calls, result = conversation(signal_of(case["signal"]), json_reply(200, {"ok": True}), case["form"])
    (call,) = calls
    assert (call.method, call.path, call.auth) == (case["call"]["method"], case["call"]["path"], "bearer")
    assert json.dumps(call.body) == json.dumps(case["call"]["body"]), "types and order as they go on the wire"
    assert call.content() == json.dumps(case["call"]["body"], separators=(",", ":")).encode("ascii")
    assert result == SinkResult("sent")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_told_here_breaks_no_rule_of_dx(case):
    assert dx.faults(signal_of(case["signal"])) is None


@pytest.mark.parametrize("method", SEED_FIELDS)
def test_every_argument_of_the_articles_stands_in_a_case(method):
    bodies = [case["call"]["body"] for case in CASES.values() if case["call"]["path"] == f"/api/{method}"]
    assert {name for body in bodies for name in body} == SEED_FIELDS[method] | BEYOND[method]


def test_both_forms_stand_in_a_case_for_every_kind_of_signal():
    told = {(case["signal"]["kind"], case["form"]) for case in CASES.values()}
    assert told == {(kind, form) for kind in KINDS for form in ("classic", "current")}


def test_nothing_is_sent_that_nobody_said():
    """An empty value is a value to DX."""
    for signal in (pull_services(), deployment(), run()):
        for form in dx.METHODS:
            body = next(dx.send(signal, form)).body
            assert not {"replace", "environment", "success", "status"} & set(body)
            assert None not in body.values()


@given(seconds=st.integers(1, 253_402_300_799))
def test_every_moment_has_both_forms(seconds):
    assert next(dx.send(run(started_at=seconds), "classic")).body["started_at"] == str(seconds)
    iso = next(dx.send(run(started_at=seconds), "current")).body["started_at"]
    assert re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", iso)


@pytest.mark.parametrize(
    ("signal", "fault"),
    [
        (pull_services(), None),
        (pull_services(services=()), "There is no service to send"),
        (pull_services(services=(), replace=True), "There is no service to send"),
        (pull_services(github_pull_id=None), "Set pr_number and repository"),
        (pull_services(github_pull_id=None, repository="o/r"), "Set pr_number and repository"),
        (pull_services(github_pull_id=None, pr_number=3), "Set pr_number and repository"),
        (pull_services(github_pull_id=None, repository="o/r", pr_number=0), "Set pr_number and repository"),
        (pull_services(github_pull_id=None, repository="o/r", pr_number=3), None),
        (deployment(), None),
        (deployment(repository=None), "Set repository"),
        (deployment(repository=""), "Set repository"),
        (deployment(repository=None, commit_sha="d1a34f0"), "Set repository"),
        (deployment(repository=None, merge_commit_shas=("d1a34f0",)), None),
        (deployment(commit_sha="d1a34f0", merge_commit_shas=("d1a34f0",)), "either commit_sha or merge_commit_shas"),
        (deployment(commit_sha="d1a34f"), "d1a34f is not a commit id of 7 to 40"),
        (deployment(commit_sha="a" * 41), "is not a commit id of 7 to 40"),
        (deployment(commit_sha="a" * 64), "is not a commit id of 7 to 40"),
        (deployment(commit_sha="a" * 7), None),
        (deployment(commit_sha="A" * 40), None),
        (deployment(commit_sha="v1.2.3-rc1"), "v1.2.3-rc1 is not a commit id"),
        (deployment(merge_commit_shas=("d1a34f0", "main")), "main is not a commit id of 7 to 40"),
        (run(), None),
        (run(repository="o/r", commit_sha="d1a34f0", pr_number=3), None),
        (run(commit_sha="d1a34f0"), "Set repository"),
        (run(pr_number=3), "Set repository"),
        (run(repository="o/r", commit_sha="main"), "main is not a commit id of 7 to 40"),
    ],
)  # fmt: skip
def test_a_signal_that_breaks_a_rule_of_dx_is_found_before_it_is_sent(signal, fault):
    found = dx.faults(signal)
    assert (found is None) is (fault is None)
    assert fault is None or fault in found


FAILURES = json.loads((Path(__file__).parent / "dx_replies.json").read_text("utf-8"))


@pytest.mark.parametrize("row", FAILURES, ids=lambda row: row["why"])
def test_a_reply_means_what_its_row_says(row):
    content = row["content"] if isinstance(row["content"], str) else json.dumps(row["content"])
    reply = Response(
        row["status"], content.encode("latin-1"), row.get("content_type", "application/json"), row.get("location")
    )
    result = dx.judge(reply)
    assert result.outcome == row["outcome"]
    assert result.retryable is row.get("retryable", False)
    for part in row.get("error", []):
        assert part in result.error
    for part in row.get("reason", []):
        assert part in result.reason
    assert (result.error is None, result.reason is None) == (row["outcome"] == "sent",) * 2


@pytest.mark.parametrize("code", SEED_CODES)
def test_every_error_code_of_the_articles_has_advice(code):
    result = dx.judge(json_reply(422, {"ok": False, "error": code}))
    assert result == SinkResult("failed", dx.ADVICE[code], code, code in MENDABLE, error_id=dx.ERROR_IDS[code])
    assert len(dx.ADVICE[code]) > 40
    assert dx.ADVICE[code].endswith((".", "later."))


@pytest.mark.parametrize("status", [200, 409, 422])
@pytest.mark.parametrize("form", dx.METHODS)
def test_an_id_of_our_own_making_that_exists_is_a_duplicate(status, form):
    _, result = conversation(deployment(), json_reply(status, {"ok": False, "error": "reference_id_exists"}), form)
    assert result == SinkResult("duplicate", "DX already has this deployment.", "reference_id_exists")


@pytest.mark.parametrize("status", [200, 409, 422])
def test_an_id_that_a_person_chose_and_that_exists_is_a_failure(status):
    _, result = conversation(
        deployment(own_reference=True), json_reply(status, {"ok": False, "error": "reference_id_exists"})
    )
    assert (result.outcome, result.reason) == ("failed", dx.ADVICE["reference_id_exists"])


@pytest.mark.parametrize("signal", [pull_services(), run()], ids=lambda signal: signal.kind)
def test_only_a_deployment_can_be_a_duplicate(signal):
    _, result = conversation(signal, json_reply(422, {"ok": False, "error": "reference_id_exists"}))
    assert result.outcome == "failed"


@pytest.mark.parametrize("code", ["repository_not_found", "commit_sha_invalid", "invalid_auth"])
def test_any_other_error_of_a_deployment_of_ours_is_a_failure(code):
    _, result = conversation(deployment(), json_reply(409, {"ok": False, "error": code}))
    assert result.outcome == "failed"


@given(status=st.integers(100, 599), content=st.binary(max_size=40), kind=st.text(max_size=20), ours=st.booleans())
def test_whatever_comes_back_has_a_verdict(status, content, kind, ours):
    result = dx.judge(Response(status, content, kind), repeated_by_us=ours)
    assert result.outcome in ("sent", "failed")
    assert result.outcome == "failed" or 200 <= status < 300
    assert result.outcome == "sent" or (result.reason and result.error)


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["ok", "error", "message", "error_details"]), inner)
    ),
    max_leaves=6,
)


@given(status=st.sampled_from([200, 201, 400, 401, 404, 409, 422, 429, 500]), document=DOCUMENTS)
def test_success_is_a_good_status_and_an_object_that_is_not_false(status, document):
    result = dx.judge(json_reply(status, document))
    good = status < 300 and isinstance(document, dict) and document.get("ok") is not False
    assert (result.outcome == "sent") is good


def recorded(signal, form="classic"):
    """A record of the signal's call, as it is read back from a line."""
    row = Outcome(signal.kind, "dx", "skipped", key=signal.key)
    own = isinstance(signal, Deployment) and signal.own_reference
    return read(Record.of(next(dx.send(signal, form)), row, 1.0, own_reference=own).line())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_record_makes_the_same_call_to_the_byte(case):
    signal = signal_of(case["signal"])
    first, again = next(dx.send(signal, case["form"])), dx.resume(recorded(signal, case["form"])).request
    assert (again.method, again.path, again.content()) == (first.method, first.path, first.content())


@pytest.mark.parametrize("own", [False, True])
def test_a_record_knows_whose_id_it_is(own):
    exchange = dx.resume(recorded(deployment(own_reference=own))).exchange
    next(exchange)
    with pytest.raises(StopIteration) as end:
        exchange.send(json_reply(409, {"ok": False, "error": "reference_id_exists"}))
    assert end.value.value.outcome == ("failed" if own else "duplicate")


@pytest.mark.parametrize(
    "change",
    [
        {"method": "DELETE"}, {"method": "GET"}, {"method": "post"}, {"path": ""}, {"path": "/"}, {"body": None},
        {"path": "//evil.example/api/deployments.create"}, {"path": "@evil.example/api/deployments.create"},
        {"path": "https://evil.example/api/deployments.create"}, {"path": "/api/../api/deployments.create"},
        {"path": "/api/deployments.create?x=1"}, {"path": "/api/deployments.create#"}, {"path": "/api/deployments.create\r\n"},
        {"path": "/api/users.delete"}, {"path": "/api/Deployments.Create"}, {"path": "/api/deployments.create/"},
    ],
)  # fmt: skip
def test_a_record_of_any_other_call_is_none_of_ours(change):
    assert dx.resume(recorded(deployment())) is not None
    assert dx.resume(recorded(deployment())._replace(**change)) is None


def test_both_forms_have_a_method_for_each_kind():
    assert set(dx.METHODS["classic"]) == set(dx.METHODS["current"]) == set(KINDS) < set(SIGNAL_KINDS)
