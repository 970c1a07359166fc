"""DCI's signatures: the vectors, an independent signer, curl and the official library; and every way to be refused."""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
import subprocess
import time
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from cibeacon.sandbox.dci_account import REMOTECI, SECRET, DciAccount, Remoteci, id_of
from cibeacon.sandbox.dci_models import Refusal
from cibeacon.sandbox.dci_signature import Signed, read, signature, verify
from cibeacon.sandbox.server import Sandbox
from dci_talk import KEY, NOW, Talk, sign

VECTOR_KEY, VECTOR_SECRET, VECTOR_TIME = "remoteci/11111111-2222-4333-8444-555555555555", "DCI." + "a" * 60, 1767323045
API = "https://api.distributed-ci.io/api/v1"
VECTORS = [
    ("GET", "/identity", b"", "DCI2", "74b1c1eaea21011abcf922d0750396e1947724204a9b6872c36cd877b1ca47d7"),
    (
        "GET",
        "/topics?limit=200&offset=0&where=name:RHEL-8.2",
        b"",
        "DCI2",
        "e6116a9be2d6d18b13fd2b7e5363449a1d5d8d455f1a9e01aeacfb509b8fa185",
    ),
    (
        "POST",
        "/jobstates",
        b'{"job_id": "x", "status": "running"}',
        "DCI2",
        "0923f429c5af79ad7eb5007b61bd08c9aaad8d67b6c805e056bc34c129a2f53e",
    ),
    ("GET", "/identity", b"", "AWS4", "eef4b3e5a0c8502d5e76dac0148060fa1dbe3fdff4a80eea90c4dfa38d71f6b6"),
]
INVALID, EXPIRED = "HmacMechanism failed: signature is invalid", "HmacMechanism failed: signature is expired"
INCOMPLETE = "HmacMechanism failed: bad or incomplete headers."


@pytest.mark.parametrize(("method", "path", "body", "scheme", "right"), VECTORS)
def test_both_signers_make_the_published_signature(method, path, body, scheme, right):
    headers = sign(method, API + path, body, key=VECTOR_KEY, secret=VECTOR_SECRET, now=VECTOR_TIME, scheme=scheme)
    assert headers["Authorization"].endswith(f"Signature={right}")
    claim = read({"host": "api.distributed-ci.io", **{name.lower(): value for name, value in headers.items()}})
    args = dict(pair.split("=") for pair in path.partition("?")[2].split("&") if pair)
    signed = Signed(
        method=method, path="/api/v1" + path.partition("?")[0], args=args, digest=hashlib.sha256(body).hexdigest()
    )
    assert signature(claim, signed, VECTOR_SECRET) == right
    verify(claim, signed, VECTOR_SECRET, VECTOR_TIME)
    with pytest.raises(Refusal, match="invalid"):
        verify(claim, signed, VECTOR_SECRET + "b", VECTOR_TIME)


@pytest.mark.parametrize("scheme", ["DCI2", "AWS4"])
def test_both_schemes_are_let_in(scheme, dci):
    assert dci.ask("GET", "/identity", scheme=scheme).json()["identity"]["id"] == REMOTECI
    assert dci.ask("GET", "/topics?where=name:RHEL-8.2&limit=1&offset=0", scheme=scheme).status_code == 200


