"""Signals in a bucket of a real S3 server: kept, read back, sent once in effect, and no secret anywhere."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from xml.etree import ElementTree

import pytest
import requests
from buckets import PRODUCT, S3, SECRET, SERVER

from cibeacon.model import spool_record
from cibeacon.model.report import Outcome
from cibeacon.model.signals import Deployment, PipelineRun, PullServices
from cibeacon.sandbox.server import Sandbox
from cibeacon.sinks import dx
from cibeacon.spool.object_spool import _name

pytestmark = pytest.mark.engine
TOKEN = "tok-YnVja2V0cw"
PATIENCE = 120
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def server():
    if not SERVER.is_file() or not PRODUCT.is_file():
        pytest.skip("the S3 server or s3fs is not installed: run scripts/engines-python")
    with S3() as running:
        yield running


_SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/s3/aws4_request, Signature=0"}


class Shelf:
    """A bucket, seen without the product."""

    def __init__(self, server, name):
        self._url = f"{server.url}/{name}"
        self.address = f"s3://{name}/spool"
        requests.put(self._url, timeout=PATIENCE, headers=_SIGNED).raise_for_status()

    def put(self, name, content):
        requests.put(f"{self._url}/spool/{name}", data=content, timeout=PATIENCE, headers=_SIGNED).raise_for_status()

    def objects(self):
        told = ElementTree.fromstring(
            requests.get(f"{self._url}?list-type=2", timeout=PATIENCE, headers=_SIGNED).content
        )
        names = [each.text for each in told.findall(".//{*}Key")]
        return {name: requests.get(f"{self._url}/{name}", timeout=PATIENCE, headers=_SIGNED).content for name in names}


@pytest.fixture
def shelf(server):
    return Shelf(server, f"bucket-{next(_NUMBERS)}")


@pytest.fixture
def sandbox():
    fifth, entries = Event(), []

    def log(entry):
        entries.append(entry)
        if len(entries) == 5:
            fifth.set()

    with Sandbox(token=TOKEN, log=log) as running:
        running.fifth = fifth
        yield running
        assert running.faults == []


@pytest.fixture
def product(server, sandbox, shelf, tmp_path):
    """Starts the command as a process that has the extra."""
    seen = []

    def start(*argv, **more):
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "CIBEACON_DX_URL": sandbox.url,
            "DX_API_TOKEN": TOKEN,
            "CIBEACON_SPOOL": shelf.address,
            "CIBEACON_TIMEOUT": "60",
            **server.environ,
            **more,
        }
        return subprocess.Popen(
            [str(PRODUCT), "-m", "cibeacon", *argv, "--format", "json"],
            cwd=tmp_path,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(*argv, **more):
        process = start(*argv, **more)
        out, err = process.communicate(timeout=PATIENCE)
        seen.extend((out, err))
        return process.returncode, json.loads(out)

    run.start = start
    yield run
    assert not any(secret in text for text in seen for secret in (SECRET, TOKEN))


REPORT = (
    "report",
    "--no-dry-run",
    "--signals",
    "pipeline-run",
    "--run-id",
    "7",
    "--repository",
    "acme/shop",
    "--pipeline-name",
    "ci",
)
DOWN = {"CIBEACON_DX_URL": "http://127.0.0.1:9", "CIBEACON_TIMEOUT": "8"}


def words(document):
    return [each["outcome"] for each in document["signals"]]


def texts(document):
    return " ".join(each["text"] for each in document["notices"])


def kept(signal, created_at=1.0):
    row = Outcome(signal.kind, "dx", "skipped", subject=signal.subject, key=signal.key)
    return spool_record.Record.of(next(dx.send(signal, "classic")), row, created_at)


def deployment(number):
    return Deployment(service="cart", deployed_at=5, reference_id=f"d{number}", repository="o/r")


def test_what_cannot_be_sent_waits_in_the_bucket_and_one_replay_sends_it(product, shelf, sandbox):
    code, document = product(*REPORT, **DOWN)
    assert (code, words(document)) == (0, ["spooled"])
    (name, content), *more = shelf.objects().items()
    assert more == []
    assert spool_record.read(content).kind == "pipeline-run"
    assert name.startswith("spool/")
    assert SECRET.encode() not in content
    code, document = product("replay", "--strict")
    assert (code, words(document)) == (0, ["sent"])
    assert shelf.objects() == {}
    assert [each["body"] for each in sandbox.ledger.document()["requests"]] == [spool_record.read(content).body]


def test_what_is_sent_leaves_nothing_in_the_bucket(product, shelf, sandbox):
    code, document = product(*REPORT)
    assert (code, words(document)) == (0, ["sent"])
    assert shelf.objects() == {}
    assert "s3://" not in texts(document)


def test_a_signal_that_is_sent_takes_older_statements_of_its_fact_along_and_leaves_newer_ones(product, shelf):
    product(*REPORT, **DOWN)
    ((name, content),) = shelf.objects().items()
    old = spool_record.read(content)
    newer = old._replace(created_at=old.created_at + 10_000)
    other = kept(deployment(1))
    for each in (newer, other):
        shelf.put(_name(each), each.line())
    code, document = product(*REPORT)
    assert (code, words(document)) == (0, ["sent"])
    assert name not in shelf.objects()
    assert {name: spool_record.read(each) for name, each in shelf.objects().items()} == {
        f"spool/{_name(each)}": each for each in (newer, other)
    }


def test_one_replay_sends_what_hundreds_of_runners_left(product, shelf, sandbox):
    waiting = [kept(deployment(number), float(number)) for number in range(450)]
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda each: shelf.put(f"runner-{each.reference_id or each.key}/{_name(each)}", each.line()), waiting
            )
        )
    code, document = product("replay", "--strict", f"{shelf.address}/")
    assert (code, set(words(document))) == (0, {"sent"})
    assert [each["body"]["reference_id"] for each in sandbox.ledger.document()["requests"]] == [
        f"d{number}" for number in range(450)
    ]
    assert shelf.objects() == {}


def test_of_several_statements_about_one_fact_the_newest_is_sent(product, shelf, sandbox):
    for at, services in ((3.0, ("c",)), (1.0, ("a",)), (2.0, ("b",))):
        each = kept(PullServices(services, repository="o/r", pr_number=7, replace=True), at)
        shelf.put(_name(each), each.line())
    assert len(shelf.objects()) == 3
    code, document = product("replay", "--strict")
    assert (code, words(document)) == (0, ["sent"])
    assert [each["body"]["services"] for each in sandbox.ledger.document()["requests"]] == [["c"]]
    assert shelf.objects() == {}


def test_what_is_refused_or_no_record_is_set_aside_in_the_bucket_and_not_read_again(product, shelf):
    refused = kept(PipelineRun("ci", "x", "r1", 5))._replace(body={"pipeline_name": "ci"})
    shelf.put(_name(refused), refused.line())
    shelf.put(_name(kept(deployment(1))), b"garbage\n")
    two = (kept(deployment(2)), kept(deployment(3)))
    shelf.put("several.ndjson", b"".join(each.line() for each in two))
    code, document = product("replay")
    assert (code, sorted(words(document))) == (0, ["failed", "sent", "sent"])
    assert shelf.objects() == {
        f"spool/{_name(refused)}.refused": refused.line(),
        f"spool/{_name(kept(deployment(1)))}.corrupt": b"garbage\n",
    }
    code, document = product("replay", "--strict")
    assert (code, words(document)) == (0, [])


def test_two_replays_at_once_and_one_that_is_killed_lose_nothing(product, shelf, sandbox):
    waiting = [kept(deployment(number), float(number)) for number in range(60)]
    for each in waiting:
        shelf.put(_name(each), each.line())
    both = [product.start("replay") for _ in range(2)]
    assert sandbox.fifth.wait(PATIENCE)
    both[0].kill()
    for process in both:
        process.communicate(timeout=PATIENCE)
    product("replay", "--strict")
    told = {each["body"]["reference_id"] for each in sandbox.ledger.document()["requests"]}
    assert told == {f"d{number}" for number in range(60)}
    assert len(sandbox.ledger.document()["deployments"]) == 60
    assert shelf.objects() == {}


def test_a_bucket_out_of_reach_costs_a_warning_and_no_signal(product, sandbox):
    code, document = product(*REPORT, AWS_ENDPOINT_URL="http://127.0.0.1:9", CIBEACON_TIMEOUT="20")
    assert (code, words(document)) == (0, ["sent"])
    assert "Cannot write to s3://" in texts(document)
    assert len(sandbox.ledger.document()["requests"]) == 1


def test_a_bucket_that_does_not_exist_is_named(product):
    code, document = product("replay", "--strict", "s3://no-such-bucket/spool")
    assert code == 1
    assert "there is no such bucket or object" in texts(document)


def test_a_dry_run_opens_no_connection_to_a_bucket(product, shelf):
    each = kept(deployment(1))
    shelf.put(_name(each), each.line())
    code, document = product("replay", "--dry-run", shelf.address, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert (code, words(document)) == (0, [])
    assert "a dry run opens no connection" in texts(document)
    assert len(shelf.objects()) == 1


ROWS = "reference_id,deployed_at,service,repository\n" + "".join(f"b{n},170000{n:04},cart,o/r\n" for n in range(300))


def test_a_file_in_a_bucket_is_sent_and_its_journal_beside_it_lets_the_next_runner_go_on(product, shelf, sandbox):
    shelf.put("rows.csv", ROWS)
    process = product.start("backfill", "deployments", f"{shelf.address}/rows.csv", "--rps", "40")
    assert sandbox.fifth.wait(PATIENCE)
    process.terminate()
    process.communicate(timeout=PATIENCE)
    told = len(sandbox.ledger.document()["requests"])
    assert told < 300
    journal = [name for name in shelf.objects() if "rows.csv.cibeacon-journal/" in name]
    assert journal
    again = product.start("backfill", "deployments", f"{shelf.address}/rows.csv", "--rps", "100000")
    again.communicate(timeout=PATIENCE)
    assert again.returncode == 0
    sent = [each["body"]["reference_id"] for each in sandbox.ledger.document()["requests"]]
    assert sorted(sent) == sorted(f"b{number}" for number in range(300))


def test_a_file_that_is_not_in_the_bucket_is_named(product, shelf):
    process = product.start("backfill", "deployments", f"{shelf.address}/none.csv", "--check")
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "there is no such bucket or object" in out + err
