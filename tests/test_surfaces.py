"""The surfaces agree: command line, action, GitLab component and reference come from one declaration."""

from __future__ import annotations

import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from cibeacon.ci import gitlab_output
from cibeacon.ci.ci_system import Variables
from cibeacon.ci.gitlab import GitLab
from cibeacon.cli.commands import VERBS, cibeacon
from cibeacon.dataops.errors import ENDINGS
from cibeacon.model.parsers import program
from cibeacon.report_text import OUTPUTS
from cibeacon.settings import all_options, load_settings, step_options

ROOT = Path(__file__).parent.parent
OPTIONS = [each for group in all_options().values() for each in group]
OF_OTHER_VERBS = {"on_unknown", *(each.name for each in all_options()["dataops"])}
"""Options that `report` does not use."""


@pytest.fixture(scope="module")
def action():
    return yaml.safe_load((ROOT / "action.yml").read_text())


@pytest.fixture(scope="module")
def component():
    return list(yaml.safe_load_all((ROOT / "templates/report.yml").read_text()))


@pytest.fixture(scope="module")
def components(component):
    others = ("services", "dci", "dataops")
    return [component, *(list(yaml.safe_load_all((ROOT / f"templates/{name}.yml").read_text())) for name in others)]


@pytest.fixture(scope="module")
def shim():
    return list(yaml.safe_load_all((ROOT / ".gitlab-ci-component.yml").read_text()))


def leaves(command):
    """Every command, and every one below it."""
    yield command
    for name in command.list_commands(None) if hasattr(command, "list_commands") else ():
        yield from leaves(command.get_command(None, name))


