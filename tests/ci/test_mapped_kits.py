"""The files for Tekton, Argo, Cloud Build, CodeBuild, Travis and Cirrus: what they run and hand over makes one record."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dx_records import records
from processes import cibeacon

KITS = Path(__file__).parents[2] / "integrations"
TOKEN = "sandbox-token-1"
URL = "https://github.com/acme/shop"
UID = "2483e676-9177-4184-844e-c103e5c44313"
FIELDS = {
    "metadata.namespace": "ci",
    "metadata.labels['tekton.dev/pipelineRunUID']": UID,
    "metadata.labels['tekton.dev/pipeline']": "build-shop",
}
"""What Kubernetes knows of a pod of Tekton's."""
OF_WORKFLOW = {
    "workflow.uid": UID, "workflow.name": "build-shop-x7k2f", "workflow.namespace": "ci",
    "workflow.creationTimestamp.RFC3339": "2023-11-14T22:13:20Z", "workflow.parameters.repository-url": URL,
}  # fmt: skip


def documents(path):
    return yaml.safe_load((KITS / path).read_text(encoding="utf-8"))


def environment(container, fill):
    """A container's variables as the system fills them in."""
    env = {}
    for variable in container["env"]:
        if "value" in variable:
            env[variable["name"]] = fill(variable["value"])
        elif "fieldRef" in variable["valueFrom"]:
            env[variable["name"]] = FIELDS[variable["valueFrom"]["fieldRef"]["fieldPath"]]
        else:
            env[variable["name"]] = TOKEN
    return env


def task(**params):
    """The environment of the Task's step with these parameters; one without a default must be given."""
    spec = documents("tekton/task.yaml")["spec"]
    values = {
        param["name"]: params.pop(param["name"].replace("-", "_"), param.get("default")) for param in spec["params"]
    }
    assert params == {}
    return environment(
        spec["steps"][0], lambda text: re.sub(r"\$\(params\.([\w-]+)\)", lambda match: values[match[1]], text)
    )


def template(status, **params):
    """The environment of the template's container; what the workflow does not have is an empty text."""
    (report,) = documents("argo/cibeacon.yaml")["spec"]["templates"]
    (default,) = (each["value"] for each in report["inputs"]["parameters"] if "value" in each)
    values = OF_WORKFLOW | {"inputs.parameters.pipeline": "build-shop", "inputs.parameters.status": status or default}
    declared = [param["name"] for param in documents("argo/build-shop.yaml")["spec"]["arguments"]["parameters"]]
    values |= {
        f"workflow.parameters.{name}": params.get(name.replace("-", "_"), "")
        for name in declared
        if name != "repository-url"
    }
    return environment(report["container"], lambda text: re.sub(r"\{\{(.+?)\}\}", lambda match: values[match[1]], text))


@pytest.mark.parametrize(("kit", "word", "status"), [
    ("tekton", "Succeeded", "success"), ("tekton", "Completed", "success"), ("tekton", "Failed", "failure"),
    ("tekton", "None", "cancelled"), ("argo", "Succeeded", "success"), ("argo", "Failed", "failure"),
    ("argo", "Error", "failure"),
])  # fmt: skip
def test_a_pull_request_is_one_record_that_ends_as_the_run_did(dx, checkouts, tmp_path, kit, word, status):
    shape = checkouts("head")
    of_run = {"revision": shape.ids["head"], "branch": "topic", "pull_request": "7", "target_branch": "main"}
    make = {
        "tekton": lambda end: task(repository_url=URL, **({"status": end} if end else {}), **of_run),
        "argo": lambda end: template(end, **of_run),
    }
    for end in (None, word):
        own = {"CIBEACON_DX_URL": dx.url, "CIBEACON_SERVICES": "services/{service}/", "HOME": str(tmp_path)}
        ended = cibeacon("report", "--format", "json", environ=make[kit](end) | own, cwd=shape.root)
        assert ended.document["changes"]["services"] == ["payments"]
    first, last = records(dx)
    assert (first["status"], last["status"]) == ("running", status)
    assert {first["reference_id"], last["reference_id"]} == {
        f"github.com/acme%2Fshop/pipelines/ci%2Fbuild-shop/runs/{UID}"
    }
    expected = {
        "pipeline_name": "build-shop",
        "repository": "acme/shop",
        "pr_number": 7,
        "commit_sha": shape.ids["head"],
    }
    assert {name: last.get(name) for name in expected} == expected