@pytest.mark.parametrize(
    ("how", "status", "message"),
    [
        ({"secret": "wrong"}, 400, INVALID),
        ({"now": NOW - 15 * 60}, 200, None),
        ({"now": NOW + 15 * 60}, 200, None),
        ({"now": NOW - 15 * 60 - 1}, 400, EXPIRED),
        ({"now": NOW + 15 * 60 + 1}, 400, EXPIRED),
        ({"now": 0, "secret": "wrong"}, 400, EXPIRED),
        ({"host": "127.0.0.1"}, 400, INVALID),
        ({"host": "api.distributed-ci.io"}, 400, INVALID),
        ({"key": REMOTECI}, 400, INCOMPLETE),
        ({"key": f"feeder/{REMOTECI}"}, 404, "feeder not found"),
        ({"key": f"user/{REMOTECI}"}, 401, "identity does not exists."),
        ({"key": "remoteci/00000000-0000-4000-8000-000000000000"}, 404, "remoteci not found"),
        ({"key": "remoteci/lab-7"}, 400, "(psycopg2.errors.InvalidTextRepresentation)"),
    ],
)
def test_a_claim_is_refused_as_the_server_refuses_it(how, status, message, dci):
    reply = dci.ask("GET", "/identity", **how)
    assert reply.status_code == status, reply.text
    if message:
        assert reply.json()["message"].startswith(message)
        assert reply.json()["status_code"] == status


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"Authorization": None}, 401, "Authorization header missing"),
        ({"Authorization": "DCI-HMAC-SHA256 x"}, 401, "Authorization scheme DCI-HMAC-SHA256 unknown"),
        ({"Authorization": "Basic dTpw"}, 401, "identity does not exists."),
        ({"x-dci-date": None}, 400, INCOMPLETE),
        ({"Authorization": "DCI2-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c"}, 400, INCOMPLETE),
        ({"Authorization": "DCI2-HMAC-SHA256 Credential=a/b,  SignedHeaders=host, Signature=c"}, 500, None),
        ({"Authorization": "DCI2-HMAC-SHA256"}, 500, None),
        ({"x-dci-date": "yesterday"}, 500, None),
    ],
)
def test_headers_that_are_no_claim_are_refused_as_the_server_refuses_them(change, status, message, dci):
    reply = dci.ask("GET", "/identity", headers=change)
    assert reply.status_code == status, reply.text
    if message:
        assert reply.json()["message"] == message
    else:
        assert reply.headers["Content-Type"].startswith("text/html")


def test_a_signed_header_that_was_not_sent_is_a_page(sandbox, dci):
    url = f"{sandbox.url}/api/v1/identity"
    claim = sign("GET", url)["Authorization"].replace("host;x-dci-date", "host;x-absent;x-dci-date")
    reply = dci.ask("GET", "/identity", headers={"Authorization": claim})
    assert (reply.status_code, reply.headers["Content-Type"]) == (500, "text/html; charset=utf-8")


def test_any_region_and_service_will_do_but_a_seventh_part_will_not(dci):
    for scope, status in (("20231114/eu/x", 400), ("20231114/BHS3/api/more", 400)):
        claim = f"DCI2-HMAC-SHA256 Credential={KEY}/{scope}/dci2_request, SignedHeaders=host;x-dci-date, Signature=0"
        reply = dci.ask("GET", "/identity", headers={"Authorization": claim})
        assert (reply.status_code, reply.json()["message"]) == (status, INCOMPLETE if "more" in scope else INVALID)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/topics?where=name:RHEL-8.2", 200),
        ("/topics?where=name%3ARHEL-8.2", 200),
        ("/jobs?where=tags:a%20b", 200),
        ("/jobs?where=tags:a+b", 200),
        ("/jobs?where=tags:caf%C3%A9%2F~-_.", 200),
        ("/topics?where=name:a&where=name:b", 400),
    ],
)
def test_the_query_is_signed_in_canonical_form_and_a_repeated_key_breaks_it(path, status, dci):
    reply = dci.ask("GET", path)
    assert reply.status_code == status, reply.text
    assert status == 200 or reply.json()["message"] == INVALID


def test_an_empty_parameter_breaks_the_signature_of_those_who_drop_it(sandbox, dci):
    signed = sign("GET", f"{sandbox.url}/api/v1/topics")
    reply = dci.ask("GET", "/topics?where=", headers=signed)
    assert (reply.status_code, reply.json()["message"]) == (400, INVALID)


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"])
def test_a_body_that_calls_itself_a_form_is_not_seen(kind, sandbox, dci):
    job = dci.job(sandbox.dci.account.topic("RHEL-8.2"))
    reply = dci.upload(job, "log", b"a=b", "text/plain", **{"Content-Type": kind})
    assert (reply.status_code, reply.json()["message"]) == (400, INVALID)
    assert sandbox.dci.document()["jobs"][job]["files"] == []


