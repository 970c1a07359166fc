"""`cibeacon flow`, and the signal in `cibeacon report`, against the sandbox's Instabase over HTTP."""

from __future__ import annotations

import json
import signal
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import github_step
from cibeacon.sandbox.flow import ASSIGNED_JOB, JOB, TOKEN, FlowAccount
from cibeacon.sandbox.server import Sandbox
from elsewhere import Elsewhere
from faults import FaultServer, encrypted, hangs, self_signed
from living import Living
from mishaps import mishaps
from processes import NOWHERE, cibeacon

UDIT, JAG = "e05cc5f7-b199-49a6-b1bc-f17dc5247e0c", "03f4dc97-1245-452d-9d7b-17f8b86473b8"
CLAIMS = ("1d6c1f0e-58a4-4f0c-8a3e-0c7a2b9d4e61", "2e7d2a1f-69b5-4a1d-9b4f-1d8b3cae5f72")
AUDIT = "3f8e3b20-7ac6-4b2e-8c50-2e9c4dbf6083"
LIST, UPDATE = "/flow/pipeline", "/jobs/pipelines"


class Place:
    """A sandbox, a folder, and the command that runs in it."""

    def __init__(self, sandbox, folder):
        self.sandbox, self.folder, self.mishaps = sandbox, folder, mishaps(sandbox, "flow")
        self.environ = {**sandbox.flow.account.exports(sandbox.url), "HOME": str(folder)}
        self.ci = github_step.pushed(folder)

    def run(self, *argv, ci=False, stage="single", **environ):
        environ = {**self.environ, **(self.ci if ci else {}), **environ}
        return cibeacon(*argv, environ=environ, cwd=self.folder, stage=stage)

    def assign(self, *names, **how):
        pipelines = [word for name in names for word in ("--pipeline", name)]
        return self.run("flow", "assign", JOB, *pipelines, "--strict", **how)

    def has(self, job=JOB):
        return [one["id"] for one in self.sandbox.flow.document()["airline"]["jobs"][job]]

    def requests(self, method="GET"):
        return [entry["path"] for entry in self.sandbox.ledger.document()["requests"] if entry["method"] == method]


def started(**account):
    return Sandbox(token="token", flow=FlowAccount(**account))


@pytest.fixture
def place(tmp_path):
    with started() as sandbox:
        yield Place(sandbox, tmp_path)
        assert not sandbox.faults


def test_the_list_shows_what_the_token_sees_and_may_do(place):
    ended = place.run("flow", "list")
    assert ended.code == 0
    lines = {line.split()[1]: line for line in ended.out.splitlines()}
    assert set(lines) == {"id", "8c400d55-15d4-41f9-b306-ec2836898d83", UDIT, JAG, *CLAIMS, AUDIT}
    assert lines[AUDIT].split() == ["audit", AUDIT, "read", "no"]
    assert "read, execute, write" in lines[CLAIMS[0]]


def test_the_list_is_chosen_by_a_glob_and_read_by_scripts(place):
    found = place.run("flow", "list", "--name", "*-test", "--format=json").document
    assert (found["version"], found["status"], found["error"], found["total"]) == (1, "ok", None, 2)
    assert found["help"] is None
    assert [(one["name"], one["id"], one["is_manager"]) for one in found["pipelines"]] == [
        ("udit-test", UDIT, True),
        ("jag-test", JAG, True),
    ]
    assert place.run("flow", "list", "--jq", '.pipelines[] | select(.name == "audit").permissions[]').out == (
        "flow_pipeline:read\n"
    )
    assert place.run("flow", "list", "--name", "nothing*").out == "The token cannot see a matching pipeline.\n"


def test_a_set_is_shown_before_and_told_as_it_is_after(place):
    ended = place.assign("jag-test", UDIT.upper())
    assert ended.code == 0, ended.out
    assert ended.err.splitlines() == [f"will assign jag-test ({JAG})", f"will assign udit-test ({UDIT})"]
    assert f"The job now has jag-test ({JAG}), udit-test ({UDIT})." in ended.out
    assert place.has() == [JAG, UDIT]


