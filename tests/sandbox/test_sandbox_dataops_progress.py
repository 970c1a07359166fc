"""How pipelines of a script move: by steps that are asked for, by the clock, and by what people do to them."""

from __future__ import annotations

from itertools import groupby

import pytest
import requests

from cibeacon.sandbox.dataops_account import EXAMPLES, DataOpsAccount, Job, Script
from cibeacon.sandbox.dataops_records import next_run, zone
from cibeacon.sandbox.server import Sandbox
from driving import revoke

NOON = 1_700_000_000.0


class Client:
    """Asks one sandbox about project 830."""

    def __init__(self, sandbox):
        self.dataops, self._url = sandbox.dataops, f"{sandbox.url}/api/v4/projects/830"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["PRIVATE-TOKEN"] = "sandbox-private-api"

    def close(self):
        self._session.close()

    def get(self, path, **params):
        return self._session.get(self._url + path, params=params).json()

    def post(self, path):
        return self._session.post(self._url + path).json()

    def start(self, script=None, file="full-ci.yml"):
        """The id of a new pipeline."""
        if script:
            self.dataops.ordered.append(script)
        variables = {"_PIPELINE_FILE_NAME": file}
        body = {"token": "sandbox-trigger-token", "ref": "main", "variables": variables}
        return self._session.post(f"{self._url}/trigger/pipeline", json=body).json()["id"]

    def status(self, pipeline):
        """As the ledger tells it: nothing moves by it."""
        return self.dataops.document()["pipelines"][str(pipeline)]["status"]

    def jobs(self, pipeline):
        """The status of each job by name, of retried ones the last."""
        return {one["name"]: one["status"] for one in self.dataops.document()["pipelines"][str(pipeline)]["jobs"]}

    def walk(self, pipeline, steps=30):
        """The statuses that follow each other in so many steps, each once."""
        seen = []
        for _ in range(steps):
            seen.append(self.status(pipeline))
            self.dataops.advance()
        return [status for status, _ in groupby(seen)]


@pytest.fixture
def client(sandbox):
    one = Client(sandbox)
    yield one
    one.close()


def test_a_step_is_over_when_the_pipeline_was_asked_for(client):
    pipeline = client.start(Script((Job("a", pending=2, running=1),)))
    seen = [client.get(f"/pipelines/{pipeline}")["status"] for _ in range(5)]
    assert seen == ["pending", "pending", "running", "success", "success"]


def test_a_step_is_over_when_the_job_was_asked_for(client):
    pipeline = client.start(Script((Job("a", pending=1, running=1),)))
    job = client.get(f"/pipelines/{pipeline}/jobs")[0]["id"]
    assert [client.get(f"/jobs/{job}")["status"] for _ in range(4)] == ["pending", "running", "success", "success"]


def test_lists_logs_and_the_ledger_move_nothing(client):
    pipeline = client.start()
    job = client.get(f"/pipelines/{pipeline}/jobs")[0]["id"]
    for path in ("/pipelines", "/jobs", f"/pipelines/{pipeline}/jobs", f"/pipelines/{pipeline}/bridges"):
        client.get(path)
    requests.get(f"{client._url}/jobs/{job}/trace", headers={"PRIVATE-TOKEN": "sandbox-private-api"})
    assert client.status(pipeline) == "pending"
    assert client.walk(pipeline, 3) == ["pending", "running"]


def test_a_job_token_moves_a_pipeline_by_listing_its_jobs(sandbox, client):
    pipeline = client.start(Script((Job("a", pending=1, running=1),)))
    seen = [
        requests.get(
            f"{sandbox.url}/api/v4/projects/830/pipelines/{pipeline}/jobs", headers={"JOB-TOKEN": "sandbox-job-token"}
        ).json()[0]["status"]
        for _ in range(3)
    ]
    assert seen == ["pending", "running", "success"]


def test_by_the_clock_a_step_lasts_as_long_as_told_and_times_are_those_of_the_steps():
    now = [NOON]
    account = DataOpsAccount(step_seconds=10.0)
    with Sandbox(clock=lambda: now[0], dataops=account) as sandbox:
        client = Client(sandbox)
        pipeline = client.start(Script((Job("a", pending=2, running=3),)))
        for seconds, status in ((0, "pending"), (19, "pending"), (20, "running"), (49, "running"), (50, "success")):
            now[0] = NOON + seconds
            assert client.get(f"/pipelines/{pipeline}")["status"] == status
        now[0] = NOON + 10**6
        told = client.get(f"/pipelines/{pipeline}")
        assert (told["queued_duration"], told["duration"]) == (20, 30)
        assert told["finished_at"] == "2023-11-14T22:14:10.000Z"
        client.close()


