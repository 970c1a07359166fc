"""The two examples of DX's documentation, which the sandbox reports to itself."""

from __future__ import annotations

import pytest
import requests

from cibeacon.sandbox.server import Sandbox
from mishaps import mishaps


def play(sandbox, name):
    with requests.Session() as session:
        session.trust_env = False
        reply = session.post(f"{sandbox.url}/sandbox/stories/{name}")
        return reply.status_code, reply.json()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("commits", {1: [1, 2], 2: [3, 4, 5]}),
        ("with-services", {1: [1, 3]}),
        ("without-services", {1: [1, 2, 3]}),
    ],
)
@pytest.mark.parametrize("times", [1, 2], ids=["once", "again"])
def test_a_story_ends_as_the_documentation_says(name, expected, times):
    with Sandbox(token="whatever the user chose") as sandbox:
        for _ in range(times):
            status, answer = play(sandbox, name)
        held = sandbox.document()
        assert (status, answer["ok"], sandbox.faults) == (200, True, [])
    attributed = {
        int(reference.rpartition("-")[2]): [
            int(pull["key"].rpartition("#")[2]) for pull in held["attributions"][reference]["pull_requests"]
        ]
        for reference in answer["deployments"]
    }
    assert attributed == expected
    assert set(answer["pull_requests"]) == set(held["pull_requests"])


def test_a_story_is_seen_as_requests_like_any_others(sandbox):
    play(sandbox, "with-services")
    paths = [entry["path"].rpartition("/")[2] for entry in sandbox.document()["requests"]]
    assert paths == [*["deployments.setPullServices"] * 3, "deployments.create"]


@pytest.mark.parametrize(
    ("order", "error"),
    [("fail", "down"), ("lose", "no_answer")],
)
def test_an_outage_that_was_ordered_stops_a_story(sandbox, order, error):
    more = {"status": 503, "body": {"ok": False, "error": "down"}} if order == "fail" else {}
    getattr(mishaps(sandbox, "dx"), order)("POST", "/deployments.create", **more)
    status, answer = play(sandbox, "commits")
    assert (status, answer["ok"], answer["error"]) == (409, False, error)


def test_there_are_no_other_stories(sandbox):
    assert play(sandbox, "../ledger")[0] == 404
    status, answer = play(sandbox, "another")
    assert (status, answer["error"]) == (404, "not_found")