def test_what_will_be_set_is_said_even_if_nobody_knows_what_became_of_it(place):
    place.mishaps.fail("POST", UPDATE, 500, times=9)
    ended = place.assign("udit-test")
    assert ended.code == 1
    assert ended.err == f"will assign udit-test ({UDIT})\n"
    assert place.has() == []


def test_a_set_takes_the_place_of_the_one_before_and_may_be_said_twice(place):
    for _ in range(2):
        ended = place.run("flow", "assign", ASSIGNED_JOB, "--pipeline", "udit-test", "--strict")
        assert ended.code == 0
        assert place.has(ASSIGNED_JOB) == [UDIT]


def test_an_answer_that_was_lost_is_asked_for_again(place):
    place.mishaps.lose("POST", UPDATE)
    assert place.assign("udit-test").code == 0
    assert place.has() == [UDIT]
    assert len(place.requests("POST")) == 2


def test_job_and_pipelines_may_be_settings(place):
    ended = place.run(
        "flow", "assign", "--strict", CIBEACON_FLOW_JOB_ID=JOB, CIBEACON_FLOW_PIPELINES="udit-test, jag-test"
    )
    assert ended.code == 0
    assert place.has() == [UDIT, JAG]


def test_all_pipelines_are_taken_away_only_where_that_is_said(place):
    for argv in ((ASSIGNED_JOB,), (ASSIGNED_JOB, "--pipelines="), ()):
        ended = place.run("flow", "assign", *argv, "--strict", CIBEACON_FLOW_PIPELINES="[]")
        assert ended.code in (1, 2)
    assert len(place.has(ASSIGNED_JOB)) == 1
    both = place.run("flow", "assign", ASSIGNED_JOB, "--clear", "--strict", CIBEACON_FLOW_PIPELINES="udit-test")
    assert (both.code, "exclude each other" in both.out) == (1, True)
    assert place.requests("POST") == []
    ended = place.run("flow", "assign", ASSIGNED_JOB, "--clear", "--strict")
    assert (ended.code, ended.err) == (0, "will assign no pipeline\n")
    assert place.has(ASSIGNED_JOB) == []


@pytest.mark.parametrize(
    "argv",
    [
        ("assign", JOB, "--pipeline", ""),
        ("assign", JOB, "--pipeline", "udit-test", "--pipeline", " "),
        ("assign", "", "--pipeline", "udit-test"),
        ("assign", JOB, "--pipeline", "udit-test", "--clear"),
        ("assign", JOB, "udit-test"),
        ("list", "--token", "x"),
        ("remove",),
    ],
)
def test_what_nobody_can_mean_is_refused_at_the_command_line(place, argv):
    assert place.run("flow", *argv).code == 2
    assert place.requests() == []


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("udit-test", "claims"), ("2 pipelines are named claims", *CLAIMS)),
        (("udit_test",), ("a pipeline udit_test", "udit-test", "cibeacon flow list", "flow_context")),
        (("AUDIT",), ("a pipeline AUDIT",)),
    ],
)
def test_a_name_that_is_not_one_pipeline_sets_nothing(place, names, words):
    ended = place.assign(*names, "jag-test")
    assert ended.code == 1
    assert (place.has(), place.requests("POST"), ended.err) == ([], [], "")
    for word in words:
        assert word in ended.out


@pytest.mark.parametrize(
    ("argv", "words"),
    [(("--clear",), "no pipeline: The job is missing"), (("--pipeline", "x"), "x: The job is missing")],
)
def test_a_job_that_nobody_named_leaves_no_gap_in_the_sentence(place, argv, words):
    assert words in place.run("flow", "assign", *argv).out


def test_a_pipeline_of_a_name_that_two_have_is_set_by_its_id(place):
    assert place.assign(CLAIMS[1]).code == 0
    assert place.has() == [CLAIMS[1]]


def test_a_permission_that_is_missing_is_told_and_instabase_decides(place):
    ended = place.assign("audit", "udit-test")
    assert ended.code == 1
    document = place.assign("audit", "udit-test", CIBEACON_FORMAT="json").document
    (row,) = document["signals"]
    assert row["error"] == f"User does not have permission to use flow pipeline {AUDIT}"
    assert f"The token can neither execute nor write audit ({AUDIT})." in row["reason"]
    assert place.has() == []


