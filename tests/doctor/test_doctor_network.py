"""`cibeacon doctor` on bad networks: it distinguishes every failure, and calls only a rejected token wrong."""

from __future__ import annotations

import datetime
import json
import time
from email.utils import formatdate
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import faults
from canaries import Canary, leaked
from doctor_place import DoctorPlace, findings
from faults import FaultServer, Refusing, answers, response

REFUSAL = b'{"ok": false, "error": "required_params_missing"}'
PAGE = b"<html><body>Log in</body></html>"
ANSWERS = {
    "a page instead of JSON": (response(PAGE, kind="text/html"), "dx.reach", "fail", "text/html instead of JSON"),
    "a redirect": (response(b"", status="302 Found", Location="https://login.example"), "dx.reach", "fail", "302"),
    "no such method": (response(PAGE, status="404 Not Found", kind="text/html"), "dx.reach", "fail", "404"),
    "trouble of its own": (response(PAGE, status="503 No", kind="text/html"), "dx.reach", "warn", "503"),
    "a refused token": (response(b'{"error": "x"}', status="401 No"), "dx.auth", "fail", "rejects the token"),
    "a refused token without JSON": (
        response(PAGE, status="401 No", kind="text/html"),
        "dx.auth",
        "fail",
        "rejects the token",
    ),
    "a code alone": (response(b'{"ok": false, "error": "invalid_auth"}'), "dx.auth", "fail", "rejects the token"),
    "a scope that is missing": (
        response(b'{"ok": false, "error": "no"}', status="403 No"),
        "dx.auth",
        "fail",
        "may not call",
    ),
    "an empty deployment is taken": (response(b'{"ok": true}'), "dx.auth", "warn", "accepted an empty"),
}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def place(tmp_path):
    with DoctorPlace(tmp_path) as made:
        yield made


def asked(place, url, *argv):
    """The findings with DX at this URL; no other system is contacted."""
    environ = place.environ() | {"CIBEACON_DX_URL": url}
    ended = place.run("--format=json", "--skip=forge", *argv, environ=environ)
    return ended, {row["id"]: row for row in ended.document["findings"]}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_what_it_is(place, name):
    raw, id, state, says = ANSWERS[name]
    with FaultServer(answers(raw)) as server:
        ended, rows = asked(place, server.url)
    assert findings(ended) == {id: state}
    assert says in rows[id]["message"]
    assert rows[id]["hint"]
    wrong = [row["id"] for row in rows.values() if "rejects the token" in row["message"]]
    assert wrong == (["dx.auth"] if says == "rejects the token" else [])
    assert len(server.requests) == 1


def test_a_system_that_asks_to_slow_down_leaves_the_token_open(place):
    with FaultServer(answers(response(b"{}", status="429 Too Many", Retry_After="600"))) as server:
        ended, rows = asked(place, server.url)
    assert findings(ended) == {}
    assert (rows["dx.reach"]["state"], rows["dx.auth"]["state"]) == ("ok", "not-checked")


@pytest.mark.parametrize(("ahead", "side"), [(3600, "behind"), (-3600, "ahead of")])
def test_a_clock_that_is_wrong_is_a_warning_of_its_own(place, ahead, side):
    date = formatdate(time.time() + ahead, usegmt=True)
    with FaultServer(answers(response(REFUSAL, status="422 No", Date=date))) as server:
        ended, rows = asked(place, server.url)
    assert findings(ended) == {"network.clock": "warn"}
    assert f"60 minutes {side}" in rows["network.clock"]["message"]


@pytest.mark.parametrize(("ahead", "found"), [(90_000, {"network.clock": "warn"}), (0, {"dci.auth": "fail"})])
def test_a_signature_that_is_too_old_is_the_clock_s_where_that_is_wrong(place, ahead, found):
    date = formatdate(time.time() + ahead, usegmt=True)
    refusal = json.dumps({"message": "HmacMechanism failed: signature is expired", "status_code": 401}).encode()
    with FaultServer(answers(response(refusal, status="401 No", Date=date))) as server:
        environ = place.environ() | place.sandbox.dci.account.exports(server.url)
        ended = place.run(
            "--format=json", "--skip=forge", "--skip=dx", environ=environ | {"CIBEACON_DX_URL": server.url}
        )
    assert findings(ended) == found


def test_a_port_where_nobody_listens_is_said_to_be_one(place):
    with Refusing() as nobody:
        ended, rows = asked(place, nobody.url)
    assert findings(ended) == {"dx.reach": "fail"}
    assert "connection refused" in rows["dx.reach"]["message"]
    assert rows["dx.auth"]["state"] == "not-checked"


def test_a_server_that_never_answers_is_a_warning_since_a_report_waits_longer(place):
    with FaultServer(faults.hangs) as server:
        ended, rows = asked(place, server.url)
    assert findings(ended) == {"dx.reach": "warn"}
    assert "did not answer in time" in rows["dx.reach"]["message"]


def test_a_server_without_tls_is_told_from_one_with_a_bad_certificate(place):
    with FaultServer(faults.speaks_first) as server:
        ended, rows = asked(place, server.url.replace("http:", "https:"))
    assert findings(ended) == {"dx.reach": "fail"}
    assert "no TLS on that port" in rows["dx.reach"]["message"]


# Certificates -------------------------------------------------------------------------------------------------------