def test_no_surface_has_drifted_from_the_declaration():
    done = subprocess.run([sys.executable, str(ROOT / "scripts/render"), "--check"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_action_has_every_option_as_input_and_the_command_besides(action):
    assert set(action["inputs"]) == {each.name for each in OPTIONS} | {"command"}


def test_the_command_is_no_setting_of_any_other_surface():
    (command,) = step_options()
    assert command.name not in {each.name for each in OPTIONS}
    assert command.default == ("report",)


def test_no_input_of_the_action_has_a_default_but_what_only_the_runner_knows(action):
    given = {name: spec["default"] for name, spec in action["inputs"].items() if spec["default"]}
    assert given == {
        "job_status": "${{ job.status }}",
        "github_token": "${{ github.token }}",
        "matrix": "${{ toJSON(matrix) }}",
        "job_run_id": "${{ job.check_run_id }}",
    }


def test_no_description_holds_an_expression_which_the_runner_would_evaluate(action):
    texts = [action["description"], *(spec["description"] for spec in (action["inputs"] | action["outputs"]).values())]
    assert not [text for text in texts if "${{" in text]


def test_the_action_declares_every_output(action):
    assert set(action["outputs"]) == set(OUTPUTS)


def test_the_action_calls_commands_that_the_package_installs(action):
    scripts = (ROOT / "pyproject.toml").read_text()
    for key in ("pre-entrypoint", "entrypoint", "post-entrypoint"):
        assert f"\n{Path(action['runs'][key]).name} = " in scripts
    assert "args" not in action["runs"], "the words come from the input command"


def test_the_component_has_every_option_but_secrets_and_what_only_github_hands_over(component):
    inputs = component[0]["spec"]["inputs"]
    assert set(inputs) - {"image", "job_prefix", "first_stage", "last_stage", "rules"} == {
        each.name for each in OPTIONS if not each.secret and not each.expression and each.name not in OF_OTHER_VERBS
    }


def test_the_components_of_dci_and_dataops_have_every_option_of_theirs_but_the_secrets(components):
    for (group, left_out), component in zip(
        {"dci": set(), "dataops": {"dataops_wait"}}.items(), components[2:], strict=True
    ):
        declared = {each.name for each in all_options()[group] if not each.secret}
        assert {name for name in component[0]["spec"]["inputs"] if name.startswith(f"{group}_")} == declared - left_out


def test_no_secret_is_an_input_of_a_component(components):
    for component in components:
        assert not set(component[0]["spec"]["inputs"]) & {each.name for each in OPTIONS if each.secret}


def test_no_input_of_a_component_can_stop_a_pipeline_by_its_absence_or_its_value(components):
    for component in components:
        for name, spec in component[0]["spec"]["inputs"].items():
            assert "default" in spec, name
            assert set(spec) <= {"default", "description", "type"}, name
            assert spec["description"], name


def test_an_input_has_the_type_of_what_people_write_bare(component):
    inputs = component[0]["spec"]["inputs"]
    typed = {name: spec["type"] for name, spec in inputs.items() if "type" in spec}
    booleans = ("pr_merged", "last_step", "dry_run", "allow_http", "strict", "verbose", "send_email", "dci_redact")
    assert typed == {
        "rules": "array",
        "timeout": "number",
        "dci_upload_timeout": "number",
        **dict.fromkeys(booleans, "boolean"),
    }
    assert [name for name, kind in typed.items() if kind == "boolean" and inputs[name]["default"] is not False] == []


def test_times_and_sizes_of_dataops_are_written_bare(components):
    inputs = components[3][0]["spec"]["inputs"]
    assert {name for name, spec in inputs.items() if spec.get("type") == "number"} == {
        *("timeout", "dataops_wait_timeout", "dataops_queue_timeout", "dataops_log_limit"),
    }
    assert inputs["dataops_pipeline_id"].get("type") is None, "it may come from a variable"


@pytest.mark.parametrize("each", [each for each in OPTIONS if not each.secret], ids=lambda each: each.name)
def test_the_default_of_an_input_leaves_the_users_own_variable_alone(each):
    handed_over = {each.component_variable: each.component_default}
    alone = load_settings({}, {each.variable: "true"}, {})
    both = load_settings({}, {each.variable: "true"} | handed_over, {})
    assert repr(both) == repr(alone)
    assert not load_settings({}, handed_over, {}).given(each.name)


def test_both_gitlab_doors_have_the_same_inputs_and_the_shim_hands_each_on(component, shim):
    assert component[0]["spec"] == shim[0]["spec"]
    (include,) = shim[1]["include"]
    assert include["inputs"] == {name: f"$[[ inputs.{name} ]]" for name in shim[0]["spec"]["inputs"]}
    assert set(shim[1]) == {"include"}


def test_the_components_hand_every_input_of_an_option_over_as_a_variable(components):
    by_name = {each.name: each for each in OPTIONS}
    for component in components:
        options = [by_name[name] for name in component[0]["spec"]["inputs"] if name in by_name]
        given = next(job["variables"] for job in component[1].values() if "artifacts" in job)
        for each in options:
            value = f"$[[ inputs.{each.name} ]]"
            is_program = each.parse is program
            assert given[each.component_variable] == ({"value": value, "expand": False} if is_program else value)


def test_the_components_splice_nothing_into_a_script(components):
    for component in components:
        for name, job in component[1].items():
            assert not [line for line in job.get("script", []) if "$" in line], name


def test_the_components_set_no_global_keyword(components):
    for component in components:
        assert not set(component[1]) & {"default", "stages", "workflow", "variables", "image", "before_script"}


def test_the_components_jobs_take_nothing_from_the_projects_own_jobs_but_the_choice_of_runners(components):
    for component in components:
        job = next(job for job in component[1].values() if "artifacts" in job)
        assert job["inherit"] == {"default": ["tags"]}
        if "$[[ inputs.job_prefix ]]-dci-running" not in component[1]:
            assert job["dependencies"] == []


def test_only_the_jobs_that_send_files_to_dci_take_the_artifacts_of_earlier_ones(components):
    jobs = components[2][1]
    assert {name: job["dependencies"] for name, job in jobs.items() if "dependencies" in job} == {
        "$[[ inputs.job_prefix ]]-dci-running": []
    }


def test_the_components_jobs_can_never_hold_a_pipeline_long_and_those_that_report_never_fail_it(components):
    (report, services, dci, _) = (next(job for job in each[1].values() if "artifacts" in job) for each in components)
    assert (report["timeout"], services["timeout"], dci["timeout"]) == ("5 minutes", "5 minutes", "15 minutes")
    assert report["allow_failure"] is dci["allow_failure"] is True
    assert load_settings({}, {"CIBEACON_DCI_FILES": "*"}, {}).seconds < 15 * 60, "files have time of their own"


def test_the_job_that_waits_for_a_pipeline_ends_as_that_one_does_and_lasts_longer(components):
    spec, jobs = components[3]
    assert not [name for name, job in jobs.items() if "allow_failure" in job or "retry" in job]
    assert {job.get("timeout") for job in jobs.values()} == {"$[[ inputs.job_timeout ]]", None}
    assert spec["spec"]["inputs"]["job_timeout"]["default"] == "2 hours"
    assert load_settings({}, {}, {}).dataops.dataops_wait_timeout < 2 * 3600


def test_the_dataops_component_names_every_exit_code():
    text = (ROOT / "templates/dataops.yml").read_text()
    for word, ending in ENDINGS.items():
        spoken = {"manual": "blocked on a manual job", "lost": "lost contact", "timed-out": "timed out"}.get(word, word)
        assert f"{ending.code} {spoken}" in text.replace("\n# ", " ")


def test_no_early_job_keeps_gitlab_from_cancelling_a_redundant_pipeline(components):
    report, services, dci, _ = (each[1] for each in components)
    assert report["$[[ inputs.job_prefix ]]-running"]["interruptible"] is True
    assert services[".$[[ inputs.job_prefix ]]-services"]["interruptible"] is True
    assert dci["$[[ inputs.job_prefix ]]-dci-running"]["interruptible"] is True


def test_the_components_jobs_keep_what_the_host_is_told(components):
    for component, verb in zip(components, ("report", "services", "report"), strict=False):
        kept = next(job["artifacts"] for job in component[1].values() if "artifacts" in job)
        assert kept["when"] == "always"
        assert kept["reports"] == {"dotenv": gitlab_output.DOTENV, "annotations": gitlab_output.ANNOTATIONS}
        stages = ("main", "post") if verb == "report" else ("single",)
        for stage in stages:
            assert any(fnmatch(gitlab_output.report_file(verb, stage), pattern) for pattern in kept["paths"])
    assert GitLab().spool_folder(Variables({"CI_PROJECT_DIR": "/builds/shop"})) == "/builds/shop/.cibeacon/spool"
    for component, hidden in ((components[0], ""), (components[2], "-dci")):
        assert ".cibeacon/spool/" in component[1][f".$[[ inputs.job_prefix ]]{hidden}"]["artifacts"]["paths"]


def test_the_dataops_job_keeps_the_outputs_and_the_document(components):
    job = components[3][1][".$[[ inputs.job_prefix ]]-dataops"]
    assert job["artifacts"]["reports"] == {"dotenv": gitlab_output.DOTENV}
    assert job["artifacts"]["when"] == "always", "who must know most of a pipeline is told when it failed"
    (line,) = components[3][1]["$[[ inputs.job_prefix ]]-dataops"]["script"]
    assert line.endswith(f" > {job['artifacts']['paths'][0]}")


def test_the_components_call_commands_that_the_package_installs(components):
    scripts = (ROOT / "pyproject.toml").read_text()
    for line in [line for each in components for job in each[1].values() for line in job.get("script", [])]:
        command, verb, *_ = line.split()
        assert f"\n{command} = " in scripts
        assert verb in VERBS


def test_report_has_every_option_that_it_uses_as_a_flag_but_secrets():
    flags = {parameter.name for parameter in cibeacon.get_command(None, "report").params}
    assert flags == {each.name for each in OPTIONS if not each.secret} - OF_OTHER_VERBS


def test_every_option_is_a_flag_of_some_verb_but_secrets():
    assert {each.name for each in OPTIONS if not each.secret} <= {
        parameter.name for command in leaves(cibeacon) for parameter in command.params
    }


def test_no_secret_can_be_given_on_the_command_line():
    for command in leaves(cibeacon):
        named = {parameter.name for parameter in command.params}
        assert not named & {each.name for each in OPTIONS if each.secret}


def test_the_reference_names_every_option_and_output():
    text = (ROOT / "docs/reference.md").read_text()
    for name in [*(each.name for each in OPTIONS), *OUTPUTS]:
        assert f"| `{name}` |" in text


def test_the_help_of_every_verb_can_be_shown():
    for verb in VERBS:
        assert cibeacon.get_command(None, verb).get_short_help_str()
