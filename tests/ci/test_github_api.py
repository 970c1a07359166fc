"""GitHub is asked which pull request a commit landed: through the real PyGithub, of servers that answer and of some that do not."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

import faults
from cibeacon.ci.github_api import GitHubApi
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import HostError
from faults import FaultServer, Refusing, answers, response
from forge import Forge

HEAD, MERGE, BASE, OTHER = ("1" * 40, "2" * 40, "4" * 40, "9" * 40)
TOKEN = "ghs_c2VjcmV0"
PULL = {
    "number": 7,
    "id": 1497468863,
    "merge_commit_sha": MERGE,
    "head": {"ref": "pay", "sha": HEAD},
    "base": {"ref": "main", "sha": BASE},
}
OPEN = {"number": 8, "merged_at": None, "merge_commit_sha": MERGE, "head": {"ref": "x", "sha": OTHER}}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_asking_github_loads_no_cryptography_and_leaves_it_to_others():
    program = "import cibeacon.ci.github_api, sys; print(*{'cffi', 'cryptography', 'nacl', 'jwt'} & set(sys.modules))"
    program += "; import jwt, nacl.public; print(jwt.encode and nacl.public.SealedBox and 'whole')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["", "whole"]


def deadline(seconds: float = 30.0) -> Deadline:
    return Deadline(seconds, time.monotonic, time.sleep, time.monotonic())


def api(url: str, within: Deadline) -> GitHubApi:
    return GitHubApi(url, {"token": TOKEN}, "acme/shop", within)


def asked(url: str, sha: str = MERGE, seconds: float = 30.0):
    found = api(url, deadline(seconds)).merged_prs(sha)
    return found[0] if found else None


def page(*pulls, **headers) -> bytes:
    return response(json.dumps(pulls).encode(), **headers)


@pytest.fixture
def forge():
    with Forge(pulls={"acme/shop": [OPEN, PULL]}) as running:
        yield running


@pytest.mark.parametrize("prefix", ["", "/api/v3"], ids=["cloud", "enterprise"])
def test_the_pull_request_whose_merge_commit_it_is_is_found(prefix, forge):
    found = asked(forge.url + prefix)

    assert found is not None
    assert (found.number, found.id, found.merged, found.closed) == (7, 1497468863, True, True)
    assert (found.merge_commit_sha, found.head_sha, found.base_sha) == (MERGE, HEAD, BASE)
    assert (found.head_ref, found.base_ref) == ("pay", "main")


def test_two_requests_are_enough_and_the_second_tells_how_many_commits_it_held(forge):
    found = asked(forge.url)

    assert found is not None
    assert found.commits == 1
    assert forge.seen == [f"GET /repos/acme/shop/commits/{MERGE}/pulls", "GET /repos/acme/shop/pulls/7"]


def test_an_open_pull_request_with_the_commit_as_test_merge_is_not_it():
    with Forge(pulls={"acme/shop": [OPEN]}) as forge:
        assert asked(forge.url) is None
        assert len(forge.seen) == 1


def test_a_pull_request_that_merely_holds_the_commit_is_not_it(forge):
    """GitHub names every pull request of which the commit is a part: a head is not what landed."""
    assert asked(forge.url, HEAD) is None


def test_a_fast_forward_is_its_head():
    with Forge(pulls={"acme/shop": [PULL | {"merge_commit_sha": HEAD}]}) as forge:
        found = asked(forge.url, HEAD)

    assert found is not None
    assert found.merge_commit_sha == found.head_sha == HEAD


def test_a_commit_of_no_pull_request_is_none(forge):
    assert asked(forge.url, OTHER[:-1] + "8") is None


def test_the_token_is_sent_as_a_bearer_and_nowhere_else():
    with FaultServer(answers(page())) as server:
        assert asked(server.url) is None

    head = server.requests[0].decode()
    assert f"Authorization: token {TOKEN}" in head or f"Authorization: Bearer {TOKEN}" in head
    assert head.count(TOKEN) == 1
    assert TOKEN not in head.splitlines()[0]


def test_a_netrc_is_not_read(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login mallory password stolen\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    with FaultServer(answers(page())) as server:
        asked(server.url)

    assert b"Basic" not in server.requests[0]


def told(error: HostError) -> None:
    """An error of which a person can make something."""
    assert "pull request" in error.what
    assert "127.0.0.1" in error.why
    assert "pr_number" in error.hint
    assert TOKEN not in str(error)
    assert "object at 0x" not in str(error)


BAD = {
    "unauthorized": response(b'{"message": "Bad credentials"}', status="401 Unauthorized"),
    "forbidden": response(b'{"message": "Resource not accessible by integration"}', status="403 Forbidden"),
    "forbidden in html": response(b"<h1>no</h1>", status="403 Forbidden", kind="text/html"),
    "rate limit": response(
        b'{"message": "API rate limit exceeded"}', status="403 Forbidden", X_RateLimit_Reset="4000000000"
    ),
    "far away": response(b'{"message": "slow down"}', status="403 Forbidden", Retry_After="86400"),
    "too many": response(b'{"message": "slow down"}', status="429 Too Many Requests"),
    "not found": response(b'{"message": "Not Found"}', status="404 Not Found"),
    "unprocessable": response(b'{"message": "No commit found for SHA"}', status="422 Unprocessable Entity"),
    "broken": response(b'{"message": "Server Error"}', status="500 Internal Server Error"),
    "broken in html": response(b"<h1>Unicorn</h1>", status="502 Bad Gateway", kind="text/html"),
    "html": response(b"<!doctype html><title>Log in</title>", kind="text/html"),
    "empty": response(b""),
    "no json": response(b"{"),
    "null": response(b"null"),
    "text": response(b'"log in"'),
    "number": response(b"7"),
    "an object": response(b'{"message": "fine"}'),
    "list of text": response(b'["x"]'),
    "list of lists": response(b"[[]]"),
    "empty objects": response(b"[{}]"),
    "no head": page({**PULL, "merged_at": "2026-01-01T00:00:00Z", "head": None, "base": None}),
    "strange time": page({**PULL, "merged_at": "yesterday"}),
    "strange types": page({**PULL, "merged_at": 7, "number": "seven"}),
    "garbage": b"SSH-2.0-OpenSSH_9.9\r\n",
    "closed": b"",
    "moved to itself": response(b"", status="301 Moved", Location=f"/repos/acme/shop/commits/{MERGE}/pulls"),
    "moved to nowhere": response(b"", status="301 Moved", Location="http://[bad"),
    "redirected to nowhere": response(b"", status="302 Found", Location="http://[bad"),
    "see other": response(b"", status="303 See Other", Location="/"),
}


@pytest.mark.parametrize("raw", BAD.values(), ids=BAD.keys())
def test_an_unusable_answer_is_an_error_with_a_next_step(raw):
    with FaultServer(answers(raw)) as server, pytest.raises(HostError) as caught:
        asked(server.url)

    told(caught.value)
    assert len(server.requests) <= 3


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "404 Not Found"])
def test_a_refusal_names_its_status_and_is_not_repeated(status):
    with (
        FaultServer(answers(response(b'{"message": "no"}', status=status))) as server,
        pytest.raises(HostError) as caught,
    ):
        asked(server.url)

    assert status[:3] in caught.value.why
    assert "permissions" in caught.value.hint
    assert len(server.requests) == 1


def test_trouble_that_passes_is_asked_past():
    with FaultServer(answers(response(b"", status="502 Bad Gateway"), page())) as server:
        assert asked(server.url) is None

    assert len(server.requests) == 2


@pytest.mark.parametrize("fault", [faults.hangs, faults.hangs_unread, faults.resets, faults.half_closes])
def test_a_server_that_hangs_is_an_error_within_the_time_that_is_left(fault):
    began = time.monotonic()
    with FaultServer(fault) as server, pytest.raises(HostError) as caught:
        asked(server.url, seconds=1.0)

    told(caught.value)
    assert time.monotonic() - began < 3.0, "the budget and two seconds"


def test_without_time_nobody_is_asked(forge):
    with pytest.raises(HostError) as caught:
        api(forge.url, Deadline(1.0, lambda: 5.0, lambda _: None, 0.0)).merged_prs(MERGE)

    assert "pr_number" in caught.value.hint
    assert forge.seen == []


def test_where_nobody_listens_is_an_error():
    with Refusing() as nobody, pytest.raises(HostError) as caught:
        asked(nobody.url)

    told(caught.value)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_redirect_takes_the_token_nowhere(name, status):
    with FaultServer(answers(page())) as other:
        away = response(b"", status=status, Location=other.url.replace("127.0.0.1", name) + "/steal")
        with FaultServer(answers(away)) as server, pytest.raises(HostError) as caught:
            asked(server.url)

    told(caught.value)
    assert all(TOKEN.encode() not in request for request in other.requests)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_next_page_elsewhere_is_not_asked_for(name):
    with FaultServer(answers(page())) as other:
        link = f'<{other.url.replace("127.0.0.1", name)}/steal>; rel="next"'
        with FaultServer(answers(page(OPEN, Link=link))) as server:
            assert asked(server.url) is None

    assert other.accepted == 0


def test_a_pull_request_that_names_another_place_does_not_send_the_token_there():
    """A field that is missing would be fetched from the address that the payload gives."""
    with FaultServer(answers(page())) as other:
        lacking = {key: value for key, value in PULL.items() if key != "merge_commit_sha"}
        lacking |= {"url": f"{other.url}/steal", "merged_at": "2026-01-01T00:00:00Z"}
        with FaultServer(answers(page(lacking))) as server, pytest.raises(HostError):
            asked(server.url)

    assert other.accepted == 0


def test_pages_without_end_are_not_followed_without_end():
    def serve(connection, server):
        server.read(connection)
        connection.sendall(page(OPEN, Link=f'<{server.url}/repos/acme/shop/commits/{MERGE}/pulls?page=2>; rel="next"'))

    with FaultServer(serve) as server:
        assert asked(server.url) is None

    assert len(server.requests) == 1