def test_a_wrong_context_is_another_account(place):
    ended = place.assign("udit-test", CIBEACON_FLOW_CONTEXT="airlines")
    assert "flow_context" in ended.out
    assert "community-review" in place.run("flow", "list", CIBEACON_FLOW_CONTEXT="").out
    by_id = place.assign(UDIT, CIBEACON_FLOW_CONTEXT="airlines")
    assert by_id.code == 1
    assert f"Job {JOB} does not exist" in by_id.out
    assert "flow_context is the job's" in by_id.out
    assert place.has() == []


def test_casing_and_spelling_of_the_answer_do_not_matter(place):
    rows = [{"flowPipelineName": "udit-test", "flowPipelineId": UDIT}]
    place.mishaps.fail("GET", LIST, 200, body={"status": "ok", "pipelines": rows}, times=2)
    assert place.assign("udit-test").code == 0
    assert place.has() == [UDIT]


def test_an_update_that_was_not_done_as_asked_fails(place):
    place.mishaps.fail("POST", UPDATE, 200, body={"status": "OK", "updated_pipelines": []})
    ended = place.assign("udit-test")
    assert ended.code == 1
    assert "The job now has no pipeline instead of udit-test" in ended.out


STRANGERS = [
    ("envelope", "Invalid access token: Instabase rejects the token"),
    ("401", "Invalid access token: Instabase rejects the token"),
    ("login", "unexpected answer: This response is not from Instabase (text/html instead of JSON)"),
]


@pytest.mark.parametrize(("stranger", "words"), STRANGERS)
def test_a_wrong_token_is_never_a_success_however_it_is_answered(tmp_path, stranger, words):
    with started(stranger=stranger) as sandbox:
        place = Place(sandbox, tmp_path)
        listed = place.run("flow", "list", CIBEACON_FLOW_TOKEN="wrong")
        assert (listed.code, listed.out) == (1, "")
        assert words in listed.err
        ended = place.assign("udit-test", CIBEACON_FLOW_TOKEN="wrong")
        assert ended.code == 1
        assert all(part in ended.out for part in words.split(": "))
        assert "<" not in listed.err + ended.out


@pytest.mark.parametrize("trap", [404, 405])
@pytest.mark.parametrize("listing", [LIST, UPDATE])
def test_a_list_at_the_other_path_is_told_and_can_be_set(tmp_path, trap, listing):
    with started(trap=trap, listing=listing) as sandbox:
        place = Place(sandbox, tmp_path)
        wrong, right = (f"/api/v1{path}" for path in ((UPDATE, LIST) if listing == LIST else (LIST, UPDATE)))
        ended = place.run("flow", "list", CIBEACON_FLOW_LIST_PATH=wrong)
        assert (ended.code, place.requests()) == (1, [wrong])
        assert f"Set flow_list_path to {right}" in ended.err
        assert place.run("flow", "list", "--list-path", right).code == 0
        assert place.assign("udit-test", CIBEACON_FLOW_LIST_PATH=right).code == 0


@pytest.mark.parametrize(("method", "path"), [("GET", LIST), ("POST", UPDATE)])
def test_no_token_follows_a_redirect(place, method, path):
    with Elsewhere() as other:
        place.mishaps.redirect(method, path, other.url, times=9)
        ended = place.assign("udit-test")
        assert ended.code == 1
        assert f"redirect to {other.url}" in ended.out
        assert other.visits == []
    assert place.has() == []


def test_the_token_is_shown_nowhere(place):
    place.mishaps.fail("GET", LIST, 200, body={"status": "ERROR", "msg": f"bad token {TOKEN}"}, times=4)
    for argv in (("flow", "list"), ("flow", "list", "--format=json"), ("flow", "assign", JOB, "--pipeline", "x")):
        ended = place.run(*argv)
        assert "bad token" in ended.out + ended.err
        assert TOKEN not in ended.out + ended.err


