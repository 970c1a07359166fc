"""Files at DCI: how they arrive, what is counted in them, and where the observed server stumbles."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import socket
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.sandbox.dci_account import DciAccount
from cibeacon.sandbox.dci_files import count
from cibeacon.sandbox.server import Sandbox
from dci_talk import NOW, Talk, sign, suite

MEGABYTE = 1024 * 1024
GOOD = suite(("a", "passed"), ("b", "failure"), ("c", "error"), ("d", "skipped"))
COUNTS = ("total", "success", "failures", "errors", "skips", "time")


@pytest.fixture
def topic(sandbox):
    return sandbox.dci.account.topic("RHEL-8.2")


@pytest.fixture
def job(dci, topic):
    return dci.job(topic)


def told(sandbox, job):
    return sandbox.dci.document()["jobs"][job]


@pytest.mark.parametrize(
    ("content", "counts"),
    [
        (GOOD, (4, 1, 1, 1, 1, 2)),
        (b"", (0, 0, 0, 0, 0, 0)),
        (b"<testsuites/>", (0, 0, 0, 0, 0, 0)),
        (b"<html><testcase/></html>", (0, 0, 0, 0, 0, 0)),
        (b'<testsuite xmlns="urn:x"><testcase/></testsuite>', (0, 0, 0, 0, 0, 0)),
        (b'<testsuite tests="9" failures="9"><testcase/></testsuite>', (1, 1, 0, 0, 0, 0)),
        (b"<testsuite><testcase/><testsuite><testcase/></testsuite><testcase/></testsuite>", (3, 3, 0, 0, 0, 0)),
        (b"<testsuite><testcase><failure/><error/></testcase></testsuite>", (1, 0, 0, 1, 0, 0)),
        (b"<testsuite><testcase><failure/><failure/><skipped/></testcase></testsuite>", (1, 0, 1, 0, 0, 0)),
        (
            b'<testsuite><testcase time="1,000.4"/><testcase time="soon"/><testcase time="nan"/></testsuite>',
            (3, 3, 0, 0, 0, 1000),
        ),
        (b'\xef\xbb\xbf<testsuite><testcase name="\xc3\xa9"/></testsuite>', (1, 1, 0, 0, 0, 0)),
        (b'<?xml version="1.0" encoding="latin-1"?><testsuite><testcase name="\xe9"/></testsuite>', (1, 1, 0, 0, 0, 0)),
        (b"<testsuite><testcase><failure>&lt;&#10;</failure></testcase></testsuite>", (1, 0, 1, 0, 0, 0)),
        (b"<!DOCTYPE testsuite><testsuite><testcase/></testsuite>", (1, 1, 0, 0, 0, 0)),
    ],
)
def test_cases_are_counted_as_observed(content, counts, sandbox, dci, job):
    assert dci.upload(job, "unit", content).status_code == 201
    (result,) = told(sandbox, job)["results"]
    assert tuple(result[name] for name in COUNTS) == counts


@pytest.mark.parametrize(
    "content",
    [
        b"no xml",
        b"<testsuite>",
        b"<testsuite><testcase><failure>\x1b[31m</failure></testcase></testsuite>",
        b'<!DOCTYPE t [<!ENTITY a "b">]><testsuite><testcase name="&a;"/></testsuite>',
        b'<!DOCTYPE t [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuite>&a;</testsuite>',
        b'<!DOCTYPE t [<!ENTITY % a SYSTEM "http://localhost:1/"> %a;]><testsuite/>',
        b'<?xml version="1.0" encoding="none-such"?><testsuite/>',
    ],
)
def test_what_is_no_xml_is_refused_and_stays(content, sandbox, dci, job):
    reply = dci.upload(job, "unit", content)
    assert (reply.status_code, reply.json()["message"][:13]) == (400, "Invalid XML: ")
    assert [file["name"] for file in told(sandbox, job)["files"]] == ["unit"]
    assert told(sandbox, job)["results"] == []


@pytest.mark.parametrize(
    "mime", ["text/xml", "application/xunit+xml", "application/junit+xml", "application/JUnit", None]
)
def test_only_one_mime_type_is_counted(mime, sandbox, dci, job):
    assert dci.upload(job, "unit", b"<no xml", mime).status_code == 201
    assert told(sandbox, job)["results"] == []


@given(st.lists(st.sampled_from(["passed", "failure", "error", "skipped"]), max_size=20))
def test_each_case_counts_once_by_its_outcome(outcomes):
    counts, passed = count(suite(*((f"t{number}", how) for number, how in enumerate(outcomes))))
    right = [len(outcomes), *(outcomes.count(how) for how in ("passed", "failure", "error", "skipped"))]
    assert [counts[name] for name in ("total", "success", "failures", "errors", "skips")] == right
    run = {f"c:t{number}": how == "passed" for number, how in enumerate(outcomes) if how != "skipped"}
    assert passed == run


def test_a_job_is_compared_with_the_newest_earlier_one_that_is_alike(sandbox, dci, topic):
    like = {"name": "nightly", "configuration": "x86", "url": "https://example.com/pull/7"}
    first, run = dci.job(topic, **like), "https://example.com/run/"
    dci.upload(first, "unit", suite(("a", "passed"), ("b", "failure"), ("c", "passed"), ("d", "skipped")))
    changed = suite(("a", "failure"), ("b", "passed"), ("c", "passed"), ("d", "error"), ("e", "failure"))
    for job, name, regressions, fixes in (
        (dci.job(topic, **like), "unit", 1, 1),
        (dci.job(topic, **like), "other", 0, 0),
        (dci.job(topic, **{**like, "url": f"{run}1"}), "unit", 0, 0),
        (dci.job(topic, **{**like, "name": "weekly"}), "unit", 0, 0),
    ):
        dci.upload(job, name, changed)
        (result,) = told(sandbox, job)["results"]
        assert (result["regressions"], result["successfixes"]) == (regressions, fixes), job


def test_the_same_junit_name_twice_in_a_job_breaks_the_next_one(sandbox, dci, topic):
    first, second, third = (dci.job(topic, name="nightly") for _ in range(3))
    assert [dci.upload(first, "unit", GOOD).status_code for _ in range(2)] == [201, 201]
    broken = dci.upload(second, "unit", GOOD)
    assert (broken.status_code, broken.headers["Content-Type"]) == (500, "text/html; charset=utf-8")
    assert [file["name"] for file in told(sandbox, second)["files"]] == ["unit"]
    assert told(sandbox, second)["results"] == []
    assert dci.upload(second, "other", GOOD).status_code == 201
    assert dci.upload(third, "unit", GOOD).status_code == 201


def test_a_body_over_the_limit_is_a_page_but_only_with_a_content_type():
    account = DciAccount(body_limit=MEGABYTE)
    fat = b"x" * (MEGABYTE + 1)
    with Sandbox(clock=lambda: NOW, dci=account) as sandbox, Talk(sandbox.url) as dci:
        job = dci.job(account.topic("RHEL-8.2"))
        typed = dci.upload(job, "log", fat, "text/plain", **{"Content-Type": "text/plain"})
        assert (typed.status_code, typed.headers["Content-Type"]) == (413, "text/html; charset=utf-8")
        assert told(sandbox, job)["files"] == []
        assert dci.upload(job, "log", fat, "text/plain").status_code == 201
        assert dci.upload(job, "log", fat[:-1], "text/plain", **{"Content-Type": "text/plain"}).status_code == 201
        assert sandbox.faults == []


def test_the_limit_is_twenty_megabytes(sandbox, dci, job):
    typed = {"Content-Type": "application/octet-stream"}
    assert dci.upload(job, "log", bytes(20 * MEGABYTE + 1), None, **typed).status_code == 413


def test_a_large_file_is_hashed_and_never_held_in_memory(sandbox, job):
    size, piece = 64 * MEGABYTE, bytes(MEGABYTE)
    digest = hashlib.sha256()
    for _ in range(size // MEGABYTE):
        digest.update(piece)
    url = f"{sandbox.url}/api/v1/files"
    headers = sign("POST", url, digest=digest.hexdigest()) | {"DCI-NAME": "big", "DCI-JOB-ID": job}
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    tracemalloc.start()
    try:
        with contextlib.closing(connection):
            body = (piece for _ in range(size // MEGABYTE))
            connection.request("POST", "/api/v1/files", body, headers | {"Content-Length": str(size)})
            assert connection.getresponse().status == 201
        assert tracemalloc.get_traced_memory()[1] < 16 * MEGABYTE
    finally:
        tracemalloc.stop()
    (file,) = told(sandbox, job)["files"]
    assert (file["size"], file["sha256"]) == (size, digest.hexdigest())
    assert sandbox.dci.contents.get(file["id"]) is None


def test_a_chunked_body_is_taken_when_its_digest_was_right(sandbox, job):
    url = f"{sandbox.url}/api/v1/files"
    headers = sign("POST", url, GOOD) | {"DCI-NAME": "unit", "DCI-JOB-ID": job, "DCI-MIME": "application/junit"}
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    with contextlib.closing(connection):
        pieces = (GOOD[start : start + 7] for start in range(0, len(GOOD), 7))
        connection.request(
            "POST", "/api/v1/files", pieces, headers | {"Transfer-Encoding": "chunked"}, encode_chunked=True
        )
        assert connection.getresponse().status == 201
    (result,) = told(sandbox, job)["results"]
    assert result["total"] == 4


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 10\r\n\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        b"Transfer-Encoding: gzip\r\n\r\nabc",
        b"Content-Length: x\r\n\r\nabc",
    ],
)
def test_a_body_that_breaks_off_or_cannot_be_framed_leaves_nothing_behind(body, sandbox, dci, job):
    address = urlsplit(sandbox.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(b"POST /api/v1/files HTTP/1.1\r\nHost: localhost\r\nDCI-NAME: n\r\n" + body)
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            heard = connection.recv(65536)
            assert heard == b"" or heard.startswith(b"HTTP/1.1 400 ")
    assert told(sandbox, job)["files"] == []
    assert dci.ask("GET", "/identity").status_code == 200


def test_uploads_at_once_are_all_taken(sandbox, job):
    content = bytes(MEGABYTE)

    def send(number):
        with Talk(sandbox.url) as dci:
            return dci.upload(job, f"log{number}", content + bytes([number]), None).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, range(16))) == {201}
    files = told(sandbox, job)["files"]
    assert sorted(file["name"] for file in files) == sorted(f"log{number}" for number in range(16))
    assert all(file["size"] == MEGABYTE + 1 for file in files)


def test_what_arrived_can_be_read_again_by_the_next_sandbox_too(tmp_path):
    contents = {"small": b"line\n", "large": bytes(range(256)) * 8 * 1024, "empty": b""}
    with Sandbox(clock=lambda: NOW, db=tmp_path / "db") as sandbox, Talk(sandbox.url) as dci:
        job = dci.job(sandbox.dci.account.topic("RHEL-8.2"))
        ids = {name: dci.upload(job, name, content, None).json()["file"]["id"] for name, content in contents.items()}
        before = sandbox.dci.document()
    sandbox.close()
    with Sandbox(clock=lambda: NOW, db=tmp_path / "db") as again, Talk(again.url) as dci:
        assert again.dci.document() == before
        assert {name: dci.ask("GET", f"/files/{each}/content").content for name, each in ids.items()} == contents
        assert dci.job(again.dci.account.topic("RHEL-8.2")) != job
    again.close()
    for file in told(sandbox, job)["files"]:
        assert file["sha256"] == hashlib.sha256(contents[file["name"]]).hexdigest()


def test_the_oldest_contents_are_forgotten_when_they_are_too_much_in_all():
    account = DciAccount(kept_in_all=10)
    with Sandbox(clock=lambda: NOW, dci=account) as sandbox, Talk(sandbox.url) as dci:
        job = dci.job(account.topic("RHEL-8.2"))
        first, second, third = (
            dci.upload(job, str(size), bytes(size), None).json()["file"]["id"] for size in (4, 6, 1)
        )
        assert [sandbox.dci.contents.get(each) for each in (first, second, third)] == [None, bytes(6), bytes(1)]
        page = dci.ask("GET", f"/files/{first}/content")
        assert (page.status_code, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
        assert [file["size"] for file in told(sandbox, job)["files"]] == [4, 6, 1]


def test_a_junit_file_that_is_too_large_to_keep_is_refused():
    account = DciAccount(kept=len(GOOD) - 1)
    with Sandbox(clock=lambda: NOW, dci=account) as sandbox, Talk(sandbox.url) as dci:
        job = dci.job(account.topic("RHEL-8.2"))
        assert dci.upload(job, "unit", GOOD).status_code == 413
        assert (told(sandbox, job)["files"], told(sandbox, job)["results"]) == ([], [])
        assert dci.upload(job, "unit", GOOD, "text/plain").status_code == 201


def test_a_name_in_utf8_becomes_what_latin_1_makes_of_it(sandbox, dci, job):
    reply = dci.upload(job, "größe".encode(), b"x", None)
    assert reply.json()["file"]["name"] == "größe".encode().decode("latin-1")


def test_what_a_file_holds_is_given_back_with_its_type(sandbox, dci, job):
    file_id = dci.upload(job, "log", b"\xff\x00 text", "application/x-gzip").json()["file"]["id"]
    reply = dci.ask("GET", f"/files/{file_id}/content")
    assert (reply.status_code, reply.content, reply.headers["Content-Type"]) == (
        200,
        b"\xff\x00 text",
        "application/x-gzip",
    )
    assert dci.ask("GET", "/files/00000000-0000-4000-8000-000000000000/content").status_code == 404
