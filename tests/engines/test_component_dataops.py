"""The DataOps component, as an emulator of GitLab's pipelines runs it: one job that ends as the pipeline elsewhere does."""

from __future__ import annotations

import json

import pytest
from test_component import PASSES, component, examples

from cibeacon.sandbox.dataops_account import Job, Script
from cibeacon.sandbox.server import Sandbox
from driving import API, TOKENS, TRIGGER

pytestmark = pytest.mark.engine

JOB = "cibeacon-dataops"
EXAMPLE = next(each.values for each in examples("dataops.md") if "dataops@" in each.values[0])


def over(end="success", **more):
    """A pipeline that is over when it is asked for the second time."""
    return Script((Job("Ingest Flights", pending=0, running=0, ends=(end,), **more),))


@pytest.fixture
def sandbox():
    with Sandbox() as running:
        yield running
        assert running.faults == []


@pytest.fixture
def dataops(sandbox):
    """An include of the component, told of the sandbox."""

    def included(**inputs):
        about = {
            "dataops_project": "830",
            "dataops_ref": "main",
            "dataops_pipeline_file": "full-ci.yml",
            "stage": "build",
        }
        return component("dataops", dataops_url=sandbox.url, **about | inputs)

    return included


def variables(**more):
    tokens = {"CIBEACON_DATAOPS_TOKEN": API, "CIBEACON_DATAOPS_TRIGGER_TOKEN": TRIGGER}
    return {**tokens, "CI_JOB_TOKEN": None, **more}


def only(sandbox):
    ((number, pipeline),) = sandbox.dataops.document()["pipelines"].items()
    return number, pipeline


@pytest.mark.parametrize(("end", "code", "status"), [("success", 0, "success"), ("failed", 10, "failed")])
def test_the_job_ends_as_the_pipeline_does_and_hands_on_what_it_knows(project, sandbox, dataops, end, code, status):
    sandbox.dataops.ordered.append(over(end))
    given = dataops(dataops_variables="FORCE=1\nREF=$CI_COMMIT_REF_NAME")
    report = {"script": ['echo "after $CIBEACON_OUT_PIPELINE_ID: $CIBEACON_OUT_PIPELINE_STATUS"'], "when": "always"}
    project.commit({"include": [given], "report": report})
    ended = project.run(variables())
    assert ended.code == (1 if code else 0), ended.said
    number, pipeline = only(sandbox)
    assert pipeline["status"] == status
    assert pipeline["variables"].items() >= {"FORCE": "1", "REF": "main", "_PIPELINE_FILE_NAME": "full-ci.yml"}.items()
    left = ended.dotenv(JOB)
    assert left["CIBEACON_OUT_PIPELINE_ID"] == number
    assert left["CIBEACON_OUT_PIPELINE_STATUS"] == status
    assert left["CIBEACON_OUT_WEB_URL"].endswith(f"/pipelines/{number}")
    document = json.loads(ended.artifact(JOB, "cibeacon-dataops.json").read_text())
    assert (document["status"], document["exit_code"]) == (status, code)
    assert f"> after {number}: {status}" in ended.said
    assert not [token for token in TOKENS if token in ended.said]


def test_an_exit_code_can_be_allowed(project, sandbox, dataops):
    sandbox.dataops.ordered.append(Script(statuses=("skipped",)))
    own = {".cibeacon-dataops": {"allow_failure": {"exit_codes": [12, 13]}}}
    project.commit({"include": [dataops()], "test": PASSES, **own})
    ended = project.run(variables())
    assert (ended.code, set(ended.jobs)) == (0, {JOB, "test"}), ended.said
    assert ended.dotenv(JOB)["CIBEACON_OUT_PIPELINE_STATUS"] == "skipped"


def test_without_a_token_nothing_is_started_and_the_job_says_what_is_missing(project, sandbox, dataops):
    project.commit({"include": [dataops()]})
    ended = project.run(variables(CIBEACON_DATAOPS_TRIGGER_TOKEN=None))
    assert ended.code == 1
    assert sandbox.dataops.document()["pipelines"] == {}
    assert "dataops_trigger_token" in ended.jobs[JOB]
    assert json.loads(ended.artifact(JOB, "cibeacon-dataops.json").read_text())["exit_code"] == 16


def test_a_pipeline_that_runs_already_is_followed_and_none_is_started(project, sandbox, dataops):
    project.commit({"include": [dataops(dataops_pipeline_id="74773")]})
    ended = project.run(variables())
    assert ended.code == 1, ended.said
    assert sandbox.dataops.document()["pipelines"] == {}
    assert ended.dotenv(JOB)["CIBEACON_OUT_PIPELINE_STATUS"] == "failed"


@pytest.mark.parametrize(
    "text", ["$(touch pwned) `touch pwned`", '"}\nscript: [touch pwned]\nx: "', "' || touch pwned || '"]
)
def test_an_input_is_handed_over_as_it_is_and_is_never_a_piece_of_a_script_or_of_yaml(project, sandbox, dataops, text):
    sandbox.dataops.ordered.append(over())
    project.commit({"include": [dataops(dataops_variables=json.dumps({"TOLD": text}), dataops_logs=text)]})
    ended = project.run(variables())
    assert set(ended.jobs) == {JOB}
    assert (ended.code, sandbox.dataops.document()["pipelines"]) == (1, {}), "no such choice of logs"
    project.commit({"include": [dataops(dataops_variables=json.dumps({"TOLD": text}))]})
    ended = project.run(variables())
    _, pipeline = only(sandbox)
    assert (ended.code, pipeline["variables"]["TOLD"]) == (0, text), ended.said
    assert not list(project.shop.root.parent.rglob("pwned"))


def test_in_pipelines_of_merge_requests_none_is_started_unless_the_rules_say_so(project, sandbox, dataops):
    project.commit({"include": [dataops()], "test": {**PASSES, "rules": [{"if": "$CI_PIPELINE_SOURCE"}]}})
    ended = project.run(variables(CI_PIPELINE_SOURCE="merge_request_event", CI_COMMIT_BRANCH=None))
    assert (ended.code, set(ended.jobs)) == (0, {"test"}), ended.said
    assert sandbox.dataops.document()["pipelines"] == {}


def test_the_example_runs_as_it_stands(project, sandbox):
    text, _ = EXAMPLE
    sandbox.dataops.ordered.append(over())
    project.commit(text)
    ended = project.run(variables(CIBEACON_DATAOPS_URL=sandbox.url))
    assert ended.code == 0, ended.said
    number, pipeline = only(sandbox)
    assert pipeline["status"] == "success"
    assert number in ended.said


def test_the_image_does_the_same_in_a_container(project, sandbox, dataops, image, copier):
    sandbox.dataops.ordered.append(over("failed"))
    project.commit({"include": [dataops(image=image)]})
    ended = project.run(variables(), copier)
    assert ended.code == 1, ended.said
    number, _ = only(sandbox)
    assert ended.dotenv(JOB)["CIBEACON_OUT_PIPELINE_ID"] == number
    assert json.loads(ended.artifact(JOB, "cibeacon-dataops.json").read_text())["exit_code"] == 10
