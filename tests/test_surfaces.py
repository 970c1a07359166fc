"""The surfaces agree: command line, action, GitLab component and reference come from one declaration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cibeacon.cli.main import VERBS, cibeacon
from cibeacon.outputs import DESCRIPTIONS
from cibeacon.settings import all_options

ROOT = Path(__file__).parent.parent
OPTIONS = [each for group in all_options().values() for each in group]


@pytest.fixture(scope="module")
def action():
    return yaml.safe_load((ROOT / "action.yml").read_text())


@pytest.fixture(scope="module")
def component():
    return list(yaml.safe_load_all((ROOT / "templates/report.yml").read_text()))


@pytest.fixture(scope="module")
def shim():
    return list(yaml.safe_load_all((ROOT / ".gitlab-ci-component.yml").read_text()))


def test_no_surface_has_drifted_from_the_declaration():
    done = subprocess.run([sys.executable, str(ROOT / "scripts/render"), "--check"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_action_has_every_option_as_input(action):
    assert set(action["inputs"]) == {each.name for each in OPTIONS}


def test_no_input_of_the_action_has_a_default_but_what_only_the_runner_knows(action):
    given = {name: spec["default"] for name, spec in action["inputs"].items() if spec["default"]}
    assert given == {
        "job_status": "${{ job.status }}",
        "github_token": "${{ github.token }}",
        "matrix": "${{ toJSON(matrix) }}",
    }


def test_no_description_holds_an_expression_which_the_runner_would_evaluate(action):
    texts = [action["description"], *(spec["description"] for spec in (action["inputs"] | action["outputs"]).values())]
    assert not [text for text in texts if "${{" in text]


def test_the_action_declares_every_output(action):
    assert set(action["outputs"]) == set(DESCRIPTIONS)


def test_the_action_calls_commands_that_the_package_installs(action):
    scripts = (ROOT / "pyproject.toml").read_text()
    for key in ("entrypoint", "post-entrypoint"):
        assert f"\n{Path(action['runs'][key]).name} = " in scripts
    assert action["runs"]["args"][0] in VERBS


def test_the_component_has_every_option_but_secrets_and_what_only_github_hands_over(component):
    inputs = component[0]["spec"]["inputs"]
    assert set(inputs) - {"image", "job_prefix"} == {
        each.name for each in OPTIONS if not each.secret and not each.expression
    }


def test_no_input_of_the_component_can_stop_a_pipeline(component):
    for name, spec in component[0]["spec"]["inputs"].items():
        assert "default" in spec, name
        assert set(spec) <= {"default", "description"}, name


def test_both_gitlab_doors_have_the_same_inputs_and_the_shim_hands_each_on(component, shim):
    assert component[0]["spec"] == shim[0]["spec"]
    (include,) = shim[1]["include"]
    assert include["inputs"] == {name: f"$[[ inputs.{name} ]]" for name in shim[0]["spec"]["inputs"]}


def test_the_component_splices_nothing_into_a_script(component):
    for name, job in component[1].items():
        assert not [line for line in job.get("script", []) if "$" in line], name


def test_the_component_sets_no_global_keyword(component):
    assert not set(component[1]) & {"default", "stages", "workflow", "variables", "image", "before_script"}


def test_the_components_jobs_can_never_fail_the_pipeline_or_hold_it_long(component):
    template = component[1][".$[[ inputs.job_prefix ]]"]
    assert template["allow_failure"] is True
    assert template["timeout"] == "5 minutes"


def test_the_command_line_has_every_option_but_secrets_and_tokens():
    command = cibeacon.get_command(None, "report")
    flags = {parameter.name for parameter in command.params}
    assert flags == {each.name for each in OPTIONS if not each.secret}


def test_no_secret_can_be_given_on_the_command_line():
    for verb in VERBS:
        command = cibeacon.get_command(None, verb)
        named = {parameter.name for parameter in command.params}
        assert not named & {each.name for each in OPTIONS if each.secret}


def test_the_reference_names_every_option_and_output():
    text = (ROOT / "docs/reference.md").read_text()
    for name in [*(each.name for each in OPTIONS), *DESCRIPTIONS]:
        assert f"| `{name}` |" in text


def test_the_help_of_every_verb_can_be_shown():
    for verb in VERBS:
        assert cibeacon.get_command(None, verb).get_short_help_str()
