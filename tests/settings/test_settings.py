"""The declaration of every option: what the repository may set, which options are secret, and which signals they affect."""

from __future__ import annotations

import re

import pytest

from cibeacon.settings import GROUPS, SIGNAL_KINDS, all_options, load_settings, secret_values
from cibeacon.signals.plan import kinds_made_invalid

OPTIONS = {each.name: each for group in all_options().values() for each in group}
REPORTABLE = {"signals", "deploy_services", "environment", "pipeline_name", "source_name", "run_scope", "metadata"}
"""Everything that a repository's configuration may set: a pull request can change it."""
SECRETS = {
    "git_token",
    "dx_token", "dx_workflow_token", "dci_api_secret", "github_token", "gitlab_token", "dataops_token", "dataops_trigger_token",
    "flow_token", "otlp_headers", "devlake_token",
}  # fmt: skip
SPELLED = {
    "signals", "strict", "dry_run", "timeout", "config", "format", "job_status", "repository", "commit_sha",
    "pr_number", "github_pull_id", "base", "head", "services", "dx_url", "dx_token", "dx_api", "replace_services",
    "deploy_services", "deployed_at", "environment", "deploy_success", "integration_branch", "merge_commit_shas",
    "reference_id", "source_name", "source_url", "metadata", "pipeline_name", "pipeline_source", "run_scope",
    "status", "started_at", "finished_at", "send_email", "github_token", "gitlab_token", "host", "matrix",
    "job_run_id", "pr_merged",
    "attribution", "allow_http", "on_unknown", "email", "jq", "metadata_jq",
    "dci_url", "dci_client_id", "dci_api_secret", "dci_topic", "dci_components", "dci_job_id", "dci_name",
    "dci_configuration", "dci_change_url", "dci_tags", "dci_comment", "dci_files", "dci_upload_timeout",
    "dci_latest_by", "dci_key_values",
    "flow_url", "flow_token", "flow_context", "flow_job_id", "flow_pipelines", "flow_list_path", "flow_client_cert",
    "dataops_url", "dataops_token", "dataops_trigger_token", "dataops_project", "dataops_ref", "dataops_pipeline_file",
    "dataops_variables",
}  # fmt: skip
"""Names that people have in their pipelines: a renamed option is silently unset."""
GIVEN = {
    "signals": "deployment", "dry_run": "true", "timeout": "7", "config": "other.yml", "host": "gitlab",
    "allow_http": "true", "strict": "true", "format": "json", "verbose": "true", "repository": "evil/repo",
    "commit_sha": "d1a34f0", "pr_number": "9", "github_pull_id": "9", "base": "a", "head": "b", "services": "x",
    "on_unknown": "fail", "run_id": "9", "run_scope": "job", "matrix": "[1]", "job_run_id": "9", "pr_merged": "true", "source_url": "https://evil.example",
    "run_attempt": "2",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "default_branch": "x", "pr_base": "x", "last_step": "true", "git_url": "https://git.evil.example",
    "git_token": "stolen",
    "jq": ".status", "metadata_jq": "{}", "spool": "elsewhere",
    "deploy_services": "x", "deployed_at": "9", "environment": "x", "deploy_success": "true",
    "attribution": "repository", "integration_branch": "x", "merge_commit_shas": "d1a34f0", "reference_id": "x",
    "source_name": "x", "metadata": "{}", "pipeline_name": "x", "pipeline_source": "x", "status": "success",
    "job_status": "success", "started_at": "9", "finished_at": "9", "head_branch": "x", "github_username": "x",
    "gitlab_username": "x", "email": "x", "send_email": "true", "dx_url": "evil", "dx_token": "stolen",
    "dx_workflow_run": "4vyq52b7b4a4", "dx_workflow_message": "x", "dx_workflow_url": "https://api.evil.example",
    "dx_workflow_token": "stolen",
    "dx_api": "current", "replace_services": "true", "dci_url": "https://dci.evil.example",
    "dci_client_id": "6cee7286-5d99-4a96-9949-200977f4be07", "dci_api_secret": "stolen", "dci_topic": "x",
    "dci_components": "x", "dci_job_id": "6cee7286-5d99-4a96-9949-200977f4be07", "dci_name": "x",
    "dci_configuration": "x", "dci_change_url": "https://evil.example", "dci_tags": "x", "dci_comment": "x",
    "dci_latest_by": "created", "dci_key_values": "a=1",
    "dci_files": "/etc/passwd", "dci_upload_timeout": "9", "dci_redact": "true", "dci_redact_patterns": "x",
    "github_token": "stolen", "gitlab_token": "stolen",
    "flow_job_id": "x", "flow_pipelines": "x", "flow_url": "https://flow.evil.example", "flow_token": "stolen",
    "otlp_endpoint": "https://otlp.evil.example", "otlp_headers": "api-key=stolen",
    "flow_context": "evil", "flow_list_path": "/elsewhere", "flow_client_cert": "/etc/passwd",
    "devlake_url": "https://evil.example/api/rest/plugins/webhook/connections/1/deployments", "devlake_token": "stolen",
    "dataops_url": "https://evil.example", "dataops_project": "9", "dataops_token": "stolen",
    "dataops_trigger_token": "stolen", "dataops_ref": "x", "dataops_pipeline_file": "x-ci.yml",
    "dataops_variables": "A=b", "dataops_pipeline_id": "9", "dataops_wait": "true", "dataops_wait_timeout": "9",
    "dataops_queue_timeout": "9", "dataops_on_manual": "wait", "dataops_cancel": "true", "dataops_logs": "all",
    "dataops_log_limit": "9",
}  # fmt: skip
"""For every option a value that is usable and not the default."""


