"""The files that people copy for their CI system, read by the vendor's schema or by a linter where a registry has one."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from containers import ROOT
from pipelines import MODULES, NODE

pytestmark = pytest.mark.engine

KITS = ROOT / "integrations"
TOOLS = ROOT / "tests/engines/.venv/bin"
SCHEMAS = {
    "bamboo/bamboo.yml": "bamboo-spec",
}
"""File → the schema of check-jsonschema that describes it."""
GROOVY = MODULES / "npm-groovy-lint/lib/index.js"


def run(*command):
    """How a tool ended, and what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    return done.returncode, done.stdout + done.stderr


def schema(name, path):
    if not (TOOLS / "check-jsonschema").is_file():
        pytest.skip("check-jsonschema is not installed: run scripts/engines-python")
    return run(TOOLS / "check-jsonschema", f"--builtin-schema=vendor.{SCHEMAS[name]}", path)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_vendors_schema_takes_the_file(name):
    code, said = schema(name, KITS / name)
    assert code == 0, said


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_vendors_schema_would_see_another_file(name, tmp_path):
    (tmp_path / "other.yml").write_text("- 1\n")
    code, said = schema(name, tmp_path / "other.yml")
    assert code == 1, said


@pytest.fixture
def groovy():
    """Runs the linter for Jenkins' Groovy on a folder."""
    if not GROOVY.is_file() or not NODE.is_file():
        pytest.skip("npm-groovy-lint is not installed: run scripts/engines-node (it needs Node.js and npm)")
    if not shutil.which("java"):
        pytest.skip("npm-groovy-lint needs Java: apt-get install default-jre-headless")

    def lint(folder):
        options = ("--config", "recommended-jenkinsfile", "--failon", "warning", "--noserver", "--output", "txt")
        return run(NODE, GROOVY, *options, "--files", "**/{Jenkinsfile,*.groovy}", "--path", folder)

    return lint


def test_the_linter_takes_the_files_for_jenkins(groovy):
    code, said = groovy(KITS / "jenkins")
    assert (code, "2" in said.partition("results in")[2].partition("linted")[0]) == (0, True), said


def test_the_linter_would_see_a_file_that_does_not_compile(groovy, tmp_path):
    text = (KITS / "jenkins/vars/cibeacon.groovy").read_text(encoding="utf-8")
    (tmp_path / "cibeacon.groovy").write_text(text.replace("withEnv([", "withEnv("), encoding="utf-8")
    code, said = groovy(tmp_path)
    assert code == 1, said
