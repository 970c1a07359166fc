"""The action as GitHub's runner runs it: the built image, its three stages, real containers, a real git checkout."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import containers
import pytest
from actions_runner import Step
from shops import TOKEN

import log_grammar
from faults import FaultServer, answers, encrypted, hangs, response, self_signed

pytestmark = pytest.mark.engine

HERE = Path(__file__).parent
EVENTS = json.loads((HERE / "action_events.json").read_text(encoding="utf-8"))
STATUSES = ("success", "failure", "cancelled")
DEPLOYING = {"deploy_services": "payments", "environment": "production"}


def bodies(dx, method):
    return [entry["body"] for entry in dx.ledger.document()["requests"] if entry["path"] == f"/api/{method}"]


def complaints(ended):
    return [command for command in log_grammar.commands(ended.log) if command.name in ("error", "warning")]


def shown(ended):
    """The log as people see it, but for the masking: what asks for that is not shown."""
    return "\n".join(line for line in ended.log.splitlines() if not line.startswith("::add-mask::"))


def written(folder):
    """The text of every file below a folder."""
    return {path: path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()}


def assert_whole(folder):
    """No file is half written: what is there under its own name can be read to its end."""
    for path, text in written(folder).items():
        if path.suffix in (".json", ".ndjson"):
            assert [json.loads(line) for line in ([text] if path.suffix == ".json" else text.splitlines())], path


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("case", [pytest.param(case, id=case["event"]) for case in EVENTS])
def test_each_event_and_end_of_the_job_leaves_one_record_and_the_truth(shop, dx, step, case, status):
    job = step(case["event"], **DEPLOYING, **({"dx_token": ""} if case.get("withheld") else {}))

    pre = job.run("pre")
    assert (pre.code, pre.log, set(pre.state)) == (0, "", {"started_at", "stage"})
    assert dx.ledger.document()["received"] == 0
    job.state["started_at"] = began = str(int(pre.state["started_at"]) - 60)  # the steps before ours took a minute

    main = job.run("main")
    assert (main.code, complaints(main), main.state["started_at"]) == (0, [], began)
    assert bodies(dx, "deployments.create") == [], "a deployment was announced before the job ended"
    if not case.get("withheld"):
        assert len(bodies(dx, "pipelineRuns.sync")) == 1

    post = job.run("post", status)
    assert (post.code, complaints(post), main.environment | post.environment) == (0, [], {})

    ledger = dx.ledger.document()
    wanted = {} if case.get("withheld") else {"status": case.get("record", status)}
    assert [{"status": run["status"]} for run in ledger["pipeline_runs"].values()] == ([wanted] if wanted else [])
    assert all(entry["status"] == 200 for entry in ledger["requests"])
    if wanted and "record" not in case:
        (run,) = ledger["pipeline_runs"].values()
        assert (str(run["started_at"]), run["notifications"]) == (began, 2)
    truth = [list(shop.pull.services)] if case.get("tells_services") else []
    assert [body["services"] for body in bodies(dx, "deployments.setPullServices")] == truth
    deployed = ["payments"] if case.get("deploys") and status == "success" else []
    assert [body["service"] for body in bodies(dx, "deployments.create")] == deployed
    assert TOKEN not in shown(main) + shown(post) + "".join(written(job.temp).values())


def test_the_outputs_and_the_summary_are_read_as_they_were_meant(shop, step):
    main = step("pull_request-merged").run("main")
    assert json.loads(main.outputs["services"]) == list(shop.pull.services)
    assert (main.outputs["status"], main.outputs["services_status"]) == ("sent", "ok")
    assert main.outputs["report"] == "/github/runner_temp/cibeacon/report.json"
    assert "storefront" in main.summary


def test_a_step_that_was_skipped_is_not_told_in_the_end(dx, step):
    job = step("pull_request-merged")
    job.run("pre")
    post = job.run("post", "failure")
    assert (post.code, dx.ledger.document()["received"], complaints(post)) == (0, 0, [])
    assert "did not run" in post.log


def test_a_local_action_has_no_pre_stage_and_dates_the_run_by_its_step(dx, step):
    job = step("pull_request-merged")
    main = job.run("main")
    job.run("post", "failure")
    (run,) = dx.ledger.document()["pipeline_runs"].values()
    assert (run["status"], str(run["started_at"])) == ("failure", main.state["started_at"])


def test_pre_needs_no_input_no_checkout_and_no_network(shop, image, temp):
    ended = Step(image, temp, temp / "empty", {}, {}, {}, "--read-only").run("pre", network="none")
    assert (ended.code, ended.log, set(ended.state)) == (0, "", {"started_at", "stage"})
    assert list((temp / "empty").iterdir()) == []


def test_a_dry_run_sends_nothing_and_shows_what_it_would(dx, step):
    job = step("pull_request-merged", dry_run="true", dx_token="", **DEPLOYING)
    main, post = job.run("main", network="none"), job.run("post", network="none")
    assert (main.code, post.code, dx.ledger.document()["received"]) == (0, 0, 0)
    assert main.outputs["status"] == "dry-run"
    assert "deployments.setPullServices" in main.log
    assert "deployments.create" in post.log


def test_a_run_whose_runner_died_is_closed_by_the_workflow_that_follows_it(shop, dx, step):
    assert step("push-default-branch").run("main").code == 0
    assert [run["status"] for run in dx.ledger.document()["pipeline_runs"].values()] == ["running"]
    closer = step("workflow_run-completed", about=shop.case("push-default-branch"), signals="pipeline-run")
    for stage in ("pre", "main", "post"):
        ended = closer.run(stage)
        assert (ended.code, complaints(ended)) == (0, []), ended.log
    (run,) = dx.ledger.document()["pipeline_runs"].values()
    assert run["status"] == "failure"
    assert all(entry["status"] == 200 for entry in dx.ledger.document()["requests"])


def test_the_command_services_tells_what_changed_and_sends_nothing(shop, dx, step):
    job = step("pull_request-merged", dx_token="", command="services --on-unknown 'fail'")
    pre, main, post = (job.run(stage) for stage in ("pre", "main", "post"))
    assert [(stage.code, complaints(stage)) for stage in (pre, main, post)] == [(0, [])] * 3
    assert (json.loads(main.outputs["services"]), main.outputs["services_status"]) == (list(shop.pull.services), "ok")
    assert "storefront" in main.summary
    assert (pre.log, post.log, post.outputs, post.summary) == ("", "", {}, "")
    assert dx.ledger.document()["received"] == 0


def test_services_that_cannot_be_known_fail_the_step_where_that_was_asked_for(step):
    unknown = {"base": "0123456789", "head": "HEAD"}
    assert step("push-default-branch", command="services", **unknown).run("main").code == 0
    assert step("push-default-branch", command="services", on_unknown="fail", **unknown).run("main").code == 3


def test_the_command_replay_sends_what_an_earlier_step_could_not(dx, step):
    kept = step("pull_request-merged", dx_url="http://127.0.0.1:9", timeout="20").run("main")
    assert int(kept.outputs["spooled"]) == 2, kept.log
    job = step("pull_request-merged", command="replay")
    main, post = job.run("main"), job.run("post")
    assert (main.code, complaints(main), main.outputs["status"], main.outputs["spooled"]) == (0, [], "sent", "0")
    assert (post.code, post.log) == (0, "")
    assert len(dx.ledger.document()["requests"]) == 2


@pytest.mark.parametrize(("strict", "code"), [("", 0), ("true", 1)])
def test_a_command_that_does_not_exist_is_invalid_and_no_shell_reads_it(dx, step, strict, code):
    job = step("pull_request-merged", command="report; touch $(echo /github/workspace/run)", strict=strict)
    main, post = job.run("main"), job.run("post")
    assert (main.code, len(complaints(main)), main.outputs["status"]) == (code, 1, "failed")
    assert "report;" in main.log
    assert (post.code, post.log, dx.ledger.document()["received"]) == (0, "", 0)


SURROUNDINGS = {
    "a root file system that is read-only": ("--read-only",),
    "a workspace that is read-only": ("read-only-workspace",),
    "both, without a temp folder": ("--read-only", "read-only-workspace", "--tmpfs=/tmp:ro"),
    "no home": ("--env=HOME=",),
    "a home that does not exist": ("--env=HOME=/nonexistent",),
    "no capabilities": ("--cap-drop=ALL", "--security-opt=no-new-privileges"),
    "variables that steer Python": ("--env=PYTHONPATH=/github/workspace", "--env=PYTHONHOME=/nonexistent"),
    "variables that steer git": ("--env=GIT_DIR=/nonexistent", "--env=GIT_TRACE=1", "--env=GIT_CONFIG_COUNT=x"),
}


@pytest.mark.parametrize("options", SURROUNDINGS.values(), ids=SURROUNDINGS.keys())
def test_it_tells_the_truth_in_any_surroundings(shop, dx, step, options):
    job = step("pull_request-merged", *options, strict="true", **DEPLOYING)
    stages = [job.run(stage) for stage in ("pre", "main", "post")]
    assert [(stage.code, complaints(stage)) for stage in stages] == [(0, [])] * 3, stages
    assert bodies(dx, "deployments.setPullServices")[0]["services"] == list(shop.pull.services)
    assert len(bodies(dx, "deployments.create")) == 1
    assert [run["status"] for run in dx.ledger.document()["pipeline_runs"].values()] == ["success"]
    assert list((job.temp / "_github_home").iterdir()) == [], "a foreign checkout is read without global configuration"


def test_an_authority_of_ones_own_is_trusted_in_the_container(step, temp):
    certificate, key = self_signed(temp)
    trusted = f"--env=REQUESTS_CA_BUNDLE=/github/runner_temp/{certificate.name}"
    with FaultServer(answers(response(b'{"ok": true}')), encrypted(certificate, key)) as server:
        given = {"dx_url": server.url, "timeout": "30"}
        assert step("pull_request-merged", **given).run("main").outputs["status"] == "failed"
        assert step("pull_request-merged", trusted, **given).run("main").outputs["status"] == "sent"


def test_a_user_that_may_write_nothing_still_sends(shop, dx, step):
    main = step("pull_request-merged").run("main", "success", "--user=4711:4711")
    assert main.code == 0
    assert bodies(dx, "deployments.setPullServices")[0]["services"] == list(shop.pull.services)
    assert "was not written" in main.log


def test_without_a_network_the_build_goes_on_and_strict_says_no(step):
    assert step("pull_request-merged", timeout="20").run("main", network="none").code == 0
    strict = step("pull_request-merged", timeout="20", strict="true").run("main", network="none")
    assert strict.code == 1
    assert [command.name for command in complaints(strict)] == ["error", "error"]


@pytest.mark.parametrize("stage", ["pre", "main", "post"])
@pytest.mark.parametrize("event", ["pull_request-merged", "push-default-branch"])
def test_nothing_is_written_into_the_image_and_nothing_is_left_to_compile(step, event, stage):
    programs = {"jq": ".status", "metadata_jq": "{services: .services}", "command": "report --verbose"}
    running = step(event, "--rm=false", **DEPLOYING, **programs).start(stage)
    ended = running.ended()
    changed = containers.docker("diff", running.name).splitlines()
    containers.docker("rm", running.name)
    assert (ended.code, complaints(ended)) == (0, [])
    foreign = [line for line in changed if not re.fullmatch(r"[AC] /github(/.*)?", line)]
    assert not foreign, f"something was written, or an import was not compiled in the image: {' '.join(foreign)}"


def test_nothing_is_written_into_the_workspace(shop, step, image):
    def seen():
        look = ("--entrypoint=ls", image, "-lAR", "--time-style=full-iso", "/w")
        return containers.docker("run", "--rm", f"--volume={shop.root}:/w:ro", *look)

    before = seen()
    job = step("pull_request-merged", **DEPLOYING)
    assert [job.run(stage).code for stage in ("pre", "main", "post")] == [0, 0, 0]
    assert seen() == before


class TestEndings:
    """Whoever ends a stage in the middle: the container is gone, and no file is half written."""

    ENDED_BY = {
        "docker stop": lambda running: containers.docker("stop", "--time=10", running.name),
        "SIGTERM": lambda running: containers.docker("kill", "--signal=TERM", running.name),
        "SIGINT": lambda running: containers.docker("kill", "--signal=INT", running.name),
        "SIGHUP": lambda running: containers.docker("kill", "--signal=HUP", running.name),
        "the runner's SIGINT to the client": lambda running: running.client.send_signal(signal.SIGINT),
    }

    @pytest.mark.parametrize("stage", ["main", "post"])
    @pytest.mark.parametrize("end", ENDED_BY.values(), ids=ENDED_BY.keys())
    def test_a_signal_is_obeyed_at_once_though_it_is_process_1(self, step, stage, end):
        with FaultServer(hangs) as server:
            running = step("pull_request-merged", dx_url=server.url, timeout="60").start(stage)
            server.waited_for()
            end(running)
            ended = running.ended()
        assert ended.code == 0, "137 would mean that it had to be killed"
        assert "interrupted" in ended.log
        assert containers.left_running() == []

    @pytest.mark.parametrize("stage", ["main", "post"])
    def test_sigkill_leaves_no_half_written_file(self, step, temp, stage):
        with FaultServer(hangs) as server:
            running = step("pull_request-merged", dx_url=server.url, timeout="60").start(stage)
            server.waited_for()
            containers.docker("kill", "--signal=KILL", running.name)
            ended = running.ended()
        assert ended.code == 137
        assert containers.left_running() == []
        assert_whole(temp)

    def test_a_client_that_is_killed_leaves_a_container_that_ends_by_itself(self, step, temp):
        with FaultServer(hangs) as server:
            running = step("pull_request-merged", dx_url=server.url, timeout="10").start("main")
            server.waited_for()
            running.client.kill()
            containers.docker("wait", running.name, check=False, timeout=60)
            running.ended()
        assert_whole(temp)
