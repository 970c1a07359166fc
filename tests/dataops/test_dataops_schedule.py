"""A schedule is created once and updated afterwards; the server validates its cron line."""

from __future__ import annotations

import pytest

from driving import asked
from mishaps import mishaps

FLAGS = ("schedule", "--description=Nightly", "--cron=0 1 * * 5", "--ref=main", "--pipeline-file=full-ci.yml")


@pytest.fixture
def schedules(sandbox):
    before = set(sandbox.dataops.document()["schedules"])
    return lambda: {
        number: each for number, each in sandbox.dataops.document()["schedules"].items() if number not in before
    }


def test_running_twice_makes_one_schedule(sandbox, dataops, schedules):
    first = dataops(*FLAGS, "--var=A=1", "--format=json")
    again = dataops(*FLAGS, "--var=A=1", "--format=json")
    (schedule,) = schedules().values()
    assert (first.code, again.code) == (0, 0)
    assert (first.document["status"], again.document["status"]) == ("created", "unchanged")
    assert schedule["variables"] == {"_PIPELINE_FILE_NAME": "full-ci.yml", "A": "1"}
    assert schedule["cron"] == "0 1 * * 5"
    assert asked(sandbox, "PUT") == 0


def test_what_differs_is_changed_and_the_rest_stays(dataops, schedules):
    dataops(*FLAGS, "--var=A=1", "--var=B=2", "--cron-timezone=UTC")
    ended = dataops(
        "schedule",
        "--description=Nightly",
        "--cron=30 2 * * *",
        "--ref=main",
        "--var=A=3",
        "--inactive",
        "--format=json",
    )
    (schedule,) = schedules().values()
    assert (ended.document["status"], ended.document["changed"]) == ("updated", ["cron", "active", "A"])
    assert (schedule["cron"], schedule["cron_timezone"], schedule["active"]) == ("30 2 * * *", "UTC", False)
    assert schedule["variables"] == {"_PIPELINE_FILE_NAME": "full-ci.yml", "A": "3", "B": "2"}


def test_another_ref_or_description_is_another_schedule(dataops, schedules):
    dataops(*FLAGS)
    dataops(*FLAGS, "--ref=my-feature-branch")
    dataops(*FLAGS, "--description=Weekly")
    assert len(schedules()) == 3


def test_a_time_zone_of_rails_is_passed_on(dataops, schedules):
    dataops(*FLAGS, "--cron-timezone=Pacific Time (US & Canada)")
    (schedule,) = schedules().values()
    assert schedule["cron_timezone"] == "Pacific Time (US & Canada)"


def test_a_schedule_whose_answer_is_lost_is_made_once(sandbox, dataops, schedules):
    mishaps(sandbox, "dataops").lose("POST", "/projects/*/pipeline_schedules")
    assert dataops(*FLAGS).code == 0
    assert len(schedules()) == 1
    assert asked(sandbox, "POST", "/pipeline_schedules") == 1


def test_of_two_schedules_that_are_alike_none_is_changed(sandbox, dataops, schedules):
    import requests

    url, headers = f"{sandbox.url}/api/v4/projects/830/pipeline_schedules", {"PRIVATE-TOKEN": "sandbox-private-api"}
    body = {"description": "Nightly", "ref": "main", "cron": "0 1 * * 5"}
    with requests.Session() as session:
        session.trust_env = False
        ids = [session.post(url, json=body, headers=headers).json()["id"] for _ in range(2)]
    ended = dataops(*FLAGS)
    assert ended.code == 16
    assert all(str(number) in ended.out for number in ids)
    assert all(each["variables"] == {} for each in schedules().values())


def test_of_a_cron_line_that_cannot_be_right_the_servers_words_are_told(sandbox, dataops, schedules):
    ended = dataops(*FLAGS, "--cron=60 * * * *")
    assert (ended.code, schedules()) == (16, {})
    assert "the server answered 400 (cron" in ended.out


def test_an_empty_cron_line_is_not_sent(sandbox, dataops):
    assert dataops(*FLAGS, "--cron= ").code == 16
    assert asked(sandbox, "POST") == 0
