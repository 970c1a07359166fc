"""What the sandbox is given of pull requests, and what its ledger concludes: over HTTP, as a page or a script would."""

from __future__ import annotations

import pytest

PULL = {
    "repository": "acme/shop",
    "number": 7,
    "base_ref": "main",
    "merged_at": 1_700_000_000,
    "merge_commit_sha": "a" * 40,
}
PATH = "/sandbox/pull-requests"
HOUR = 3600
BAD = {
    "no repository": PULL | {"repository": None},
    "an empty base_ref": PULL | {"base_ref": ""},
    "a number in words": PULL | {"number": "7"},
    "a number beyond a browser's": PULL | {"number": 2**53},
    "a time in milliseconds": PULL | {"merged_at": 1_700_000_000_000},
    "a time without a zone": PULL | {"merged_at": "2024-01-01T00:00:00"},
    "a commit that is none": PULL | {"merge_commit_sha": "main"},
    "commits that are none": PULL | {"commits": "a" * 40},
    "too many commits": PULL | {"commits": ["a" * 40] * 251},
    "a title of many lines": PULL | {"title": "x" * 501},
    "a field of its own": PULL | {"labels": []},
    "no object": 7,
    "a list of lists": [[PULL]],
    "too many at once": [PULL] * 1001,
}


@pytest.fixture
def ledger(sandbox, http):
    return lambda: http.get(f"{sandbox.url}/ledger").json()


@pytest.fixture
def post(sandbox, http):
    return lambda path, body, **headers: http.post(sandbox.url + path, json=body, headers=headers)


def deploy(post, reference="d", service="payments", at=1_700_000_000 + HOUR, **more):
    body = {"reference_id": reference, "service": service, "deployed_at": at, "repository": "acme/shop", **more}
    assert post("/api/deployments.create", body).status_code == 200


def test_a_deployment_waits_until_its_pull_request_is_imported(post, ledger):
    deploy(post, commit_sha="a" * 7)
    assert ledger()["attributions"]["d"]["waits"].startswith("not imported yet")
    assert post(PATH, PULL).json() == {"ok": True, "pull_requests": ["acme/shop#7"]}
    assert ledger()["attributions"]["d"] == {
        "mode": "commit and repository: the pull request of the commit, and those before it that were not deployed",
        "pull_requests": [{"key": "acme/shop#7", "lead_time": HOUR}],
        "waits": None,
    }
    assert ledger()["pull_requests"]["acme/shop#7"]["deployed_by"] == ["d"]


def test_services_are_learned_from_set_pull_services_by_number_and_by_id(post, ledger):
    post(PATH, PULL | {"github_pull_id": 501})
    post("/api/deployments.setPullServices", {"repository": "acme/shop", "pull_number": 7, "services": ["orders"]})
    post("/api/deployments.setPullServices", {"github_pull_id": 501, "services": ["mail"]})
    post("/api/deployments.setPullServices", {"github_pull_id": 502, "services": ["mail"]})
    deploy(post)
    pulls = ledger()["pull_requests"]
    assert {key: (pull["imported"], pull["services"]) for key, pull in pulls.items()} == {
        "502": (False, ["mail"]),
        "acme/shop#7": (True, ["mail", "orders"]),
    }
    assert ledger()["attributions"]["d"]["pull_requests"] == []


def test_what_is_given_again_replaces_what_was_known(post, ledger):
    post(PATH, [PULL, PULL | {"number": 8}])
    post(PATH, PULL | {"title": "Retry <b>payments</b>", "default_branch": "trunk", "base_ref": "trunk"})
    deploy(post)
    held = ledger()
    assert held["pull_requests"]["acme/shop#7"]["title"] == "Retry <b>payments</b>"
    assert [pull["key"] for pull in held["attributions"]["d"]["pull_requests"]] == ["acme/shop#7"]


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_what_is_no_pull_request_is_refused_as_a_whole(post, ledger, body):
    reply = post(PATH, [PULL, body] if isinstance(body, dict) else body)
    assert (reply.status_code, reply.json()["ok"]) == (422, False)
    assert ledger()["pull_requests"] == {}


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}], ids=str
)
def test_a_page_of_another_server_may_not_add_pull_requests(post, ledger, headers):
    assert post(PATH, PULL, **headers).status_code == 403
    assert ledger()["pull_requests"] == {}


def test_a_body_must_be_declared_as_json_so_that_a_browser_asks_first(post):
    assert post(PATH, PULL, **{"Content-Type": "text/plain"}).json()["error"] == "invalid_json"


def test_pull_requests_are_posted(sandbox, http):
    assert http.get(sandbox.url + PATH).status_code == 405


def test_a_sandbox_keeps_a_limited_number_of_pull_requests(post, ledger):
    for start in range(0, 20_000, 1000):
        assert post(PATH, [PULL | {"number": start + index} for index in range(1, 1001)]).status_code == 200
    assert post(PATH, PULL | {"number": 20_001}).json()["error"] == "too_many"
    assert post(PATH, PULL | {"number": 20_000}).status_code == 200


def test_the_notifications_of_a_run_are_kept_beside_it(post, ledger):
    run = {"pipeline_name": "ci", "pipeline_source": "GitHub Actions", "reference_id": "r", "started_at": "100"}
    for status in ("running", "failure"):
        post("/api/pipelineRuns.sync", run | {"status": status})
    held = ledger()
    assert [each["status"] for each in held["notifications"]["r"]] == ["running", "failure"]
    assert held["pipeline_runs"]["r"]["status"] == "failure"
