"""GitLab is asked which merge request a commit landed: through the real python-gitlab, of servers good and bad."""

from __future__ import annotations

import json
import time

import pytest

import faults
from cibeacon.ci.gitlab_api import GitLabApi
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import HostError
from faults import FaultServer, Refusing, answers, response
from forge import Forge

HEAD, MERGE, SQUASH, BASE, OTHER = ("1" * 40, "2" * 40, "3" * 40, "4" * 40, "9" * 40)
TOKEN = "glpat-c2VjcmV0"
PROJECT = "acme/team/shop"
PRIVATE, JOB = {"private_token": TOKEN}, {"job_token": TOKEN}
REQUEST = {
    "iid": 7,
    "sha": HEAD,
    "source_branch": "pay",
    "diff_refs": {"base_sha": BASE, "head_sha": HEAD, "start_sha": BASE},
}
MERGED, SQUASHED, BOTH, FORWARDED = (
    REQUEST | {"merge_commit_sha": MERGE},
    REQUEST | {"squash_commit_sha": SQUASH},
    REQUEST | {"merge_commit_sha": MERGE, "squash_commit_sha": SQUASH},
    REQUEST,
)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NETRC", "CI_JOB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def asked(url: str, sha: str = MERGE, credential=PRIVATE, seconds: float = 30.0):
    deadline = Deadline(seconds, time.monotonic, time.sleep, time.monotonic())
    found = GitLabApi(url, credential, PROJECT, deadline).merged_prs(sha)
    return found[0] if found else None


def of(*requests) -> Forge:
    return Forge(merge_requests={"acme/tools": [], PROJECT: requests})


def in_json(value: object, **headers: str) -> bytes:
    return response(json.dumps(value).encode(), **headers)


LISTED = {"iid": 7, "state": "merged", "merge_commit_sha": MERGE}


# What landed --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "landed_as", "squashed"),
    [(MERGED, MERGE, False), (SQUASHED, SQUASH, True), (BOTH, MERGE, True), (FORWARDED, HEAD, False)],
    ids=["merge", "squash", "squash and merge", "fast-forward"],
)
def test_the_merge_request_is_found_by_the_commit_that_landed(request_, landed_as, squashed):
    with of(request_) as forge:
        found = asked(forge.url, landed_as)

    assert found is not None
    assert (found.number, found.id, found.merged, found.closed) == (7, None, True, True)
    assert (found.merge_commit_sha, found.squashed) == (landed_as, squashed)
    assert (found.head_sha, found.diff_base_sha, found.base_sha) == (HEAD, BASE, None)
    assert (found.head_ref, found.base_ref, found.fork) == ("pay", "main", False)


def test_the_squash_commit_inside_a_merge_commit_leads_to_the_merge_request_too():
    with of(BOTH) as forge:
        found = asked(forge.url, SQUASH)

    assert found is not None
    assert found.merge_commit_sha == MERGE


def test_a_fork_is_seen():
    with of(MERGED | {"source_project_id": 99}) as forge:
        found = asked(forge.url)

    assert found is not None
    assert found.fork


@pytest.mark.parametrize("state", ["opened", "closed", "locked"])
def test_a_merge_request_that_is_not_merged_is_not_it(state):
    with of(MERGED | {"state": state}) as forge:
        assert asked(forge.url) is None
        assert len(forge.seen) == 1


def test_a_merge_request_that_merely_holds_the_commit_is_not_it():
    with of(MERGED | {"commits": [OTHER]}) as forge:
        assert asked(forge.url, OTHER) is None


def test_the_right_one_of_several_is_found():
    with of({"iid": 5, "state": "opened", "commits": [MERGE]}, {"iid": 6, "commits": [MERGE]}, MERGED) as forge:
        found = asked(forge.url)

    assert found is not None
    assert found.number == 7


def test_a_commit_of_no_merge_request_is_none():
    with of(MERGED) as forge:
        assert asked(forge.url, OTHER) is None


def test_two_requests_are_enough():
    with of(MERGED) as forge:
        asked(forge.url)

    name = PROJECT.replace("/", "%2F")
    assert forge.seen == [
        f"GET /api/v4/projects/{name}/repository/commits/{MERGE}/merge_requests",
        f"GET /api/v4/projects/{name}/merge_requests/7",
    ]


# Credentials --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("credential", "header"), [(PRIVATE, "PRIVATE-TOKEN"), (JOB, "JOB-TOKEN")])
def test_each_kind_of_token_has_its_own_header(credential, header):
    with FaultServer(answers(in_json([LISTED]), in_json(MERGED | LISTED))) as server:
        assert asked(server.url, credential=credential) is not None

    for request in map(bytes.decode, server.requests):
        assert f"{header}: {TOKEN}" in request
        assert request.count(TOKEN) == 1
        assert "Authorization:" not in request
        assert TOKEN not in request.splitlines()[0]