def test_a_changed_body_is_not_let_in(sandbox, dci):
    signed = sign("POST", f"{sandbox.url}/api/v1/jobstates", b"{}")
    reply = dci.ask("POST", "/jobstates", {"job_id": "x", "status": "new"}, signed)
    assert (reply.status_code, reply.json()["message"]) == (400, INVALID)


def test_the_same_signed_request_is_carried_out_twice(sandbox, dci):
    topic = sandbox.dci.account.topic("RHEL-8.2").id
    first = dci.ask("POST", "/jobs", {"topic_id": topic, "components": []})
    again = dci.ask("POST", "/jobs", {"topic_id": topic, "components": []}, dict(first.request.headers))
    assert first.json()["job"]["id"] != again.json()["job"]["id"]


def test_a_team_that_is_not_active_is_told_so():
    with Sandbox(clock=lambda: NOW, dci=DciAccount(team_active=False)) as sandbox, Talk(sandbox.url) as dci:
        reply = dci.ask("GET", "/identity")
    assert (reply.status_code, reply.json()["message"]) == (412, "team Red Hat not active")


def test_credentials_of_ones_own_are_good_and_the_example_s_are_not():
    lab = Remoteci(id=id_of("remoteci", "lab"), name="lab", secret="s" * 64)
    with Sandbox(clock=lambda: NOW, dci=DciAccount(remotecis=[lab])) as sandbox, Talk(sandbox.url) as dci:
        assert dci.ask("GET", "/identity", key=f"remoteci/{lab.id}", secret=lab.secret).status_code == 200
        assert dci.ask("GET", "/identity").status_code == 404


def test_the_answer_is_dated_by_the_clock_that_judges(sandbox, dci):
    reply = dci.ask("GET", "/identity", now=0)
    assert parsedate_to_datetime(reply.headers["Date"]).timestamp() == NOW
    assert reply.headers["Date"].endswith("GMT")


WORDS = st.text(st.characters(max_codepoint=255, exclude_categories=["Cs"]), max_size=40)
CLAIMS = st.one_of(
    WORDS,
    st.builds(
        "{} Credential={}, SignedHeaders={}, Signature={}".format,
        st.sampled_from(["DCI2-HMAC-SHA256", "AWS4-HMAC-SHA256", ""]),
        st.lists(st.one_of(WORDS, st.just("dci2_request")), max_size=7).map("/".join),
        st.one_of(WORDS, st.sampled_from(["host", "host;x-dci-date", ";", ""])),
        WORDS,
    ),
)


@given(CLAIMS, st.one_of(WORDS, st.just("20231114T221320Z")), WORDS, WORDS)
def test_no_header_is_too_strange_to_be_refused(authorization, date, path, value):
    headers = {"authorization": authorization, "x-dci-date": date, "host": value}
    signed = Signed(method="GET", path=path, args={value: value}, digest="0" * 64)
    with pytest.raises((Refusal, HTTPException)):
        verify(read(headers), signed, SECRET, NOW)


@pytest.fixture
def live():
    with Sandbox() as running:
        yield running
        assert running.faults == []


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_curl_s_own_signatures_are_let_in(live):
    def curl(path, *more, secret=SECRET):
        command = ["curl", "--noproxy", "*", "-sS", "--aws-sigv4", "aws:amz:BHS3:api", "-u", f"{KEY}:{secret}"]
        ended = subprocess.run(
            [*command, *more, f"{live.url}/api/v1{path}"], capture_output=True, timeout=30, check=True
        )
        return json.loads(ended.stdout)

    assert curl("/identity")["identity"]["id"] == REMOTECI
    assert curl("/topics?where=name%3ARHEL-8.2")["_meta"]["count"] == 1
    body = json.dumps({"topic_id": live.dci.account.topic("RHEL-8.2").id, "components": []})
    job = curl("/jobs", "-H", "Content-Type: application/json", "-d", body)["job"]
    assert list(live.dci.document()["jobs"]) == [job["id"]]
    assert curl("/identity", secret="wrong")["message"] == INVALID


