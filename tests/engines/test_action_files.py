"""GitHub's and GitLab's files are right in the eyes of others: GitHub's own reader, published schemas, two linters."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml
from containers import ROOT

from test_docs import blocks, kind_of

pytestmark = pytest.mark.engine

HERE = Path(__file__).parent
TOOLS = HERE / ".venv" / "bin"
ACTION = (ROOT / "action.yml").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEMPLATES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "templates").glob("*.yml"))
COMPONENTS = (*TEMPLATES, ".gitlab-ci-component.yml")
WORKFLOW, MANIFEST = "file:///repo/.github/workflows/example.yml", "file:///repo/action.yml"


@cache
def examples(kind):
    return [block for block in blocks("yaml") if kind_of(yaml.safe_load(block.values[0])) == kind]


def complaints(uri, text):
    """What GitHub's reader has to say of a file."""
    if not shutil.which("node") or not (HERE / "node_modules" / "@actions" / "languageservice").is_dir():
        pytest.skip("GitHub's reader is not installed: run scripts/engines-node (it needs Node.js and npm)")
    manifest = yaml.safe_load(ACTION)
    known = {"name": manifest["name"], "description": manifest["description"], "inputs": manifest["inputs"]}
    asked = {"files": {uri: text}, "actions": {"cibeacon/cibeacon": known}}
    done = subprocess.run(
        ["node", HERE / "github_reader.mjs"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)[uri]


def tool(name, *arguments):
    """How a tool ended, and what it said."""
    if not (TOOLS / name).is_file():
        pytest.skip(f"{name} is not installed: run scripts/engines-python")
    done = subprocess.run([TOOLS / name, *arguments], capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
    return done.returncode, done.stdout + done.stderr


def test_githubs_reader_takes_the_action_as_it_is():
    assert complaints(MANIFEST, ACTION) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("${{ job.status }}", "${{ secrets.TOKEN }}"),
        ("post-entrypoint:", "post-entry:"),
        ("description: CI telemetry", "description: ${{ nothing }} telemetry"),
    ],
)
def test_githubs_reader_would_see_what_makes_an_action_fail_to_load(right, wrong):
    assert right in ACTION
    assert complaints(MANIFEST, ACTION.replace(right, wrong))


@pytest.mark.parametrize("text", examples("workflow"))
def test_githubs_reader_takes_every_example_of_a_workflow_and_its_inputs(text):
    assert complaints(WORKFLOW, text) == []
    if "uses: cibeacon/" in text:
        assert complaints(WORKFLOW, text.replace("        with:\n", "        with:\n          no_such_input: 1\n"))


def test_the_action_has_githubs_published_schema():
    assert tool("check-jsonschema", "--builtin-schema=vendor.github-actions", "action.yml")[0] == 0


@pytest.mark.parametrize("text", examples("workflow"))
def test_every_example_of_a_workflow_has_githubs_published_schema(text, tmp_path):
    (tmp_path / "example.yml").write_text(text, encoding="utf-8")
    code, said = tool("check-jsonschema", "--builtin-schema=vendor.github-workflows", str(tmp_path / "example.yml"))
    assert code == 0, said


@pytest.mark.parametrize("name", COMPONENTS)
def test_both_documents_of_a_component_have_gitlabs_published_schema(name, tmp_path):
    parts = (ROOT / name).read_text(encoding="utf-8").split("\n---\n")
    assert len(parts) == 2
    for number, part in enumerate(parts):
        (tmp_path / f"{number}.yml").write_text(part, encoding="utf-8")
    files = [str(path) for path in sorted(tmp_path.iterdir())]
    code, said = tool("check-jsonschema", "--builtin-schema=vendor.gitlab-ci", *files)
    assert code == 0, said


@pytest.mark.parametrize("text", examples("pipeline"))
def test_every_example_of_a_pipeline_has_gitlabs_published_schema(text, tmp_path):
    (tmp_path / "example.yml").write_text(text, encoding="utf-8")
    code, said = tool("check-jsonschema", "--builtin-schema=vendor.gitlab-ci", str(tmp_path / "example.yml"))
    assert code == 0, said


