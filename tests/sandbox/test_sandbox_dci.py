"""What DCI answers, one JSON file a claim: `why`, `requests` in order, and what the ledger tells of the `jobs` after.

In a request `{name}` is what an earlier one has saved, `{topic NAME}` and `{component NAME}` are ids of the example;
`holds` gives parts of the answer by dotted path, `message` the beginning of its message, and `html` says that it is a page.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cibeacon.sandbox.dci_account import DciAccount
from dci_talk import CALLS

CASES = sorted((Path(__file__).parent / "dci").glob("*.json"))
ACCOUNT = DciAccount()
IDS = {f"topic {topic.name}": topic.id for topic in ACCOUNT.topics} | {
    f"component {component['name']}": component["id"] for topic in ACCOUNT.topics for component in topic.components
}


def filled(value, known):
    """The value with every `{name}` replaced by what is known under that name."""
    if isinstance(value, str):
        return re.sub(r"\{([\w .:-]+)\}", lambda match: known[match[1]], value)
    if isinstance(value, list):
        return [filled(one, known) for one in value]
    return {key: filled(one, known) for key, one in value.items()} if isinstance(value, dict) else value


def at(value, path):
    """The part of a JSON value at a dotted path; `#` is a length."""
    for step in path.split("."):
        value = len(value) if step == "#" else value[int(step) if isinstance(value, list) else step]
    return value


def asked(dci, request, known):
    method, _, path = filled(request["call"], known).partition(" ")
    body = filled(request.get("body"), known)
    if "content" in request:
        body = request["content"].encode()
    return dci.ask(method, path, body, filled(request.get("headers", {}), known))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_dci_answers_as_it_was_observed(path, sandbox, dci):
    case, known = json.loads(path.read_text("utf-8")), dict(IDS)
    for request in case["requests"]:
        reply = asked(dci, request, known)
        assert reply.status_code == request["status"], (request, reply.text)
        kind = reply.headers["Content-Type"]
        assert kind.startswith("text/html" if request.get("html") else "application/json") or not reply.content, request
        if "message" in request:
            told = reply.json()
            assert told["message"].startswith(filled(request["message"], known)), (request, told)
            assert told["status_code"] == request["status"]
        for place, value in request.get("holds", {}).items():
            assert at(reply.json(), place) == filled(value, known), (request, place, reply.text)
        known |= {name: at(reply.json(), place) for name, place in request.get("save", {}).items()}
    jobs = list(sandbox.dci.document()["jobs"].values())
    for job, told in zip(jobs, case.get("jobs", jobs), strict=True):
        assert {name: job[name] for name in told} == filled(told, known)


def test_every_call_is_answered_well_in_some_case():
    told = [request for path in CASES for request in json.loads(path.read_text("utf-8"))["requests"]]
    name = re.compile(r"\{[^}]*\}")
    good = {name.sub("ID", each["call"]).partition("?")[0].rstrip("/") for each in told if each["status"] < 300}
    assert good == CALLS


def test_a_claim_is_written_in_every_case():
    assert all(json.loads(path.read_text("utf-8"))["why"].strip() for path in CASES)
    assert len(CASES) >= 20
