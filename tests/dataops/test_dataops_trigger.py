"""A trigger starts exactly one pipeline, even if its response is lost; an impossible trigger fails before it is sent."""

from __future__ import annotations

import pytest

from cibeacon.dataops.trigger import MARK
from cibeacon.sandbox.dataops_account import DataOpsAccount, Project
from cibeacon.sandbox.server import Sandbox
from driving import API, JOB, READ, TRIGGER, asked, drive, started
from mishaps import mishaps

FLAGS = ("trigger", "--ref=main", "--pipeline-file=full-ci.yml")
ONLY_TRIGGER = {"CIBEACON_DATAOPS_TOKEN": ""}
ONLY_TOKEN = {"CIBEACON_DATAOPS_TRIGGER_TOKEN": ""}


def test_variables_arrive_as_texts_and_the_pipeline_can_be_recognised(sandbox, dataops):
    told = '{"FORCE_INGESTION": true, "ROWS": 7, "NAME": "a=b"}'
    assert dataops(*FLAGS, f"--variables={told}").code == 0
    (pipeline,) = started(sandbox).values()
    assert pipeline["variables"] == {
        "_PIPELINE_FILE_NAME": "full-ci.yml",
        "FORCE_INGESTION": "true",
        "ROWS": "7",
        "NAME": "a=b",
        MARK: "token1",
    }


def test_variables_can_be_given_one_by_one(sandbox, dataops):
    assert dataops(*FLAGS, "--var=A=1", "--var=B=x = y").code == 0
    (pipeline,) = started(sandbox).values()
    assert (pipeline["variables"]["A"], pipeline["variables"]["B"]) == ("1", "x = y")


def test_whatever_stands_in_a_value_sets_no_other_variable(sandbox, dataops):
    message = "Fix\n_PIPELINE_FILE_NAME=evil.yml\nDEPLOY=prod"
    assert dataops(*FLAGS, f"--var=MESSAGE={message}", "--var=LAST=kept as it is \t").code == 0
    (pipeline,) = started(sandbox).values()
    assert pipeline["variables"] == {
        "_PIPELINE_FILE_NAME": "full-ci.yml",
        "MESSAGE": message,
        "LAST": "kept as it is \t",
        MARK: "token1",
    }


@pytest.mark.parametrize("told", ["no equals sign", "", '{"A": "1"}', "a-b=1", "=1"])
def test_a_variable_that_is_none_starts_nothing(sandbox, dataops, told):
    ended = dataops(*FLAGS, "--var=A=1", f"--var={told}")
    assert (ended.code, started(sandbox)) == (16, {})
    assert "dataops_variables" in ended.out


@pytest.mark.parametrize("told", ["no equals sign", '{"a": [1]}', '{"a": null}', "{", "a-b=1", "=1"])
def test_variables_that_cannot_be_right_start_nothing(sandbox, dataops, told):
    ended = dataops(*FLAGS, f"--variables={told}")
    assert (ended.code, started(sandbox)) == (16, {})
    assert "dataops_variables" in ended.out


PLACE = ("POST", "/projects/*/trigger/pipeline")
LOST = {
    "hangs up": lambda mishaps: mishaps.lose(*PLACE),
    "hangs up in the middle": lambda mishaps: mishaps.cut(*PLACE, 20),
}
NOT_DONE = {
    "502": lambda mishaps: mishaps.fail(*PLACE, 502),
    "500 in JSON": lambda mishaps: mishaps.fail(*PLACE, 500, 1, {"message": "500 Internal Server Error"}),
    "a login page": lambda mishaps: mishaps.login(*PLACE),
}


@pytest.mark.parametrize("fate", LOST)
def test_a_trigger_whose_answer_is_lost_starts_one_pipeline_and_finds_it(sandbox, dataops, fate):
    LOST[fate](mishaps(sandbox, "dataops"))
    ended = dataops(*FLAGS)
    assert (ended.code, asked(sandbox, "POST"), list(started(sandbox))) == (0, 1, ["74774"])
    assert "its pipeline was found" in ended.out
    assert "pipeline 74774 of main was started" in ended.out