def test_the_action_has_nothing_that_an_auditor_would_object_to():
    code, said = tool("zizmor", "--offline", "--persona=auditor", "--strict-collection", "action.yml")
    assert code == 0, said


@pytest.mark.parametrize("text", examples("workflow"))
def test_no_example_of_a_workflow_opens_a_hole(text, tmp_path):
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "example.yml").write_text(text, encoding="utf-8")
    config = f"--config={HERE / 'zizmor.yml'}"
    assert tool("zizmor", "--offline", config, str(tmp_path))[0] == 0
    (folder / "example.yml").write_text(text + "      - run: echo ${{ github.head_ref }}\n", encoding="utf-8")
    assert tool("zizmor", "--offline", config, str(tmp_path))[0] != 0, "an injection is seen"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_githubs_reader_and_schema_take_our_own_workflows(path):
    text = path.read_text(encoding="utf-8")
    assert complaints(WORKFLOW, text) == []
    assert complaints(WORKFLOW, text.replace("    steps:\n", "    stepps:\n", 1))
    code, said = tool("check-jsonschema", "--builtin-schema=vendor.github-workflows", str(path))
    assert code == 0, said


def test_our_own_workflows_have_nothing_that_an_auditor_would_object_to(tmp_path):
    audit = ("--offline", "--persona=auditor", "--strict-collection", f"--config={ROOT / '.github' / 'zizmor.yml'}")
    code, said = tool("zizmor", *audit, ".github")
    assert code == 0, said
    holes = {
        "release.yml": (
            'run: scripts/release-version "$VERSION"',
            "run: scripts/release-version ${{ inputs.version }}",
        ),
        "test.yml": ("@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0", "@v5"),
    }
    for name, (right, wrong) in holes.items():
        folder = tmp_path / name / ".github" / "workflows"
        folder.mkdir(parents=True)
        text = (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")
        assert right in text
        (folder / name).write_text(text.replace(right, wrong), encoding="utf-8")
        assert tool("zizmor", *audit, str(tmp_path / name))[0] != 0, f"a hole in {name} is seen"


@pytest.mark.parametrize(
    ("name", "schema"), [(".github/dependabot.yml", "vendor.dependabot"), (".gitlab-ci.yml", "vendor.gitlab-ci")]
)
def test_what_else_the_hosts_read_of_this_project_has_their_schema(name, schema):
    code, said = tool("check-jsonschema", f"--builtin-schema={schema}", name)
    assert code == 0, said


def test_githubs_reader_takes_the_action_of_a_release(tmp_path):
    (tmp_path / "templates").mkdir()
    (tmp_path / "scripts").mkdir()
    for name in ("action.yml", *COMPONENTS, "scripts/pin-image"):
        shutil.copy(ROOT / name, tmp_path / name)
    image = f"ghcr.io/cibeacon/cibeacon@sha256:{'0123456789abcdef' * 4}"
    subprocess.run([sys.executable, tmp_path / "scripts" / "pin-image", image], check=True, capture_output=True)
    assert complaints(MANIFEST, (tmp_path / "action.yml").read_text(encoding="utf-8")) == []
    for name, schema in [("action.yml", "vendor.github-actions"), *((name, "vendor.gitlab-ci") for name in COMPONENTS)]:
        text = (tmp_path / name).read_text(encoding="utf-8")
        (tmp_path / "part.yml").write_text(text.split("\n---\n")[0], encoding="utf-8")
        code, said = tool("check-jsonschema", f"--builtin-schema={schema}", str(tmp_path / "part.yml"))
        assert code == 0, (name, said)


def test_the_dockerfile_has_nothing_that_a_linter_would_object_to():
    code, said = tool("hadolint", "--failure-threshold=info", "Dockerfile")
    assert code == 0, said
