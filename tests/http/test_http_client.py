"""What the courier puts on the wire, what it tries again and when it stops; and that no fault of a network gets past it."""

from __future__ import annotations

import gzip
import json
import ssl
import time
from email.utils import formatdate

import pytest
import requests
import responses
from hypothesis import given
from hypothesis import strategies as st

import faults
from cibeacon.http.client import LARGEST_REPLY, TRIES, Endpoint, HardenedSession, HttpClient, retry_after
from cibeacon.model.parsers import plain_http_refused
from cibeacon.model.report import Outcome
from cibeacon.model.signals import Deployment, PullServices
from cibeacon.runtime.deadline import Deadline
from cibeacon.sinks import dx
from faults import FaultServer, Refusing, answers, response

TOKEN = "tok-c2VjcmV0"
DX = "https://acme.getdx.net"
PATH = "/api/deployments.setPullServices"
BODY = b'{"repository":"acme/sh\\u00f6p","pull_number":7,"services":["cart","payments"]}'
SIGNAL = PullServices(("cart", "payments"), repository="acme/shöp", pr_number=7)
NOW = 1_700_000_000.0
QUICK = 1.0
"""Seconds that a fault may cost."""


class StillClock:
    """A clock that only sleeping moves; it remembers the pauses."""

    def __init__(self) -> None:
        self.time = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds


