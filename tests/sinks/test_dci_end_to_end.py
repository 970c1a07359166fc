"""The life of a job at DCI as CI hosts drive it: real HTTP, real signatures, and whatever gets lost on the way."""

from __future__ import annotations

import json
import signal
import socket
import sys
import time

import pytest

from cibeacon import report_text
from cibeacon.ci import gitlab_output
from cibeacon.demo import runs
from cibeacon.model.report import Outcome, Report, ReportTexts, ShownRequest
from cibeacon.sandbox.dci_account import REMOTECI, SECRET
from cibeacon.sandbox.server import Sandbox
from dci_talk import suite
from faults import FaultServer, hangs
from living import Living, outputs, records
from log_grammar import kept
from mishaps import mishaps
from processes import cibeacon

SHA, BEFORE = "a" * 40, "b" * 40
TAG = "ci:github.com:acme/shop:901:1:deploy"
UNIT = suite(("adds", "passed"), ("divides", "failure"), ("sleeps", "skipped"))
NOTE = "GitHub Actions: https://github.com/acme/shop/actions/runs/901/attempts/1"


@pytest.fixture
def sandbox():
    with Sandbox() as running:
        yield running
        assert running.faults == []
        assert mishaps(running, "dci").pending() == 0, "a mishap was ordered that never came"


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / "checkout"
    (root / "reports").mkdir(parents=True)
    (root / "reports/unit.xml").write_bytes(UNIT)
    (root / "build.log").write_text("done\n")
    return root


def credentials(url, **more):
    return {"DCI_CS_URL": url, "DCI_CLIENT_ID": REMOTECI, "DCI_API_SECRET": SECRET, **more}


@pytest.fixture
def github(sandbox, tmp_path):
    """The environment of a step on GitHub with a topic and files."""

    def environ(url=None, **more):
        base = runs.github("push", runs.pushed(BEFORE, SHA), SHA, 901, tmp_path / "run")
        given = {"INPUT_DCI_TOPIC": "RHEL-8.2", "INPUT_DCI_FILES": "reports/*.xml, *.log", "INPUT_SIGNALS": "dci"}
        state = {"GITHUB_STATE": str(tmp_path / "run/state")}
        return {**base, **credentials(url or sandbox.url), **given, **state, **more}

    return environ


def gitlab(sandbox, folder, job, number, **more):
    base = runs.gitlab(BEFORE, SHA, 77, "http://127.0.0.1:9", folder)
    own = {"CI_JOB_NAME": job, "CI_JOB_ID": str(number), "CIBEACON_SIGNALS": "dci"}
    return {**base, **credentials(sandbox.url), **own, "CIBEACON_DCI_TOPIC": "rhel-8.2", **more}


def jobs(sandbox):
    return list(sandbox.dci.document()["jobs"].values())


def only(sandbox):
    (job,) = jobs(sandbox)
    return job


def states(job):
    return [status for status, _ in job["states"]]


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


