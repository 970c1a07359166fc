"""What the copied files run: whatever is missing or goes wrong, the job ends as its own commands did."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from cibeacon.settings import load_settings

ROOT = Path(__file__).parent.parent.parent / "integrations"
FILES = (
    *("azure/cibeacon.yml", "bitbucket/bitbucket-pipelines.yml", "circleci/orb.yml", "semaphore/semaphore.yml"),
    *("appveyor/appveyor.yml", "bamboo/bamboo.yml", "gocd/cibeacon.gocd.yaml"),
    *("buildkite/hooks/pre-command", "buildkite/hooks/pre-exit"),
    *("codebuild/buildspec.yml", "travis/.travis.yml", "cirrus/.cirrus.yml"),
)
OURS = re.compile(r"\b(cibeacon report|pipx|pip install|sem-version)\b|<< parameters.run >>")
BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(BASH is None, reason="bash is not installed")


def texts(value):
    """Every text of a document."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from texts(part) if name not in ("description", "default") else ()
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)
    elif isinstance(value, str):
        yield value


def commands(name):
    """The commands of a kit that are ours."""
    text = (ROOT / name).read_text(encoding="utf-8")
    parts = texts(yaml.safe_load(text)) if name.endswith((".yml", ".yaml")) else (text,)
    return [part.replace("<< parameters.run >>", "pipx run cibeacon") for part in parts if OURS.search(part)]


def run(command, folder, **environ):
    return subprocess.run(
        [BASH, "-e", "-o", "pipefail", "-c", command],
        env={"PATH": str(folder), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def tool(folder, name, text):
    """A program in a folder that stands for the machine's."""
    path = folder / name
    path.write_text(f"#!{BASH}\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


KITS = [pytest.param(command, id=f"{name} {number}") for name in FILES for number, command in enumerate(commands(name))]


@pytest.mark.parametrize("command", KITS)
def test_a_job_goes_on_where_cibeacon_cannot_be_run(command, tmp_path):
    assert run(command, tmp_path).returncode == 0


@pytest.mark.parametrize("command", KITS)
def test_a_job_goes_on_where_cibeacon_fails(command, tmp_path):
    for name in ("pipx", "pip", "cibeacon", "sem-version"):
        tool(tmp_path, name, "exit 7")
    assert run(command, tmp_path).returncode == 0


@pytest.mark.parametrize("name", FILES)
def test_every_kit_has_a_command_that_reports(name, tmp_path):
    for program in ("pipx", "pip", "cibeacon", "sem-version"):
        tool(tmp_path, program, f'echo {program} "$@"')
    said = [run(command, tmp_path).stdout.splitlines() for command in commands(name)]
    assert any("cibeacon report" in line for lines in said for line in lines)


@pytest.mark.parametrize(("given", "seen"), [("$(DX_API_TOKEN)", "none"), ("a-real-token", "a-real-token")])
def test_on_azure_a_secret_that_is_not_there_is_no_token(given, seen, tmp_path):
    tool(tmp_path, "pipx", 'echo "${DX_API_TOKEN-none}"')
    (command,) = commands("azure/cibeacon.yml")
    assert run(command, tmp_path, DX_API_TOKEN=given).stdout.strip() == seen


@pytest.mark.parametrize("word", ["True", "False"])
def test_azures_spelling_of_a_boolean_is_a_setting(word):
    loaded = load_settings({}, {"CIBEACON_LAST_STEP": word}, {})
    assert (loaded.run.last_step, loaded.problems) == (word == "True", ())


def test_a_buildkite_hook_runs_what_the_plugin_names(tmp_path):
    tool(tmp_path, "mine", 'echo mine "$@"')
    for name, flags in (("pre-command", " --status running"), ("pre-exit", "")):
        (command,) = commands(f"buildkite/hooks/{name}")
        said = run(command, tmp_path, BUILDKITE_PLUGIN_CIBEACON_RUN="mine --verbose").stdout
        assert said == f"mine --verbose report{flags}\n"