@pytest.fixture
def clock():
    return StillClock()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """The machine's own proxies, certificates and netrc stay outside."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def wire():
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def hire():
    """Makes a courier, by default one with a still clock, and lets it go at the end."""
    hired = []

    def make(url=DX, *, clock=None, seconds=30.0, chance=0.0, **told):
        clock = clock or StillClock()
        client = HttpClient(
            {"dx": Endpoint(url, TOKEN)} | told.pop("endpoints", {}),
            Deadline(seconds, clock, clock.sleep, clock()),
            random=lambda: chance,
            now=lambda: NOW,
            user_agent="cibeacon/1.2.3",
            **told,
        )
        hired.append(client)
        return client

    yield make
    for client in hired:
        client.close()


class WallClock:
    def __call__(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def carried(client, sink="dx") -> Outcome:
    """The row of one signal."""
    return client.send(dx.send(SIGNAL, "classic"), Outcome("pull-services", sink, "skipped"))


def answered(wire, *answers, url=DX) -> None:
    """The answers that come one after the other; a number is a status, an exception is raised."""
    for answer in answers:
        if isinstance(answer, int):
            wire.post(url + PATH, status=answer, json={"ok": answer < 300})
        elif isinstance(answer, Exception):
            wire.post(url + PATH, body=answer)
        else:
            wire.post(url + PATH, **answer)


# The wire -----------------------------------------------------------------------------------------------------------


def test_the_request_is_exactly_this(hire):
    with FaultServer(answers(response(b'{"ok": true}'))) as server:
        row = carried(hire(server.url))

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    line, *fields = head.decode("ascii").split("\r\n")
    headers = dict(field.split(": ", 1) for field in fields)
    assert row.status == "sent"
    assert line == f"POST {PATH} HTTP/1.1"
    assert body == BODY
    assert headers == {
        "Host": server.url.removeprefix("http://"),
        "User-Agent": "cibeacon/1.2.3",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Connection": "keep-alive",
        "Content-Type": "application/json",
        "Authorization": f"Bearer {TOKEN}",
        "Content-Length": str(len(BODY)),
    }


def test_every_attempt_is_the_same_to_the_byte(wire, hire):
    answered(wire, 503, requests.ConnectionError("reset"), 429, 200)

    row = carried(hire())

    sent = [call.request for call in wire.calls]
    assert (row.status, row.attempts, row.http_status) == ("sent", 4, 200)
    assert {request.body for request in sent} == {BODY}
    assert {request.headers["Authorization"] for request in sent} == {f"Bearer {TOKEN}"}
    assert {request.headers["Content-Type"] for request in sent} == {"application/json"}


def test_the_row_shows_the_request_and_never_a_header(wire, hire):
    answered(wire, 200)

    row = carried(hire())

    shown = row.document()["request"]
    assert shown == {"method": "POST", "url": DX + PATH, "body": json.loads(BODY)}
    assert TOKEN not in json.dumps(row.document())


def test_a_failed_row_never_shows_the_token(wire, hire):
    answered(wire, *[requests.ConnectionError(f"Bearer {TOKEN} refused")] * TRIES)

    assert TOKEN not in json.dumps(carried(hire()).document())


def test_several_signals_share_one_connection(hire):
    def serve(connection, server):
        while server.read(connection):
            connection.sendall(response(b'{"ok": true}', Connection="keep-alive"))

    with FaultServer(serve) as server:
        client = hire(server.url)
        rows = [carried(client) for _ in range(3)]

        assert [row.status for row in rows] == ["sent"] * 3
        assert server.accepted == 1


def test_a_connection_that_the_server_closed_meanwhile_costs_no_signal(hire):
    with FaultServer(answers(response(b'{"ok": true}', Connection="keep-alive"))) as server:
        client = hire(server.url)
        rows = [carried(client) for _ in range(3)]

    assert [row.status for row in rows] == ["sent"] * 3
    assert len(server.requests) == 3


# What is tried again ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 425, 429, 500, 501, 502, 503, 504, 507, 599])
def test_a_status_that_may_pass_is_tried_again(status, wire, hire):
    answered(wire, status, 200)

    row = carried(hire())

    assert (row.status, row.attempts, row.http_status) == ("sent", 2, 200)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 409, 410, 413, 422, 451])
def test_a_status_that_will_not_pass_is_final(status, wire, hire, clock):
    answered(wire, status)

    row = carried(hire(clock=clock))

    assert (row.status, row.attempts, row.http_status) == ("failed", 1, status)
    assert row.reason
    assert row.error
    assert clock.pauses == []


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError("Connection refused"),
        requests.ConnectionError("Connection reset by peer"),
        requests.ConnectTimeout("timed out"),
        requests.ReadTimeout("timed out"),
        requests.exceptions.ProxyError("no"),
        requests.exceptions.ChunkedEncodingError("cut"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_network_that_may_recover_is_tried_again(error, wire, hire):
    answered(wire, error, 200)

    row = carried(hire())

    assert (row.status, row.attempts) == ("sent", 2)


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.SSLError("certificate verify failed"),
        requests.exceptions.InvalidURL("no host"),
        requests.exceptions.InvalidSchema("no adapter"),
        requests.exceptions.InvalidHeader("line break"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_no_repetition_mends_is_tried_once(error, wire, hire, clock):
    answered(wire, error)

    row = carried(hire(clock=clock))

    assert (row.status, row.attempts, row.http_status) == ("failed", 1, None)
    assert row.reason
    assert clock.pauses == []


def test_the_tries_are_counted_and_the_pauses_double_to_a_limit(wire, hire, clock):
    answered(wire, *[503] * TRIES)

    row = carried(hire(clock=clock, chance=1.0))

    assert (row.status, row.attempts, row.http_status) == ("spooled", 5, 503)
    assert clock.pauses == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize("chance", [0.0, 0.25, 1.0])
def test_the_jitter_is_full(chance, wire, hire, clock):
    answered(wire, *[requests.ConnectionError("x")] * TRIES)

    carried(hire(clock=clock, chance=chance))

    assert clock.pauses == [chance * pause for pause in (0.5, 1.0, 2.0, 4.0)]


def test_no_pause_is_begun_that_outlives_the_budget(wire, hire, clock):
    answered(wire, 503, 503, 503)

    row = carried(hire(clock=clock, seconds=2.0, chance=1.0))

    assert (row.status, row.attempts) == ("spooled", 3)
    assert clock.pauses == [0.5, 1.0]


def test_no_pause_is_slept_after_the_last_try(wire, hire, clock):
    answered(wire, *[500] * TRIES)

    carried(hire(clock=clock, chance=1.0))

    assert len(clock.pauses) == TRIES - 1


def test_without_time_nothing_is_sent(wire, hire, clock):
    client = hire(clock=clock, seconds=1.0)
    clock.time = 1.0

    row = carried(client)

    assert (row.status, row.attempts, row.error) == ("spooled", 0, "no time left")
    assert "acme.getdx.net" in row.reason


# Retry-After --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        ("3", 3.0),
        (" 3 ", 3.0),
        ("0", 0.5),
        (formatdate(NOW + 7, usegmt=True), 7.0),
        (formatdate(NOW - 7, usegmt=True), 0.5),
        ("-3", 0.5),
        ("soon", 0.5),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", 0.5),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.5),
        ("", 0.5),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_the_server_asks_for_is_kept(status, header, pause, wire, hire, clock):
    answered(wire, {"status": status, "headers": {"Retry-After": header}}, 200)

    row = carried(hire(clock=clock, chance=1.0))

    assert row.status == "sent"
    assert clock.pauses == [pause]


@pytest.mark.parametrize("header", ["30", "31", "9" * 400, formatdate(NOW + 86400, usegmt=True)])
def test_a_wait_beyond_the_budget_ends_the_tries_at_once(header, wire, hire, clock):
    answered(wire, {"status": 429, "headers": {"Retry-After": header}})

    row = carried(hire(clock=clock))

    assert (row.status, row.attempts, row.http_status) == ("spooled", 1, 429)
    assert clock.pauses == []


@given(
    st.text(max_size=40) | st.from_regex(r"[A-Za-z]{3}, [0-9]{1,9} [A-Za-z]{3} [0-9]{1,9} [0-9:+-]{1,12} ?[A-Z+0-9-]*")
)
def test_no_header_whatever_makes_the_wait_negative_or_raises(header):
    assert retry_after(header, NOW) >= 0.0


EXISTS = {"status": 409, "json": {"ok": False, "error": "reference_id_exists"}}


@pytest.mark.parametrize(
    ("first", "word"),
    [
        (requests.ConnectionError("reset"), "duplicate"),
        (requests.ReadTimeout("timed out"), "duplicate"),
        (503, "duplicate"),
        (429, "failed"),
        (requests.ConnectTimeout("timed out"), "failed"),
        (requests.ConnectionError("[Errno 111] Connection refused"), "failed"),
        (None, "failed"),
    ],
    ids=str,
)
def test_an_id_of_a_persons_own_that_exists_is_ours_only_after_an_attempt_that_may_have_arrived(
    first, word, wire, hire
):
    path = DX + "/api/deployments.create"
    for answer in [first] if first else []:
        wire.post(path, **({"status": answer, "json": {}} if isinstance(answer, int) else {"body": answer}))
    wire.post(path, **EXISTS)
    told = Deployment("pay", int(NOW), "mine/1", repository="o/r", own_reference=True)
    row = hire().send(dx.send(told, "classic"), Outcome("deployment", "dx", "skipped"))
    assert (row.status, row.retryable, row.error) == (word, False, "reference_id_exists")
    assert ("an earlier attempt of this run whose response was lost" in row.reason) is (word == "duplicate")


def test_what_is_in_doubt_of_a_signal_is_known_when_it_is_carried_again(wire, hire, clock):
    path = DX + "/api/deployments.create"
    told = Deployment("pay", int(NOW), "mine/1", repository="o/r", own_reference=True)
    client, row = hire(clock=clock), Outcome("deployment", "dx", "skipped")
    for first in [requests.ConnectionError("reset"), *[requests.ConnectionError("Connection refused")] * (TRIES - 1)]:
        wire.post(path, body=first)
    wire.post(path, **EXISTS)
    spooled = client.send(dx.send(told, "classic"), row)
    assert (spooled.status, spooled.error, spooled.maybe_delivered) == ("spooled", "connection refused", True)
    clock.time += 0.001
    assert client.send(dx.send(told, "classic"), row._replace(maybe_delivered=True)).status == "duplicate"


@pytest.mark.parametrize("never", [requests.ConnectionError("Connection refused"), 429, 401])
def test_what_cannot_have_been_done_is_not_in_doubt(never, wire, hire):
    answered(wire, *[never] * (1 if never == 401 else TRIES))
    assert not carried(hire()).maybe_delivered


# Giving up ----------------------------------------------------------------------------------------------------------


def test_a_refusal_is_no_reason_to_give_up(wire, hire):
    answered(wire, 400, 503, 200)
    client = hire()

    assert [carried(client).attempts for _ in range(2)] == [1, 2]


def test_another_endpoint_keeps_its_tries(wire, hire):
    other = "https://other.example"
    answered(wire, *[503] * TRIES)
    answered(wire, 503, 200, url=other)
    client = hire(endpoints={"other": Endpoint(other, "other-token")})

    assert carried(client).attempts == TRIES
    row = carried(client, "other")

    assert (row.status, row.attempts) == ("sent", 2)
    assert [call.request.headers["Authorization"] for call in wire.calls][-2:] == ["Bearer other-token"] * 2


# Credentials --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_not_followed_and_the_other_server_hears_nothing(status, hire):
    with FaultServer(faults.closes) as other:
        away = response(b"", status=status, Location=f"{other.url}/steal")
        with FaultServer(answers(away)) as server:
            row = carried(hire(server.url))

        assert (row.status, row.attempts) == ("failed", 1)
        assert other.url in row.reason
        assert other.accepted == 0


@pytest.mark.parametrize(
    "entry", ["machine 127.0.0.1 login mallory password stolen", "default login mallory password x"]
)
def test_a_netrc_changes_no_header(entry, hire, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text(entry + "\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert requests.utils.get_netrc_auth("http://127.0.0.1/"), "requests would not read it: no test"

    with FaultServer(answers(response(b'{"ok": true}'))) as server:
        assert carried(hire(server.url)).status == "sent"

    assert f"Authorization: Bearer {TOKEN}".encode() in server.requests[0]
    assert b"Basic" not in server.requests[0]


def test_a_proxy_is_asked_for_a_tunnel_and_never_sees_the_token(hire, monkeypatch):
    with FaultServer(answers(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        row = carried(hire("https://dx.invalid"))

        assert (row.status, row.error) == ("spooled", "the proxy refuses the connection (403)")
        assert proxy.requests
        assert all(request.startswith(b"CONNECT dx.invalid:443") for request in proxy.requests)
        assert all(TOKEN.encode() not in request for request in proxy.requests)


def test_a_proxy_that_nobody_runs_is_named_as_the_fault(hire, monkeypatch):
    with Refusing() as nobody:
        monkeypatch.setenv("HTTPS_PROXY", nobody.url)
        row = carried(hire("https://dx.invalid"))

    assert (row.status, row.error) == ("spooled", "the proxy does not answer")
    assert "HTTPS_PROXY" in row.reason


@pytest.mark.parametrize("path", ["", "/other"])
def test_a_session_lent_to_a_library_takes_no_credential_to_another_place(path):
    """PRIVATE-TOKEN would travel: requests itself takes off `Authorization` alone."""
    with FaultServer(answers(response(b"{}"))) as other, HardenedSession() as session:
        away = response(b"", status="302 Found", Location=f"{other.url}{path}")
        with FaultServer(answers(away)) as server:
            credentials = {
                "PRIVATE-TOKEN": TOKEN,
                "JOB-TOKEN": TOKEN,
                "Authorization": f"Bearer {TOKEN}",
                "Cookie": "a=b",
            }
            session.get(server.url, headers=credentials, timeout=5)

        assert len(other.requests) == 1
        assert TOKEN.encode() not in other.requests[0]
        assert b"a=b" not in other.requests[0]


# Plain http ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080",
        "http://127.9.9.9",
        "http://[::1]:80",
        "http://localhost",
        "http://LOCALHOST:1",
        "http://localhost.",
        "http://dx.localhost",
        "https://acme.getdx.net",
        "https://10.0.0.1",
    ],
)
def test_a_place_that_may_be_spoken_to(url):
    assert not plain_http_refused(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://acme.getdx.net",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://128.0.0.1",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://notlocalhost",
        "http://127.0.0.1@evil.example",
        "http://[::ffff:10.0.0.1]",
        "http://2130706433",
        "http://0x7f.1",
        "ftp://evil.example",
        "http://",
        "",
        "//evil.example",
        "http://[",
    ],
)
def test_a_place_where_a_token_would_travel_in_the_open(url):
    assert plain_http_refused(url)


def test_plain_http_to_elsewhere_is_refused_before_a_connection(wire, hire):
    row = carried(hire("http://dx.example"))

    assert (row.status, row.attempts, row.error) == ("failed", 0, "plain http refused")
    assert "allow_http" in row.reason
    assert len(wire.calls) == 0


def test_plain_http_to_elsewhere_may_be_allowed(wire, hire):
    answered(wire, 200, url="http://dx.example")

    assert carried(hire("http://dx.example", allow_http=True)).status == "sent"


# Bodies -------------------------------------------------------------------------------------------------------------


def sized(length: int) -> bytes:
    frame = b'{"ok": true, "x": ""}'
    return frame.replace(b'""', b'"' + b"a" * (length - len(frame)) + b'"')


def test_a_body_of_the_largest_size_is_read(hire):
    with FaultServer(answers(response(sized(LARGEST_REPLY)))) as server:
        assert carried(hire(server.url)).status == "sent"


@pytest.mark.parametrize("length", [LARGEST_REPLY + 1, 10 * LARGEST_REPLY])
def test_a_larger_body_is_refused_once_and_not_fetched_again(length, hire):
    with FaultServer(answers(response(sized(length)))) as server:
        row = carried(hire(server.url))

    assert (row.status, row.attempts, row.error) == ("failed", 1, "answer too large")
    assert len(server.requests) == 1


def test_no_compression_is_asked_for_so_none_is_unfolded(hire):
    """64 MiB of blanks in 64 KiB: what comes compressed all the same is no answer."""
    bomb = gzip.compress(b" " * (64 * LARGEST_REPLY))
    with FaultServer(answers(response(bomb, Content_Encoding="gzip"))) as server:
        row = carried(hire(server.url))

    assert b"Accept-Encoding: identity" in server.requests[0]
    assert (row.status, row.attempts) == ("failed", 1)


def test_a_body_in_chunks_is_read(hire):
    chunked = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"ok"\r\n7\r\n: true}\r\n0\r\n\r\n'
    with FaultServer(answers(chunked)) as server:
        assert carried(hire(server.url)).status == "sent"


@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early Hints", "199 Next Year"])
@pytest.mark.parametrize("number", [1, 3])
def test_an_interim_answer_is_passed_over(interim, number, hire):
    before = f"HTTP/1.1 {interim}\r\nLink: </x>; rel=preload\r\n\r\n".encode() * number
    with FaultServer(answers(before + response(b'{"ok": true}'))) as server:
        row = carried(hire(server.url))
    assert (row.status, row.http_status, row.attempts) == ("sent", 200, 1)


def test_an_interim_answer_alone_is_none(hire):
    with FaultServer(answers(b"HTTP/1.1 103 Early Hints\r\n\r\n")) as server:
        assert carried(hire(server.url)).status == "spooled"


# Faults -------------------------------------------------------------------------------------------------------------

NETWORK = {
    "accepts and hangs": (faults.hangs_unread, "timed out"),
    "reads and hangs": (faults.hangs, "timed out"),
    "half-closed": (faults.half_closes, "connection failed"),
    "resets before reading": (faults.resets_unread, "connection failed"),
    "resets after reading": (faults.resets, "connection failed"),
    "resets in the body": (faults.resets_in_the_body, "connection failed"),
    "closes after reading": (faults.closes, "connection failed"),
    "drips": (faults.drips, "timed out"),
    "drips chunks": (faults.drips_chunks, "timed out"),
    "drips compressed": (faults.drips_compressed, "timed out"),
    "drips headers": (faults.drips_headers, "timed out"),
    "says to go on without an end": (faults.continues, "timed out"),
    "hints without an end": (faults.hints, "timed out"),
}

OK = b"HTTP/1.1 200 OK\r\n"
GARBAGE = {
    "html": response(b"<!doctype html><title>Log in</title>", kind="text/html"),
    "html with an error status": response(b"<h1>Bad Gateway</h1>", status="502 Bad Gateway", kind="text/html"),
    "invalid json": response(b'{"ok": tru'),
    "json of another kind": response(b'[{"ok": true}]'),
    "bare true": response(b"true"),
    "not false but no object": response(b'"ok"'),
    "empty": response(b""),
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "not utf-8": response(b'{"ok": "\xff"}'),
    "utf-16 cut": response(b"\xff\xfe{\x00\x22"),
    "nul": response(b"\x00" * 100),
    "a number too long": response(b"1" * 10_000),
    "deep": response(b"[" * 100_000),
    "chunk size is no number": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "chunk size is negative": OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n",
    "chunk is cut": OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{}",
    "chunks without an end": OK + b'Transfer-Encoding: chunked\r\n\r\nc\r\n{"ok": true}\r\n',
    "body is cut": OK + b'Content-Length: 1000\r\n\r\n{"ok": true}',
    "length is no number": OK + b"Content-Length: many\r\n\r\n",
    "length is negative": OK + b"Content-Length: -5\r\n\r\n",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "gzip that is none": response(b"not gzip at all", Content_Encoding="gzip"),
    "gzip that is cut": response(gzip.compress(b'{"ok": true}' * 100)[:-20], Content_Encoding="gzip"),
    "unknown encoding": response(b"\x00\x01", Content_Encoding="surprise"),
    "no http": b"SSH-2.0-OpenSSH_9.9\r\n",
    "binary": bytes(range(256)) * 4,
    "status is no number": b"HTTP/1.1 OK fine\r\n\r\n",
    "status out of range": b"HTTP/1.1 9999 Strange\r\n\r\n",
    "header without an end": OK + b"X-Long: " + b"a" * 70_000,
    "header line too long": OK + b"X-Long: " + b"a" * 70_000 + b"\r\n\r\n",
    "too many headers": OK + b"".join(b"X-%d: 1\r\n" % number for number in range(200)) + b"\r\n",
    "header is no header": OK + b"\x00\xff garbage\r\n\r\nx",
    "redirect to nowhere": response(b"", status="302 Found", Location="http://[bad"),
    "redirect to a file": response(b"", status="302 Found", Location="file:///etc/passwd"),
    "redirect in bytes": OK.replace(b"200 OK", b"302 Found")
    + b"Location: http://\xff\xfe/\r\nContent-Length: 0\r\n\r\n",
    "redirect without a place": response(b"", status="302 Found"),
    "error without a word": response(b"{}", status="400 Bad Request"),
    "error of other types": response(b'{"ok": false, "error": {"a": 1}, "message": [1], "error_details": 3}'),
    "ok is false": response(b'{"ok": false, "error": "invalid_auth"}'),
}


CUT = {
    "html with an error status", "chunk size is no number", "chunk size is negative", "chunk is cut",
    "chunks without an end", "body is cut", "no http", "binary", "status is no number", "status out of range",
    "header without an end", "header line too long", "too many headers",
}  # fmt: skip
"""Of these, what says nothing about the request."""


def told_plainly(row, word) -> None:
    """A row that a person can do something with."""
    assert row.status == word
    assert row.retryable or row.status == "failed"
    assert row.reason
    assert row.error
    for text in (row.reason, row.error):
        assert len(text) < 400
        assert text.isprintable()
        assert "Traceback" not in text
        assert "object at 0x" not in text
        assert "HTTPConnectionPool" not in text
        assert TOKEN not in text


@pytest.mark.parametrize(("fault", "error"), NETWORK.values(), ids=NETWORK.keys())
def test_after_a_fault_of_the_network_the_signal_is_to_go_later(fault, error, hire):
    began = time.monotonic()
    with FaultServer(fault) as server:
        seconds = QUICK if error == "timed out" else 60.0
        row = carried(hire(server.url, clock=WallClock(), seconds=seconds))

        assert time.monotonic() - began < seconds + 2.0, "a watchdog, not a measure"
    told_plainly(row, "spooled")
    assert row.error == error
    assert server.url.removeprefix("http://") in row.reason or "timeout" in row.reason


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_never_success(name, hire):
    """What was cut on its way, or is no HTTP, may come whole the next time; anything else was meant so."""
    with FaultServer(answers(GARBAGE[name])) as server:
        row = carried(hire(server.url))

    passing = name in CUT
    told_plainly(row, "spooled" if passing else "failed")
    assert row.attempts == (TRIES if passing else 1)


def test_where_nobody_listens_the_signal_waits_and_says_why(hire):
    with Refusing() as nobody:
        row = carried(hire(nobody.url))

    told_plainly(row, "spooled")
    assert (row.attempts, row.error) == (TRIES, "connection refused")


def test_a_host_that_does_not_exist_is_named(hire):
    row = carried(hire("https://no-such-host.invalid", clock=WallClock(), seconds=QUICK))

    told_plainly(row, "spooled")
    assert row.error in ("host name not found", "timed out", "connection failed")
    assert "no-such-host.invalid" in row.reason


@pytest.mark.parametrize("token", ["line\nbreak", "carriage\rreturn", "café", "snow☃man", " leading", "nul\0", ""])
def test_a_token_that_no_header_can_hold_is_a_failed_signal_and_is_not_told(token, wire, clock):
    wire.assert_all_requests_are_fired = False
    answered(wire, 401)
    client = HttpClient(
        {"dx": Endpoint(DX, token)},
        Deadline(30.0, clock, clock.sleep, 0.0),
        random=lambda: 0.0,
        now=lambda: NOW,
        user_agent="cibeacon/1",
    )
    row = carried(client)
    client.close()

    told_plainly(row, "failed")
    assert row.attempts == 1
    assert not token.strip() or token not in json.dumps(row.document(), ensure_ascii=False)


@pytest.mark.parametrize("url", ["https://", "https://a b", "https://x:99999"])
def test_an_address_that_is_none_is_a_failed_signal(url, hire):
    told_plainly(carried(hire(url, clock=WallClock())), "failed")


def test_a_name_that_is_too_long_for_any_host_costs_no_more_than_a_failure(hire):
    row = carried(hire("https://" + "a" * 300 + ".example", clock=WallClock(), seconds=QUICK))
    told_plainly(row, row.status)
    assert row.status in ("spooled", "failed"), "the resolver may refuse it as a name, or look for it"


# TLS ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody trusts, and its key."""
    return faults.self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls(certificate):
    return faults.encrypted(*certificate)