def value(settings, name):
    return next(getattr(getattr(settings, group), name) for group in GROUPS if hasattr(getattr(settings, group), name))


def test_names_are_spelled_as_people_have_them_in_their_pipelines():
    assert set(OPTIONS) >= SPELLED


@pytest.mark.parametrize("name", OPTIONS)
def test_a_name_is_snake_case_so_that_one_spelling_fits_every_surface(name):
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)


def test_no_two_options_share_a_name_or_a_variable():
    names = [each.name for group in all_options().values() for each in group]
    variables = [text for each in OPTIONS.values() for text in (each.variable, each.input_variable, *each.also)]
    assert len(set(names)) == len(names)
    assert len(set(variables)) == len(variables)


def test_every_option_is_tried_here():
    assert set(GIVEN) == set(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
def test_the_repository_sets_reporting_choices_and_nothing_else(name):
    settings, plain = load_settings({}, {}, {name: GIVEN[name]}), load_settings({}, {}, {})
    assert settings.origins[name].given is (name in REPORTABLE)
    assert (value(settings, name) != value(plain, name)) is (name in REPORTABLE)
    assert OPTIONS[name].in_repository is (name in REPORTABLE)


def test_the_repository_can_never_redirect_the_token_or_loosen_a_rule():
    given = {name: GIVEN[name] for name in OPTIONS if name not in REPORTABLE}
    assert load_settings({}, {}, given) == load_settings({}, {}, {})


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_can_be_given_as_our_own_variable(name):
    settings = load_settings({}, {OPTIONS[name].variable: GIVEN[name]}, {})
    assert value(settings, name) != value(load_settings({}, {}, {}), name)
    assert (settings.origins[name].source, settings.given(name)) == (OPTIONS[name].variable, True)
    assert settings.problems == ()


@pytest.mark.parametrize("name", OPTIONS)
def test_secrets_alone_have_no_flag(name):
    settings = load_settings({name: GIVEN[name]}, {}, {})
    assert settings.given(name) is (name not in SECRETS)
    assert OPTIONS[name].secret is (name in SECRETS)


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("DX_API_TOKEN", "dx_token"),
        ("DCI_API_SECRET", "dci_api_secret"),
        ("GITHUB_TOKEN", "github_token"),
        ("GITLAB_TOKEN", "gitlab_token"),
    ],
)
def test_well_known_names_are_accepted_after_our_own(variable, name):
    settings = load_settings({}, {variable: "well-known"}, {})
    assert (value(settings, name), settings.origins[name].source) == ("well-known", variable)
    assert value(load_settings({}, {variable: "well-known", OPTIONS[name].variable: "own"}, {}), name) == "own"


def test_every_secret_of_the_environment_is_known_wherever_it_stands():
    names = [
        text for each in OPTIONS.values() if each.secret for text in (each.input_variable, each.variable, *each.also)
    ]
    environ = {name: f"secret-in-{name}" for name in (*names, "CI_JOB_TOKEN")}
    assert set(secret_values(environ | {"HOME": "/root", "CIBEACON_DX_URL": "acme"})) == set(environ.values())


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_an_empty_secret_is_nothing_to_mask(blank):
    assert secret_values({"DX_API_TOKEN": blank, "CI_JOB_TOKEN": blank}) == ()


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_bad_secret_is_a_problem_that_does_not_show_it(name):
    settings = load_settings({}, {OPTIONS[name].variable: "top secret \n"}, {})
    assert [problem.option for problem in settings.problems] == [name]
    assert "top" not in str(settings.problems)
    assert value(settings, name) is None


