"""DevLake's wire: one JSON file a body under `devlake/`, and in `devlake_replies.json` what each of its answers means.

Then the whole way: `report` and `replay` against the sandbox's webhook, over HTTP.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cibeacon.model.context import RunFacts
from cibeacon.model.report import Outcome
from cibeacon.model.request import Response
from cibeacon.model.signals import Deployment, FlowAssignment
from cibeacon.model.spool_record import Record
from cibeacon.model.spool_record import read as read_record
from cibeacon.sandbox.devlake import TOKEN, WEBHOOK
from cibeacon.sandbox.server import Sandbox
from cibeacon.settings import load_settings
from cibeacon.sinks import devlake
from processes import cibeacon

HERE = Path(__file__).parent
CASES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((HERE / "devlake").glob("*.json"))}
REPLIES = json.loads((HERE / "devlake_replies.json").read_text("utf-8"))
SHA = "a0e61dfff93b2b07788cacf2c1cb3948ed4a39b2"
RUN = RunFacts("x", 1, "CI", server="https://github.com", repository="acme/shop")


def signal_of(fields):
    shas = tuple(fields.get("merge_commit_shas", ()))
    return Deployment(**fields | {"run": RunFacts(**fields["run"]), "merge_commit_shas": shas})


def deployment(**more):
    return Deployment("pay", 1, "r", repository="acme/shop", commit_sha=SHA, run=RUN)._replace(**more)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_deployment_is_sent_as_this_body_and_replayed_to_the_byte(case):
    signal = signal_of(case["signal"])
    assert devlake.faults(signal) is None
    request = devlake.request(signal, "")
    assert (request.method, request.path, request.body) == ("POST", "/deployments", case["body"])
    outcome = Outcome("deployment", "devlake", "skipped", subject=signal.subject, key=signal.key)
    record = read_record(Record.of(request, outcome, 1.0).line())
    assert devlake.resume(record, "").request.content() == request.content()


@pytest.mark.parametrize("reply", REPLIES, ids=[reply["why"] for reply in REPLIES])
def test_an_answer_means_this(reply):
    content = json.dumps(reply["json"]) if "json" in reply else reply.get("html", "")
    kind = "application/json" if "json" in reply else "text/html"
    result = devlake.judge(Response(reply["status"], content.encode(), kind, reply.get("location")))
    assert (result.outcome, result.error) == (reply["outcome"], reply.get("error"))
    assert result.retryable is reply.get("retryable", False)
    assert reply.get("reason", "") in (result.reason or "")


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Production", "PRODUCTION"), ("prod-eu-1", "PRODUCTION"), ("live", "PRODUCTION"), ("pre-prod", "STAGING"),
        ("eu/staging", "STAGING"), ("UAT", "STAGING"), ("qa2", "TESTING"), ("review/fix-production", "DEVELOPMENT"),
        ("dev", "DEVELOPMENT"), ("eu-west-1", None), ("products", None), ("reproduction", None),
    ],
)  # fmt: skip
def test_an_environment_is_known_by_a_word_of_its_name_and_never_guessed(name, known):
    assert devlake.environment(name) == known


@pytest.mark.parametrize(
    ("signal", "part"),
    [
        (deployment(run=None), "URL of its repository"),
        (deployment(repository=None), "URL of its repository"),
        (deployment(commit_sha=None), "Set commit_sha"),
        (deployment(environment="eu-west-1"), "eu-west-1 contains none of these words"),
        (FlowAssignment("j", ("a",)), "only deployments"),
    ],
)
def test_what_devlake_cannot_record_is_refused_with_what_to_set(signal, part):
    assert part in devlake.faults(signal)


def test_a_long_id_is_cut_so_that_the_ids_of_its_commits_fit_and_stays_distinct():
    ids = {devlake.request(deployment(reference_id="x" * 200 + end), "").body["id"] for end in "ab"}
    assert {len(each) for each in ids} == {150}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("https://l.example/api/rest/plugins/webhook/connections/1/deployments", "/connections/1"),
        ("https://l.example/api/rest/plugins/webhook/connections/by-name/shop", "/connections/by-name/shop"),
        ("https://l.example/api/rest/plugins/webhook/projects/shop/deployments/", "/projects/shop"),
        ("https://l.example/api/rest/plugins/webhook/1/deployments", "/1"),
        ("https://l.example/api/plugins/webhook/connections/1/deployments", None),
        ("https://l.example/api/rest/plugins/webhook/connections/1/issues", None),
        ("https://l.example", None),
    ],
)
def test_the_address_is_the_one_that_devlake_shows(given, base):
    settings = load_settings({}, {"CIBEACON_DEVLAKE_URL": given}, {})
    assert settings.endpoints["devlake"].base_url == (
        f"https://l.example/api/rest/plugins/webhook{base}" if base else ""
    )
    assert bool(settings.problems) is (base is None)


@pytest.fixture
def sandbox():
    with Sandbox() as made:
        yield made


def report(sandbox, folder, *argv, **more):
    environ = {
        "CI": "true", "HOME": str(folder), "CIBEACON_SPOOL": str(folder / "spool"), "CIBEACON_HOST": "vela", "CIBEACON_RUN_ID": "9",
        "CIBEACON_REPOSITORY": "https://git.example/acme/shop", "CIBEACON_COMMIT_SHA": SHA, "CIBEACON_DEPLOY_SERVICES": "pay,web",
        **sandbox.devlake.exports(sandbox.url), **more,
    }  # fmt: skip
    verb = argv or ("report", "--signals=deployment")
    return cibeacon(*verb, "--format=json", environ=environ, cwd=folder)


def outcomes(ended):
    return [one["outcome"] for one in ended.document["signals"] if one["sink"] == "devlake"]


def test_each_service_is_one_deployment_however_often_it_is_reported(sandbox, tmp_path):
    for _ in range(2):
        ended = report(sandbox, tmp_path, CIBEACON_ENVIRONMENT="staging")
        assert outcomes(ended) == ["sent", "sent"], ended.out
    held = sandbox.devlake.document()["deployments"].values()
    assert {one["name"] for one in held} == {"pay", "web"}
    assert {(one["environment"], one["result"]) for one in held} == {("STAGING", "SUCCESS")}
    commits = [commit for one in held for commit in one["deploymentCommits"]]
    assert [(one["repoUrl"], one["commitSha"]) for one in commits] == [("https://git.example/acme/shop", SHA)] * 2


def test_runs_of_several_repositories_with_one_id_are_one_deployment(sandbox, tmp_path):
    for name in ("shop", "cart"):
        repository = f"https://git.example/acme/{name}"
        more = {
            "CIBEACON_REPOSITORY": repository,
            "CIBEACON_DEPLOY_SERVICES": "pay",
            "CIBEACON_REFERENCE_ID": "release-7",
        }
        assert outcomes(report(sandbox, tmp_path, **more)) == ["sent"]
    ((name, held),) = sandbox.devlake.document()["deployments"].items()
    assert name == "release-7"
    assert [one["repoUrl"].rpartition("/")[2] for one in held["deploymentCommits"]] == ["shop", "cart"]


def test_what_devlake_cannot_take_now_waits_and_is_replayed(sandbox, tmp_path):
    sandbox.outage.order("devlake: 100% 503")
    assert outcomes(report(sandbox, tmp_path, CIBEACON_TIMEOUT="2")) == ["spooled", "spooled"]
    sandbox.outage.clear()
    assert outcomes(report(sandbox, tmp_path, "replay")) == ["sent", "sent"]
    assert len(sandbox.devlake.document()["deployments"]) == 2


def test_a_wrong_key_is_said_in_one_line_and_not_shown(sandbox, tmp_path):
    ended = report(sandbox, tmp_path, CIBEACON_DEVLAKE_TOKEN="another-key")
    (first, _) = [one for one in ended.document["signals"] if one["sink"] == "devlake"]
    assert first["error"] == "HTTP 403: api key is invalid"
    assert "devlake_token" in first["reason"]
    assert "another-key" not in ended.out + ended.err


def test_without_its_settings_devlake_is_not_mentioned(sandbox, tmp_path):
    ended = report(sandbox, tmp_path, CIBEACON_DEVLAKE_URL="", CIBEACON_DEVLAKE_TOKEN="")
    assert outcomes(ended) == []


def test_a_dry_run_shows_the_address_and_sends_nothing(sandbox, tmp_path):
    ended = report(sandbox, tmp_path, CIBEACON_DRY_RUN="true")
    shown = [one["request"]["url"] for one in ended.document["signals"] if one["sink"] == "devlake"]
    assert shown == [sandbox.url + WEBHOOK] * 2
    assert TOKEN not in ended.out + ended.err
    assert sandbox.devlake.document()["deployments"] == {}