def test_a_certificate_that_nobody_trusts_is_refused_once_and_nothing_is_sent(tls, hire):
    with FaultServer(answers(response(b'{"ok": true}')), tls) as server:
        row = carried(hire(server.url))

    told_plainly(row, "failed")
    assert row.retryable
    assert (row.attempts, row.error) == (1, "TLS certificate not trusted")
    assert "REQUESTS_CA_BUNDLE" in row.reason
    assert server.requests == []


def test_a_connection_that_ends_in_the_handshake_is_tried_again_like_a_reset(hire):
    def gone(connection, server):
        connection.recv(65536)

    clock = StillClock()
    with FaultServer(gone) as server:
        row = carried(hire(server.url.replace("http:", "https:"), clock=clock, run_within=lambda _, work: work()))

    told_plainly(row, "spooled")
    assert (row.attempts, row.error) == (TRIES, "TLS connection closed")
    assert "flow_client_cert" not in row.reason


def test_only_who_can_name_a_client_certificate_is_told_to(certificate, hire, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    context = faults.encrypted(*certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificate[0])
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    reasons = []
    with FaultServer(answers(response(b"{}")), context) as server:
        for setting in ("", "flow_client_cert"):
            endpoint = Endpoint(server.url, TOKEN, certificate_setting=setting)
            row = carried(hire(endpoints={"dx": endpoint}, run_within=lambda _, work: work()))
            assert row.retryable
            reasons.append(row.reason)
    assert ["flow_client_cert" in reason for reason in reasons] == [False, True]


def test_an_authority_of_ones_own_is_trusted(tls, certificate, hire, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))

    with FaultServer(answers(response(b'{"ok": true}')), tls) as server:
        assert carried(hire(server.url)).status == "sent"