def test_the_official_library_is_let_in(live, http, tmp_path):
    official = importlib.import_module("dciauth.signature")
    auth = official.HmacAuthBase(access_key=KEY, secret_key=SECRET, region="BHS3", service="api")
    del http.headers["Authorization"]
    api = f"{live.url}/api/v1"
    assert http.get(f"{api}/identity", auth=auth).json()["identity"]["id"] == REMOTECI
    assert http.get(f"{api}/topics", params={"where": "name:RHEL-8.2"}, auth=auth).json()["_meta"]["count"] == 1
    body = {"topic_id": live.dci.account.topic("RHEL-8.2").id, "components": []}
    job = http.post(f"{api}/jobs", json=body, auth=auth).json()["job"]["id"]
    path = tmp_path / "log"
    path.write_bytes(b"line\n" * 100_000)
    with path.open("rb") as file:
        reply = http.post(f"{api}/files", data=file, headers={"DCI-NAME": "log", "DCI-JOB-ID": job}, auth=auth)
    assert reply.status_code == 201, reply.text
    assert live.dci.contents.get(reply.json()["file"]["id"]) == path.read_bytes()
    wrong = official.HmacAuthBase(access_key=KEY, secret_key="wrong", region="BHS3", service="api")
    assert http.get(f"{api}/identity", auth=wrong).json()["message"] == INVALID


@pytest.mark.parametrize(("method", "path", "body", "scheme", "right"), VECTORS)
def test_the_official_signer_makes_the_published_signature(method, path, body, scheme, right):
    headers = importlib.import_module("dciauth.v2.headers")
    where, _, query = path.partition("?")
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(VECTOR_TIME))
    request = {"method": method, "endpoint": "/api/v1" + where, "data": body.decode()}
    request |= {"params": dict(pair.split("=") for pair in query.split("&") if pair), "host": "api.distributed-ci.io"}
    request |= {"timestamp": stamp, "datestamp": stamp[:8]}
    if scheme == "AWS4":
        request |= {"algorithm": "AWS4-HMAC-SHA256", "request_type": "aws4_request", "date_header": "X-Amz-Date"}
        request |= {"signed_headers": "host;x-amz-date"}
        request |= {"canonical_headers": {"host": "api.distributed-ci.io", "x-amz-date": stamp}}
    made = headers.generate_headers(request, {"access_key": VECTOR_KEY, "secret_key": VECTOR_SECRET})
    assert made["Authorization"].endswith(f"Signature={right}")


def test_a_remote_ci_that_is_disabled_may_look_and_makes_no_job(sandbox, dci):
    retired = f"remoteci/{id_of('remoteci', 'retired')}"
    assert dci.ask("GET", "/identity", key=retired).status_code == 200
    made = {"topic_id": sandbox.dci.account.topic("RHEL-8.2").id}
    for path, body in (("/jobs/schedule", made), ("/jobs", {**made, "components": []})):
        reply = dci.ask("POST", path, body, key=retired)
        assert (reply.status_code, reply.json()["message"]) == (412, f'RemoteCI "{retired[9:]}" is disabled.')


def test_a_feeder_is_somebody_and_makes_no_job(sandbox, dci):
    feeder = f"feeder/{id_of('feeder', 'sandbox')}"
    assert dci.ask("GET", "/identity", key=feeder).json()["identity"]["id"] == feeder[7:]
    reply = dci.ask("POST", "/jobs/schedule", {"topic_id": sandbox.dci.account.topic("RHEL-8.2").id}, key=feeder)
    assert (reply.status_code, reply.json()["message"]) == (400, "Only remoteci can create job")
