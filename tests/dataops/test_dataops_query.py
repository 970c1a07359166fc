"""The listing commands: every call of the API's documentation, as a table and as one JSON document."""

from __future__ import annotations

import pytest

from driving import JOB, asked

MANY = {"CIBEACON_DATAOPS_PROJECT": "49187"}


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("pipelines",), ("id", "74773", "failed", "1451", "success")),
        (("pipeline", "1451"), ("1451", "success", "web_url")),
        (("jobs",), ("4325421", "Build all Models")),
        (("jobs", "74773"), ("4325421", "failed")),
        (("job", "47217"), ("Data Transformation", "47217")),
        (("log", "47217"), ("Job succeeded",)),
    ],
)
def test_each_view_shows_what_the_server_holds(dataops, argv, words):
    ended = dataops(*argv)
    assert ended.code == 0
    assert all(word in ended.out for word in words), ended.out


@pytest.mark.parametrize(
    ("argv", "key", "found"),
    [
        (("pipelines",), "pipelines", lambda value: [each["id"] for each in value] == [74773, 1451]),
        (("pipeline", "1451"), "pipeline", lambda value: (value["id"], value["status"]) == (1451, "success")),
        (("jobs",), "jobs", lambda value: {each["id"] for each in value} == {4325421, 47217}),
        (("jobs", "1451"), "jobs", lambda value: [each["id"] for each in value] == [47217]),
        (("job", "47217"), "job", lambda value: value["pipeline"]["id"] == 1451),
        (("log", "47217"), "job", lambda value: value["id"] == 47217),
    ],
)
def test_each_view_is_a_document_too(dataops, argv, key, found):
    ended = dataops(*argv, "--format=json")
    assert ended.code == 0
    document = ended.document
    assert (document["version"], document["status"], document["exit_code"]) == (1, "success", 0)
    assert found(document[key]), document


def test_a_document_can_be_filtered(dataops):
    assert dataops("pipelines", "--jq", '.pipelines[] | select(.status == "failed") | .id').out == "74773\n"


def test_every_page_is_followed_as_far_as_it_is_wanted(sandbox, dataops):
    assert len(dataops("pipelines", **MANY).out.splitlines()) == 31
    assert len(dataops("pipelines", "--limit=40", **MANY).out.splitlines()) == 41
    assert len(dataops("pipelines", "--all", "--format=json", **MANY).document["pipelines"]) == 45
    assert len(dataops("jobs", "--all", "--format=json", **MANY).document["jobs"]) == 45


@pytest.mark.parametrize(
    ("flags", "ids"),
    [
        (("--status=failed",), [74773]),
        (("--source=schedule",), [1451]),
        (("--ref=nowhere",), []),
        (("--order-by=id", "--sort=asc"), [1451, 74773]),
        (("--updated-after=2020-01-01T00:00:00Z", "--status=success"), [1451]),
    ],
)
def test_the_filters_of_the_api_are_passed_on(dataops, flags, ids):
    ended = dataops("pipelines", *flags, "--format=json")
    assert [each["id"] for each in ended.document["pipelines"]] == ids


def test_jobs_can_be_chosen_by_several_statuses(dataops):
    assert [each["id"] for each in dataops("jobs", "--scope=failed", "--format=json").document["jobs"]] == [4325421]
    both = dataops("jobs", "--scope=failed", "--scope=success", "--format=json").document["jobs"]
    assert len(both) == 2


def test_nothing_is_said_to_be_nothing(dataops):
    assert dataops("pipelines", "--ref=nowhere").out == "No pipelines found.\n"


def test_a_job_token_may_list_jobs_on_its_own_server(sandbox, dataops):
    ours = {"CI_SERVER_URL": sandbox.url, "CI_JOB_TOKEN": JOB, "CIBEACON_DATAOPS_TOKEN": ""}
    assert dataops("jobs", "74773", **ours).code == 0
    refused = dataops("pipeline", "74773", **ours)
    assert refused.code == 16
    assert asked(sandbox, "GET", "/pipelines/74773") == 0


@pytest.mark.parametrize("argv", [("pipeline", "5"), ("job", "5"), ("log", "5"), ("jobs", "5")])
def test_what_is_not_there_is_refused_with_advice(dataops, argv):
    ended = dataops(*argv)
    assert ended.code == 16
    assert "dataops_project" in ended.out


def test_a_project_can_be_named_by_its_path(dataops):
    assert dataops("pipelines", CIBEACON_DATAOPS_PROJECT="airline/flights").code == 0


def test_a_server_that_is_away_is_contact_lost(dataops):
    from faults import Refusing

    with Refusing() as nobody:
        ended = dataops("pipelines", CIBEACON_DATAOPS_URL=nobody.url)
    assert ended.code == 15
    assert "connection refused" in ended.out


@pytest.mark.parametrize("argv", [(), ("trigger",), ("wait",), ("schedule",), ("pipelines",), ("jobs",), ("log",)])
def test_each_verb_explains_itself(dataops, argv):
    ended = dataops(*argv, "--help")
    assert ended.code == 0


@pytest.mark.parametrize("argv", [("nonsense",), ("pipeline",), ("job", "x"), ("wait", "0"), ("trigger", "--token=x")])
def test_what_does_not_exist_exits_2(dataops, argv):
    assert dataops(*argv).code == 2
