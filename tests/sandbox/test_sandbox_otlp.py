"""What an OTLP receiver answers, one JSON file a claim under `otlp/`: `why`, the `token` that is good, `requests` in order, and
the names of the `spans` that it has in the end, by trace and span.

A request has a body as `json` or `raw`, a `token`, and `path`, `method` or `content_type` where they differ. `body` is the whole
answer, `holds` parts of it, and `says` a part of its message.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cibeacon.sandbox.server import Sandbox
from mishaps import mishaps

CASES = sorted((Path(__file__).parent / "otlp").glob("*.json"))
EXAMPLE = json.loads((Path(__file__).parent / "otlp/export.json").read_text("utf-8"))["requests"][0]["json"]


def asked(http, url, request):
    token = f"Bearer {request['token']}" if "token" in request else None
    headers = {"Content-Type": request.get("content_type", "application/json"), "Authorization": token}
    body = request["raw"] if "raw" in request else json.dumps(request.get("json", {}))
    path, method = request.get("path", "/v1/traces"), request.get("method", "POST")
    return http.request(method, f"{url}{path}", headers=headers, data=body.encode())


def names(sandbox):
    traces = sandbox.otlp.document()["traces"]
    return {f"{trace}/{span['id']}": span["name"] for trace, spans in traces.items() for span in spans}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_receiver_answers_as_documented(path, http):
    case = json.loads(path.read_text("utf-8"))
    with Sandbox(otlp=case.get("token")) as sandbox:
        for request in case["requests"]:
            reply = asked(http, sandbox.url, request)
            assert reply.status_code == request["status"], (request, reply.text)
            if "body" in request:
                assert reply.json() == request["body"]
            assert {name: reply.json().get(name) for name in request.get("holds", {})} == request.get("holds", {}), (
                reply.text
            )
            assert request.get("says", "") in reply.text
        assert names(sandbox) == case["spans"]
        assert sandbox.faults == []


def test_a_claim_is_written_in_every_case():
    assert all(json.loads(path.read_text("utf-8"))["why"].strip() for path in CASES)
    assert len(CASES) >= 10


def test_the_ledger_has_each_span_with_its_resource_and_how_often_it_came(sandbox, http):
    for _ in range(2):
        asked(http, sandbox.url, {"json": EXAMPLE})
    ledger = http.get(f"{sandbox.url}/ledger").json()
    ((span,),) = ledger["otlp"]["traces"].values()
    assert span == {
        "id": "eee19b7ec3c1b174",
        "parent": "eee19b7ec3c1b173",
        "name": "I'm a server span",
        "kind": 2,
        "start": 1544712660.0,
        "end": 1544712661.0,
        "error": False,
        "attributes": {"my.span.attr": "some value"},
        "resource": {"service.name": "my.service"},
        "times": 2,
    }
    assert [(one["path"], one["status"], one["error"]) for one in ledger["requests"]] == [("/v1/traces", 200, None)] * 2


def test_a_partial_success_comes_on_order_and_the_ledger_says_so(sandbox, http):
    partial = {"partialSuccess": {"rejectedSpans": "1", "errorMessage": "too old"}}
    mishaps(sandbox, "otlp").fail("POST", "/traces", 200, body=partial)
    assert asked(http, sandbox.url, {"json": EXAMPLE}).json() == partial
    (entry,) = http.get(f"{sandbox.url}/ledger").json()["requests"]
    assert (entry["status"], entry["error"], entry["message"]) == (200, "partial success", "too old")
    assert names(sandbox) == {}


def test_the_newest_spans_are_kept(sandbox, http):
    spans = EXAMPLE["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    many = [{**spans, "spanId": f"{number:016x}"} for number in range(1, 600)]
    body = {"resourceSpans": [{"scopeSpans": [{"spans": many}]}]}
    assert asked(http, sandbox.url, {"json": body}).status_code == 200
    held = list(names(sandbox))
    assert (len(held), held[-1]) == (500, f"{spans['traceId']}/{599:016x}")


def test_spans_outlive_the_sandbox_that_has_a_file(tmp_path, http):
    for expected in (1, 2):
        with Sandbox(db=tmp_path / "kept") as sandbox:
            asked(http, sandbox.url, {"json": EXAMPLE})
            ((span,),) = sandbox.otlp.document()["traces"].values()
            assert span["times"] == expected
        sandbox.close()