def certified(folder, *, days=(-1, 1), name="127.0.0.1"):
    """Paths of a certificate issued by `Acme Inspection CA`, its key, and the CA's certificate."""
    now = datetime.datetime.now(datetime.UTC)
    authority = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Acme Inspection CA")])

    def made(subject, key, more):
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=9))
        builder = builder.not_valid_after(now + datetime.timedelta(days=days[1] if more else 9))
        for extension, critical in more or [(x509.BasicConstraints(ca=True, path_length=None), True)]:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(authority, hashes.SHA256())

    own = ec.generate_private_key(ec.SECP256R1())
    names = [x509.IPAddress(ip_address(name))] if name[0].isdigit() else [x509.DNSName(name)]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    leaf = made(subject, own, [(x509.SubjectAlternativeName(names), False)])
    root = made(issuer, authority, [])
    files = {
        "leaf.pem": leaf.public_bytes(serialization.Encoding.PEM),
        "ca.pem": root.public_bytes(serialization.Encoding.PEM),
    }
    files["key.pem"] = own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for file, content in files.items():
        (folder / file).write_bytes(content)
    return folder / "leaf.pem", folder / "key.pem", folder / "ca.pem"


@pytest.mark.parametrize(
    ("made", "trusted", "says"),
    [
        ({}, False, "it was issued by Acme Inspection CA"),
        ({"days": (-9, -1)}, True, "TLS certificate expired"),
        ({"name": "dx.example"}, True, "TLS certificate of another name"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_said(place, tmp_path, monkeypatch, made, trusted, says):
    leaf, key, authority = certified(tmp_path, **made)
    if trusted:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    with FaultServer(answers(response(REFUSAL)), faults.encrypted(leaf, key)) as server:
        ended, rows = asked(place, server.url)
    assert findings(ended) == {"dx.reach": "fail"}
    assert says in rows["dx.reach"]["message"]
    assert all(b"good-token" not in request for request in server.requests)


def test_a_certificate_of_a_known_authority_is_right(place, tmp_path, monkeypatch):
    leaf, key, authority = certified(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    with FaultServer(answers(response(REFUSAL, status="422 No")), faults.encrypted(leaf, key)) as server:
        ended, _ = asked(place, server.url)
    assert findings(ended) == {}


# Proxies ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "says", "hint"),
    [
        ("407 Proxy Authentication Required", "asks for a password", "HTTPS_PROXY"),
        ("403 Forbidden", "refuses the connection (403)", "NO_PROXY"),
    ],
)
def test_what_a_proxy_answers_is_the_proxy_s(place, monkeypatch, status, says, hint):
    refused = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
    with FaultServer(answers(refused)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        ended, rows = asked(place, "https://dx.invalid")
    assert findings(ended) == {"dx.reach": "fail"}
    assert says in rows["dx.reach"]["message"]
    assert hint in rows["dx.reach"]["hint"]


def test_a_proxy_that_does_not_answer_is_named(place, monkeypatch):
    with Refusing() as nobody:
        monkeypatch.setenv("HTTPS_PROXY", nobody.url)
        ended, rows = asked(place, "https://dx.invalid")
    assert findings(ended) == {"dx.reach": "fail"}
    assert "the proxy does not answer" in rows["dx.reach"]["message"]


def test_a_proxy_that_looks_into_every_connection_is_named_by_its_certificate(place, tmp_path, monkeypatch):
    leaf, key, _ = certified(tmp_path, name="dx.invalid")
    inside = faults.encrypted(leaf, key)

    def inspects(connection, server):
        server.read(connection)
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with inside.wrap_socket(connection, server_side=True) as secure:
            server.read(secure)
            secure.sendall(response(REFUSAL))

    with FaultServer(inspects) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        ended, rows = asked(place, "https://dx.invalid")
    assert findings(ended) == {"dx.reach": "fail"}
    assert "it was issued by Acme Inspection CA" in rows["dx.reach"]["message"]
    assert "REQUESTS_CA_BUNDLE" in rows["dx.reach"]["hint"]
    assert not any(b"good-token" in request for request in proxy.requests)


def test_hosts_are_asked_at_once_and_each_has_its_own_finding(place):
    with FaultServer(faults.hangs) as server, Refusing() as nobody:
        environ = place.environ() | place.sandbox.dci.account.exports(nobody.url)
        environ |= {"CIBEACON_DX_URL": server.url, "CIBEACON_DCI_TOPIC": "x"}
        ended = place.run("--format=json", "--skip=forge", environ=environ)
    assert findings(ended) == {"dx.reach": "warn", "dci.reach": "fail"}


def test_what_a_server_says_is_printed_safely(place):
    shout = json.dumps({"ok": False, "error": "a\r::error::b\u001b[31m", "message": "x" * 10_000}).encode()
    with FaultServer(answers(response(shout, status="403 No"))) as server:
        environ = place.environ() | {"CIBEACON_DX_URL": server.url}
        ended = place.run("--skip=forge", environ=environ)
    assert "\x1b" not in ended.out
    assert not any(line.startswith("::") for line in ended.out.replace("\r", "\n").splitlines())
    assert max(map(len, ended.out.splitlines())) <= 400


def test_a_server_that_repeats_the_secret_does_not_get_it_printed(place):
    canary = Canary("DX_API_TOKEN")
    echo = json.dumps({"ok": False, "error": "invalid_auth", "message": canary.echoes() + "x" * 10_000}).encode()
    environ = place.environ() | {"DX_API_TOKEN": canary.text}
    for status in ("401 No", "403 No", "422 No"):
        with FaultServer(answers(response(echo, status=status))) as server:
            for argv in (["--verbose"], ["--format=json"]):
                ended = place.run("--skip=forge", *argv, environ=environ | {"CIBEACON_DX_URL": server.url})
                assert leaked([canary], ended.out, ended.err) == set()
        assert max(len(row["message"]) for row in ended.document["findings"]) <= 500