def test_a_task_without_the_clone_reports_the_same_record(dx, checkouts, tmp_path):
    for shape in (checkouts("head"), checkouts("none")):
        env = task(
            repository_url="git@github.com:acme/shop.git", revision=checkouts("head").ids["head"], branch="topic"
        )
        cibeacon("report", environ=env | {"CIBEACON_DX_URL": dx.url, "HOME": str(tmp_path)}, cwd=shape.root)
    assert len({record["reference_id"] for record in records(dx)}) == 1


@pytest.mark.parametrize(("passed", "status"), [(True, "success"), (False, "failure")])
def test_the_last_step_on_cloud_build_reports_what_the_steps_before_it_left(dx, checkouts, tmp_path, passed, status):
    step = documents("cloudbuild/cloudbuild.yaml")["steps"][-1]
    mark = tmp_path / ".passed"
    if passed:
        mark.touch()
    script = tmp_path / "script"
    script.write_text(step["script"].replace("/workspace/.passed", str(mark)), encoding="utf-8")
    env = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path),
        "BUILDER_OUTPUT": "/builder/outputs", "PROJECT_ID": "acme-ci", "BUILD_ID": UID, "REPO_FULL_NAME": "acme/shop",
        "DX_API_TOKEN": TOKEN, "CIBEACON_DX_URL": dx.url,
    }  # fmt: skip
    ended = subprocess.run(["/bin/sh", script], cwd=checkouts("main").root, env=env, capture_output=True, text=True)
    assert ended.returncode == int(not passed), ended
    (record,) = records(dx)
    assert record["status"] == status


LINES = {
    "codebuild/buildspec.yml": (
        lambda kit: kit["phases"]["install"]["commands"][0],
        lambda kit: kit["phases"]["post_build"]["commands"][0],
    ),
    "travis/.travis.yml": (lambda kit: kit["before_install"][0], lambda kit: kit["after_script"][0]),
    "cirrus/.cirrus.yml": (
        lambda kit: kit["test_task"]["running_script"],
        lambda kit: kit["test_task"]["on_failure"]["failure_script"],
    ),
}
"""A file → its first line of ours, and the last one where the run failed."""


def shell(line, folder, env):
    """The exit code of a line in a folder. pip has nothing to do: cibeacon is installed already."""
    pip = Path(env["HOME"]) / "pip"
    pip.write_text("#!/bin/sh\n", encoding="utf-8")
    pip.chmod(0o755)
    path = os.pathsep.join((env["HOME"], str(Path(sys.executable).parent), os.environ["PATH"]))
    return subprocess.run(["/bin/sh", "-c", line], cwd=folder, env=env | {"PATH": path}, capture_output=True).returncode


@pytest.mark.parametrize("name", LINES)
def test_the_lines_of_a_file_report_a_run_that_fails(dx, checkouts, tmp_path, name):
    kit, (begin, end) = documents(name), LINES[name]
    system = json.loads((Path(__file__).parent / f"systems/{name.partition('/')[0]}.json").read_text(encoding="utf-8"))
    ids = checkouts("main").ids
    both = system["run"]["start"], system["run"].get("end", {})
    start, last = (
        {variable: re.sub(r"\{(\w+)(?::\d+)?\}", lambda match: ids[match[1]], text) for variable, text in env.items()}
        for env in both
    )
    last.pop("CIBEACON_LAST_STEP", None)  # the file says so itself
    own = {"HOME": str(tmp_path), "DX_API_TOKEN": TOKEN, "CIBEACON_DX_URL": dx.url}
    assert shell(begin(kit), checkouts("main").root, start | own) == 0
    assert shell(end(kit), checkouts("main").root, start | last | own) == 0
    first, final = records(dx)
    assert (first["status"], final["status"]) == ("running", "failure")
    assert first["reference_id"] == final["reference_id"]