@pytest.mark.parametrize(
    ("fault", "word"),
    [(faults.hangs_unread, "spooled"), (faults.speaks_first, "failed")],
    ids=["hangs", "answers in the open"],
)
def test_a_server_that_does_not_speak_tls_gets_nothing(fault, word, hire):
    with FaultServer(fault) as server:
        seconds = QUICK if word == "spooled" else 60.0
        row = carried(hire(server.url.replace("http:", "https:"), clock=WallClock(), seconds=seconds))

    told_plainly(row, word)
    assert row.retryable
    assert not any(TOKEN.encode() in request for request in server.requests)


def test_a_proxy_that_does_not_speak_tls_is_not_taken_for_one_that_is_away(hire, monkeypatch):
    with FaultServer(faults.speaks_first) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("http:", "https:"))
        row = carried(hire("https://dx.example", run_within=lambda _, work: work()))

    told_plainly(row, "failed")
    assert (row.error, row.attempts) == ("no TLS on the proxy's port", 1)
    assert "HTTPS_PROXY with http://" in row.reason


# In bulk ------------------------------------------------------------------------------------------------------------


def test_others_are_told_of_a_retry_after(wire, hire, clock):
    told = []
    answered(wire, {"status": 429, "headers": {"Retry-After": "3"}, "json": {}}, 503, 200)
    assert carried(hire(clock=clock, on_retry_after=told.append)).status == "sent"
    assert told == [3.0]