class TestGitHub:
    """A step with a main and a post stage."""

    def test_a_job_lives_from_the_first_stage_to_the_last(self, sandbox, github, checkout, tmp_path):
        main = cibeacon("report", environ=github(), cwd=checkout, stage="main")
        job = only(sandbox)
        assert main.code == 0
        assert states(job) == ["pre-run", "running"]
        assert outputs((tmp_path / "run/output").read_text())["dci_job_id"] == job["id"]
        state = outputs((tmp_path / "run/state").read_text())
        assert state["dci_job_id"] == job["id"]

        told = {f"STATE_{name}": value for name, value in state.items()}
        post = cibeacon("report", environ=github(INPUT_JOB_STATUS="success", **told), cwd=checkout, stage="post")
        job = only(sandbox)
        assert post.code == 0
        assert states(job) == ["pre-run", "running", "success"]
        assert {file["name"]: (file["mime"], file["size"]) for file in job["files"]} == {
            "build.log": ("text/plain", 5),
            "reports/unit": ("application/junit", len(UNIT)),
        }
        (result,) = job["results"]
        assert [result[name] for name in ("total", "success", "failures", "skips")] == [3, 1, 1, 1]
        assert outputs((tmp_path / "run/output").read_text())["dci_job_id"] == job["id"]

    def test_the_job_says_what_it_is_about_and_stays_comparable(self, sandbox, github, checkout):
        more = {"INPUT_DCI_TAGS": "nightly", "INPUT_DCI_CONFIGURATION": "vm", "INPUT_MATRIX": '{"os": "rhel"}'}
        cibeacon("report", environ=github(**more), cwd=checkout, stage="main")
        job = only(sandbox)
        assert (job["topic"], job["name"], job["configuration"]) == ("RHEL-8.2", "ship / deploy (rhel)", "vm")
        assert job["tags"][0].startswith(f"{TAG}:")
        assert job["tags"][1:] == ["nightly"]
        assert (job["url"], job["comment"]) == (None, None)
        assert job["data"]["run_url"] == "https://github.com/acme/shop/actions/runs/901/attempts/1"
        assert job["states"] == [["pre-run", NOTE], ["running", NOTE]]
        assert len(job["components"]) == 2, "the latest compose and the latest hwcert"

    @pytest.mark.parametrize(
        ("status", "told"), [("success", "success"), ("failure", "failure"), ("cancelled", "killed")]
    )
    def test_how_the_job_ended_is_told_in_dcis_words(self, sandbox, github, checkout, status, told):
        cibeacon("report", environ=github(), cwd=checkout, stage="main")
        cibeacon("report", environ=github(INPUT_JOB_STATUS=status), cwd=checkout, stage="post")
        assert states(only(sandbox)) == ["pre-run", "running", told]

    def test_trouble_that_is_not_the_codes_is_told_when_a_person_says_so(self, sandbox, github, checkout):
        cibeacon("report", "--status=error", "--dci-components=hwcert", environ=github(), cwd=checkout)
        job = only(sandbox)
        assert states(job) == ["pre-run", "running", "error"]
        assert len(job["components"]) == 1

    def test_a_stage_that_runs_twice_tells_nothing_twice(self, sandbox, github, checkout):
        for _ in range(2):
            cibeacon("report", environ=github(), cwd=checkout, stage="main")
        ended = [
            cibeacon("report", environ=github(INPUT_JOB_STATUS="failure"), cwd=checkout, stage="post") for _ in "12"
        ]
        job = only(sandbox)
        assert states(job) == ["pre-run", "running", "failure"]
        assert len(job["files"]) == 2
        assert "duplicate dci" in ended[1].out

    def test_an_end_that_a_person_told_stands(self, sandbox, github, checkout):
        cibeacon("report", "--status=error", environ=github(), cwd=checkout)
        cibeacon("report", environ=github(INPUT_JOB_STATUS="success"), cwd=checkout, stage="post")
        assert only(sandbox)["status"] == "error"

    def test_post_alone_makes_no_job(self, sandbox, github, checkout):
        ended = cibeacon("report", "--strict", environ=github(INPUT_JOB_STATUS="success"), cwd=checkout, stage="post")
        assert (ended.code, jobs(sandbox)) == (1, [])
        assert "DCI has no job for this run" in ended.out

    def test_the_change_under_test_is_the_pull_requests_page(self, sandbox, github, checkout, tmp_path):
        page = "https://github.com/acme/shop/pull/7"
        event = {
            "action": "synchronize", "number": 7,
            "pull_request": {"number": 7, "id": 1, "state": "open", "html_url": page, "head": {"sha": SHA}},
        }  # fmt: skip
        environ = github(GITHUB_EVENT_NAME="pull_request")
        (tmp_path / "run/event.json").write_text(json.dumps(event))
        cibeacon("report", environ=environ, cwd=checkout, stage="main")
        assert only(sandbox)["url"] == page

    def test_a_dry_run_opens_no_connection_and_shows_what_would_be_told(self, github, checkout, tmp_path):
        environ = github(url=closed_port(), DCI_API_SECRET="", DCI_CLIENT_ID="", INPUT_STATUS="failure")
        ended = cibeacon("report", "--dry-run", "--format=json", environ=environ, cwd=checkout)
        shown = [(row["method"], row["outcome"], row["request"]["body"]) for row in ended.document["signals"]]
        assert [method for method, _, _ in shown] == ["jobs/schedule", "files", "files", "jobstates"]
        assert {outcome for _, outcome, _ in shown} == {"dry-run"}
        assert shown[0][2]["topic_id"] == "{topic.id}"
        assert shown[3][2] == {"job_id": "{job.id}", "status": "failure", "comment": NOTE}
        assert not (tmp_path / "run/cibeacon/spool").exists()