def test_hostile_names_are_shown_as_text(place):
    rows = [{"name": "\x1b[31m::error::x\n::set-output", "id": UDIT, "permissions": ["\x1b[0m"]}]
    place.mishaps.fail("GET", LIST, 200, body={"status": "OK", "pipelines": rows}, times=9)
    for ended in (place.run("flow", "list"), place.run("flow", "list", "--format=json"), place.assign(UDIT)):
        assert "\x1b" not in ended.out + ended.err
        assert not any(line.startswith("::") for line in (ended.out + ended.err).splitlines())


FAULTS = [
    ({"CIBEACON_FLOW_TOKEN": ""}, "CIBEACON_FLOW_TOKEN"),
    ({"CIBEACON_FLOW_URL": ""}, "set flow_url"),
    ({"CIBEACON_FLOW_URL": "https://ib.example/api/v1"}, "use scheme and host only"),
    ({"CIBEACON_FLOW_URL": "http://ib.example"}, "unencrypted"),
    ({"CIBEACON_FLOW_URL": NOWHERE}, "connection refused"),
    ({"CIBEACON_FLOW_CONTEXT": "my team"}, "flow_context"),
    ({"CIBEACON_FLOW_LIST_PATH": "@evil.example/"}, "flow_list_path"),
    ({"CIBEACON_FLOW_CLIENT_CERT": "/nowhere.pem"}, "the client certificate is missing"),
]


@pytest.mark.parametrize(("environ", "words"), FAULTS, ids=str)
def test_why_nothing_can_be_asked_or_set_is_said_in_plain_words(place, environ, words):
    listed = place.run("flow", "list", **environ)
    assert (listed.code, listed.out) == (1, "")
    assert words in listed.err
    ended = place.assign("udit-test", **environ)
    assert ended.code == 1
    assert words in ended.out
    assert place.has() == []


def test_in_ci_trouble_fails_only_a_strict_build(place):
    wrong = {"CIBEACON_FLOW_TOKEN": "wrong"}
    assert place.run("flow", "list", ci=True, **wrong).code == 0
    assert place.run("flow", "list", "--strict", ci=True, **wrong).code == 1
    assert place.run("flow", "assign", JOB, "--pipeline", "x", ci=True, **wrong).code == 0
    assert place.run("flow", "assign", JOB, "--pipeline", "x", "--strict", ci=True, **wrong).code == 1


def test_a_dry_run_shows_the_request_and_asks_nobody(place):
    listed = place.run("flow", "list", "--dry-run", CIBEACON_FLOW_TOKEN="")
    assert (listed.code, listed.err) == (0, f"dry run: GET {place.sandbox.url}/api/v1/flow/pipeline\n")
    ended = place.assign("claims", UDIT, CIBEACON_DRY_RUN="true", CIBEACON_FLOW_TOKEN="")
    assert ended.code == 0
    assert f'{{"job_id": "{JOB}", "pipeline_ids": ["{{claims}}", "{UDIT}"]}}' in ended.out
    assert place.requests() + place.requests("POST") == []


def test_what_could_not_leave_is_set_by_a_replay_at_its_own_path(place):
    kept = place.assign("udit-test", ci=True, CIBEACON_FLOW_URL=NOWHERE, CIBEACON_FORMAT="json")
    assert [row["outcome"] for row in kept.document["signals"]] == ["spooled"]
    (file,) = (place.folder / "temp" / "cibeacon" / "spool").glob("*.ndjson")
    record = json.loads(file.read_text())
    assert record["signal"] == {"type": "FlowAssignment", "job_id": JOB, "pipelines": ["udit-test"], "clear": False}
    assert TOKEN not in file.read_text()
    lost = place.run("replay", "--strict", "--flow-list-path=/api/v1/jobs/pipelines", ci=True)
    assert (lost.code, place.requests()) == (1, ["/api/v1/jobs/pipelines"])
    again = place.run("replay", "--strict", ci=True)
    assert again.code == 0, again.out
    assert place.has() == [UDIT]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_assignment_that_is_interrupted_while_names_are_looked_up_is_kept(place, number):
    """With names of pipelines, which a replay looks up."""
    with FaultServer(hangs) as server:
        environ = {**place.environ, **place.ci, "CIBEACON_FLOW_URL": server.url, "NO_PROXY": "127.0.0.1"}
        argv = ("flow", "assign", JOB, "--pipeline", "udit-test", "--strict", "--timeout=60")
        with Living(*argv, environ=environ, cwd=place.folder) as living:
            server.waited_for()
            living.told(number)
            ended = living.ended()
    assert ended.code == 1
    assert "cibeacon was interrupted" in ended.out.lower()
    assert "spooled" in ended.out
    again = place.run("replay", "--strict", ci=True)
    assert again.code == 0, again.out
    assert place.has() == [UDIT]