def test_by_the_clock_a_retry_long_after_the_end_takes_its_time_again():
    now = [NOON]
    with Sandbox(clock=lambda: now[0], dataops=DataOpsAccount(step_seconds=10.0)) as sandbox:
        client = Client(sandbox)
        pipeline = client.start(Script((Job("a", ends=("failed", "success")),)))
        now[0] += 10**6
        assert client.status(pipeline) == "failed"
        client.post(f"/pipelines/{pipeline}/retry")
        assert client.status(pipeline) == "pending"
        now[0] += 30
        assert client.status(pipeline) == "success"
        client.close()


ENDS = {
    "full-ci.yml": ["pending", "running", "success"],
    "new-ci.yml": ["pending", "running", "failed"],
    "other-pipelines/pipe1-ci.yml": ["pending", "running", "failed"],
    "warnings-ci.yml": ["pending", "running", "success"],
    "manual-ci.yml": ["pending", "running", "manual"],
    "stuck-ci.yml": ["pending"],
    "canceled-ci.yml": ["pending", "running", "canceled"],
    "skipped-ci.yml": ["skipped"],
}


@pytest.mark.parametrize("file", sorted(EXAMPLES))
def test_each_example_ends_as_its_name_says(file, client):
    assert client.walk(client.start(file=file)) == ENDS[file]


def test_what_may_fail_is_a_warning(client):
    pipeline = client.start(file="warnings-ci.yml")
    client.dataops.advance(20)
    told = client.get(f"/pipelines/{pipeline}")
    assert (told["status"], told["detailed_status"]["label"]) == ("success", "passed with warnings")


def test_a_failed_stage_skips_the_later_ones_and_a_retry_runs_them(client):
    script = Script((Job("a", ends=("failed", "success")), Job("b"), Job("c", stage="deploy")))
    pipeline = client.start(script)
    client.dataops.advance(9)
    assert client.jobs(pipeline) == {"a": "failed", "b": "success", "c": "skipped"}
    job = next(one["id"] for one in client.get(f"/pipelines/{pipeline}/jobs") if one["name"] == "a")
    client.post(f"/jobs/{job}/retry")
    client.dataops.advance(9)
    assert client.jobs(pipeline) == {"a": "success", "b": "success", "c": "success"}
    assert client.status(pipeline) == "success"


def test_a_server_may_retry_by_itself(client):
    pipeline = client.start(Script((Job("a", ends=("failed", "failed", "success"), retries=2),)))
    assert client.walk(pipeline) == ["pending", "running", "pending", "running", "pending", "running", "success"]
    told = client.get(f"/pipelines/{pipeline}/jobs", include_retried=True)
    assert [one["status"] for one in told] == ["success", "failed", "failed"]


def test_an_optional_manual_job_blocks_nothing(client):
    jobs = (Job("a"), Job("b", stage="approve", manual=True, allow_failure=True), Job("c", stage="deploy"))
    pipeline = client.start(Script(jobs))
    client.dataops.advance(9)
    assert (client.status(pipeline), client.jobs(pipeline)["b"]) == ("success", "manual")


def test_statuses_may_be_told_one_by_one(client):
    words = ("created", "waiting_for_resource", "preparing", "a word from the future", "scheduled", "success")
    assert client.walk(client.start(Script(statuses=words))) == list(words)


def test_a_cancel_may_take_its_time(client):
    pipeline = client.start(Script((Job("a", running=None), Job("b", stage="later")), canceling=2))
    client.dataops.advance(3)
    assert client.post(f"/pipelines/{pipeline}/cancel")["status"] == "canceling"
    assert client.walk(pipeline, 5) == ["canceling", "canceled"]
    assert client.jobs(pipeline) == {"a": "canceled", "b": "canceled"}


def test_a_pipeline_whose_statuses_are_told_can_be_canceled_too(client):
    pipeline = client.start(Script(statuses=("running",), canceling=1))
    client.dataops.advance(5)
    assert client.post(f"/pipelines/{pipeline}/cancel")["status"] == "canceling"
    assert client.walk(pipeline, 3) == ["canceling", "canceled"]


