"""The action's other doors, as GitHub's runner runs them: the life of a job of DCI, and a pipeline of DataOps.live."""

from __future__ import annotations

import containers
import pytest
from test_action import complaints, shown, written

from cibeacon.sandbox.dataops_account import Job, Script
from cibeacon.sandbox.dci_account import REMOTECI, SECRET
from dci_talk import suite
from driving import API, TRIGGER
from mishaps import mishaps

pytestmark = pytest.mark.engine

UNIT = suite(("adds", "passed"), ("divides", "failure"), ("sleeps", "skipped"))
PULL = "pull_request-merged"


@pytest.fixture
def reports(shop, image):
    """What the tests of the checkout left in it."""
    containers.ours(shop.root, image)
    folder = shop.root / "reports"
    folder.mkdir()
    (folder / "unit.xml").write_bytes(UNIT)
    (folder / "run.log").write_text("done\n")
    containers.owned(folder, 1001, 121, image)
    yield
    containers.ours(shop.root, image)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    containers.owned(shop.root, 1001, 121, image)


@pytest.fixture
def dci(dx, step):
    """A step that tells DCI alone."""

    def made(**inputs):
        about = {"dx_token": "", "signals": "dci", "dci_topic": "RHEL-8.2"}
        signed = {"dci_url": dx.url, "dci_client_id": REMOTECI, "dci_api_secret": SECRET}
        return step(PULL, **about | signed | inputs)

    return made


@pytest.fixture
def dataops(dx, step):
    """A step that drives a pipeline."""

    def made(command="dataops trigger --wait", **inputs):
        tokens = {"dx_token": "", "dataops_token": API, "dataops_trigger_token": TRIGGER}
        which = {"dataops_project": "830", "dataops_ref": "main", "dataops_pipeline_file": "full-ci.yml"}
        return step(PULL, command=command, dataops_url=dx.url, **tokens | which | inputs)

    return made


def only(dx):
    (job,) = dx.dci.document()["jobs"].values()
    return job


def states(job):
    return [state for state, _ in job["states"]]


@pytest.mark.parametrize(("status", "told"), [("success", "success"), ("failure", "failure"), ("cancelled", "killed")])
def test_a_step_is_a_job_of_dci_from_its_begin_to_its_end(dx, dci, reports, status, told):
    job = dci(dci_files="reports/**")
    assert job.run("pre").code == 0
    assert dx.dci.document()["jobs"] == {}

    main = job.run("main")
    begun = only(dx)
    assert (main.code, complaints(main), states(begun)) == (0, [], ["pre-run", "running"])
    assert main.outputs["dci_job_id"] == main.state["dci_job_id"] == begun["id"]
    assert begun["files"] == []

    post = job.run("post", status)
    ended = only(dx)
    assert (post.code, complaints(post), states(ended)) == (0, [], ["pre-run", "running", told])
    assert {file["name"]: (file["mime"], file["size"]) for file in ended["files"]} == {
        "reports/unit": ("application/junit", len(UNIT)),
        "reports/run.log": ("text/plain", 5),
    }
    (result,) = ended["results"]
    assert [result[name] for name in ("total", "success", "failures", "skips")] == [3, 1, 1, 1]
    assert SECRET not in shown(main) + shown(post) + "".join(written(job.temp).values())


def test_without_a_topic_there_is_no_job_and_the_output_is_empty(dx, step):
    main = step(PULL).run("main")
    assert (main.code, main.outputs["dci_job_id"], dx.dci.document()["jobs"]) == (0, "", {})


@pytest.mark.parametrize(("strict", "code"), [("", 0), ("true", 1)])
def test_a_step_that_dci_refuses_fails_with_strict_alone(dx, dci, strict, code):
    main = dci(dci_api_secret="DCI." + "0" * 60, strict=strict).run("main")
    assert (main.code, len(complaints(main)), dx.dci.document()["jobs"]) == (code, 1, {})
    assert "HmacMechanism failed" in main.log


