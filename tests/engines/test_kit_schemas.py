"""The files that people copy for their CI system have the schema that its vendor, or the catalogue of schemas, publishes.

None that works offline could be had for CodeBuild, Cirrus CI, Argo CD Notifications, Semaphore, TeamCity, GoCD, AppVeyor and
Harness, nor for a Buildkite plugin beyond what its linter wants: see below. Jenkins' and Codefresh's files have tests of
their own.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from containers import ROOT

pytestmark = pytest.mark.engine

CHECKER = Path(__file__).parent / ".venv" / "bin" / "check-jsonschema"
ARGO = """
import json, sys
from hera.workflows.models import WorkflowTemplate
document = json.load(sys.stdin)
read = WorkflowTemplate.model_validate(document).model_dump_json(by_alias=True, exclude_unset=True)
assert json.loads(read) == document, read
"""
"""Hera's model of a template drops what it does not know."""
TEKTON_LINT = Path(__file__).parent / "node_modules" / ".bin" / "tekton-lint"
OTHER_TASK = """
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: %s}
spec:
  workspaces: [{name: %s}]
  params: %s
  steps: [{name: run, image: "python:3.12", script: "true"}]
"""
"""A Task that the pipeline of the example calls."""
KITS = ROOT / "integrations"
SCHEMAS = {
    "azure/azure-pipelines.yml": "azure-pipelines",
    "azure/cibeacon.yml": "azure-pipelines",
    "bamboo/bamboo.yml": "bamboo-spec",
    "bitbucket/bitbucket-pipelines.yml": "bitbucket-pipelines",
    "buildkite/pipeline.yml": "buildkite",
    "circleci/config.yml": "circle-ci",
    "circleci/orb.yml": "circle-ci",
    "drone/.drone.yml": "drone-ci",
    "forgejo/.forgejo/workflows/cibeacon.yml": "github-workflows",
    "gitea/.gitea/workflows/cibeacon.yml": "github-workflows",
    "github/.github/workflows/cibeacon.yml": "github-workflows",
    "woodpecker/.woodpecker.yml": "woodpecker-ci",
    "cloudbuild/cloudbuild.yaml": "cloudbuild",
    "travis/.travis.yml": "travis",
}
"""Each file that has a schema."""
TEXT_ONLY = {"azure-pipelines"}
"""Schemas of readers to which every value is text, such as `true`; their patterns are not JavaScript's."""


def complaints(schema, text, folder):
    """What a schema has to say of a document."""
    if not CHECKER.is_file():
        pytest.skip("check-jsonschema is not installed: run scripts/engines-python")
    plain = schema in TEXT_ONLY
    path = folder / "document.yml"
    path.write_text(json.dumps(yaml.load(text, Loader=yaml.BaseLoader)) if plain else text, encoding="utf-8")
    done = subprocess.run(
        [CHECKER, f"--builtin-schema=vendor.{schema}", f"--regex-variant={'python' if plain else 'default'}", path],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_file_has_the_published_schema(name, tmp_path):
    assert complaints(SCHEMAS[name], (KITS / name).read_text(encoding="utf-8"), tmp_path) == ""


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("azure/azure-pipelines.yml", "fetchDepth: 0", "fetchdepht: 0"),
        ("azure/cibeacon.yml", "condition:", "conditions:"),
        ("bamboo/bamboo.yml", "project-key: ACME", "project-key: [ACME]"),
        ("bitbucket/bitbucket-pipelines.yml", "depth: full", "depth: all"),
        ("buildkite/pipeline.yml", "command: make test", "command: 1"),
        ("circleci/orb.yml", "when: on_fail", "when: on_failure"),
        ("drone/.drone.yml", "failure: ignore", "failure: maybe"),
        ("gitea/.gitea/workflows/cibeacon.yml", "runs-on:", "run-on:"),
        ("woodpecker/.woodpecker.yml", "pull_request_closed", "pull_request_shut"),
        ("cloudbuild/cloudbuild.yaml", "allowFailure: true", "allowFailure: often"),
        ("travis/.travis.yml", "depth: false", "depth: none"),
    ],
)
def test_a_schema_would_see_a_slip(name, right, wrong, tmp_path):
    text = (KITS / name).read_text(encoding="utf-8")
    assert right in text
    assert complaints(SCHEMAS[name], text.replace(right, wrong), tmp_path)


def test_circleci_takes_the_jobs_of_the_page(tmp_path):
    page = (ROOT / "docs/ci/circleci.md").read_text(encoding="utf-8")
    (jobs,) = [text for text in re.findall(r"^```yaml\n(.*?)^```", page, re.S | re.M) if text.startswith("jobs:")]
    test = "  test: {docker: [{image: cimg/python:3.12}], steps: [checkout]}\n\nworkflows:"
    assert complaints("circle-ci", "version: 2.1\n" + jobs.replace("\nworkflows:", test), tmp_path) == ""


def test_the_buildkite_plugin_has_what_buildkites_linter_wants():
    plugin = yaml.safe_load((KITS / "buildkite/plugin.yml").read_text(encoding="utf-8"))
    assert set(plugin) == {"name", "description", "author", "requirements", "configuration"}
    assert set(plugin["configuration"]) == {"properties", "required", "additionalProperties"}
    assert plugin["configuration"]["additionalProperties"] is False


def argo_refuses(document):
    """Why Argo's model does not take a template; empty where it does."""
    python = CHECKER.with_name("python")
    if not python.is_file():
        pytest.skip("hera is not installed: run scripts/engines-python")
    done = subprocess.run(
        [python, "-c", ARGO], input=json.dumps(document), capture_output=True, text=True, check=False, timeout=60
    )
    assert "ModuleNotFoundError" not in done.stderr, done.stderr
    return "" if done.returncode == 0 else done.stderr


@pytest.mark.parametrize("name", ["cibeacon.yaml", "build-shop.yaml"])
def test_argo_takes_the_templates_and_nothing_in_them_is_unknown_to_it(name):
    document = yaml.safe_load((KITS / "argo" / name).read_text(encoding="utf-8"))
    assert argo_refuses(document) == ""
    assert argo_refuses(document | {"spec": document["spec"] | {"onexit": "report"}})
    assert argo_refuses(document | {"spec": document["spec"] | {"entrypoint": 5}})


def tekton_lint(folder, **texts):
    """What Tekton's linter has to say of files together."""
    if not TEKTON_LINT.exists():
        pytest.skip("tekton-lint is not installed: run scripts/engines-node")
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [TEKTON_LINT, *(folder / f"{name}.yaml" for name in texts)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_tektons_linter_takes_the_task_and_the_pipeline(tmp_path):
    params = "[{name: url}, {name: revision}, {name: depth}, {name: refspec}]"
    files = {
        "task": (KITS / "tekton/task.yaml").read_text(encoding="utf-8"),
        "pipeline": (KITS / "tekton/pipeline.yaml").read_text(encoding="utf-8"),
        "clone": OTHER_TASK % ("git-clone", "output", params),
        "test": OTHER_TASK % ("test", "source", "[]"),
    }
    assert tekton_lint(tmp_path, **files) == ""
    slip = files["pipeline"].replace("$(params.target-branch)", "$(params.target)")
    assert "target" in tekton_lint(tmp_path, **files | {"pipeline": slip})