def test_a_signal_may_have_a_budget_of_its_own(wire, hire, clock):
    answered(wire, 503, 503)
    client = hire(clock=clock, seconds=1000, chance=1.0)
    row = Outcome("pull-services", "dx", "skipped")
    told = client.send(dx.send(SIGNAL, "classic"), row, Deadline(1.0, clock, clock.sleep, clock()))
    assert (told.status, told.attempts) == ("spooled", 2)
    assert clock.time < 1.0


def test_a_host_may_be_asked_again_at_once_where_others_wait_for_it(wire, hire, clock):
    answered(wire, *[503] * TRIES, 200)
    client = hire(clock=clock, seconds=1000)
    assert carried(client).status == "spooled"
    clock.time += 0.001
    assert carried(client).status == "sent"


def test_whoever_asks_much_may_give_up_in_another_way(hire):
    waited = []

    def bounded(seconds, work):
        waited.append(seconds)
        raise TimeoutError

    told = carried(hire(clock=StillClock(), run_within=bounded))
    assert (told.status, told.error) == ("spooled", "timed out")
    assert waited[0] == 30.0


def test_the_environment_is_looked_through_once_for_each_host(monkeypatch):
    session, looks = HardenedSession(), []

    def environ_proxies(url, no_proxy=None):
        looks.append(url)
        return {"https": "http://proxy.example:3128"}

    monkeypatch.setattr(requests.sessions, "get_environ_proxies", environ_proxies)
    for url in ("https://a.example/1", "https://a.example/2", "https://b.example/1"):
        merged = session.merge_environment_settings(url, {}, True, None, None)
        assert merged["proxies"]["https"] == "http://proxy.example:3128"
        merged["proxies"].clear()
    assert looks == ["https://a.example/1", "https://b.example/1"]
    session.close()