@pytest.mark.parametrize("fate", NOT_DONE)
def test_a_trigger_that_came_to_nothing_is_known_as_such_and_not_repeated(sandbox, dataops, fate):
    NOT_DONE[fate](mishaps(sandbox, "dataops"))
    ended = dataops(*FLAGS)
    assert (ended.code, asked(sandbox, "POST"), started(sandbox)) == (15, 1, {})
    assert "no pipeline was found afterwards" in ended.out


def test_a_pipeline_that_appears_late_is_found(sandbox, dataops, time):
    """A proxy gave up while the server was still working."""
    mishaps(sandbox, "dataops").lose(*PLACE)
    mishaps(sandbox, "dataops").fail("GET", "/projects/*/variables", 500, 2)
    ended = dataops(*FLAGS)
    assert (ended.code, asked(sandbox, "POST")) == (0, 1)


def test_only_the_pipeline_with_our_own_word_is_adopted(sandbox, dataops):
    mishaps(sandbox, "dataops").fail("POST", "/projects/*/trigger/pipeline", 502)
    assert dataops(*FLAGS).code == 15
    assert dataops(*FLAGS).code == 0
    mishaps(sandbox, "dataops").lose("POST", "/projects/*/trigger/pipeline")
    assert "pipeline 74775 of main was started" in dataops(*FLAGS).out


def test_without_an_access_token_a_lost_answer_is_not_guessed_at(sandbox, dataops):
    mishaps(sandbox, "dataops").lose("POST", "/projects/*/trigger/pipeline")
    ended = dataops(*FLAGS, **ONLY_TRIGGER)
    assert (ended.code, asked(sandbox, "POST")) == (15, 1)
    assert f"{MARK}=token1" in ended.out
    assert "unknown whether" in ended.out


def test_a_trigger_that_is_told_to_wait_is_not_repeated(sandbox, dataops):
    mishaps(sandbox, "dataops").limit("POST", "/projects/*/trigger/pipeline", 5)
    ended = dataops(*FLAGS)
    assert (ended.code, asked(sandbox, "POST"), started(sandbox)) == (15, 1, {})


def test_the_trigger_token_alone_starts_and_sends_no_other_token(sandbox, dataops):
    assert dataops(*FLAGS, **ONLY_TRIGGER).code == 0
    assert asked(sandbox, "GET") == 0