def test_a_file_that_fails_keeps_neither_the_others_nor_the_end_from_being_told(dx, dci, reports):
    job = dci(dci_files="reports/**")
    job.run("main")
    mishaps(dx, "dci").fail("POST", "/files", 413, times=1)
    post = job.run("post", "failure")
    ended = only(dx)
    assert (post.code, len(complaints(post)), states(ended)) == (0, 1, ["pre-run", "running", "failure"])
    assert len(ended["files"]) == 1


def test_the_verbs_of_dci_are_commands_of_a_step_too(dx, dci, reports):
    job = dci()
    main = job.run("main")
    more = dci(command="dci upload 'reports/*.xml' --job-id " + main.outputs["dci_job_id"], signals="")
    assert [more.run(stage).code for stage in ("pre", "main", "post")] == [0, 0, 0]
    assert [file["name"] for file in only(dx)["files"]] == ["reports/unit"]


@pytest.mark.parametrize(("end", "code"), [("success", 0), ("failed", 10), ("canceled", 11)])
def test_a_step_that_drives_a_pipeline_ends_as_that_one_does(dx, dataops, end, code):
    dx.dataops.ordered.append(Script((Job("Ingest Flights", pending=0, running=0, ends=(end,)),)))
    job = dataops()
    pre, main, post = (job.run(stage) for stage in ("pre", "main", "post"))
    assert (pre.code, main.code, post.code, post.log) == (0, code, 0, "")
    ((number, pipeline),) = dx.dataops.document()["pipelines"].items()
    assert pipeline["status"] == main.outputs["pipeline_status"] == end
    assert main.outputs["pipeline_id"] == number
    assert main.outputs["web_url"].endswith(f"/pipelines/{number}")
    assert "Ingest Flights" in main.summary
    assert [each.name for each in complaints(main)] == (["error"] if code else [])
    assert not {API, TRIGGER} & set(shown(main).split())
    assert not [token for token in (API, TRIGGER) if token in "".join(written(job.temp).values())]


def test_without_waiting_the_step_is_over_when_the_pipeline_exists(dx, dataops):
    main = dataops("dataops trigger --var FORCE=1 --var 'TOLD=a b'").run("main")
    ((number, pipeline),) = dx.dataops.document()["pipelines"].items()
    assert (main.code, main.outputs["pipeline_id"], "pipeline_status" in main.outputs) == (0, number, False)
    assert pipeline["variables"].items() >= {"FORCE": "1", "TOLD": "a b"}.items()


def test_a_pipeline_that_an_earlier_step_started_is_waited_for(dx, dataops):
    dx.dataops.ordered.append(Script((Job("Ingest Flights", pending=0, running=0),)))
    started = dataops("dataops trigger").run("main").outputs["pipeline_id"]
    main = dataops("dataops wait", dataops_pipeline_id=started, dataops_trigger_token="").run("main")
    assert (main.code, main.outputs["pipeline_id"], main.outputs["pipeline_status"]) == (0, started, "success")
    assert len(dx.dataops.document()["pipelines"]) == 1


def test_a_step_without_a_token_starts_nothing_and_says_what_is_missing(dx, dataops):
    main = dataops(dataops_trigger_token="").run("main")
    assert (main.code, [each.name for each in complaints(main)]) == (16, ["error"])
    assert dx.dataops.document()["pipelines"] == {}
    assert "dataops_trigger_token" in main.log


def test_a_cancelled_step_cancels_its_pipeline_where_that_is_wanted(dx, dataops):
    dx.dataops.ordered.append(Script((Job("Waits for a runner", pending=None),)))
    running = dataops("dataops trigger --wait --cancel").start("main")
    line = next(line for line in running.client.stdout if "was started" in line)
    number = next(iter(dx.dataops.document()["pipelines"]))
    assert number in line
    containers.docker("kill", "--signal=INT", running.name)
    ended = running.ended()
    assert (ended.code, dx.dataops.document()["pipelines"][number]["status"]) == (11, "canceled"), ended.log
    assert ended.outputs["pipeline_id"] == number
    assert containers.left_running() == []
