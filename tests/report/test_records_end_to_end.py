"""What becomes a record, and of which run: the command in a job's environment, against the sandbox over HTTP."""

from __future__ import annotations

import pytest

from cibeacon.demo import runs
from cibeacon.sandbox.dci_account import DciAccount
from cibeacon.sandbox.server import Sandbox
from forge import Forge
from processes import cibeacon
from repositories import Worktree

SHA = "5" * 40
RUN = ("report", "--no-dry-run", "--format=json")
ZERO = "0" * 40


@pytest.fixture
def dx():
    with Sandbox(token="dx-token", dci=DciAccount()) as sandbox:
        yield sandbox
        assert sandbox.faults == []


@pytest.fixture
def tree(tmp_path):
    """A clone of acme/shop with one commit."""
    tree = Worktree.new(tmp_path / "shop")
    tree.commit({"services/web/a": "1"})
    tree.git("remote", "add", "origin", "https://github.com/acme/shop.git")
    return tree


def reach(dx):
    return {"CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": "dx-token"}


def report(dx, tree, *flags, **variables):
    """The signals of `cibeacon report` on a CI system that is not known."""
    ended = cibeacon(*RUN, *flags, environ={"CI": "true", **reach(dx), **variables}, cwd=tree.root)
    return {row["kind"]: (row["outcome"], row["reason"]) for row in ended.document["signals"]}


def sent(dx, name):
    return [one["body"] for one in dx.ledger.document()["requests"] if one["path"].endswith(name)]


def held(dx):
    ledger = dx.ledger.document()
    return ledger["pipeline_runs"], ledger["deployments"]


# Deployments ----------------------------------------------------------------------------------------------------------


def test_a_run_that_is_told_as_running_announces_no_deployment(dx, tree):
    rows = report(dx, tree, "--run-id=7", "--status=running", "--deploy-services=web")
    assert rows["deployment"] == ("skipped", "the run is still running")
    assert held(dx)[1] == {}
    rows = report(dx, tree, "--run-id=7", "--status=success", "--deploy-services=web")
    assert rows["deployment"][0] == "sent"


def test_a_job_that_deploys_and_tells_no_status_announces_a_fact(dx, tree):
    assert report(dx, tree, "--run-id=7", "--deploy-services=web")["deployment"][0] == "sent"


# Pull requests --------------------------------------------------------------------------------------------------------


def test_the_number_of_a_pull_request_is_no_proof_that_it_was_merged(dx, tree):
    rows = report(dx, tree, "--run-id=7", "--services=web", CIBEACON_PR_NUMBER="3")
    word, reason = rows["pull-services"]
    assert (word, "not known to be merged" in reason) == ("skipped", True)
    assert sent(dx, "setPullServices") == []


def test_a_person_can_say_that_it_was(dx, tree):
    report(dx, tree, "--run-id=7", "--services=web", "--pr-merged", CIBEACON_PR_NUMBER="3")
    assert sent(dx, "setPullServices") == [{"repository": "acme/shop", "pull_number": 3, "services": ["web"]}]


def on_a_host(dx, tmp_path, *flags, host="github", record=None, status=None, **variables):
    """`cibeacon report` for a pull request that a person names in a run by hand; the host has `record` of it."""
    place = {"pulls": {runs.REPOSITORY: [record] if record else []}}
    path = f"/repos/{runs.REPOSITORY}/pulls/3"
    if host == "gitlab":
        place = {"merge_requests": {runs.REPOSITORY: [record] if record else []}}
        path = f"/api/v4/projects/{runs.REPOSITORY.replace('/', '%2F')}/merge_requests/3"
    with Forge(**place, troubles={path: status} if status else {}) as forge:
        if host == "github":
            environ = runs.github("workflow_dispatch", {}, SHA, 7, tmp_path)
            environ |= {"GITHUB_API_URL": forge.url, "GITHUB_TOKEN": "hub"}
        else:
            environ = runs.gitlab(ZERO, SHA, 7, forge.url, tmp_path)
            environ |= {"CI_PIPELINE_SOURCE": "web", "GITLAB_TOKEN": "lab"}
        environ |= reach(dx) | {"CIBEACON_PR_NUMBER": "3", "CIBEACON_SERVICES": "web"} | variables
        ended = cibeacon("report", "--format=json", *flags, environ=environ, cwd=tmp_path)
        assert forge.faults == []
        rows = {row["kind"]: (row["outcome"], row["reason"]) for row in ended.document["signals"]}
        return rows.get("pull-services"), forge.seen


MERGED = {"number": 3, "id": 310, "state": "closed", "merged": True, "merge_commit_sha": "6" * 40}
OPEN = {"number": 3, "id": 310, "state": "open", "merged": False, "merge_commit_sha": None}


@pytest.mark.parametrize(
    ("host", "record", "body"),
    [
        ("github", MERGED, {"github_pull_id": 310, "services": ["web"]}),
        (
            "gitlab",
            {"iid": 3, "state": "merged", "merge_commit_sha": "6" * 40},
            {"repository": "acme/shop", "pull_number": 3, "services": ["web"]},
        ),
    ],
)
def test_the_host_is_asked_once_whether_it_was(dx, tmp_path, host, record, body):
    (word, _), seen = on_a_host(dx, tmp_path, host=host, record=record)
    assert word == "sent"
    assert sent(dx, "setPullServices") == [body]
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("host", "record"), [("github", OPEN), ("gitlab", {"iid": 3, "state": "opened", "sha": "6" * 40})]
)
def test_what_the_host_calls_open_is_not_merged_whatever_a_person_says(dx, tmp_path, host, record):
    row, _ = on_a_host(dx, tmp_path, "--pr-merged", host=host, record=record)
    assert row == ("skipped", f"{'merge' if host == 'gitlab' else 'pull'} request #3 is not merged")
    assert sent(dx, "setPullServices") == []


