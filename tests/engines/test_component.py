"""GitLab's door, as an emulator of its pipelines opens it: each pipeline is one record in the sandbox, and ends right."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from containers import ROOT
from pipelines import HOST, PROJECT, TOOL

from cibeacon.sandbox.server import Sandbox
from forge import Forge
from gitlab_pipeline import RECORD, GitLab
from test_docs import BLOCK

pytestmark = pytest.mark.engine

TOKEN = "dx-token-of-the-sandbox"
RUN = f"{HOST}/acme%2Fshop/runs/1000"
PASSES, FAILS = {"script": ["true"]}, {"script": ["false"]}
BY_REFERENCE = [f"{TOOL}/report@{version}" for version in ("1.0.0", "main", "~latest", "1", "1.0")]


@pytest.fixture
def dx():
    with Sandbox(token=TOKEN) as sandbox:
        yield sandbox


def component(name="report", version="1.0.0", **inputs):
    return {"component": f"$CI_SERVER_FQDN/{TOOL}/{name}@{version}", "inputs": inputs}


def variables(**more):
    return {"DX_API_TOKEN": TOKEN, "CI_JOB_TOKEN": None, **more}


def records(dx):
    """What DX holds: the status of each run, and from how many notifications."""
    return {name: (run["status"], run["notifications"]) for name, run in dx.ledger.document()["pipeline_runs"].items()}


def bodies(dx, method):
    return [each["body"] for each in dx.ledger.document()["requests"] if each["path"] == f"/api/{method}"]


def all_taken(dx):
    return all(each["status"] == 200 for each in dx.ledger.document()["requests"])


@pytest.mark.parametrize("reference", BY_REFERENCE)
def test_a_pipeline_that_passes_is_one_record_whichever_version_is_named(project, dx, reference):
    included = {"component": f"$CI_SERVER_FQDN/{reference}", "inputs": {"dx_url": dx.url}}
    project.commit({"include": [included], "test": PASSES})
    ended = project.run(variables())
    assert ended.code == 0, ended.said
    assert set(ended.jobs) == {"cibeacon-running", "test", "cibeacon-success"}
    assert records(dx) == {RUN: ("success", 2)}, ended.said
    assert all_taken(dx)


@pytest.mark.parametrize("ref", ["1.0.0", "main"])
@pytest.mark.parametrize(("job", "code", "status"), [(PASSES, 0, "success"), (FAILS, 1, "failure")])
def test_a_project_without_the_catalog_includes_the_same_as_a_file(project, dx, ref, job, code, status):
    shim = {"project": TOOL, "ref": ref, "file": "/.gitlab-ci-component.yml", "inputs": {"dx_url": dx.url}}
    project.commit({"include": [shim], "test": job})
    ended = project.run(variables())
    assert ended.code == code, ended.said
    assert records(dx) == {RUN: (status, 2)}, ended.said


def test_a_copy_of_the_files_in_the_project_itself_does_too(project, dx):
    shim = {"local": "/.gitlab-ci-component.yml", "inputs": {"dx_url": dx.url, "job_prefix": "tell"}}
    files = {name: (ROOT / name).read_text() for name in (".gitlab-ci-component.yml", "templates/report.yml")}
    project.commit({"include": [shim], "test": PASSES}, **files)
    ended = project.run(variables())
    assert set(ended.jobs) == {"tell-running", "test", "tell-success"}
    assert records(dx) == {RUN: ("success", 2)}, ended.said


def test_a_pipeline_that_fails_is_one_record_and_fails_no_more_than_it_did(project, dx):
    project.commit({"include": [component(dx_url=dx.url)], "test": FAILS})  # the emulator stops at a job it skips
    ended = project.run(variables())
    assert ended.code == 1
    assert set(ended.jobs) == {"cibeacon-running", "test", "cibeacon-failure"}
    assert records(dx) == {RUN: ("failure", 2)}


def test_a_push_after_a_merge_tells_exactly_the_services_of_the_merge_request(project, dx):
    project.commit({"include": [component(dx_url=dx.url)], "test": PASSES})
    changes = {"services/payments/main.py": "pay\n", "services/orders/main.py": None, "README.md": "more\n"}
    merged = project.shop.pull_request(9, "merge", [changes], ("orders", "payments"))
    ends = {"base_sha": merged.base_sha, "head_sha": merged.head_sha, "start_sha": merged.base_sha}
    record = {
        "iid": 9,
        "state": "merged",
        "merge_commit_sha": merged.merge_sha,
        "sha": merged.head_sha,
        "diff_refs": ends,
    }
    before = project.shop.git("rev-parse", f"{merged.merge_sha}^1")
    with Forge(merge_requests={PROJECT: [record]}) as forge:
        ended = project.run(
            variables(
                CI_JOB_TOKEN="job-token-of-the-forge", CI_API_V4_URL=f"{forge.url}/api/v4", CI_COMMIT_BEFORE_SHA=before
            )
        )
        assert forge.seen
    assert bodies(dx, "deployments.setPullServices") == [
        {"repository": PROJECT, "pull_number": 9, "services": list(merged.services)}
    ]
    assert dx.ledger.document()["pull_services"] == {f"{PROJECT}#9": list(merged.services)}
    assert records(dx) == {RUN: ("success", 2)}, ended.said
    assert json.loads(ended.dotenv("cibeacon-running")["CIBEACON_OUT_SERVICES"]) == list(merged.services)
    shown = ended.left("cibeacon-running", "cibeacon-annotations.json")["cibeacon"]
    assert f"https://{HOST}/{PROJECT}/-/merge_requests/9" in [each["external_link"]["url"] for each in shown]


@pytest.mark.parametrize(("job", "code", "status"), [(PASSES, 0, "success"), (FAILS, 1, "failure")])
def test_the_image_does_the_same_in_a_container(project, dx, image, copier, job, code, status):
    given = component(dx_url=dx.url, image=image, deploy_services="changed", services="services/{service}/")
    before = project.commit({"include": [given], "test": job})
    project.shop.commit("Pay", {"services/payments/main.py": "pay\n"})
    ended = project.run(variables(CI_COMMIT_BEFORE_SHA=before), copier)
    assert ended.code == code, ended.said
    assert f"starting {image}" in ended.said
    assert records(dx) == {RUN: (status, 2)}, ended.said
    shipped = [body["service"] for body in bodies(dx, "deployments.create")]
    assert shipped == (["payments"] if status == "success" else [])
    assert json.loads(ended.dotenv("cibeacon-running")["CIBEACON_OUT_SERVICES"]) == ["payments"]


MERGE_REQUEST = {
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_COMMIT_BRANCH": None,
    "CI_MERGE_REQUEST_IID": "7",
    "CI_MERGE_REQUEST_PROJECT_ID": "1217",
    "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1217",
    "CI_MERGE_REQUEST_PROJECT_PATH": PROJECT,
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
}


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (MERGE_REQUEST, {"head_branch": "feature", "pr_number": 7}),
        ({"CI_COMMIT_TAG": "v1.0", "CI_COMMIT_BRANCH": None}, {}),
        ({"CI_PIPELINE_SOURCE": "schedule"}, {"head_branch": "main"}),
        ({"CI_PIPELINE_SOURCE": "web"}, {"head_branch": "main"}),
    ],
    ids=["merge request", "tag", "schedule", "by hand"],
)
def test_every_kind_of_pipeline_is_one_record_and_changes_no_services(project, dx, source, told):
    sha = project.commit({"include": [component(dx_url=dx.url)], "test": PASSES})
    source = source | ({"CI_MERGE_REQUEST_DIFF_BASE_SHA": f"{sha}"} if source is MERGE_REQUEST else {})
    ended = project.run(variables(**source))
    assert ended.code == 0, ended.said
    assert records(dx) == {RUN: ("success", 2)}, ended.said
    for body in bodies(dx, "pipelineRuns.sync"):
        assert {name: body.get(name) for name in ("head_branch", "pr_number")} == {
            "head_branch": None,
            "pr_number": None,
        } | told
        assert body["commit_sha"] == sha
    assert bodies(dx, "deployments.setPullServices") == []


HOSTILE = [
    'x"; touch pwned #',
    "$(touch pwned) `touch pwned`",
    "' || touch pwned || '",
    "a: {b: [c]} # - &x *y !z | > %",
    '"}\nscript: [touch pwned]\nx: "',
    "ünïcode ☃ \\n \\",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_an_input_is_handed_over_as_it_is_and_is_never_a_piece_of_a_script_or_of_yaml(project, dx, text):
    given = {"pipeline_name": text, "environment": text, "source_name": text, "deploy_services": "pay"}
    project.commit({"include": [component(dx_url=dx.url, **given)], "test": PASSES})
    ended = project.run(variables())
    assert ended.code == 0, ended.said
    assert set(ended.jobs) == {"cibeacon-running", "test", "cibeacon-success"}
    taken = [] if "\n" in text else [text.strip()]  # a name is one line: nothing is sent with any other
    assert [body["pipeline_name"] for body in bodies(dx, "pipelineRuns.sync")] == 2 * taken
    assert [body["environment"] for body in bodies(dx, "deployments.create")] == taken
    assert not list(project.shop.root.parent.rglob("pwned"))


def test_bare_values_of_every_type_are_taken(project, dx):
    given = {"strict": True, "timeout": 25, "verbose": True, "dry_run": False}
    project.commit({"include": [component(dx_url=dx.url, **given)], "test": PASSES})
    ended = project.run(variables(CIBEACON_SEND_EMAIL="true"))
    assert ended.code == 0, ended.said
    log = ended.jobs["cibeacon-running"]
    settings = re.findall(r"^setting +(\w+) from (.+)$", log, re.M)
    assert (
        dict(settings).items()
        >= {
            "strict": "input strict",
            "timeout": "input timeout",
            "send_email": "CIBEACON_SEND_EMAIL",
        }.items()
    )
    assert "dry_run" not in dict(settings)


def test_a_dollar_sign_in_a_program_is_the_programs_own(project, dx):
    program = '. as $all | $all.services | {count: length, sum: "\\($all.context.host)"}'
    given = {"deploy_services": "pay", "metadata_jq": program}
    project.commit({"include": [component(dx_url=dx.url, **given)], "test": PASSES})
    project.run(variables())
    assert [body["metadata"] for body in bodies(dx, "deployments.create")] == [{"count": 1, "sum": "gitlab"}]


def test_two_includes_with_prefixes_of_their_own_keep_out_of_each_others_way(project, dx):
    with Sandbox(token=TOKEN) as other:
        here, there = component(dx_url=dx.url), component(dx_url=other.url, job_prefix="second")
        project.commit({"include": [here, there], "test": FAILS})
        ended = project.run(variables())
        assert set(ended.jobs) == {
            *("cibeacon-running", "second-running", "test"),
            *("cibeacon-failure", "second-failure"),
        }
        assert records(dx) == records(other) == {RUN: ("failure", 2)}


def test_what_the_projects_own_jobs_are_told_and_leave_behind_changes_nothing(project, dx):
    lying = {
        "script": ["echo CIBEACON_JOB_STATUS=failure > lies.env; echo CIBEACON_INPUT_STATUS=failure >> lies.env"],
        "artifacts": {"reports": {"dotenv": "lies.env"}},
    }
    defaults = {"before_script": ["exit 1"], "after_script": ["exit 1"]}
    lying |= {"before_script": [], "after_script": []}
    project.commit({"include": [component(dx_url=dx.url)], "default": defaults, "test": lying})
    ended = project.run(variables())
    assert ended.code == 0, ended.said
    assert records(dx) == {RUN: ("success", 2)}, ended.said


def test_rules_say_in_which_pipelines_the_jobs_stand(project, dx):
    rules = [{"if": "$CI_COMMIT_TAG", "when": "never"}, {"if": '$CI_PIPELINE_SOURCE == "push"'}]
    stages = {"first_stage": "build", "last_stage": "deploy"}
    project.commit({"include": [component(dx_url=dx.url, rules=rules, **stages)], "test": FAILS})
    assert set(project.run(variables(CI_PIPELINE_SOURCE="schedule")).jobs) == {"test"}
    assert records(dx) == {}
    assert set(project.run(variables()).jobs) == {"cibeacon-running", "test", "cibeacon-failure"}
    assert records(dx) == {RUN: ("failure", 2)}


def test_a_project_changes_what_it_likes_in_the_hidden_job(project, dx):
    own = {".cibeacon": {"tags": ["small"], "variables": {"CIBEACON_PIPELINE_NAME": "ours"}}}
    project.commit({"include": [component(dx_url=dx.url)], "test": PASSES, **own})
    assert project.run(variables()).code == 0
    assert [body["pipeline_name"] for body in bodies(dx, "pipelineRuns.sync")] == ["ours", "ours"]


def test_a_later_pipeline_closes_the_record_of_a_dead_one(project, dx):
    project.commit({"include": [component(dx_url=dx.url)], "test": PASSES})
    with GitLab(RECORD) as gitlab:
        asked = {"CI_API_V4_URL": f"{gitlab.url}/api/v4", "GITLAB_TOKEN": "gitlab-token", "CIBEACON_RUN_ID": "77"}
        ended = project.run(variables(CI_PIPELINE_SOURCE="schedule", **asked))
    assert ended.code == 0, ended.said
    assert records(dx) == {f"{HOST}/acme%2Fshop/runs/77": ("cancelled", 1)}


def test_what_cannot_be_sent_costs_no_pipeline_and_waits_as_an_artifact(project):
    project.commit({"include": [component(dx_url="http://127.0.0.1:9", timeout=20)], "test": PASSES})
    ended = project.run(variables())
    assert ended.code == 0, ended.said
    assert ended.dotenv("cibeacon-running")["CIBEACON_OUT_SPOOLED"] == "1"
    for job, status in (("cibeacon-running", "running"), ("cibeacon-success", "success")):
        (kept,) = ended.artifact(job, ".cibeacon/spool").iterdir()
        assert json.loads(kept.read_text())["body"]["status"] == status
        assert TOKEN not in kept.read_text()


def test_without_a_token_nothing_is_sent_and_nothing_fails(project, dx):
    project.commit({"include": [component(dx_url=dx.url)], "test": PASSES})
    ended = project.run({"DX_API_TOKEN": None})
    assert ended.code == 0
    assert dx.ledger.document()["requests"] == []


def test_an_emulator_reads_our_sections_too(project, dx):
    project.commit({"include": [component(dx_url=dx.url)], "test": PASSES})
    ended = project.run(variables())
    assert "cibeacon_requests took" in ended.said
    assert "section_start" not in ended.said


def test_a_job_of_the_projects_own_takes_the_inputs_by_reference(project, dx):
    own = (
        "deploy:\n  stage: deploy\n  variables: !reference [.cibeacon, variables]\n"
        "  script:\n    - cibeacon report --signals deployment --deploy-services pay --environment production\n"
    )
    project.commit(f"include: {json.dumps([component(dx_url=dx.url)])}\n{own}")
    ended = project.run(variables())
    assert ended.code == 0, ended.said
    assert [(body["service"], body["environment"]) for body in bodies(dx, "deployments.create")] == [
        ("pay", "production")
    ]
    assert records(dx) == {RUN: ("success", 2)}, ended.said


def examples(*names):
    """The pipelines in documents, by default in those about reporting: the text, and what is in it."""
    for path in [ROOT / "docs" / name for name in names] or (ROOT / "README.md", ROOT / "docs" / "gitlab.md"):
        for match in BLOCK.finditer(path.read_text()):
            if match["language"] == "yaml" and "include" in (document := yaml.safe_load(match["text"])):
                yield pytest.param(match["text"], document, id=f"{path.name}:{match.start()}")


@pytest.mark.parametrize(("text", "document"), [each for each in examples() if "dx_url" in each.values[0]])
def test_every_example_of_reporting_runs_as_it_stands(project, dx, text, document):
    assert text.count("dx_url: acme\n") == 1
    own = (
        "" if any("script" in job for job in document.values() if isinstance(job, dict)) else "test: {script: ['true']}"
    )
    project.commit(text.replace("dx_url: acme\n", f"dx_url: {dx.url}\n") + own + "\n", deploy="#!/bin/sh\n")
    (project.shop.root / "deploy").chmod(0o755)
    project.shop.commit("Executable", {"services/payments/main.py": "pay again\n"})
    ended = project.run(variables(CI_COMMIT_BEFORE_SHA=project.shop.git("rev-parse", "HEAD^")))
    assert ended.code == 0, ended.said
    assert records(dx) == {RUN: ("success", 2)}, ended.said
    shipped = [body["service"] for body in bodies(dx, "deployments.create")]
    assert shipped == (["payments"] if "deploy" in text else [])
    assert all_taken(dx)


@pytest.fixture
def child():
    (text,) = (each.values[0] for each in examples() if "trigger:" in each.values[0])
    return text


ODD = ("default", "include", "true", "x y", "a@b._-", "100")
MAKEFILE = "test:\n\t@echo tested $(SERVICE)\n"


def test_the_example_of_a_child_pipeline_has_a_job_for_each_changed_service_whatever_its_name(project, child):
    before = project.commit(child)
    project.shop.commit("Services", {f"services/{name}/Makefile": MAKEFILE for name in ODD})
    ended = project.run(variables(CI_COMMIT_BEFORE_SHA=before))
    assert ended.code == 0, ended.said
    assert set(re.findall(r"> tested (.+)", ended.said)) == set(ODD)
    made = json.loads(ended.artifact("cibeacon-services", "cibeacon-pipeline.yml").read_text())
    assert set(made) == {f"test {name}" for name in ODD}
    assert json.loads(ended.dotenv("cibeacon-services")["CIBEACON_OUT_SERVICES"]) == sorted(ODD)


def test_the_example_of_a_child_pipeline_runs_nothing_for_a_folder_that_is_no_name_of_a_service(project, child):
    before = project.commit(child)
    project.shop.commit("Services", {f"services/{name}/Makefile": MAKEFILE for name in ("web", "$(touch pwned)")})
    ended = project.run(variables(CI_COMMIT_BEFORE_SHA=before))
    assert ended.code == 1
    assert set(ended.jobs) == {"cibeacon-services"}
    assert ended.dotenv("cibeacon-services")["CIBEACON_OUT_SERVICES_STATUS"] == "unknown"
    assert not list(project.shop.root.parent.rglob("pwned"))


def test_the_example_of_a_child_pipeline_has_one_job_where_no_service_changed(project, child):
    before = project.commit(child)
    project.shop.commit("Read me", {"README.md": "shop, again\n"})
    ended = project.run(variables(CI_COMMIT_BEFORE_SHA=before))
    assert ended.code == 0, ended.said
    assert set(json.loads(ended.artifact("cibeacon-services", "cibeacon-pipeline.yml").read_text())) == {
        "nothing to test"
    }


def test_the_example_of_a_child_pipeline_stops_where_the_services_are_unknown(project, child):
    project.commit(child)
    ended = project.run(variables(CI_PIPELINE_SOURCE="schedule"))
    assert ended.code == 1
    assert set(ended.jobs) == {"cibeacon-services"}
    assert ended.dotenv("cibeacon-services")["CIBEACON_OUT_SERVICES_STATUS"] == "unknown"


def test_without_a_program_the_services_component_leaves_the_report(project):
    before = project.commit({"include": [component("services", stage="build")], "test": PASSES})
    project.shop.commit("Pay", {"services/payments/main.py": "pay\n"})
    ended = project.run(variables(CI_COMMIT_BEFORE_SHA=before))
    document = json.loads(ended.artifact("cibeacon-services", "cibeacon-services.json").read_text())
    assert document["changes"]["services"] == ["payments"]
    assert json.loads(ended.artifact("cibeacon-services", "cibeacon-pipeline.yml").read_text()) == document
    assert "payments  services/payments/main.py" in ended.jobs["cibeacon-services"]
