"""`metadata_jq` against the sandbox: what DX gets, when the program runs, and what becomes of one that fails."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cibeacon.demo import runs
from cibeacon.demo.monorepo import Monorepo
from cibeacon.jq import jq_filter
from cibeacon.model import parsers
from cibeacon.sandbox.server import Sandbox
from cibeacon.signals import metadata
from processes import cibeacon

TOKEN = "sandbox-token-1"
REFERENCE = Path(__file__).parent.parent.parent / "docs/reference.md"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return Monorepo(tmp_path_factory.mktemp("metadata") / "shop", {"PATH": "/usr/local/bin:/usr/bin:/bin"})


@pytest.fixture(scope="module")
def merged(shop):
    return shop.pull_request(
        1, "squash", [{"services/orders/a.py": "2\n"}, {"apps/storefront/b.ts": "2\n"}], ("orders", "storefront")
    )


@pytest.fixture
def dx():
    with Sandbox(token=TOKEN) as sandbox:
        yield sandbox
        assert sandbox.faults == []


@pytest.fixture
def report(shop, dx, merged, tmp_path):
    """Runs the report of the merged pull request with these flags."""

    def run(*flags, event=None, **more):
        environ = runs.github("pull_request", event or runs.closed(merged), merged.merge_sha, 7001, tmp_path)
        environ |= {"CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": TOKEN, **more}
        return cibeacon("report", "--format=json", *flags, environ=environ, cwd=shop.root)

    return run


def deployments(dx):
    entries = [entry for entry in dx.ledger.document()["requests"] if entry["path"] == "/api/deployments.create"]
    return [entry["body"] for entry in entries]


def outcomes(ended, kind="deployment"):
    return [(signal["outcome"], signal["reason"]) for signal in ended.document["signals"] if signal["kind"] == kind]


@pytest.fixture
def counted(monkeypatch):
    """Every run of a program."""
    calls = []
    run = jq_filter.run
    monkeypatch.setattr(jq_filter, "run", lambda *given, **more: calls.append(given) or run(*given, **more))
    return calls


def test_every_deployment_carries_what_the_program_makes_of_event_context_and_services(report, dx, merged, counted):
    program = "{number: .event.pull_request.number, sha: .context.pull_request.merge_commit_sha, services}"
    ended = report("--deploy-services=changed", f"--metadata-jq={program}")
    assert ended.code == 0
    made = {"number": 1, "sha": merged.merge_sha, "services": ["orders", "storefront"]}
    assert [(body["service"], body["metadata"]) for body in deployments(dx)] == [
        ("orders", made),
        ("storefront", made),
    ]
    assert len(counted) == 1


def test_what_metadata_holds_wins_key_by_key(report, dx):
    report("--deploy-services=orders", "--metadata-jq={a: 1, b: {c: 2}}", '--metadata={"b":"mine","d":null}')
    assert [body["metadata"] for body in deployments(dx)] == [{"a": 1, "b": "mine", "d": None}]


def test_an_empty_object_is_metadata_too(report, dx):
    report("--deploy-services=orders", "--metadata-jq={}")
    assert [body["metadata"] for body in deployments(dx)] == [{}]


def test_ids_keep_all_their_digits(report, dx, merged):
    event = runs.closed(merged)
    event["pull_request"]["node"] = 12345678901234567890
    report("--deploy-services=orders", "--metadata-jq={id: .event.pull_request.node}", event=event)
    assert [body["metadata"] for body in deployments(dx)] == [{"id": 12345678901234567890}]


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("{", "cannot be compiled: syntax error"),
        (".event.number.x", "failed: Cannot index number"),
        ("empty", "it returned 0 values"),
        ("{a: 1}, {b: 2}", "it returned 2 values"),
        ('"text"', "it is not a JSON object"),
        ("[{}]", "it is not a JSON object"),
        ("null", "it is not a JSON object"),
        ('{"a key": 1}', 'it has the key "a key"'),
        ('{"": 1}', 'it has the key ""'),
        ("def f: f; f", "it took more than"),
        ("halt", "it returned 0 values"),
        ('"no title" | halt_error', "failed: no title"),
        ("reduce range(200) as $i (1; {a: .})", "more than 100 levels"),
        (".\x1b", "contains a control character"),
    ],
)
def test_a_program_that_fails_makes_the_deployments_invalid_and_nothing_else(report, dx, program, says):
    ended = report("--deploy-services=changed", "--strict", f"--metadata-jq={program}")
    assert ended.code == 1
    found = outcomes(ended)
    assert {word for word, _ in found} == {"invalid"}
    assert all("metadata_jq" in reason and says in reason for _, reason in found)
    assert deployments(dx) == []
    assert outcomes(ended, "pull-services") == [("sent", None)]


@pytest.mark.parametrize("content", ["", "[]"])
def test_a_payload_that_cannot_be_read_is_not_taken_for_an_empty_one(shop, dx, tmp_path, content):
    environ = runs.github("push", {}, "a" * 40, 7001, tmp_path)
    (tmp_path / "event.json").write_text(content)
    environ |= {"CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": TOKEN}
    flags = ("--deploy-services=orders", "--metadata-jq={a: .event.a}", "--format=json")
    ended = cibeacon("report", *flags, environ=environ, cwd=shop.root)
    ((word, reason),) = outcomes(ended)
    assert word == "invalid"
    assert "event payload cannot be read" in reason


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--deploy-services=orders", "--signals=pipeline-run"),
        ("--deploy-services=orders", "--commit-sha=abcdef1", "--merge-commit-shas=abcdef12"),
        ("--deploy-services=orders", "--deployed-at=noon"),
    ],
    ids=["none", "another signal", "refused", "bad value"],
)
def test_the_program_does_not_run_without_a_deployment_to_announce(report, counted, flags):
    report("--metadata-jq={", *flags)
    assert counted == []


def test_it_does_not_run_before_the_job_has_ended(shop, dx, merged, tmp_path, counted):
    environ = runs.github("pull_request", runs.closed(merged), merged.merge_sha, 7001, tmp_path)
    environ |= {"CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": TOKEN, "INPUT_JOB_STATUS": "success"}
    environ |= {"INPUT_DEPLOY_SERVICES": "orders", "INPUT_METADATA_JQ": "{\n  n: .event.number\n}\n"}
    cibeacon("report", environ=environ, cwd=shop.root, stage="main")
    assert counted == []
    cibeacon("report", environ=environ, cwd=shop.root, stage="post")
    assert [body["metadata"] for body in deployments(dx)] == [{"n": 1}]


def test_a_dry_run_shows_the_metadata(report, dx):
    ended = report("--dry-run", "--deploy-services=orders", "--metadata-jq={n: .event.number}")
    bodies = [signal["request"]["body"] for signal in ended.document["signals"] if signal["kind"] == "deployment"]
    assert [body["metadata"] for body in bodies] == [{"n": 1}]
    assert deployments(dx) == []


def test_elsewhere_there_is_no_event(shop, dx):
    environ = {"CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": TOKEN, "GITHUB_EVENT_PATH": "/nowhere"}
    program = '{event, host: .context.host, email: (.context | has("email"))}'
    flags = ("--no-dry-run", "--run-id=b1", "--deploy-services=orders", f"--metadata-jq={program}")
    assert cibeacon("report", *flags, environ=environ, cwd=shop.root).code == 0
    assert [body["metadata"] for body in deployments(dx)] == [{"event": None, "host": "local", "email": False}]


def test_no_secret_reaches_the_program(report, dx, monkeypatch):
    monkeypatch.setenv("DX_API_TOKEN", TOKEN)
    report(
        "--deploy-services=orders",
        '--metadata-jq={env: $ENV, all: ([.. | strings] | map(select(. == "' + TOKEN + '")))}',
    )
    assert [body["metadata"] for body in deployments(dx)] == [{"env": {}, "all": []}]


def test_the_example_in_the_reference_works(report, dx, merged):
    (program,) = re.findall(r"^```jq\n(.*?)^```$", REFERENCE.read_text(), re.S | re.M)
    event = runs.closed(merged)
    event["pull_request"]["title"] = "Ship it"
    report("--deploy-services=changed", f"--metadata-jq={program}", event=event)
    assert [body["metadata"] for body in deployments(dx)] == [
        {"branch": merged.head_ref, "title": "Ship it", "deployed_with": 2, "by": "dana"}
    ] * 2


def test_the_limits_in_the_reference_are_those_of_the_code():
    text = " ".join(REFERENCE.read_text().split())
    limits = f"{jq_filter.SECONDS:g} seconds, {jq_filter.MEMORY >> 20} MiB of memory, and {jq_filter.OUTPUT >> 20} MiB of results"
    assert f"{limits} with at most {jq_filter.DEEPEST} levels of nesting" in text


def test_without_a_program_nothing_is_done():
    assert metadata.with_metadata([], "{}", None, dict, {}, 5) == []
    assert parsers.metadata("{}") == {}
