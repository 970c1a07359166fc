"""The DCI component, as an emulator of GitLab's pipelines runs it: each pipeline is one job of DCI, with files and end."""

from __future__ import annotations

import pytest
from test_component import FAILS, PASSES, component, examples

from cibeacon.sandbox.dci_account import REMOTECI, SECRET
from cibeacon.sandbox.server import Sandbox
from dci_talk import suite

pytestmark = pytest.mark.engine

UNIT = suite(("adds", "passed"), ("divides", "failure"), ("sleeps", "skipped"))
TESTS = 'mkdir -p reports && cp unit.xml reports/ && echo "$CIBEACON_DCI_JOB_ID" > reports/job.txt'
KEPT = {"when": "always", "paths": ["reports/"]}
EXAMPLE = next(each.values for each in examples("dci.md") if "dci@" in each.values[0])


@pytest.fixture
def sandbox():
    with Sandbox() as running:
        yield running
        assert running.faults == []


@pytest.fixture
def dci(sandbox):
    """An include of the component, told of the sandbox."""

    def included(**inputs):
        about = {"dci_topic": "RHEL-8.2", "dci_components": "compose", "dci_files": "reports/**"}
        return component("dci", dci_url=sandbox.url, dci_client_id=REMOTECI, **about, **inputs)

    return included


def variables(**more):
    return {"DCI_API_SECRET": SECRET, "CI_JOB_TOKEN": None, **more}


def only(sandbox):
    (job,) = sandbox.dci.document()["jobs"].values()
    return job


def states(job):
    return [state for state, _ in job["states"]]


@pytest.mark.parametrize(("end", "code", "told"), [("true", 0, "success"), ("false", 1, "failure")])
def test_a_pipeline_is_one_job_with_its_files_and_its_end(project, sandbox, dci, end, code, told):
    project.commit(
        {"include": [dci()], "test": {"script": [TESTS, end], "artifacts": KEPT}}, **{"unit.xml": UNIT.decode()}
    )
    ended = project.run(variables())
    assert ended.code == code, ended.said
    assert set(ended.jobs) == {"cibeacon-dci-running", "test", f"cibeacon-dci-{told}"}
    job = only(sandbox)
    assert states(job) == ["pre-run", "running", told], ended.said
    assert {file["name"]: file["mime"] for file in job["files"]} == {
        "reports/unit": "application/junit",
        "reports/job.txt": "text/plain",
    }
    (result,) = job["results"]
    assert [result[name] for name in ("total", "success", "failures", "skips")] == [3, 1, 1, 1]
    assert ended.dotenv("cibeacon-dci-running")["CIBEACON_DCI_JOB_ID"] == job["id"]
    assert ended.artifact("test", "reports/job.txt").read_text().strip() == job["id"]
    assert SECRET not in ended.said


def test_a_job_of_the_projects_own_sends_files_before_the_end(project, sandbox, dci):
    upload = {
        "variables": {"DCI_CS_URL": sandbox.url, "DCI_CLIENT_ID": REMOTECI},
        "script": ["cibeacon dci upload unit.xml"],
    }
    project.commit({"include": [dci()], "test": upload}, **{"unit.xml": UNIT.decode()})
    ended = project.run(variables())
    job = only(sandbox)
    assert (ended.code, states(job)) == (0, ["pre-run", "running", "success"]), ended.said
    assert [file["name"] for file in job["files"]] == ["unit"]


def test_a_pipeline_that_dci_refuses_goes_on(project, sandbox, dci):
    project.commit({"include": [dci()], "test": PASSES})
    ended = project.run(variables(DCI_API_SECRET="DCI." + "0" * 60))
    assert (ended.code, sandbox.dci.document()["jobs"]) == (0, {}), ended.said
    assert "HmacMechanism failed" in ended.jobs["cibeacon-dci-running"]


def test_with_the_report_of_the_same_pipeline_nothing_is_told_twice(project, sandbox, dci):
    project.commit({"include": [dci(), component(dx_url=sandbox.url)], "test": FAILS})
    ended = project.run(variables(DX_API_TOKEN="any"))
    assert states(only(sandbox)) == ["pre-run", "running", "failure"], ended.said
    assert [run["notifications"] for run in sandbox.ledger.document()["pipeline_runs"].values()] == [2]


def test_a_dry_run_asks_dci_nothing(project, sandbox, dci):
    project.commit({"include": [dci(dry_run=True)], "test": PASSES})
    ended = project.run(variables(DCI_API_SECRET=None))
    assert (ended.code, sandbox.ledger.document()["requests"]) == (0, []), ended.said
    assert "/api/v1/jobs" in ended.jobs["cibeacon-dci-running"]


def test_the_example_runs_as_it_stands(project, sandbox):
    text, document = EXAMPLE
    (own,) = (name for name in document if name != "include")
    assert document[own]["artifacts"] == KEPT
    makefile = "test:\n\tmkdir reports\n\tcp unit.xml reports/\n"
    project.commit(text, **{"Makefile": makefile, "unit.xml": UNIT.decode()})
    ended = project.run(variables(DCI_CS_URL=sandbox.url, DCI_CLIENT_ID=REMOTECI))
    job = only(sandbox)
    assert (ended.code, states(job)) == (0, ["pre-run", "running", "success"]), ended.said
    assert [file["name"] for file in job["files"]] == ["reports/unit"]


def test_the_image_does_the_same_in_a_container(project, sandbox, dci, image, copier):
    test = {"image": {"name": image, "entrypoint": [""]}, "script": [TESTS, "false"], "artifacts": KEPT}
    project.commit({"include": [dci(image=image)], "test": test}, **{"unit.xml": UNIT.decode()})
    ended = project.run(variables(), copier)
    job = only(sandbox)
    assert (ended.code, states(job)) == (1, ["pre-run", "running", "failure"]), ended.said
    assert {file["name"] for file in job["files"]} == {"reports/job.txt", "reports/unit"}, ended.said
