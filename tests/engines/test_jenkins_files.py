"""The files that people copy for Jenkins compile, and please the usual linter of Jenkins' Groovy."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from containers import ROOT
from pipelines import MODULES, NODE

pytestmark = pytest.mark.engine

KIT = ROOT / "integrations/jenkins"
LINTER = MODULES / "npm-groovy-lint/lib/index.js"
OPTIONS = ("--config", "recommended-jenkinsfile", "--failon", "warning", "--noserver", "--output", "txt")


@pytest.fixture
def lint():
    if not LINTER.is_file() or not NODE.is_file():
        pytest.skip("npm-groovy-lint is not installed: run scripts/engines-node (it needs Node.js and npm)")
    if not shutil.which("java"):
        pytest.skip("npm-groovy-lint needs Java: apt-get install default-jre-headless")

    def lint(folder):
        command = (NODE, LINTER, *OPTIONS, "--files", "**/{Jenkinsfile,*.groovy}", "--path", folder)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        return done.returncode, done.stdout + done.stderr

    return lint


def test_the_linter_takes_both_files(lint):
    code, said = lint(KIT)
    assert code == 0, said
    assert "2" in said.partition("results in")[2].partition("linted")[0], said


def test_the_linter_would_see_a_file_that_does_not_compile(lint, tmp_path):
    text = (KIT / "vars/cibeacon.groovy").read_text(encoding="utf-8")
    (tmp_path / "cibeacon.groovy").write_text(text.replace("withEnv([", "withEnv("), encoding="utf-8")
    code, said = lint(tmp_path)
    assert code == 1, said
    assert "NglParseError" in said, said