class TestGitLab:
    """The jobs of a pipeline: one in the first stage, one of two in the last."""

    @pytest.mark.parametrize(("word", "told"), [("success", "success"), ("failed", "failure")])
    def test_a_pipeline_is_one_job_from_its_first_stage_to_its_last(self, sandbox, checkout, tmp_path, word, told):
        first = gitlab(sandbox, tmp_path / "first", "beacon-running", 1)
        assert cibeacon("report", environ=first, cwd=checkout, stage="main").code == 0
        job = only(sandbox)
        dotenv = dict(line.split("=", 1) for line in (tmp_path / "first/cibeacon.env").read_text().splitlines())
        assert dotenv["CIBEACON_DCI_JOB_ID"] == job["id"]
        assert "CIBEACON_OUT_DCI_JOB_ID" not in dotenv

        last = gitlab(sandbox, tmp_path / "last", "beacon-end", 9, CIBEACON_JOB_STATUS=word)
        last |= {"CIBEACON_DCI_FILES": "reports/"}
        assert cibeacon("report", environ=last, cwd=checkout, stage="post").code == 0
        job = only(sandbox)
        assert (states(job), job["name"]) == (["pre-run", "running", told], "acme/shop")
        assert [file["size"] for file in job["files"]] == [len(UNIT)]
        assert job["tags"] == ["ci:gitlab.example.com:acme/shop:77:1"]

    def test_a_later_job_goes_on_with_the_job_that_it_is_handed(self, sandbox, checkout, tmp_path):
        cibeacon("report", "--status=running", environ=gitlab(sandbox, tmp_path / "a", "build", 1), cwd=checkout)
        job = only(sandbox)
        later = gitlab(sandbox, tmp_path / "b", "test", 2, CIBEACON_DCI_JOB_ID=job["id"], CIBEACON_DCI_TOPIC="")
        cibeacon("report", environ=later, cwd=checkout)
        assert states(only(sandbox)) == ["pre-run", "running", "success"]

    def test_the_change_under_test_is_the_merge_requests_page(self, sandbox, checkout, tmp_path):
        project = "https://gitlab.example.com/acme/shop"
        asked = {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_IID": "12"}
        environ = gitlab(sandbox, tmp_path, "build", 1, CI_MERGE_REQUEST_PROJECT_URL=project, **asked)
        cibeacon("report", environ=environ, cwd=checkout, stage="main")
        assert only(sandbox)["url"] == f"{project}/-/merge_requests/12"

    def test_without_a_job_no_later_job_is_told_of_one(self, sandbox, checkout, tmp_path):
        environ = gitlab(sandbox, tmp_path, "build", 1, CIBEACON_DCI_TOPIC="no such topic")
        ended = cibeacon("report", "--strict", environ=environ, cwd=checkout)
        assert (ended.code, jobs(sandbox)) == (1, [])
        assert "DCI_JOB_ID" not in (tmp_path / "cibeacon.env").read_text()
        assert "DCI has no job for it" in ended.out
        assert records(tmp_path / ".cibeacon/spool") == {}


class TestFailures:
    """What goes wrong at DCI costs no build, and never the end of the job."""

    @pytest.mark.parametrize("status", [413, 500])
    def test_a_file_that_fails_stops_neither_the_others_nor_the_end(self, sandbox, github, checkout, status):
        cibeacon("report", environ=github(), cwd=checkout, stage="main")
        mishaps(sandbox, "dci").fail("POST", "/files", status, times=1 if status == 413 else 4)
        environ = github(INPUT_JOB_STATUS="success", INPUT_DCI_FILES="*.log")
        ended = cibeacon("report", "--strict", environ=environ, cwd=checkout, stage="post")
        job = only(sandbox)
        assert (ended.code, states(job), job["files"]) == (1, ["pre-run", "running", "success"], [])

    def test_the_end_has_its_time_when_the_files_have_used_up_theirs(self, sandbox, github, checkout):
        cibeacon("report", environ=github(), cwd=checkout, stage="main")
        mishaps(sandbox, "dci").fail("GET", "/jobs/*/files", 503, times=1)
        environ = github(INPUT_JOB_STATUS="success", INPUT_DCI_UPLOAD_TIMEOUT="0.000001", INPUT_DCI_FILES="*.log")
        cibeacon("report", environ=environ, cwd=checkout, stage="post")
        assert states(only(sandbox)) == ["pre-run", "running", "success"]
        mishaps(sandbox, "dci").next("GET", "/jobs/x/files")

    def test_files_that_nobody_will_send_are_not_looked_for(self, sandbox, github, checkout):
        nothing = {"INPUT_DCI_FILES": "nothing/*.xml"}
        running = cibeacon("report", "--strict", "--status=running", environ=github(**nothing), cwd=checkout)
        assert (running.code, "nothing/" in running.out) == (0, False)

    def test_a_file_that_is_not_there_is_told_and_costs_nothing_else(self, sandbox, github, checkout):
        cibeacon("report", environ=github(), cwd=checkout, stage="main")
        environ = github(INPUT_JOB_STATUS="success", INPUT_DCI_FILES="nothing/*.xml")
        ended = cibeacon("report", environ=environ, cwd=checkout, stage="post")
        assert "dci_files: nothing/*.xml matches no file" in ended.out
        assert states(only(sandbox)) == ["pre-run", "running", "success"]

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"DCI_API_SECRET": "DCI.wrong"}, "check the secret dci_api_secret"),
            ({"DCI_CLIENT_ID": "11111111-2222-4333-8444-555555555555"}, "check dci_client_id"),
            ({"INPUT_DCI_TOPIC": "RHEL-7.9"}, "RHEL-7.9 is no longer active"),
            ({"INPUT_DCI_TOPIC": "RHEL-11.0-beta"}, "This remote CI cannot see a topic"),
            ({"INPUT_DCI_TOPIC": "RHEL-10.0"}, "the topic lacks a component"),
            ({"INPUT_DCI_COMPONENTS": "compose=none"}, "has no component compose=none"),
            ({"INPUT_DCI_COMPONENTS": "530c727c-22f0-486a-98a8-868b21c42d13"}, "is no longer active"),
            ({"INPUT_DCI_COMPONENTS": "11111111-2222-4333-8444-555555555555"}, "DCI rejects the components"),
            ({"INPUT_DCI_JOB_ID": "11111111-2222-4333-8444-555555555555"}, "check dci_job_id"),
            ({"DCI_CS_URL": ""}, "DCI"),
        ],
        ids=str,
    )
    def test_what_is_wrong_is_said_in_words_and_leaves_no_job_behind(self, sandbox, github, checkout, change, says):
        change = {"DCI_CS_URL": closed_port()} if change == {"DCI_CS_URL": ""} else change
        environ = github(**change)
        lenient = cibeacon("report", environ=environ, cwd=checkout, stage="main")
        strict = cibeacon("report", "--strict", environ=environ, cwd=checkout, stage="main")
        assert (lenient.code, strict.code, jobs(sandbox)) == (0, 1, [])
        assert says.lower() in lenient.out.lower()
        for text in (kept(lenient.out), lenient.err):
            assert SECRET not in text
            assert "Traceback" not in text

    def test_a_clock_that_is_wrong_is_told_with_the_servers_time(self, checkout, github):
        with Sandbox(clock=lambda: time.time() - 3600) as late:
            ended = cibeacon("report", environ=github(url=late.url), cwd=checkout, stage="main")
        assert "HmacMechanism failed: signature is expired" in ended.out
        assert "DCI's shows" in ended.out

    def test_what_the_server_tells_of_our_secret_is_written_nowhere(self, sandbox, github, checkout, tmp_path):
        cibeacon("report", "--verbose", environ=github(INPUT_STATUS="success"), cwd=checkout)
        for path in tmp_path.rglob("*"):
            assert path.is_dir() or SECRET.encode() not in path.read_bytes()