def test_one_canceled_job_cancels_the_pipeline(client):
    pipeline = client.start(Script((Job("a", running=None),)))
    client.post(f"/jobs/{client.get(f'/pipelines/{pipeline}/jobs')[0]['id']}/cancel")
    assert client.status(pipeline) == "canceled"


@pytest.mark.parametrize("end", ["success", "failed", "canceled", "skipped"])
def test_a_bridge_ends_as_its_child(end, client):
    child = Script((Job("inner", ends=(end,)),)) if end != "skipped" else Script(statuses=("skipped",))
    pipeline = client.start(Script((Job("down", child=child),)))
    client.dataops.advance(9)
    assert client.jobs(pipeline)["down"] == ("failed" if end == "skipped" else end)


def test_a_bridge_that_does_not_depend_is_done_when_the_child_was_made(client):
    pipeline = client.start(Script((Job("down", child=Script((Job("inner", running=3),)), depend=False),)))
    child = client.get(f"/pipelines/{pipeline}/bridges")[0]["downstream_pipeline"]["id"]
    assert client.status(pipeline) == "success"
    assert client.walk(child) == ["pending", "running", "success"]


def test_a_bridge_leads_into_another_project_and_a_cancel_goes_down(client):
    pipeline = client.start(Script((Job("down", child=Script((Job("inner", running=None),)), child_project=49187),)))
    client.dataops.advance(2)
    below = client.get(f"/pipelines/{pipeline}/bridges")[0]["downstream_pipeline"]
    assert (below["project_id"], below["source"], below["status"]) == (49187, "pipeline", "running")
    client.post(f"/pipelines/{pipeline}/cancel")
    assert (client.status(pipeline), client.status(below["id"])) == ("canceled", "canceled")


def test_a_child_is_moved_with_its_parent_and_not_twice(client):
    pipeline = client.start(Script((Job("down", child=Script((Job("inner", pending=3, running=3),))),)))
    child = client.get(f"/pipelines/{pipeline}/bridges")[0]["downstream_pipeline"]["id"]
    for _ in range(5):
        client.get(f"/pipelines/{child}")
    assert client.status(child) == "pending"


def test_orders_for_the_next_pipelines_are_served_in_turn(client):
    client.dataops.ordered.append(Script(statuses=("success",)))
    client.dataops.ordered.append(Script(statuses=("failed",)))
    assert [client.status(client.start()) for _ in range(3)] == ["success", "failed", "pending"]


def test_a_file_may_get_another_script_and_a_new_file_exists_with_it(client):
    client.dataops.scripts["own-ci.yml"] = Script(statuses=("scheduled",))
    assert client.status(client.start(file="own-ci.yml")) == "scheduled"


def test_a_revoked_token_is_worthless_at_once(client, sandbox):
    assert client.get("/pipelines/1451")["status"] == "success"
    revoke(sandbox, "sandbox-private-api")
    assert client.get("/pipelines/1451")["error"] == "invalid_token"


@pytest.mark.parametrize(
    ("line", "zone_name", "run"),
    [
        ("* * * * *", "UTC", 1_700_000_040),
        ("0 1 * * 5", "UTC", 1_700_182_800),
        ("*/15 22-23 * * *", "UTC", 1_700_000_100),
        ("0 0 1 1 *", "UTC", 1_704_067_200),
        ("0 0 1 jan mon", "UTC", 1_704_067_200),
        ("0 0 13 * fri", "UTC", 1_700_179_200),
        ("0 0 * * 7", "UTC", 1_700_352_000),
        ("0 12 * * *", "Tokyo", 1_700_017_200),
        ("0 12 * * *", "America/New_York", 1_700_067_600),
        ("0 0 31 2 *", "UTC", None),
    ],
)
def test_the_next_run_of_a_schedule_is_the_next_minute_that_its_line_names(line, zone_name, run):
    assert next_run(line, zone_name, NOON) == run


@pytest.mark.parametrize(
    "line", ["", "01 * * *", "* * * * * *", "60 * * * *", "0 0 0 * *", "*/0 * * * *", "5-1 * * * *"]
)
def test_a_line_that_is_none_is_known(line):
    assert next_run(line, "UTC", NOON) is None


def test_a_zone_that_is_none_is_known():
    assert [zone(name) for name in ("Mars", "", "../x", "America")] == [None] * 4
