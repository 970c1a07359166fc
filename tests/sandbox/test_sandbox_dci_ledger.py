"""What the sandbox remembers and shows of DCI, and the answers that it loses on purpose."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import requests

from cibeacon.sandbox.dci_account import REMOTECI, SECRET, DciAccount
from cibeacon.sandbox.server import Sandbox
from dci_talk import NOW, Talk, suite
from mishaps import mishaps


@pytest.fixture
def topic(sandbox):
    return sandbox.dci.account.topic("RHEL-8.2")


def test_the_ledger_tells_a_job_whole(sandbox, dci, topic, http):
    job = dci.job(topic, name="nightly", tags=["a"], components=[topic.components[0]["id"]])
    dci.ask("POST", "/jobstates", {"job_id": job, "status": "running", "comment": "make"})
    dci.upload(job, "unit", suite(("a", "passed")))
    dci.ask("POST", f"/jobs/{job}/kv", {"key": "coverage", "value": 81})
    told = http.get(f"{sandbox.url}/ledger").json()["dci"]
    assert told == sandbox.dci.document()
    assert (told["client_id"], "RHEL-8.2" in told["topics"]) == (f"remoteci/{REMOTECI}", True)
    one = told["jobs"][job]
    assert (one["topic"], one["name"], one["tags"], one["status"]) == ("RHEL-8.2", "nightly", ["a"], "running")
    assert (one["states"], one["components"]) == ([["running", "make"]], [topic.components[0]["id"]])
    assert (one["results"][0]["total"], one["keys_values"], one["notifications"]) == (1, {"coverage": 81}, 0)
    assert one["files"][0]["size"] == len(suite(("a", "passed")))


def test_the_ledger_names_the_failing_cases_of_each_results_file(sandbox, dci, topic):
    job = dci.job(topic)
    dci.upload(job, "unit", suite(("a", "passed"), ("b", "failure")))
    dci.upload(job, "system", suite(*((f"t{number}", "error") for number in range(150))))
    told = sandbox.dci.document()["jobs"][job]
    assert [result["failing"] for result in told["results"]] == [["c:b"], [f"c:t{number}" for number in range(100)]]
    assert told["failing"] == ["c:b", *(f"c:t{number}" for number in range(99))]


def test_a_malformed_request_is_noted_with_the_rule_that_it_broke(sandbox, dci):
    dci.ask("POST", "/jobs", {"components": [], "name": None})
    (entry,) = sandbox.ledger.document()["requests"]
    assert entry["message"] == "Request malformed: name: Input should not be null"


def test_requests_are_noted_in_order_without_secret_signature_or_content(sandbox, dci, topic, http):
    job = dci.job(topic)
    dci.upload(job, "log", b"content-of-the-file", "text/plain")
    dci.ask("GET", f"/jobs/{job}")
    dci.ask("GET", "/topics?where=colour:red")
    dci.ask("GET", "/nothing")
    document = http.get(f"{sandbox.url}/ledger").text
    entries = json.loads(document)["requests"]
    assert [(entry["method"], entry["path"], entry["status"], entry["error"]) for entry in entries] == [
        ("POST", "/api/v1/jobs", 201, None),
        ("POST", "/api/v1/files", 201, None),
        ("GET", f"/api/v1/jobs/{job}", 200, None),
        ("GET", "/api/v1/topics", 400, "Bad Request"),
        ("GET", "/api/v1/nothing", 404, "Not Found"),
    ]
    assert entries[0]["body"] == {"topic_id": topic.id, "components": []}
    assert entries[1]["body"] == {"DCI-NAME": "log", "DCI-MIME": "text/plain", "DCI-JOB-ID": job, "size": 19}
    assert entries[3]["message"] == 'Invalid where key: "colour"'
    for kept_out in (SECRET, "Signature=", "content-of-the-file"):
        assert kept_out not in document


def test_a_secret_shows_in_no_representation():
    assert SECRET not in repr(DciAccount())


def test_a_log_hears_of_dci_too():
    heard = []
    with Sandbox(clock=lambda: NOW, log=heard.append) as sandbox, Talk(sandbox.url) as dci:
        dci.ask("GET", "/identity")
    assert [(entry["path"], entry["status"]) for entry in heard] == [("/api/v1/identity", 200)]


def test_a_body_that_is_no_json_or_too_deep_can_still_be_shown(sandbox, dci, http):
    for body in (b"\xff", b"[" * 5000, b'{"a": 1e999}', b'{"a":' * 100 + b"1" + b"}" * 100):
        assert dci.ask("POST", "/jobs", body, {"Content-Type": "application/json"}).status_code == 400
    assert [entry["body"] for entry in http.get(f"{sandbox.url}/ledger").json()["requests"]] == [None] * 4


def test_a_lost_answer_is_recorded_and_the_next_one_arrives(sandbox, dci, topic):
    mishaps(sandbox, "dci").lose("POST", "/jobs")
    with pytest.raises(requests.ConnectionError):
        dci.job(topic)
    assert len(sandbox.dci.document()["jobs"]) == 1
    dci.job(topic)
    assert len(sandbox.dci.document()["jobs"]) == 2
    assert [entry["status"] for entry in sandbox.ledger.document()["requests"]] == [201, 201]
    assert mishaps(sandbox, "dci").pending() == 0


def test_a_failure_on_order_does_nothing_else_as_often_as_ordered(sandbox, dci, topic):
    mishaps(sandbox, "dci").fail("POST", "/jobs", 503, times=2)
    mishaps(sandbox, "dci").lose("GET", "/jobs/*")
    body = {"topic_id": topic.id, "components": []}
    replies = [dci.ask("POST", "/jobs", body) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [503, 503, 201]
    assert replies[0].headers["Content-Type"] == "text/html; charset=utf-8"
    assert len(sandbox.dci.document()["jobs"]) == 1
    assert mishaps(sandbox, "dci").pending() == 1


def test_ids_are_the_same_in_every_sandbox():
    def made():
        with Sandbox(clock=lambda: NOW) as sandbox, Talk(sandbox.url) as dci:
            return [dci.job(sandbox.dci.account.topic("OCP-4.18")) for _ in range(2)]

    first = made()
    assert first == made()
    assert len(set(first)) == 2


def test_a_job_grows_older_with_each_state():
    moments = [NOW]
    with Sandbox(clock=lambda: moments[-1]) as sandbox, Talk(sandbox.url) as dci:
        job = dci.job(sandbox.dci.account.topic("RHEL-8.2"))
        moments.append(NOW + 61.9)
        dci.ask("POST", "/jobstates", {"job_id": job, "status": "running"})
        assert sandbox.dci.document()["jobs"][job]["duration"] == 61


def test_the_settings_of_the_official_tools_lead_here(sandbox):
    assert sandbox.dci.account.exports(sandbox.url) == {
        "DCI_CS_URL": sandbox.url,
        "DCI_CLIENT_ID": f"remoteci/{REMOTECI}",
        "DCI_API_SECRET": SECRET,
    }


def test_the_command_prints_settings_that_are_good(tmp_path):
    command = [sys.executable, "-m", "cibeacon", "sandbox", "--port=0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, env={"PATH": os.environ["PATH"]}, **pipes) as running:
        try:
            lines = [running.stdout.readline() for _ in range(5)]
            told = dict(re.fullmatch(r"export (\w+)=(.*)\n", line).groups() for line in lines)
            with Talk(told["DCI_CS_URL"], time.time()) as dci:
                reply = dci.ask("GET", "/identity", key=told["DCI_CLIENT_ID"], secret=told["DCI_API_SECRET"])
            assert reply.status_code == 200, reply.text
        finally:
            running.send_signal(signal.SIGINT)
            _, err = running.communicate(timeout=120)
    assert "200 /api/v1/identity" in err
    assert told["DCI_API_SECRET"] not in err