LOSSES = [
    ("POST", "/jobs/schedule", "main"), ("POST", "/jobstates", "main"), ("GET", "/jobs", "main"),
    ("GET", "/topics", "main"), ("GET", "/jobs", "post"), ("POST", "/files", "post"), ("GET", "/jobs/*", "post"),
    ("GET", "/jobs/*/files", "post"), ("POST", "/jobstates", "post"),
]  # fmt: skip
ONCE = ["pre-run", "running", "success"]


class TestLosses:
    """Answers that never come: one job, one file, one end in DCI's ledger, whatever was lost."""

    def whole(self, github, checkout, *, order=None, url=None):
        """Both stages of a step; `order` is called before the stage that it names."""
        for stage, more in (("main", {}), ("post", {"INPUT_JOB_STATUS": "success", "INPUT_DCI_FILES": "*.log"})):
            if order:
                order(stage)
            cibeacon("report", environ=github(url=url, INPUT_TIMEOUT="60", **more), cwd=checkout, stage=stage)

    def assert_once(self, sandbox):
        job = only(sandbox)
        assert (states(job), [file["name"] for file in job["files"]]) == (ONCE, ["build.log"])

    @pytest.mark.parametrize(("method", "path", "stage"), LOSSES)
    @pytest.mark.parametrize("times", [1, 2])
    def test_a_lost_answer_does_nothing_twice(self, sandbox, github, checkout, method, path, stage, times):
        def order(now):
            if now == stage:
                mishaps(sandbox, "dci").lose(method, path, times)

        self.whole(github, checkout, order=order)
        self.assert_once(sandbox)
        assert mishaps(sandbox, "dci").pending() < times, "nothing was lost"
        while mishaps(sandbox, "dci").next(method, path) is not None:  # what was found was not said a second time
            pass

    @pytest.mark.parametrize("status", [500, 503])
    @pytest.mark.parametrize(("method", "path", "stage"), LOSSES)
    def test_an_answer_of_trouble_does_nothing_twice(self, sandbox, github, checkout, method, path, stage, status):
        self.whole(
            github, checkout, order=lambda now: now == stage and mishaps(sandbox, "dci").fail(method, path, status)
        )
        self.assert_once(sandbox)

    @pytest.mark.parametrize(
        ("method", "path", "stage"),
        [("POST", "/jobs/schedule", "main"), ("POST", "/files", "post"), ("POST", "/jobstates", "post")],
    )
    def test_what_stays_doubtful_is_told_once_by_the_replay(
        self, sandbox, github, checkout, tmp_path, method, path, stage
    ):
        """Done, but every answer of this call and of the looking for it is lost."""

        def order(now):
            if now == stage:
                mishaps(sandbox, "dci").lose(method, path, 1)
                mishaps(sandbox, "dci").fail("GET", "/jobs*", 503, 30)

        self.whole(github, checkout, order=order)
        while mishaps(sandbox, "dci").next("GET", "/jobs") is not None:
            pass
        while mishaps(sandbox, "dci").next(method, path) is not None:
            pass
        assert records(tmp_path / "run/cibeacon/spool"), "something has to wait"
        ended = cibeacon("replay", "--strict", environ=github(), cwd=checkout)
        assert ended.code == 0, ended.out
        again = cibeacon("replay", "--strict", environ=github(), cwd=checkout)
        assert "No signals are waiting" in again.out
        self.assert_once(sandbox)

    def test_a_server_that_is_down_is_told_everything_in_order_by_the_replay(self, sandbox, github, checkout, tmp_path):
        self.whole(github, checkout, url=closed_port())
        waiting = records(tmp_path / "run/cibeacon/spool")
        assert set(waiting) == {f"dci/{TAG}/job", f"dci/{TAG}/file/build.log", f"dci/{TAG}/success"}
        assert SECRET not in "".join(str(record) for record in waiting.values())
        ended = cibeacon("replay", "--strict", environ=github(), cwd=checkout)
        assert ended.code == 0, ended.out
        self.assert_once(sandbox)
        assert records(tmp_path / "run/cibeacon/spool") == {}

    def test_replays_of_one_record_change_nothing(self, sandbox, github, checkout, tmp_path):
        self.whole(github, checkout, url=closed_port())
        kept = {path: path.read_bytes() for path in (tmp_path / "run/cibeacon/spool").glob("*.ndjson")}
        for _ in range(3):
            for path, content in kept.items():
                path.write_bytes(content)
            assert cibeacon("replay", "--strict", environ=github(), cwd=checkout).code == 0
        self.assert_once(sandbox)

    def test_a_file_that_is_gone_by_then_is_told_as_such_and_dropped(self, sandbox, github, checkout, tmp_path):
        self.whole(github, checkout, url=closed_port())
        (checkout / "build.log").unlink()
        ended = cibeacon("replay", environ=github(), cwd=checkout)
        assert "The file can no longer be sent" in ended.out
        job = only(sandbox)
        assert (states(job), job["files"]) == (ONCE, [])
        assert "No signals are waiting" in cibeacon("replay", environ=github(), cwd=checkout).out

    def test_a_record_that_somebody_wrote_sends_no_file_from_elsewhere(self, sandbox, github, checkout, tmp_path):
        self.whole(github, checkout, url=closed_port())
        outside = tmp_path / "secret.txt"
        outside.write_text("private")
        spool = tmp_path / "run/cibeacon/spool"
        for path in spool.glob("*.ndjson"):
            document = json.loads(path.read_text())
            if document["signal"]["type"] == "Attachment":
                document["signal"]["path"] = str(outside)
                del document["checksum"]
                path.write_text(json.dumps(document))
        ended = cibeacon("replay", environ=github(), cwd=checkout)
        assert "anyone could have written" in ended.out
        assert only(sandbox)["files"] == []

    def test_an_artifact_sends_no_file_from_elsewhere_and_what_it_says_waits(self, sandbox, github, checkout, tmp_path):
        (tmp_path / "secret.txt").write_text("private")
        cibeacon("dci", "upload", "../secret.txt", environ=github(url=closed_port()), cwd=checkout)
        spool = tmp_path / "run/cibeacon/spool"
        (artifact,) = [path.rename(checkout / path.name) for path in spool.glob("*.ndjson")]
        ended = cibeacon("replay", artifact.name, environ=github(), cwd=checkout)
        assert "anyone could have written" in ended.out
        assert artifact.is_file()
        assert not artifact.with_name(f"{artifact.name}.refused").exists()

    def test_half_a_job_that_main_could_not_finish_is_finished_by_post(self, sandbox, github, checkout):
        def order(stage):
            if stage == "main":
                mishaps(sandbox, "dci").fail("POST", "/jobstates", 503, 4)

        self.whole(github, checkout, order=order)
        assert states(only(sandbox))[-1] == "success"


