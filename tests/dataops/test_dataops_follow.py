"""How waits end: the cases of `waits.json`, each through the whole command and the real python-gitlab."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cibeacon.sandbox.dataops_account import Log
from driving import asked, drive, revoke, rewrite, script, started
from mishaps import mishaps

CASES = json.loads((Path(__file__).parent / "waits.json").read_text())
ONE_OF_EACH = {(each["status"], each["exit_code"]): each for each in reversed(CASES) if "events" not in each}
"""The first case of each end that no event brings about."""
FOR_EVER = 5000


def arranged(sandbox, time, event):
    """Makes an event happen."""
    times = event.get("times", FOR_EVER)
    if "clear" in event:
        return mishaps(sandbox, "dataops").clear
    if "revoke" in event:
        return lambda: revoke(sandbox, event["revoke"])
    if "rewrite" in event:
        return lambda: rewrite(sandbox, event["rewrite"], Log(event["log"].encode()))
    if "limit" in event:
        more = {name: event[name] for name in ("date", "plain") if name in event}
        return lambda: mishaps(sandbox, "dataops").limit(*event["limit"], event["seconds"], times, **more)
    (name,) = {"fail", "lose", "login"} & set(event)
    return lambda: getattr(mishaps(sandbox, "dataops"), name)(*event[name], times)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_wait_ends_as_the_table_says(case, sandbox, time, tmp_path, monkeypatch):
    if "script" in case:
        sandbox.dataops.scripts["this-ci.yml"] = script(case["script"])
    for event in case.get("events", ()):
        act = arranged(sandbox, time, event)
        time.at(event["after"], act) if event["after"] else act()
    pauses, sleep = [], time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: (pauses.append(seconds), sleep(seconds)))
    flags = ("--ref=main", f"--pipeline-file={case.get('file', 'this-ci.yml')}", "--wait", *case.get("flags", ()))

    ended = drive(sandbox, "trigger", *flags, cwd=tmp_path, time=time)

    assert ended.code == case["exit_code"], ended.out
    assert f"result      {case['status']}" in ended.out
    for words in case.get("says", ()):
        assert words in ended.out, ended.out
    if "seconds" in case:
        assert ended.seconds == pytest.approx(case["seconds"])
    if "pause" in case:
        assert max(pauses) == pytest.approx(case["pause"], abs=1)
    pipelines = [each for each in started(sandbox).values() if each["parent"] is None]
    assert len(pipelines) == 1
    assert asked(sandbox, "POST", "/trigger/pipeline") == 1
    assert asked(sandbox, "POST", "/cancel") == int(case.get("canceled", False))


@pytest.mark.parametrize("case", ONE_OF_EACH.values(), ids=lambda case: case["name"])
def test_the_document_tells_the_same(case, sandbox, time, tmp_path):
    if "script" in case:
        sandbox.dataops.scripts["this-ci.yml"] = script(case["script"])
    flags = ("--ref=main", f"--pipeline-file={case.get('file', 'this-ci.yml')}", "--wait", *case.get("flags", ()))

    ended = drive(sandbox, "trigger", *flags, "--format=json", cwd=tmp_path, time=time)

    document = ended.document
    assert (ended.code, document["exit_code"], document["status"]) == (case["exit_code"],) * 2 + (case["status"],)
    assert set(document) == {
        "version",
        "status",
        "exit_code",
        "reason",
        "help",
        "pipeline",
        "jobs",
        "downstream",
        "notices",
    }
    assert (document["help"] is None) == (case["exit_code"] == 0)
    assert document["pipeline"]["id"] == 74774
    assert {job["name"] for job in document["jobs"]} == {
        job["name"] for one in started(sandbox).values() for job in one["jobs"]
    }


def test_polling_begins_fast_and_becomes_slow(sandbox, time, tmp_path, monkeypatch):
    sandbox.dataops.scripts["this-ci.yml"] = script({"jobs": [{"name": "a", "running": None}]})
    pauses, sleep = [], time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: (pauses.append(seconds), sleep(seconds)))

    flags = ("--ref=main", "--pipeline-file=this-ci.yml", "--wait", "--wait-timeout=600")
    drive(sandbox, "trigger", *flags, cwd=tmp_path, time=time)

    assert pauses[0] == 5
    assert max(pauses) == 30
    assert sum(pauses) == pytest.approx(600)


def test_every_page_of_jobs_is_seen(sandbox, dataops):
    jobs = [{"name": f"job {number:03}", "running": 1} for number in range(150)]
    sandbox.dataops.scripts["this-ci.yml"] = script({"jobs": jobs})

    ended = dataops("trigger", "--ref=main", "--pipeline-file=this-ci.yml", "--wait", "--format=json")

    assert ended.code == 0
    assert len(ended.document["jobs"]) == 150


def test_a_pipeline_that_runs_already_is_followed_and_none_is_started(sandbox, dataops):
    flags = ("--ref=main", "--pipeline-file=full-ci.yml")
    assert dataops("trigger", *flags).code == 0

    again = dataops("trigger", *flags, "--wait", "--pipeline-id=74774")
    waited = dataops("wait", "74774")

    assert (again.code, waited.code) == (0, 0)
    assert list(started(sandbox)) == ["74774"]
    assert asked(sandbox, "POST", "/trigger/pipeline") == 1


def test_a_wait_for_nothing_is_refused(dataops):
    ended = dataops("wait")
    assert ended.code == 16
    assert "dataops_pipeline_id" in ended.out


def test_a_pipeline_that_is_not_there_is_refused_after_a_second_look(sandbox, dataops):
    ended = dataops("wait", "99")
    assert (ended.code, asked(sandbox, "GET", "/pipelines/99")) == (16, 2)