def test_a_netrc_is_not_read(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login mallory password stolen\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    with FaultServer(answers(in_json([]))) as server:
        asked(server.url, credential=JOB)

    assert b"Basic" not in server.requests[0]
    assert b"Authorization" not in server.requests[0]


@pytest.mark.parametrize("credential", [PRIVATE, JOB], ids=["private", "job"])
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_redirect_takes_the_token_nowhere(name, status, credential):
    with FaultServer(answers(in_json([]))) as other:
        away = response(b"", status=status, Location=other.url.replace("127.0.0.1", name) + "/steal")
        with FaultServer(answers(away)) as server:
            try:
                asked(server.url, credential=credential)
            except HostError as error:
                told(error)

    assert all(TOKEN.encode() not in request for request in other.requests)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_next_page_elsewhere_is_not_asked_for(name):
    with FaultServer(answers(in_json([]))) as other:
        link = f'<{other.url.replace("127.0.0.1", name)}/steal>; rel="next"'
        with FaultServer(answers(in_json([], Link=link))) as server:
            assert asked(server.url) is None

    assert other.accepted == 0


# Trouble ------------------------------------------------------------------------------------------------------------


def told(error: HostError) -> None:
    """An error of which a person can make something."""
    assert "merge request" in error.what
    assert "127.0.0.1" in error.why
    assert "pr_number" in error.hint
    assert TOKEN not in str(error)
    assert "object at 0x" not in str(error)


BAD = {
    "unauthorized": response(b'{"message": "401 Unauthorized"}', status="401 Unauthorized"),
    "forbidden": response(b'{"error": "insufficient_scope"}', status="403 Forbidden"),
    "not found": response(b'{"message": "404 Project Not Found"}', status="404 Not Found"),
    "strange message": response(b'{"message": {"base": ["no"]}}', status="400 Bad Request"),
    "too many": response(b"Retry later", status="429 Too Many Requests", Retry_After="3600"),
    "too many, a date": response(
        b"Retry later", status="429 Too Many Requests", Retry_After="Fri, 01 Jan 2038 00:00:00 GMT"
    ),
    "broken": response(b'{"message": "500"}', status="500 Internal Server Error"),
    "broken in html": response(b"<h1>Whoops</h1>", status="502 Bad Gateway", kind="text/html"),
    "html": response(b"<!doctype html><title>Sign in</title>", kind="text/html"),
    "empty": response(b""),
    "no json": response(b"["),
    "null": response(b"null"),
    "number": response(b"7"),
    "text": response(b'"sign in"'),
    "list of text": response(b'["x"]'),
    "list of lists": response(b"[[]]"),
    "list of nulls": response(b"[null]"),
    "no iid": in_json([{"state": "merged", "sha": MERGE}]),
    "garbage": b"SSH-2.0-OpenSSH_9.9\r\n",
    "closed": b"",
    "redirect to nowhere": response(b"", status="302 Found", Location="http://[bad"),
    "redirect to itself": response(b"", status="302 Found", Location="/"),
}


@pytest.mark.parametrize("raw", BAD.values(), ids=BAD.keys())
def test_an_unusable_answer_is_an_error_with_a_next_step(raw):
    with FaultServer(answers(raw)) as server, pytest.raises(HostError) as caught:
        asked(server.url)

    told(caught.value)
    assert len(server.requests) <= 3


SECOND = {name: raw for name, raw in BAD.items() if name not in ("no iid",)} | {
    "an empty object": response(b"{}"),
    "an empty list": response(b"[]"),
    "strange refs": in_json(MERGED | {"diff_refs": "none"}),
}


@pytest.mark.parametrize("raw", SECOND.values(), ids=SECOND.keys())
def test_an_unusable_second_answer_is_an_error_as_well(raw):
    with FaultServer(answers(in_json([LISTED]), raw)) as server, pytest.raises(HostError) as caught:
        asked(server.url)

    told(caught.value)
    assert len(server.requests) <= 4


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "404 Not Found", "500 Internal Server Error"])
def test_a_refusal_names_its_status_and_is_not_repeated(status):
    with (
        FaultServer(answers(response(b'{"message": "no"}', status=status))) as server,
        pytest.raises(HostError) as caught,
    ):
        asked(server.url)

    assert status[:3] in caught.value.why
    assert "gitlab_token" in caught.value.hint
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [faults.hangs, faults.hangs_unread, faults.resets, faults.half_closes])
def test_a_server_that_hangs_is_an_error_within_the_time_that_is_left(fault):
    began = time.monotonic()
    with FaultServer(fault) as server, pytest.raises(HostError) as caught:
        asked(server.url, seconds=1.0)

    told(caught.value)
    assert time.monotonic() - began < 3.0, "the budget and two seconds"


def test_without_time_nobody_is_asked():
    with of(MERGED) as forge, pytest.raises(HostError) as caught:
        GitLabApi(forge.url, PRIVATE, PROJECT, Deadline(1.0, lambda: 5.0, lambda _: None, 0.0)).merged_prs(MERGE)

    assert "pr_number" in caught.value.hint
    assert forge.seen == []


def test_where_nobody_listens_is_an_error():
    with Refusing() as nobody, pytest.raises(HostError) as caught:
        asked(nobody.url)

    told(caught.value)
