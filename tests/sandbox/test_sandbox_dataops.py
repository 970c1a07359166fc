"""What DataOps.live answers, one JSON file a claim: `why`, what of the `account` differs, and `requests` in order.

A request has a `call` and a `token` (api, read, job, or none); a body as `json`, `form` or, as curl's --form sends it,
`multipart`. `steps` pass before it. `{name}` is what an earlier one has saved. `body` is the whole answer, `holds` parts
of it by dotted path (`#` is a length), `headers_hold` headers of it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import requests

from cibeacon.sandbox.dataops_account import DataOpsAccount
from cibeacon.sandbox.server import Sandbox

CASES = sorted((Path(__file__).parent / "dataops").glob("*.json"))
TOKENS = {
    "api": {"PRIVATE-TOKEN": "sandbox-private-api"},
    "read": {"private-token": "sandbox-private-read"},
    "bearer": {"Authorization": "Bearer sandbox-private-api"},
    "job": {"JOB-TOKEN": "sandbox-job-token"},
    "trigger": {"PRIVATE-TOKEN": "sandbox-trigger-token"},
    "wrong": {"PRIVATE-TOKEN": "nobody's"},
    None: {},
}
OF_THE_DOCUMENTATION = {
    "POST /projects/ID/pipeline_schedules",
    "POST /projects/ID/trigger/pipeline",
    "GET /projects/ID/pipelines",
    "GET /projects/ID/pipelines/ID",
    "GET /projects/ID/jobs",
    "GET /projects/ID/jobs/ID",
    "GET /projects/ID/jobs/ID/trace",
}
NOON = 1_700_000_000.0


def filled(value, known):
    """The value with every `{name}` replaced by what is known under that name."""
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda match: str(known[match[1]]), value)
    if isinstance(value, list):
        return [filled(one, known) for one in value]
    return {key: filled(one, known) for key, one in value.items()} if isinstance(value, dict) else value


def at(value, path):
    """The part of a JSON value at a dotted path; `#` is a length."""
    for step in path.split("."):
        value = len(value) if step == "#" else value[int(step) if isinstance(value, list) else step]
    return value


def asked(url, request, known):
    method, _, path = filled(request["call"], known).partition(" ")
    headers = TOKENS[request.get("token")] | request.get("headers", {})
    with requests.Session() as session:
        session.trust_env = False
        return session.request(
            method,
            f"{url}/api/v4{path}",
            headers=headers,
            json=filled(request.get("json"), known),
            data=filled(request.get("form"), known),
            files={name: (None, text) for name, text in request.get("multipart", {}).items()} or None,
        )


def told(reply):
    return reply.json() if "json" in reply.headers["Content-Type"] else reply.text


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_dataops_answers_as_documented_and_read_in_its_source(path):
    case = json.loads(path.read_text("utf-8"))
    known = {}
    with Sandbox(clock=lambda: NOON, dataops=DataOpsAccount(**case.get("account", {}))) as sandbox:
        for request in case["requests"]:
            sandbox.dataops.advance(request.get("steps", 0))
            reply = asked(sandbox.url, request, known)
            known["url"] = sandbox.url
            assert reply.status_code == request["status"], (request, reply.text)
            if "body" in request:
                assert told(reply) == filled(request["body"], known), request
            for place, value in request.get("holds", {}).items():
                assert at(reply.json(), place) == filled(value, known), (request, place, reply.text)
            for name, value in request.get("headers_hold", {}).items():
                assert reply.headers.get(name) == filled(value, known), (request, name)
            known |= {name: at(reply.json(), place) for name, place in request.get("save", {}).items()}
        assert sandbox.faults == []


def test_every_documented_call_is_answered_well_in_some_case():
    every = [request for path in CASES for request in json.loads(path.read_text("utf-8"))["requests"]]
    name = re.compile(r"(?<=/)(\d+|\{\w+\})(?=/|$|\?)")
    good = {name.sub("ID", each["call"]).partition("?")[0] for each in every if each["status"] < 300}
    assert good >= OF_THE_DOCUMENTATION


def test_a_claim_is_written_in_every_case():
    assert all(json.loads(path.read_text("utf-8"))["why"].strip() for path in CASES)
    assert len(CASES) >= 20