def test_nobody_is_asked_where_it_makes_no_difference(dx, tmp_path):
    _, seen = on_a_host(dx, tmp_path, "--signals=pipeline-run", record=MERGED)
    assert seen == []


@pytest.mark.parametrize("host", ["github", "gitlab"])
def test_a_host_that_would_not_say_is_no_proof_and_a_person_s_word_is(dx, tmp_path, host):
    (word, reason), seen = on_a_host(dx, tmp_path / "a", host=host, status=403)
    assert (word, "pr_merged" in reason, len(seen)) == ("failed", True, 1)
    assert sent(dx, "setPullServices") == []
    (word, _), _ = on_a_host(dx, tmp_path / "b", "--pr-merged", host=host, status=403)
    assert word == "sent"


# Ids ------------------------------------------------------------------------------------------------------------------


def jenkins(name, **more):
    return {"BUILD_TAG": f"jenkins-{name}-17", "JOB_NAME": name, "JENKINS_URL": "https://ci.example/", **more}


def test_two_jobs_of_one_server_with_the_same_number_are_two_records(dx, tree):
    for name in ("shop-build", "shop-deploy"):
        for status in ("running", "SUCCESS"):
            flags = ("--run-id=17", f"--status={status}", "--deploy-services=web", "--pipeline-name=ship")
            report(dx, tree, *flags, **jenkins(name))
    pipeline_runs, deployments = held(dx)
    assert {run["status"] for run in pipeline_runs.values()} == {"success"}
    assert (len(pipeline_runs), len(deployments)) == (2, 2)


def test_so_are_two_servers_with_a_job_of_the_same_name(dx, tree):
    for server in ("one", "two"):
        report(dx, tree, "--run-id=17", **jenkins("shop", JENKINS_URL=f"https://{server}.example/"))
    assert len(held(dx)[0]) == 2


def test_a_workflow_that_is_called_twice_has_two_records_and_two_jobs_of_dci(dx, tmp_path):
    """Its jobs agree in run, attempt, job and matrix; only GitHub's own id of the job differs."""
    for number in ("296001", "296002"):
        environ = runs.github("push", {}, SHA, 901, tmp_path / number) | reach(dx) | dx.dci.account.exports(dx.url)
        environ |= {"INPUT_JOB_RUN_ID": number, "INPUT_MATRIX": "null", "INPUT_JOB_STATUS": "success"}
        environ |= {"CIBEACON_RUN_SCOPE": "job", "CIBEACON_DCI_TOPIC": "RHEL-8.2"}
        for stage in ("main", "post"):
            assert cibeacon("report", "--strict", environ=environ, cwd=tmp_path, stage=stage).code == 0
    assert [run["status"] for run in held(dx)[0].values()] == ["success", "success"]
    assert [job["states"][-1][0] for job in dx.dci.document()["jobs"].values()] == ["success", "success"]


def test_a_workflow_that_closes_another_run_s_record_adds_nothing_of_its_own_job(dx, tmp_path):
    for number in ("296001", "296002"):
        follow(dx, tmp_path / number, "failure", INPUT_JOB_RUN_ID=number, CIBEACON_RUN_SCOPE="job")
    assert len(held(dx)[0]) == 1


# Conclusions ----------------------------------------------------------------------------------------------------------


def follow(dx, folder, conclusion, **more):
    """A workflow that listens to the end of another one."""
    run = {"id": 901, "run_attempt": 1, "name": "CI", "head_sha": SHA, "conclusion": conclusion, "status": "completed"}
    times = {"run_started_at": "2026-01-05T10:00:00Z", "updated_at": "2026-01-05T10:05:00Z"}
    payload = {"action": "completed", "workflow_run": run | times}
    environ = runs.github("workflow_run", payload, SHA, 950, folder) | reach(dx) | more
    ended = cibeacon("report", "--format=json", environ=environ, cwd=folder, began=1_767_610_000)
    return next(row for row in ended.document["signals"] if row["kind"] == "pipeline-run")


@pytest.mark.parametrize("conclusion", ["action_required", "stale", "skipped"])
def test_what_may_still_go_on_does_not_spoil_the_success_that_follows(dx, tmp_path, conclusion):
    row = follow(dx, tmp_path / "a", conclusion)
    assert (row["outcome"], conclusion in row["reason"]) == ("skipped", True)
    assert follow(dx, tmp_path / "b", "success")["outcome"] == "sent"
    assert [run["status"] for run in held(dx)[0].values()] == ["success"]


def test_a_conclusion_that_is_not_known_is_named_and_not_guessed(dx, tmp_path):
    row = follow(dx, tmp_path, "exploded")
    assert (row["outcome"], '"exploded"' in row["reason"]) == ("invalid", True)
    assert held(dx)[0] == {}


# Words ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--status", "--job-status"])
@pytest.mark.parametrize(
    ("word", "status"),
    [("UNSTABLE", "failure"), ("ABORTED", "cancelled"), ("Succeeded", "success"), ("passed", "success")],
)
def test_any_ci_system_s_word_is_taken_by_both_settings(dx, tree, flag, word, status):
    report(dx, tree, "--run-id=7", f"{flag}={word}")
    assert [run["status"] for run in held(dx)[0].values()] == [status]


@pytest.mark.parametrize("flag", ["--status", "--job-status"])
def test_a_word_that_is_not_known_is_invalid_with_the_nearest(dx, tree, flag):
    word, reason = report(dx, tree, "--run-id=7", f"{flag}=succes")["pipeline-run"]
    assert (word, '"succes"' in reason, "did you mean success?" in reason) == ("invalid", True, True)
    assert held(dx)[0] == {}
