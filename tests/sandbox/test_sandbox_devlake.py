"""What the sandbox's webhook of DevLake answers: `devlake.json` changes the example of DevLake's own page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from cibeacon.sandbox.devlake import PREFIX, TOKEN
from cibeacon.sandbox.server import Sandbox

CASES = json.loads((Path(__file__).parent / "devlake.json").read_text("utf-8"))
TIMES = {"startedDate": "2023-01-01T12:00:00+00:00", "finishedDate": "2023-01-01T12:00:00+00:00"}
COMMIT = {"repoUrl": "https://git.example/acme/shop", "refName": "main", "commitSha": "c1", **TIMES}
EXAMPLE = {"id": "d1", "result": "SUCCESS", "deploymentCommits": [COMMIT], **TIMES}


@pytest.fixture
def sandbox():
    with Sandbox() as made:
        yield made


def post(sandbox, body, path="/connections/1/deployments", authorization=f"Bearer {TOKEN}"):
    headers = {"Authorization": authorization} if authorization else {}
    with requests.Session() as session:
        session.trust_env = False
        return session.post(sandbox.url + PREFIX + path, json=body, headers=headers)


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_devlake_answers_so(sandbox, case):
    body = {name: value for name, value in (EXAMPLE | case["change"]).items() if value is not None}
    where = {name: case[name] for name in ("path", "authorization") if name in case}
    reply = post(sandbox, body, **where)
    assert (reply.status_code, reply.json()["success"]) == (case["status"], case["status"] == 200)
    assert case["says"] in reply.json()["message"]
    assert len(sandbox.devlake.document()["deployments"]) == int(reply.ok)


def test_a_known_id_is_replaced_and_its_commits_add_up(sandbox):
    post(sandbox, EXAMPLE)
    post(sandbox, EXAMPLE | {"result": "FAILURE", "deploymentCommits": [COMMIT | {"commitSha": "c2"}]})
    (held,) = sandbox.devlake.document()["deployments"].values()
    assert (held["result"], held["environment"]) == ("FAILURE", "PRODUCTION")
    assert [one["commitSha"] for one in held["deploymentCommits"]] == ["c1", "c2"]