@pytest.mark.parametrize(
    ("name", "bad", "spoiled"),
    [
        ("timeout", "abc", SIGNAL_KINDS),
        ("signals", "pul-services", SIGNAL_KINDS),
        ("host", "circle", SIGNAL_KINDS),
        ("commit_sha", "main", SIGNAL_KINDS),
        ("dx_url", "http s://", ("pull-services", "deployment", "pipeline-run")),
        ("dx_api", "newest", ("pull-services", "deployment", "pipeline-run")),
        ("dci_url", "http s://", ("dci",)),
        ("dci_client_id", "user/me", ("dci",)),
        ("dci_job_id", "7", ("dci",)),
        ("dci_upload_timeout", "soon", ("dci",)),
        ("flow_url", "https://ib.example/api/v1", ("flow",)),
        ("flow_list_path", "@elsewhere", ("flow",)),
        ("deployed_at", "2025-01-01", ("deployment",)),
        ("metadata", "[]", ("deployment",)),
        ("merge_commit_shas", "[]", ("deployment",)),
        ("metadata_jq", ".\0", ("deployment",)),
        ("started_at", "noon", ("pipeline-run", "dci")),
        ("status", "green", ("pipeline-run", "dci")),
        ("strict", "maybe", ()),
        ("format", "xml", ()),
        ("jq", ".\0", ()),
    ],
)
def test_a_bad_value_spoils_the_signals_of_its_group(name, bad, spoiled):
    (problem,) = load_settings({name: bad}, {}, {}).problems
    assert problem.option == name
    assert kinds_made_invalid(problem) == spoiled


def test_a_bad_strict_is_false():
    assert load_settings({"strict": "maybe"}, {}, {}).output.strict is False


def test_nothing_given_is_the_default_everywhere():
    settings = load_settings({}, {}, {})
    assert not settings.given(*OPTIONS)
    assert {origin.source for origin in settings.origins.values()} == {"default"}
    assert {name: value(settings, name) for name in OPTIONS} == {name: each.default for name, each in OPTIONS.items()}
    assert settings.problems == ()


def test_the_defaults_that_people_rely_on():
    settings = load_settings({}, {}, {})
    assert (settings.core.signals, settings.core.timeout, settings.core.dry_run) == (("auto",), 30.0, None)
    assert (settings.output.strict, settings.run.send_email, settings.core.allow_http) == (False, False, False)
    assert (settings.dx.dx_api, settings.deploy.attribution, settings.change.run_scope) == (
        "classic",
        "commit",
        "workflow",
    )


@pytest.mark.parametrize("name", ["deploy_success", "replace_services", "dry_run"])
def test_a_choice_nobody_made_is_not_a_no(name):
    assert value(load_settings({}, {}, {}), name) is None
    assert value(load_settings({name: "false"}, {}, {}), name) is False


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_says_what_it_is_for(name):
    each = OPTIONS[name]
    assert each.help.strip()
    assert "${{" not in each.help + each.shown_default, "an expression in a description breaks the action's manifest"


@pytest.mark.parametrize(
    ("variable", "given", "name", "found"),
    [
        ("DCI_CS_URL", "https://dci.example:443/api/v1/", "dci_url", "https://dci.example"),
        ("DCI_CLIENT_ID", "remoteci/6CEE7286-5D99-4A96-9949-200977F4BE07", "dci_client_id",
         "remoteci/6cee7286-5d99-4a96-9949-200977f4be07"),
    ],
)  # fmt: skip
def test_the_variables_of_dcis_own_tools_are_read(variable, given, name, found):
    settings = load_settings({}, {variable: given}, {})
    assert (value(settings, name), settings.origins[name].source, settings.problems) == (found, variable, ())


def test_files_have_time_of_their_own_and_what_follows_them_has_it_afresh():
    assert load_settings({"timeout": "7"}, {}, {}).seconds == 7
    given = {"timeout": "7", "dci_files": "*.xml", "dci_upload_timeout": "50"}
    assert load_settings(given, {}, {}).seconds == 7 + 50 + 7


def choices(each):
    """The allowed words of a setting that has a fixed set; a flag's are obvious."""
    try:
        each.parse("no such word")
    except ValueError as error:
        found = re.fullmatch(r"(?:is|contains) none of (.*)", str(error))
        return found[1].split(", ") if found and not each.flag else []
    return []


@pytest.mark.parametrize("each", [each for each in OPTIONS.values() if choices(each)], ids=lambda each: each.name)
def test_what_a_setting_can_be_stands_in_its_help(each):
    assert [
        word for word in choices(each) if not word.startswith("-") and not re.search(rf"\b{word}\b", each.help)
    ] == []