def test_a_run_for_two_systems_gives_each_its_own_rows(sandbox, github, checkout):
    environ = github(INPUT_SIGNALS="", CIBEACON_DX_URL=sandbox.url, DX_API_TOKEN="token", INPUT_STATUS="success")
    document = cibeacon("report", "--format=json", environ=environ, cwd=checkout).document
    told = [(row["kind"], row["sink"], row["method"], row["outcome"]) for row in document["signals"]]
    assert told[2:] == [
        ("pipeline-run", "dx", "pipelineRuns.sync", "sent"),
        ("dci", "dci", "jobs/schedule", "sent"),
        ("dci", "dci", "files", "sent"),
        ("dci", "dci", "files", "sent"),
        ("dci", "dci", "jobstates", "sent"),
    ]


def told(url):
    outputs = {"dci_job_id": "6f0c9a52-2f0e-4c6f-9d0b-0d4a4d7e0001"}
    row = Outcome("dci", "dci", "sent", outputs=outputs, request=ShownRequest("POST", f"{url}/api/v1/jobstates", {}))
    return Report(context=None, outcomes=(Outcome("deployment", "dx", "skipped"), row))


def test_the_page_of_a_job_is_one_click_away_where_there_is_one():
    page = "https://www.distributed-ci.io/jobs/6f0c9a52-2f0e-4c6f-9d0b-0d4a4d7e0001/jobStates"
    public = told("https://api.distributed-ci.io")
    assert f"({page})" in report_text.summary(public)
    assert any(page in line for line in report_text.report_lines(public))
    texts = ReportTexts(report_text.output_values, report_text.summary)
    links = json.loads(gitlab_output.render(public, {}, "post", 0, texts).files[1].text)["cibeacon"]
    assert {"external_link": {"label": "The DCI job", "url": page}} in links
    for elsewhere in (told("https://dci.example"), told("https://api.distributed-ci.io.evil.example")):
        assert "www.distributed-ci.io" not in report_text.summary(elsewhere) + "".join(
            report_text.report_lines(elsewhere)
        )


