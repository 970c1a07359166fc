"""The sandbox as a server: who is let in, what is remembered, and that nothing a client does takes it down."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import requests

from cibeacon.sandbox.flow import ASSIGNED_JOB, TOKEN
from cibeacon.sandbox.server import Sandbox

PULL = "/api/deployments.setPullServices"
GOOD = {"github_pull_id": 1, "services": ["a"]}


def raw(sandbox, content: bytes, *, ends: bool = True) -> bytes:
    """What comes back for `content` until the sandbox closes the connection, or resets it with input unread.

    `ends`: the client says that it sends no more.
    """
    address, heard = urlsplit(sandbox.url), b""
    connection = socket.create_connection((address.hostname, address.port), timeout=10)
    with connection:
        with contextlib.suppress(OSError):  # it may have hung up already
            connection.sendall(content)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while more := connection.recv(65536):
                heard += more
    return heard


def test_it_listens_on_this_machine_alone(sandbox):
    assert urlsplit(sandbox.url).hostname == "127.0.0.1"


def test_it_is_healthy(sandbox, http):
    assert http.get(f"{sandbox.url}/healthz").json() == {"ok": True}


def test_one_connection_carries_many_requests(sandbox):
    address = urlsplit(sandbox.url)
    body = json.dumps(GOOD).encode()
    post = (
        f"POST {PULL} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer k\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    last = b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n"
    assert raw(sandbox, post * 2 + last, ends=False).count(b" 200 OK") == 3


def test_a_request_is_remembered_without_any_header(sandbox, http):
    http.post(f"{sandbox.url}{PULL}?token=in-the-query", json=GOOD, headers={"Authorization": "Bearer very-secret"})
    document = http.get(f"{sandbox.url}/ledger").text
    assert json.loads(document)["requests"] == [
        {
            "seq": 1,
            "time": 1_700_000_000.0,
            "vendor": "dx",
            "method": "POST",
            "path": PULL,
            "body": GOOD,
            "status": 200,
            "error": None,
            "message": None,
        }
    ]
    assert "secret" not in document
    assert "in-the-query" not in document


def test_a_key_shows_in_no_representation(http):
    with Sandbox(token="very-secret") as sandbox:
        assert "very-secret" not in repr(vars(sandbox))


def test_a_log_hears_every_request_and_nothing_is_printed(http, capfd):
    heard = []
    with Sandbox(log=heard.append) as sandbox:
        http.post(sandbox.url + PULL, json=GOOD)
        http.post(sandbox.url + "/api/no.such", json=GOOD)
        http.get(sandbox.url + "/ledger")
    assert [(entry["seq"], entry["status"], entry["error"]) for entry in heard] == [
        (1, 200, None),
        (2, 404, "unknown_method"),
    ]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("path", ["/", "/ledger"])
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:80", 200),
        ("localhost:8080", 200),
        ("LOCALHOST", 200),
        ("[::1]:8080", 200),
        ("[::1]", 200),
        ("attacker.example", 403),
        ("attacker.example:8080", 403),
        ("127.0.0.1.attacker.example", 403),
        ("localhost.attacker.example:80", 403),
        ("169.254.0.1", 403),
        ("", 403),
    ],
)
def test_a_foreign_name_that_points_here_sees_nothing(path, host, status, sandbox, http):
    assert http.get(sandbox.url + path, headers={"Host": host}).status_code == status


def test_a_request_without_any_host_sees_nothing(sandbox):
    assert raw(sandbox, b"GET /ledger HTTP/1.1\r\nConnection: close\r\n\r\n", ends=False).startswith(b"HTTP/1.1 400 ")
    assert raw(sandbox, b"GET /ledger HTTP/1.0\r\n\r\n", ends=False).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("path", ["/", "/ledger", PULL, "/api/v1/jobs", "/api/v4/version", "/api/v1/flow/pipeline"])
@pytest.mark.parametrize(
    ("origin", "refused"),
    [
        ("{url}", False),
        ("http://localhost:4700", True),
        ("https://attacker.example", True),
        ("http://127.0.0.1.attacker.example", True),
        ("http://[", True),
        ("null", True),
    ],
)
def test_a_script_of_a_page_elsewhere_reaches_no_vendor(path, origin, refused, sandbox, http):
    reply = http.post(sandbox.url + path, json={}, headers={"Origin": origin.format(url=sandbox.url)})
    assert (reply.status_code == 403 and reply.json().get("error") == "host_not_loopback") is refused
    assert (sandbox.ledger.document()["received"] == 0) is (refused or path in ("/", "/ledger"))


def test_a_foreign_name_that_points_here_reaches_no_vendor(sandbox, http):
    reply = http.post(sandbox.url + PULL, json=GOOD, headers={"Host": "attacker.example"})
    assert (reply.status_code, reply.json()["error"]) == (403, "host_not_loopback")
    assert sandbox.ledger.document()["received"] == 0


@pytest.mark.parametrize("path", ["/", "/ledger", "/healthz"])
def test_a_view_is_only_read(path, sandbox, http):
    assert http.post(sandbox.url + path, json={}).status_code == 405
    head = http.head(sandbox.url + path)
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["Content-Length"]) == len(http.get(sandbox.url + path).content)


@pytest.mark.parametrize("path", ["/favicon.ico", "/page.py", "/../etc/passwd", "/api", "//ledger2"])
def test_there_is_nothing_else(path, sandbox, http):
    assert http.get(sandbox.url + path).status_code == 404


def test_hostile_words_come_back_as_plain_json(sandbox, http):
    hostile = ["</script><script>alert(1)</script>", "\x1b[31m\r\n::error::", "\ud800", "__proto__"]
    http.post(sandbox.url + PULL, json={"github_pull_id": 1, "services": hostile})
    reply = http.get(sandbox.url + "/ledger")
    assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.content.isascii()
    assert reply.json()["pull_services"]["1"] == sorted(hostile)


@pytest.mark.parametrize(
    "content",
    [
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\xff\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/x\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nNo colon here\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/pipelineRuns.sync HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{",
        b"GET \xff\xfe HTTP/1.1\r\nHost: \xff\r\nAuthorization: Bearer \xff\r\n\r\n",
    ],
    ids=range(16),
)
def test_a_malformed_request_prints_nothing_and_the_sandbox_lives_on(content, sandbox, http, capfd):
    reply = raw(sandbox, content)
    assert b" 500 " not in reply
    assert http.get(sandbox.url + "/healthz").status_code == 200
    assert capfd.readouterr() == ("", "")


def test_a_client_that_leaves_without_reading_disturbs_nobody(sandbox, http, capfd):
    address = urlsplit(sandbox.url)
    for _ in range(20):
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert http.get(sandbox.url + "/healthz").status_code == 200
    assert capfd.readouterr() == ("", "")


def test_a_defect_of_its_own_is_answered_500_and_told(http, capfd):
    def broken(_entry):
        raise ZeroDivisionError

    with Sandbox(log=broken) as sandbox:
        assert http.post(sandbox.url + PULL, json=GOOD).status_code == 500
        assert http.get(sandbox.url + "/healthz").status_code == 200
        assert [type(fault) for fault in sandbox.faults] == [ZeroDivisionError]
    assert capfd.readouterr() == ("", "")


def test_many_clients_at_once_are_all_heard(sandbox):
    def send(number):
        with requests.Session() as session:
            session.trust_env = False
            body = {"github_pull_id": number, "services": ["a"]}
            return session.post(sandbox.url + PULL, json=body, headers={"Authorization": "Bearer k"}).status_code

    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(send, range(1, 201))) == {200}
    assert len(sandbox.ledger.document()["pull_services"]) == 200


def test_stopping_hangs_up_on_idle_clients_and_leaves_no_thread(http):
    before = set(threading.enumerate())
    with Sandbox() as sandbox:
        assert http.get(sandbox.url + "/healthz").status_code == 200  # the connection is kept alive
        assert set(threading.enumerate()) > before
    assert set(threading.enumerate()) == before


def test_it_may_be_started_by_hand_and_stopped_twice(http):
    sandbox = Sandbox()
    sandbox.stop()
    sandbox.start(port=0)
    with sandbox:
        assert http.get(sandbox.url + "/healthz").status_code == 200
    sandbox.stop()
    with pytest.raises(RuntimeError, match="not started"):
        _ = sandbox.url


def test_a_port_in_use_is_an_error_of_the_caller(sandbox):
    with pytest.raises(OSError, match="in use"):
        Sandbox().start(port=urlsplit(sandbox.url).port)


def test_a_file_keeps_what_arrived_for_the_next_sandbox(tmp_path, http):
    known = []
    for number in (1, 2):
        sandbox = Sandbox(db=tmp_path / "kept.db", clock=lambda: 7.0)
        with sandbox:
            http.post(sandbox.url + PULL, json={"github_pull_id": number, "services": ["a"]})
            job = {"job_id": ASSIGNED_JOB, "pipeline_ids": []}
            context = {"IB-Context": "airline", "Authorization": f"Bearer {TOKEN}"}
            assert http.post(f"{sandbox.url}/api/v1/jobs/pipelines", json=job, headers=context).json()["status"] == "OK"
            known.append(http.get(sandbox.url + "/ledger").json())
        sandbox.close()
    assert known[1]["pull_services"] == {"1": ["a"], "2": ["a"]}
    assert [entry["seq"] for entry in known[1]["requests"]] == [1, 2, 3, 4]
    assert known[1]["flow"] == known[0]["flow"]
    assert known[1]["flow"]["airline"]["jobs"][ASSIGNED_JOB] == []
