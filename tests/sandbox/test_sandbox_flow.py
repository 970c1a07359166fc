"""What Instabase answers about Flow pipelines, one JSON file a claim: `why`, what of the `account` differs, `requests` in
order, and the names that each job of the context has in the end.

A request has a `call`, a `token` and a `context`; a body as `json` or `raw`. `body` is the whole answer, `holds` parts of
it by dotted path (`#` is a length), and `html` says that it is a page.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from cibeacon.sandbox.flow import ASSIGNED_JOB, JOB, TOKEN, FlowAccount
from cibeacon.sandbox.server import Sandbox
from mishaps import mishaps

CASES = sorted((Path(__file__).parent / "flow").glob("*.json"))
HEADERS = {"Authorization": f"Bearer {TOKEN}", "IB-Context": "airline"}
UDIT = "e05cc5f7-b199-49a6-b1bc-f17dc5247e0c"


def at(value, path):
    """The part of a JSON value at a dotted path; `#` is a length."""
    for step in path.split("."):
        value = len(value) if step == "#" else value[int(step) if isinstance(value, list) else step]
    return value


def asked(url, request):
    method, _, path = request["call"].partition(" ")
    headers = {}
    if "token" in request:
        headers["Authorization"] = f"Bearer {request['token']}"
    if "context" in request:
        headers["IB-Context"] = request["context"]
    body = request.get("raw")
    with requests.Session() as session:
        session.trust_env = False
        return session.request(
            method, f"{url}/api/v1{path}", headers=headers, json=request.get("json"), data=body and body.encode()
        )


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_flow_answers_as_documented(path):
    case = json.loads(path.read_text("utf-8"))
    with Sandbox(flow=FlowAccount(**case.get("account", {}))) as sandbox:
        for request in case["requests"]:
            reply = asked(sandbox.url, request)
            assert reply.status_code == request["status"], (request, reply.text)
            if request.get("html"):
                assert reply.headers["Content-Type"].startswith("text/html")
            if "body" in request:
                assert reply.json() == request["body"], request
            for place, value in request.get("holds", {}).items():
                assert at(reply.json(), place) == value, (request, place, reply.text)
        jobs = sandbox.flow.document()["airline"]["jobs"]
        held = {job: [one["name"] for one in pipelines] for job, pipelines in jobs.items()}
        assert held == case.get("jobs", held)
        assert sandbox.faults == []


def test_a_claim_is_written_in_every_case():
    assert all(json.loads(path.read_text("utf-8"))["why"].strip() for path in CASES)
    assert len(CASES) >= 10


def test_dci_keeps_its_own_paths(sandbox, http):
    reply = http.get(f"{sandbox.url}/api/v1/jobs")
    assert (reply.status_code, reply.json()["message"]) == (401, "identity does not exists.")
    assert http.get(f"{sandbox.url}/api/v1/flow/pipelines").status_code == 404


def test_the_ledger_tells_each_job_s_pipelines_and_each_request_without_the_token(sandbox, http):
    body = {"job_id": JOB, "pipeline_ids": [UDIT]}
    http.post(f"{sandbox.url}/api/v1/jobs/pipelines", json=body, headers=HEADERS)
    http.post(f"{sandbox.url}/api/v1/jobs/pipelines", json=body | {"job_id": "x"}, headers=HEADERS)
    text = http.get(f"{sandbox.url}/ledger").text
    told = json.loads(text)
    assert told["flow"]["airline"]["jobs"][JOB] == [{"id": UDIT, "name": "udit-test"}]
    assert [one["name"] for one in told["flow"]["airline"]["jobs"][ASSIGNED_JOB]] == ["pipeline_name"]
    assert [(one["status"], one["error"], one["message"]) for one in told["requests"]] == [
        (200, None, None),
        (200, "ERROR", "Job x does not exist"),
    ]
    assert told["requests"][0]["body"] == body
    assert TOKEN not in text


def test_trouble_comes_on_order(sandbox, http):
    url = f"{sandbox.url}/api/v1/flow/pipeline"
    mishaps(sandbox, "flow").login("GET", "/flow/pipeline")
    mishaps(sandbox, "flow").fail("GET", "/flow/pipeline", 502)
    mishaps(sandbox, "flow").fail("GET", "/flow/pipeline", 200, body={"status": "error", "msg": "later"})
    replies = [http.get(url, headers=HEADERS) for _ in range(4)]
    assert [one.status_code for one in replies] == [200, 502, 200, 200]
    assert [one.headers["Content-Type"].partition(";")[0] for one in replies[:2]] == ["text/html"] * 2
    assert (replies[2].json()["msg"], replies[3].json()["status"]) == ("later", "OK")


def test_a_lost_answer_has_set_the_pipelines(sandbox, http):
    mishaps(sandbox, "flow").lose("POST", "/jobs/pipelines")
    with pytest.raises(requests.ConnectionError):
        http.post(f"{sandbox.url}/api/v1/jobs/pipelines", json={"job_id": JOB, "pipeline_ids": [UDIT]}, headers=HEADERS)
    assert [one["id"] for one in sandbox.flow.document()["airline"]["jobs"][JOB]] == [UDIT]


def test_a_token_shows_in_no_representation():
    assert TOKEN not in repr(FlowAccount())