def test_files_that_wait_are_kept_with_the_end_when_the_process_is_told_to_stop(checkout, tmp_path):
    """The first file hangs at DCI; everything that did not arrive waits, and is told once by the replay."""
    with Sandbox() as sandbox, FaultServer(hangs) as silent:
        base = runs.github("push", runs.pushed(BEFORE, SHA), SHA, 901, tmp_path / "run")
        environ = {**base, "INPUT_DCI_TOPIC": "RHEL-8.2", "INPUT_DCI_FILES": "*.log", "INPUT_SIGNALS": "dci"}
        ready = cibeacon("report", environ=environ | credentials(sandbox.url), cwd=checkout, stage="main")
        assert ready.code == 0
        more = {**credentials(silent.url), "INPUT_JOB_STATUS": "success"}
        post = [sys.executable, "-c", "from cibeacon.__main__ import action_post; action_post()"]
        with Living("report", environ=environ | more, cwd=checkout, command=post) as running:
            silent.waited_for()
            running.told(signal.SIGTERM)
            ended = running.ended()
        assert ended.code == 0
        assert set(records(tmp_path / "run/cibeacon/spool")) == {f"dci/{TAG}/file/build.log", f"dci/{TAG}/success"}
        assert cibeacon("replay", "--strict", environ=environ | credentials(sandbox.url), cwd=checkout).code == 0
        job = only(sandbox)
        assert (states(job), len(job["files"])) == (ONCE, 1)