@pytest.mark.parametrize(
    ("environ", "flags", "says"),
    [
        (ONLY_TOKEN, (), "dataops_trigger_token"),
        (ONLY_TRIGGER, ("--wait",), "dataops_token"),
        (ONLY_TRIGGER | ONLY_TOKEN, ("--wait",), "there is no token. To"),
        ({"CIBEACON_DATAOPS_PROJECT": ""}, (), "dataops_project"),
        ({}, ("--ref=",), "dataops_ref"),
        ({"CIBEACON_DATAOPS_WAIT_TIMEOUT": "soon"}, (), "dataops_wait_timeout"),
        ({"CIBEACON_DATAOPS_URL": "http://gitlab.example.com:8080"}, (), "unencrypted"),
        ({"CIBEACON_DATAOPS_URL": "https://app.dataops.live"}, ("--pipeline-file=",), "dataops_pipeline_file"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_asked(sandbox, dataops, environ, flags, says):
    ended = dataops(*FLAGS, *flags, **environ)
    assert ended.code == 16
    assert says in ended.out
    assert sandbox.ledger.document()["requests"] == []


def test_a_wait_that_could_not_follow_starts_nothing(sandbox, dataops):
    ended = dataops(*FLAGS, "--wait", CIBEACON_DATAOPS_TOKEN="wrong")
    assert (ended.code, started(sandbox)) == (16, {})
    assert "could not follow it" in ended.out


@pytest.mark.parametrize(
    ("environ", "flags", "says"),
    [
        ({"CIBEACON_DATAOPS_TRIGGER_TOKEN": "wrong"}, (), "dataops_trigger_token and dataops_project"),
        ({}, ("--ref=nowhere",), "nowhere is neither in this project"),
        ({}, ("--ref=b489ddd",), "looks like a commit"),
        ({}, ("--pipeline-file=nope.yml",), "does not end with -ci.yml"),
    ],
)
def test_a_refusal_is_explained(sandbox, dataops, environ, flags, says):
    ended = dataops(*FLAGS, *flags, **environ)
    assert (ended.code, started(sandbox)) == (16, {})
    assert says in ended.out


def test_a_project_that_forbids_variables_is_explained(tmp_path):
    account = DataOpsAccount(projects=(Project(id=830, path="a/b", variables_allowed=False),))
    with Sandbox(dataops=account) as sandbox:
        ended = drive(sandbox, *FLAGS, cwd=tmp_path)
        assert (ended.code, started(sandbox)) == (16, {})
    assert "forbids pipeline variables" in ended.out


def test_the_token_of_a_job_on_the_same_server_is_enough_to_start(sandbox, dataops):
    ours = {"CI_SERVER_URL": sandbox.url, "CI_JOB_TOKEN": JOB}
    assert dataops(*FLAGS, **ONLY_TRIGGER, **ONLY_TOKEN, **ours).code == 0
    assert len(started(sandbox)) == 1


def test_the_token_of_a_job_on_another_server_is_none(sandbox, dataops):
    ours = {"CI_SERVER_URL": "https://gitlab.example.com", "CI_JOB_TOKEN": JOB}
    ended = dataops(*FLAGS, **ONLY_TRIGGER, **ONLY_TOKEN, **ours)
    assert (ended.code, sandbox.ledger.document()["requests"]) == (16, [])


def test_a_job_token_cannot_follow_and_that_is_said_before_anything_is_started(sandbox, dataops):
    ours = {"CI_SERVER_URL": sandbox.url, "CI_JOB_TOKEN": JOB}
    ended = dataops(*FLAGS, "--wait", **ONLY_TRIGGER, **ONLY_TOKEN, **ours)
    assert (ended.code, started(sandbox)) == (16, {})
    assert "it cannot follow a pipeline" in ended.out


def test_a_dry_run_shows_the_request_and_needs_neither_token_nor_network(sandbox, dataops):
    environ = {**ONLY_TRIGGER, **ONLY_TOKEN}
    ended = dataops(*FLAGS, "--dry-run", "--format=json", **environ)
    assert ended.code == 0
    (request,) = ended.document["requests"]
    assert request["method"] == "POST"
    assert request["url"] == f"{sandbox.url}/api/v4/projects/830/trigger/pipeline"
    assert request["body"]["ref"] == "main"
    assert request["body"]["token"] == "{trigger token}"
    assert sandbox.ledger.document()["requests"] == []


@pytest.mark.parametrize(
    "argv",
    [
        ("wait", "1"),
        ("pipelines",),
        ("pipeline", "1"),
        ("jobs",),
        ("jobs", "1"),
        ("job", "1"),
        ("log", "1"),
        ("schedule", "--description=x", "--cron=0 1 * * 5", "--ref=main", "--var=A=b"),
        FLAGS,
    ],
)
def test_no_verb_opens_a_socket_in_a_dry_run(sandbox, dataops, argv):
    ended = dataops(*argv, "--dry-run", **ONLY_TRIGGER, **ONLY_TOKEN)
    assert ended.code == 0
    assert f"{sandbox.url}/api/v4/projects/830/" in ended.out
    assert sandbox.ledger.document()["requests"] == []


def test_no_token_is_in_anything_that_is_said(sandbox, dataops):
    for argv in ((*FLAGS, "--wait"), (*FLAGS, "--format=json"), ("pipelines", "--format=json"), ("wait", "99")):
        ended = dataops(*argv)
        for token in (API, READ, TRIGGER):
            assert token not in ended.out + ended.err