class TestReport:
    """Runs `cibeacon report`."""

    def test_a_job_gets_its_pipelines(self, place):
        flags = ("--flow-job-id", JOB, "--flow-pipelines", "udit-test,jag-test")
        ended = place.run("report", *flags, "--format=json", ci=True)
        (row,) = [row for row in ended.document["signals"] if row["kind"] == "flow"]
        assert (row["outcome"], row["sink"], row["method"]) == ("sent", "flow", "jobs/pipelines")
        assert row["request"]["body"] == {"job_id": JOB, "pipeline_ids": [UDIT, JAG]}
        assert place.has() == [UDIT, JAG]

    def test_no_pipelines_are_a_fault_and_take_none_away(self, place):
        ended = place.run("report", "--flow-job-id", ASSIGNED_JOB, "--signals=flow", "--strict", ci=True)
        assert (ended.code, "--clear" in ended.out) == (1, True)
        assert len(place.has(ASSIGNED_JOB)) == 1
        assert place.requests("POST") == []

    def test_nobody_who_does_not_ask_for_it_hears_of_it(self, place):
        ended = place.run("report", "--format=json", ci=True)
        assert "flow" not in [row["kind"] for row in ended.document["signals"]]

    def test_an_action_sets_them_once(self, place):
        inputs = {"CIBEACON_FLOW_JOB_ID": JOB, "CIBEACON_FLOW_PIPELINES": "udit-test", "INPUT_JOB_STATUS": "success"}
        for stage in ("main", "post"):
            assert place.run(ci=True, stage=stage, **inputs).code == 0
        assert len(place.requests("POST")) == 1
        assert place.has() == [UDIT]


def test_a_step_of_the_action_assigns(place):
    environ = {"INPUT_COMMAND": "flow assign", "INPUT_FLOW_JOB_ID": JOB, "INPUT_FLOW_PIPELINES": "udit-test"}
    assert place.run(ci=True, stage="main", **environ).code == 0
    assert place.has() == [UDIT]


class _Known(BaseHTTPRequestHandler):
    """A server that lists one pipeline, named after the owner of the client certificate."""

    def do_GET(self):
        ((_, name),) = self.connection.getpeercert()["subject"][0]
        body = json.dumps({"status": "OK", "pipelines": [{"name": name, "id": UDIT}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


@pytest.fixture
def guarded(tmp_path, monkeypatch):
    """The settings for a server that requires a client certificate, and a file with a certificate and its key."""
    certificate, key = self_signed(tmp_path)
    both = tmp_path / "both.pem"
    both.write_text(certificate.read_text() + key.read_text())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    context = encrypted(certificate, key)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # later versions reject only after the request was sent
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Known)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield {"CIBEACON_FLOW_URL": f"https://127.0.0.1:{server.server_port}", "CIBEACON_FLOW_TOKEN": TOKEN}, both
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_client_certificate_is_shown_where_it_is_asked_for(guarded, tmp_path):
    environ, both = guarded
    ended = cibeacon("flow", "list", "--client-cert", str(both), environ=environ, cwd=tmp_path)
    assert (ended.code, ended.out.splitlines()[1].split()[0]) == (0, "127.0.0.1"), ended.err


def test_a_server_that_asks_for_a_certificate_in_vain_is_told_as_such(guarded, tmp_path):
    environ, _ = guarded
    ended = cibeacon("flow", "list", environ=environ, cwd=tmp_path)
    assert ended.code == 1
    assert "flow_client_cert" in ended.err
