"""What DX's Web API answers about workflow runs, one JSON file a claim: `why`, `requests` in order, and the `runs` that
are held in the end, where the claim is about them.

A request has a `call`, a `token` and a body as `json`. `holds` is parts of the answer by dotted path (`#` is a length).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cibeacon.sandbox import dx_workflow
from mishaps import mishaps

CASES = sorted((Path(__file__).parent / "dx_workflow").glob("*.json"))
HEADERS = {"Authorization": f"Bearer {dx_workflow.TOKEN}"}
MESSAGE = {"workflow_run_id": dx_workflow.RUN, "message": "Hello, world!"}


def at(value, path):
    """The part of a JSON value at a dotted path; `#` is a length."""
    for step in path.split("."):
        value = len(value) if step == "#" else value[int(step) if isinstance(value, list) else step]
    return value


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_dx_answers_as_documented(path, sandbox, http):
    case = json.loads(path.read_text("utf-8"))
    for request in case["requests"]:
        method, _, where = request["call"].partition(" ")
        headers = {"Authorization": f"Bearer {request['token']}" if "token" in request else None}
        reply = http.request(method, f"{sandbox.url}/webapi{where}", headers=headers, json=request.get("json"))
        assert reply.status_code == request["status"], (request, reply.text)
        for place, value in request.get("holds", {}).items():
            assert at(reply.json(), place) == value, (request, place, reply.text)
    held = sandbox.dx_workflow.document()
    assert held == case.get("runs", held)


def test_a_token_may_be_without_the_right_to_look(sandbox, http):
    sandbox.dx_workflow.may_read = False
    url = f"{sandbox.url}/webapi/workflowRuns.info?id={dx_workflow.RUN}"
    assert http.get(url, headers=HEADERS).status_code == 403
    assert http.post(f"{sandbox.url}/webapi/workflowRuns.postMessage", json=MESSAGE, headers=HEADERS).ok


def test_the_ledger_shows_each_run_and_each_request_without_the_token(sandbox, http):
    http.post(f"{sandbox.url}/webapi/workflowRuns.postMessage", json=MESSAGE, headers=HEADERS)
    text = http.get(f"{sandbox.url}/ledger").text
    ledger = json.loads(text)
    (event,) = ledger["dx_workflow"][dx_workflow.RUN]["events"]
    assert (event["message"], event["occurred_at"]) == ("Hello, world!", "2023-11-14T22:13:20.000Z")
    assert [(one["path"], one["body"]) for one in ledger["requests"]] == [("/webapi/workflowRuns.postMessage", MESSAGE)]
    assert dx_workflow.TOKEN not in text


def test_faults_are_ordered_for_it(sandbox, http):
    mishaps(sandbox, "dx_workflow").fail("POST", "/workflowRuns.*", 503)
    url = f"{sandbox.url}/webapi/workflowRuns.postMessage"
    assert [http.post(url, json=MESSAGE, headers=HEADERS).status_code for _ in range(2)] == [503, 200]


def test_its_methods_are_described(sandbox, http):
    document = http.get(f"{sandbox.url}/openapi.json").json()
    described = {
        path for path, item in document["paths"].items() for one in item.values() if "DX workflow runs" in one["tags"]
    }
    names = ("info", "postMessage", "addLink", "changeStatus")
    assert described == {f"/webapi/workflowRuns.{name}" for name in names}
