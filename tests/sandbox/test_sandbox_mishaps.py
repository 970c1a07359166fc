"""What goes wrong on order, between DataOps.live and a client, and what the ledger tells of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from email.utils import parsedate_to_datetime

import pytest
import requests

from cibeacon.sandbox.dataops_account import API, DataOpsAccount, Project, Token
from cibeacon.sandbox.server import Sandbox
from elsewhere import Elsewhere
from mishaps import mishaps

NOON = 1_700_000_000.0
OPEN = {"PRIVATE-TOKEN": "sandbox-private-api"}
FILE = {"_PIPELINE_FILE_NAME": "full-ci.yml"}
TRIGGER = {"token": "sandbox-trigger-token", "ref": "main", "variables": FILE}
PIPELINES = "/projects/830/pipelines"


@pytest.fixture
def ask(sandbox):
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update(OPEN)
        yield lambda method, path, **how: session.request(method, f"{sandbox.url}/api/v4{path}", **how)


def test_a_lost_trigger_has_started_a_pipeline(sandbox, ask):
    mishaps(sandbox, "dataops").lose("POST", "/projects/*/trigger/pipeline")
    with pytest.raises(requests.ConnectionError):
        ask("POST", "/projects/830/trigger/pipeline", json=TRIGGER)
    assert list(sandbox.dataops.document()["pipelines"]) == ["74774"]
    assert sandbox.ledger.document()["requests"][0]["status"] == 201


def test_a_failure_does_nothing_as_often_as_ordered_in_html_or_json(sandbox, ask):
    mishaps(sandbox, "dataops").fail("*", "*", 503, times=2)
    mishaps(sandbox, "dataops").fail("POST", "*/trigger/pipeline", 500, body={"message": "500 Internal Server Error"})
    replies = [ask("POST", "/projects/830/trigger/pipeline", json=TRIGGER) for _ in range(4)]
    assert [one.status_code for one in replies] == [503, 503, 500, 201]
    assert replies[0].headers["Content-Type"].startswith("text/html")
    assert replies[2].json() == {"message": "500 Internal Server Error"}
    assert len(sandbox.dataops.document()["pipelines"]) == 1
    assert mishaps(sandbox, "dataops").pending() == 0


def test_a_rate_limit_tells_when_to_come_again_in_each_form(sandbox, ask):
    mishaps(sandbox, "dataops").limit("GET", PIPELINES, 7)
    mishaps(sandbox, "dataops").limit("GET", PIPELINES, 7, date=True)
    mishaps(sandbox, "dataops").limit("GET", PIPELINES, None, plain=True)
    seconds, date, plain, good = (ask("GET", PIPELINES) for _ in range(4))
    assert [one.status_code for one in (seconds, date, plain, good)] == [429, 429, 429, 200]
    assert (seconds.headers["Retry-After"], seconds.headers["RateLimit-Reset"]) == ("7", str(int(NOON) + 7))
    assert parsedate_to_datetime(date.headers["Retry-After"]).timestamp() == NOON + 7
    assert "requested too many times" in seconds.json()["message"]["error"]
    assert (plain.text, plain.headers.get("Retry-After")) == ("Retry later\n", None)


def test_a_redirect_and_a_link_lead_to_another_host_that_remembers(sandbox, ask):
    with Elsewhere(b"stored log\n", "text/plain") as elsewhere:
        mishaps(sandbox, "dataops").redirect("GET", "*/trace", elsewhere.url)
        mishaps(sandbox, "dataops").link("GET", PIPELINES, elsewhere.url)
        log = ask("GET", "/projects/830/jobs/47217/trace?byte=1", headers={"Range": "bytes=3-"})
        assert (log.text, log.url) == ("stored log\n", f"{elsewhere.url}/api/v4/projects/830/jobs/47217/trace?byte=1")
        assert ask("GET", PIPELINES, params={"per_page": 1}).links["next"]["url"].startswith(elsewhere.url)
        assert ask("GET", PIPELINES, params={"per_page": 1}).links["next"]["url"].startswith(sandbox.url)
        (visit,) = elsewhere.visits
        assert (visit.method, visit.query, visit.headers["range"]) == ("GET", "byte=1", "bytes=3-")
        assert elsewhere.faults == []


def test_an_answer_may_be_cut_in_the_middle(sandbox, ask):
    whole = ask("GET", "/projects/830/jobs/47217/trace").content
    mishaps(sandbox, "dataops").cut("GET", "*/trace", 10)
    reply = ask("GET", "/projects/830/jobs/47217/trace", stream=True)
    assert reply.headers["Content-Length"] == str(len(whole))
    heard = []
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        heard.extend(reply.iter_content(1))
    assert b"".join(heard) == whole[:10]
    assert ask("GET", "/projects/830/jobs/47217/trace").content == whole


def test_orders_can_be_taken_back(sandbox, ask):
    mishaps(sandbox, "dataops").fail("*", "*", 500, times=9)
    mishaps(sandbox, "dataops").clear()
    assert ask("GET", PIPELINES).status_code == 200


@pytest.mark.parametrize(
    ("state", "why"), [("revoked", "Token was revoked."), ("expired", "Token is expired."), ("active", None)]
)
def test_a_token_may_have_been_good_once(state, why):
    token = Token(value="a-token", kind="private", state=state)
    with Sandbox(dataops=DataOpsAccount(tokens=(token,))) as sandbox:
        reply = requests.get(f"{sandbox.url}/api/v4{PIPELINES}", headers={"PRIVATE-TOKEN": "a-token"})
    assert reply.status_code == (200 if why is None else 401)
    if why:
        assert reply.json()["error_description"].startswith(why)


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"role": "guest"}, 403),
        ({"role": "maintainer", "user": "chief"}, 200),
        ({"user": "chief"}, 403),
        ({"scopes": ("read_repository",)}, 403),
        ({"projects": (49187,)}, 404),
    ],
)
def test_what_a_private_token_may_follows_from_scope_role_and_membership(how, status):
    token = Token(value="a-token", kind="private", **how)
    with Sandbox(dataops=DataOpsAccount(tokens=(token,))) as sandbox:
        reply = requests.get(f"{sandbox.url}/api/v4{PIPELINES}/1451/variables", headers={"PRIVATE-TOKEN": "a-token"})
    assert reply.status_code == status, reply.text


@pytest.mark.parametrize(
    ("project", "told", "status", "answer"),
    [
        ({"variables_allowed": False}, {}, 400, {"base": ["Insufficient permissions to set pipeline variables"]}),
        (
            {"variables_allowed": False},
            {"variables": {}},
            400,
            {"base": ["Insufficient permissions to set pipeline variables"]},
        ),
        ({"tags": {"main": "7" * 40}}, {}, 400, {"base": ["Ref is ambiguous"]}),
        ({"tags": {"main": "7" * 40}}, {"ref": "refs/heads/main"}, 201, None),
        ({"job_token_allowed": False}, {"token": "sandbox-job-token"}, 404, "404 Not Found"),
        ({"job_token_allowed": False}, {}, 201, None),
    ],
)
def test_a_project_may_let_less_be_triggered(project, told, status, answer):
    account = DataOpsAccount(projects=(Project(id=830, path="airline/flights", **project),))
    with Sandbox(dataops=account) as sandbox:
        reply = requests.post(f"{sandbox.url}/api/v4/projects/830/trigger/pipeline", json=TRIGGER | told)
    assert (reply.status_code, reply.json().get("message")) == (status, answer)


def test_a_reporter_with_the_scope_api_cancels_nothing():
    token = Token(value="a-token", kind="private", role="reporter")
    with Sandbox(dataops=DataOpsAccount(tokens=(token,))) as sandbox:
        reply = requests.post(f"{sandbox.url}/api/v4{PIPELINES}/1451/cancel", headers={"PRIVATE-TOKEN": "a-token"})
    assert (reply.status_code, reply.json()) == (403, {"message": "403 Forbidden"})


def test_the_ledger_tells_a_pipeline_whole_and_no_token(sandbox, ask, http):
    ask("POST", "/projects/830/trigger/pipeline", data={**TRIGGER, "variables": None, "variables[A]": "b"})
    ask("POST", "/projects/830/trigger/pipeline?private_token=sandbox-private-api", json=TRIGGER)
    schedule = {"description": "nightly", "ref": "main", "cron": "0 1 * * *"}
    ask("POST", "/projects/830/pipeline_schedules", json=schedule)
    text = http.get(f"{sandbox.url}/ledger").text
    told = json.loads(text)
    assert [(one["status"], one["error"], one["message"]) for one in told["requests"]] == [
        (400, "Bad Request", '{"base": ["Missing CI config file"]}'),
        (201, None, None),
        (201, None, None),
    ]
    assert told["requests"][1]["body"] == {"ref": "main", "variables": FILE}
    line = told["dataops"]["pipelines"]["74774"]
    assert (line["status"], line["ref"], line["source"], line["variables"]) == ("pending", "main", "trigger", FILE)
    assert [one["status"] for one in line["jobs"]] == ["pending", "created", "created", "created"]
    assert told["dataops"]["schedules"]["13"]["cron"] == "0 1 * * *"
    for token in DataOpsAccount().tokens:
        assert token.value not in text
        assert token.value not in repr(DataOpsAccount())


@pytest.mark.parametrize(
    "form",
    [
        "variables=a&variables[A]=b&ref=main&token=t",
        "variables[A]=b&variables[]=c&variables[][d]=e&ref=main&token=t",
        "variables[]=c&variables[][d]=e&ref=main&token=t",
        "variables[A][B][]=c&ref=main&token=sandbox-trigger-token",
        "ref[]=main&token[a]=b",
        "ref=main&token[]=t",
        "a" + "[b]" * 5000 + "=c",
        "[]=a&=b&]=c&a[=d",
        "%00=%ff&ref=%00",
    ],
)
def test_a_form_of_odd_names_is_refused_and_breaks_nothing(form, sandbox, ask):
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = ask("POST", "/projects/830/trigger/pipeline", data=form, headers=kind)
    assert reply.status_code in (400, 404), reply.text
    assert sandbox.dataops.document()["pipelines"] == {}


@pytest.mark.parametrize(
    "query",
    [
        "status[]=failed",
        "ref[a]=b",
        "order_by[]=id",
        "page[]=1",
        "created_after[]=1",
        "created_after=0001-01-01",
        "page=99999999999",
        "scope[]=tags",
        "username=%ff",
        "sort=&source=",
    ],
)
def test_an_odd_query_is_refused_or_finds_nothing_and_breaks_nothing(query, ask):
    for path in ("/projects/830/pipelines", "/projects/830/jobs", "/projects/830/pipelines/1451/jobs"):
        assert ask("GET", f"{path}?{query}").status_code in (200, 400)


@pytest.mark.parametrize(
    ("announced", "body"),
    [
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=ref; name*0=\xff\r\n\r\n--x"),
        ("application/json", b"[]"),
        ("application/json", b"[" * 5000),
        ("application/json", b'{"ref": ["main"], "token": {"a": 1}, "variables": "x"}'),
        ("application/json; charset=nonsense", b'{"ref": "main", "token": null}'),
    ],
)
def test_a_body_that_is_no_parameters_is_refused_and_breaks_nothing(announced, body, ask):
    reply = ask("POST", "/projects/830/trigger/pipeline", data=body, headers={"Content-Type": announced})
    assert reply.status_code == 400, reply.text


def test_a_body_too_large_is_refused(ask):
    assert ask("POST", "/projects/830/trigger/pipeline", data=b"x" * 2_000_000).status_code == 413


def test_ids_are_the_same_in_every_sandbox():
    def made():
        with Sandbox() as sandbox:
            reply = requests.post(f"{sandbox.url}/api/v4/projects/830/trigger/pipeline", json=TRIGGER)
            jobs = requests.get(
                f"{sandbox.url}/api/v4/projects/830/pipelines/74774/jobs", headers={"PRIVATE-TOKEN": API.value}
            )
        return reply.json()["id"], [one["id"] for one in jobs.json()]

    assert made() == made() == (74774, [4325425, 4325424, 4325423, 4325422])


def test_the_command_prints_settings_that_lead_here_and_pipelines_move_by_themselves(tmp_path):
    command = [sys.executable, "-m", "cibeacon", "sandbox", "--port=0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, env={"PATH": os.environ["PATH"]}, **pipes) as running:
        try:
            lines = [running.stdout.readline() for _ in range(12)]
            told = dict(re.fullmatch(r"export (\w+)=(.*)\n", line).groups() for line in lines)
            url = f"{told['CIBEACON_DATAOPS_URL']}/api/v4/projects/{told['CIBEACON_DATAOPS_PROJECT']}"
            trigger = TRIGGER | {"token": told["CIBEACON_DATAOPS_TRIGGER_TOKEN"]}
            trigger["variables"] = {"_PIPELINE_FILE_NAME": "canceled-ci.yml"}
            assert requests.post(f"{url}/trigger/pipeline", json=trigger).status_code == 201
            token = {"PRIVATE-TOKEN": told["CIBEACON_DATAOPS_TOKEN"]}
            assert requests.get(f"{url}/pipelines/74774", headers=token).status_code == 200
            ledger = f"{told['CIBEACON_DATAOPS_URL']}/ledger"
            while requests.get(ledger).json()["dataops"]["pipelines"]["74774"]["status"] == "pending":
                time.sleep(0.05)  # looking at the ledger moves nothing: only the clock does
            flow = requests.get(
                f"{told['CIBEACON_FLOW_URL']}/api/v1/flow/pipeline",
                headers={
                    "Authorization": f"Bearer {told['CIBEACON_FLOW_TOKEN']}",
                    "IB-Context": told["CIBEACON_FLOW_CONTEXT"],
                },
            )
        finally:
            running.send_signal(signal.SIGINT)
            _, err = running.communicate(timeout=120)
    assert len(flow.json()["pipelines"]) == 6
    assert "sandbox-trigger-token" not in err
