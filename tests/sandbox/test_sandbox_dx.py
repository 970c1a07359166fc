"""Every rule and error code of DX's methods, one JSON file a claim: `why`, `start`, `requests`, and the `ledger` after."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from cibeacon.sandbox.server import Sandbox
from mishaps import mishaps

CASES = sorted((Path(__file__).parent / "dx").glob("*.json"))
SEED_CODES = {
    "not_authed",
    "invalid_auth",
    "account_inactive",
    "invalid_json",
    "required_params_missing",
    "repo_not_found",
    "repository_not_found",
    "commit_sha_invalid",
    "reference_id_exists",
    "metadata_invalid",
    "integration_branch_not_valid",
    "ambiguous_commit_sha_arguments",
    "merge_commit_shas_blank",
    "merge_commit_shas_invalid",
    "merge_commit_shas_not_found",
}
PULL = "/api/deployments.setPullServices"
GOOD = {"github_pull_id": 1, "services": ["a"]}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_dx_answers_as_its_articles_say(path, http):
    case = json.loads(path.read_text("utf-8"))
    with Sandbox(**case.get("start", {})) as sandbox:
        for request in case["requests"]:
            headers = {"Authorization": request["authorization"]} if "authorization" in request else {}
            reply = http.post(sandbox.url + request["path"], json=request["body"], headers=headers)
            assert (reply.status_code, reply.json().get("error")) == (request["status"], request["error"]), request
            assert reply.json()["ok"] is (request["error"] is None)
            assert request.get("names", "") in reply.json().get("message", ""), request
        document = sandbox.ledger.document()
        assert document["received"] == len(case["requests"])
        assert {name: document[name] for name in case.get("ledger", {})} == case.get("ledger", {})
        assert sandbox.faults == []


def test_every_error_code_of_the_articles_has_a_request_that_earns_it():
    told = {request["error"] for path in CASES for request in json.loads(path.read_text("utf-8"))["requests"]}
    assert told | {"invalid_json"} >= SEED_CODES


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"7",
        b"github_pull_id=1&services=a",
        b'{"github_pull_id": NaN, "services": ["a"]}',
        b'{"github_pull_id": 1e999, "services": ["a"]}',
        b'{"services": ["\xff"]}',
        b'\xef\xbb\xbf{"github_pull_id": 1, "services": ["a"]}',
        b"[" * 100_000,
        b'{"a":' * 200 + b"1" + b"}" * 200,
        b'{"github_pull_id": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_body_that_is_no_json_object_is_invalid_json(body, sandbox, http):
    reply = http.post(sandbox.url + PULL, data=body, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["error"]) == (422, "invalid_json")
    assert http.get(sandbox.url + "/ledger").json()["requests"][0]["error"] == "invalid_json"


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
        ("text/plain", 422),
        ("application/x-www-form-urlencoded", 422),
        (None, 422),
    ],
)
def test_only_json_by_name_is_json(content_type, status, sandbox, http):
    reply = http.post(sandbox.url + PULL, data=json.dumps(GOOD).encode(), headers={"Content-Type": content_type})
    assert reply.status_code == status


def test_a_body_over_the_limit_is_refused_and_the_connection_lives_on(sandbox, http):
    fat = json.dumps(GOOD | {"padding": "x" * 1024 * 1024})
    reply = http.post(sandbox.url + PULL, data=fat, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["error"]) == (413, "body_too_large")
    assert http.post(sandbox.url + PULL, json=GOOD).status_code == 200


def test_a_deployment_without_reference_gets_one_of_its_own(sandbox, http):
    body = {"deployed_at": 1, "service": "a", "repository": "o/r"}
    for _ in range(2):
        assert http.post(f"{sandbox.url}/api/deployments.create", json=body).status_code == 200
    deployments = sandbox.ledger.document()["deployments"]
    assert len(deployments) == 2
    for reference, deployment in deployments.items():
        assert deployment == body | {"reference_id": reference}


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_method_is_called_with_post_alone(method, sandbox, http):
    reply = http.request(method, sandbox.url + PULL, json=GOOD)
    assert (reply.status_code, reply.json()["error"]) == (405, "method_not_allowed")
    assert reply.headers["Allow"] == "POST"
    assert sandbox.ledger.document()["pull_services"] == {}


def test_what_goes_wrong_on_order_is_answered_or_lost_as_often_as_ordered(sandbox, http):
    url, body = f"{sandbox.url}/api/deployments.create", {"deployed_at": 1, "service": "a", "repository": "o/r"}
    mishaps(sandbox, "dx").fail("POST", "/deployments.create", 503)
    mishaps(sandbox, "dx").lose("POST", "/deployments.*")
    assert http.post(url, json=body | {"reference_id": "failed"}).status_code == 503
    with pytest.raises(requests.ConnectionError):
        http.post(url, json=body | {"reference_id": "lost"})
    assert http.post(url, json=body | {"reference_id": "answered"}).status_code == 200
    ledger = sandbox.ledger.document()
    assert list(ledger["deployments"]) == ["lost", "answered"]
    assert [(entry["status"], entry["error"]) for entry in ledger["requests"]] == [
        (503, "Service Unavailable"),
        (200, None),
        (200, None),
    ]
