"""The real python-gitlab drives DataOps.live: what it starts, lists and reads, and where its defaults would be led."""

from __future__ import annotations

import gitlab
import pytest
import requests

from cibeacon.sandbox.dataops_account import Job, Log, Script
from elsewhere import Elsewhere
from mishaps import mishaps

FILE = {"_PIPELINE_FILE_NAME": "full-ci.yml"}


@pytest.fixture
def library(sandbox):
    with gitlab.Gitlab(sandbox.url, private_token="sandbox-private-api", timeout=10) as client:
        client.session.trust_env = False
        yield client


@pytest.fixture
def project(library):
    return library.projects.get(830, lazy=True)


@pytest.fixture
def elsewhere():
    with Elsewhere() as running:
        yield running


def test_a_pipeline_is_started_followed_and_read(project):
    started = project.trigger_pipeline("main", "sandbox-trigger-token", variables=FILE)
    assert (started.id, started.status) == (74774, "created")
    for _ in range(12):
        started = project.pipelines.get(started.id)
    assert started.status == "success"
    jobs = started.jobs.list(iterator=True, per_page=2)
    logs = [project.jobs.get(job.id, lazy=True).trace() for job in jobs]
    assert len(logs) == 4
    assert all(b"Job succeeded" in log for log in logs)
    assert {one.key: one.value for one in started.variables.list(get_all=True)} == FILE


def test_every_page_of_a_list_is_walked(library):
    elder = library.projects.get("airline/airports")
    assert elder.id == 49187
    ids = [one.id for one in elder.pipelines.list(iterator=True, per_page=20)]
    assert ids == list(range(50044, 49999, -1))
    assert len(list(elder.jobs.list(iterator=True, per_page=10))) == 45


def test_a_log_streams(project, sandbox):
    sandbox.dataops.ordered.append(Script((Job("a", pending=0, running=0, log=Log(b"line\n", 3_000_000)),)))
    line = project.trigger_pipeline("main", "sandbox-trigger-token", variables=FILE)
    job = project.jobs.get(line.jobs.list(get_all=True)[0].id, lazy=True)
    heard = []
    job.trace(streamed=True, action=heard.append, chunk_size=65536)
    assert (len(heard) > 1, sum(map(len, heard))) == (True, 3_000_000)


def test_a_person_s_deeds(project, sandbox):
    sandbox.dataops.ordered.append(Script((Job("a", manual=True), Job("b", ends=("failed",)))))
    line = project.pipelines.create(
        {"ref": "main", "variables": [{"key": key, "value": value} for key, value in FILE.items()]}
    )
    jobs = {one.name: project.jobs.get(one.id, lazy=True) for one in line.jobs.list(get_all=True)}
    jobs["a"].play()
    sandbox.dataops.advance(5)
    jobs["b"].retry()
    line.refresh()
    assert line.status == "running"
    line.cancel()
    line.retry()
    line.refresh()
    assert line.status == "running"


def test_a_schedule_s_life(project):
    made = project.pipelineschedules.create(
        {"description": "nightly", "ref": "main", "cron": "0 1 * * *", "cron_timezone": "UTC"}
    )
    made.variables.create({"key": "_PIPELINE_FILE_NAME", "value": "full-ci.yml"})
    project.pipelineschedules.get(made.id).play()  # the object forgets its own id by the answer
    assert [one.source for one in made.pipelines.list(get_all=True)] == ["schedule"]
    made.cron = "0 2 * * *"
    made.save()
    (held,) = project.pipelineschedules.list(iterator=True)
    assert (held.cron, project.pipelineschedules.get(made.id).attributes["variables"][0]["value"]) == (
        "0 2 * * *",
        "full-ci.yml",
    )
    made.delete()


def test_refusals_reach_it_in_their_forms(library, project):
    with pytest.raises(gitlab.GitlabCreateError) as wrong:
        project.trigger_pipeline("main", "wrong", variables=FILE)
    assert (wrong.value.response_code, wrong.value.error_message) == (404, "404 Not Found")
    with pytest.raises(gitlab.GitlabCreateError) as nowhere:
        project.trigger_pipeline("nowhere", "sandbox-trigger-token", variables=FILE)
    assert nowhere.value.error_message == {"base": ["Reference not found"]}
    with (
        gitlab.Gitlab(library.url, private_token="nobody's") as stranger,
        pytest.raises(gitlab.GitlabAuthenticationError),
    ):
        stranger.projects.get(830)


def test_a_lost_answer_leaves_a_pipeline(project, sandbox):
    mishaps(sandbox, "dataops").lose("POST", "/projects/*/trigger/pipeline")
    with pytest.raises(requests.ConnectionError):
        project.trigger_pipeline("main", "sandbox-trigger-token", variables=FILE)
    (found,) = project.pipelines.list(get_all=True, source="trigger")
    assert found.id == 74774


def test_its_defaults_carry_the_token_to_another_host_by_a_link(project, sandbox, elsewhere):
    mishaps(sandbox, "dataops").link("GET", "/projects/49187/pipelines", elsewhere.url)
    manager = project.manager.get(49187, lazy=True).pipelines
    with pytest.warns(UserWarning, match="base URL"):
        assert len(list(manager.list(iterator=True))) == 20
    assert elsewhere.visits[0].headers["private-token"] == "sandbox-private-api"


def test_its_defaults_carry_the_token_to_another_host_by_a_redirect(project, sandbox, elsewhere):
    mishaps(sandbox, "dataops").redirect("GET", "/projects/*/jobs/*/trace", elsewhere.url)
    assert project.jobs.get(47217, lazy=True).trace() == b"[]"
    (visit,) = elsewhere.visits
    assert (visit.path, visit.headers["private-token"]) == (
        "/api/v4/projects/830/jobs/47217/trace",
        "sandbox-private-api",
    )
