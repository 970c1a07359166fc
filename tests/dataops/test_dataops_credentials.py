"""Tokens are sent only to the server that they are for: a second server on this machine receives none of them."""

from __future__ import annotations

import pytest

from cibeacon.dataops.access import own_job_token, server_url
from cibeacon.dataops.errors import DataopsError
from driving import API, JOB, READ, TOKENS, TRIGGER, started
from faults import FaultServer, answers, response
from mishaps import mishaps

NEVER = [token.encode() for token in TOKENS]
ELSEWHERE = {"127.0.0.1": "another port", "localhost": "another name"}


@pytest.fixture
def other():
    """Another owner's server, which would answer every request."""
    with FaultServer(answers(response(b'[{"id": 5, "status": "success"}]'))) as server:
        yield server
        assert not [request for request in server.requests if any(token in request for token in NEVER)]


def away(other, name):
    return other.url.replace("127.0.0.1", name)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("name", ELSEWHERE)
@pytest.mark.parametrize(
    ("argv", "place"),
    [
        (("pipelines",), ("GET", "/projects/*/pipelines")),
        (("wait", "74773"), ("GET", "/projects/*/pipelines/74773")),
        (("log", "47217"), ("GET", "/projects/*/trace")),
        (("trigger", "--ref=main", "--pipeline-file=full-ci.yml"), ("POST", "/projects/*/trigger/pipeline")),
        (("schedule", "--description=x", "--cron=0 1 * * 5", "--ref=main"), ("POST", "/projects/*/pipeline_schedules")),
    ],
)
def test_a_redirect_takes_no_token_along(sandbox, dataops, other, argv, place, name, status):
    mishaps(sandbox, "dataops").redirect(*place, away(other, name), times=5, status=status)
    ended = dataops(*argv)
    if place[0] == "POST":
        assert (other.accepted, ended.code, started(sandbox)) == (0, 16, {})
        assert f"answered {status}" in ended.out


@pytest.mark.parametrize("name", ELSEWHERE)
@pytest.mark.parametrize("argv", [("pipelines", "--all"), ("jobs", "--all")])
def test_a_next_page_elsewhere_takes_no_token_along(sandbox, dataops, other, argv, name):
    mishaps(sandbox, "dataops").link("GET", f"/projects/*/{argv[0]}", away(other, name), times=9)
    assert dataops(*argv, CIBEACON_DATAOPS_PROJECT="49187").code == 0
    assert other.accepted == 0


def test_an_address_that_merely_begins_like_ours_is_elsewhere(dataops, other):
    """python-gitlab compares prefixes of URLs, and `http://ours@other/` begins with `http://ours`."""

    def leads_away(connection, server):
        server.read(connection)
        lure = f"{server.url}@{other.url.removeprefix('http://')}/api/v4/projects/1/pipelines"
        connection.sendall(response(b'[{"id": 1}]', Link=f'<{lure}>; rel="next"'))

    with FaultServer(leads_away) as ours:
        dataops("pipelines", CIBEACON_DATAOPS_URL=ours.url)
    assert other.accepted == 0


def test_a_log_that_lies_on_object_storage_is_read_there_without_a_token(sandbox, dataops):
    with FaultServer(answers(response(b"from the storage\n", kind="text/plain"))) as storage:
        mishaps(sandbox, "dataops").redirect("GET", "/projects/*/trace", storage.url)
        ended = dataops("log", "47217")
    assert (ended.code, ended.out) == (0, "from the storage\n")
    assert not [request for request in storage.requests if any(token in request for token in NEVER)]


def test_the_trigger_carries_its_own_token_only(dataops):
    made = response(b'{"id": 7, "status": "created", "web_url": "https://x.example/7"}', status="201 Created")
    with FaultServer(answers(response(b"[]"), made)) as server:
        ended = dataops("trigger", "--ref=main", CIBEACON_DATAOPS_URL=server.url)
    assert ended.code == 0
    post = next(request for request in server.requests if request.startswith(b"POST"))
    assert TRIGGER.encode() in post
    assert API.encode() not in post


def test_a_netrc_is_not_read(dataops, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login mallory password stolen\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    made = response(b'{"id": 7, "status": "created"}', status="201 Created")
    with FaultServer(answers(made)) as server:
        dataops("trigger", "--ref=main", CIBEACON_DATAOPS_URL=server.url, CIBEACON_DATAOPS_TOKEN="")
    assert b"Authorization" not in server.requests[0]


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("https://app.dataops.live", "https://app.dataops.live"),
        ("https://app.dataops.live/api/v4", "https://app.dataops.live"),
        ("https://app.dataops.live/api/v4/", "https://app.dataops.live"),
        ("http://app.dataops.live", "https://app.dataops.live"),
        ("https://example.com/gitlab/", "https://example.com/gitlab"),
        ("http://127.0.0.1:4700", "http://127.0.0.1:4700"),
    ],
)
def test_any_address_of_a_server_will_do_and_becomes_https(given, base):
    assert server_url(given, allow_http=False) == base


def test_plain_http_is_refused_unless_it_is_allowed():
    with pytest.raises(DataopsError) as caught:
        server_url("http://gitlab.example.com:8080", allow_http=False)
    assert caught.value.refused
    assert server_url("http://gitlab.example.com:8080", allow_http=True) == "http://gitlab.example.com:8080"


@pytest.mark.parametrize(
    ("ours", "same"),
    [
        ("https://gitlab.example.com", True),
        ("https://gitlab.example.com:443", True),
        ("https://GITLAB.example.com/", True),
        ("http://gitlab.example.com", False),
        ("https://gitlab.example.com:8443", False),
        ("https://gitlab.example.com.evil.example", False),
        ("", False),
        ("https://[bad", False),
    ],
)
def test_a_job_token_is_for_its_own_server(ours, same):
    found = own_job_token("https://gitlab.example.com", {"CI_SERVER_URL": ours, "CI_JOB_TOKEN": JOB})
    assert found == (JOB if same else "")


def test_a_reader_may_look_and_may_not_change(sandbox, dataops):
    reader = {"CIBEACON_DATAOPS_TOKEN": READ}
    assert dataops("pipelines", **reader).code == 0
    ended = dataops("schedule", "--description=x", "--cron=0 1 * * 5", "--ref=main", **reader)
    assert ended.code == 16
    assert "insufficient_scope" in ended.out
