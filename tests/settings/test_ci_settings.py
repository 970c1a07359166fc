"""Settings that describe the run, as CI systems pass them."""

from __future__ import annotations

import pytest

from cibeacon.model import ci_systems, status_words
from cibeacon.settings import load_settings, secret_values
from cibeacon.settings.general import SIGNAL_KINDS, wants

PLUGIN = {"PLUGIN_DX_URL": "acme", "PLUGIN_DX_TOKEN": "plugin-secret", "PLUGIN_SIGNALS": "auto,-pipeline-run"}


@pytest.mark.parametrize("proof", [{"DRONE": "true"}, {"CI": "woodpecker"}, {"HARNESS_BUILD_ID": "7"}])
def test_a_plugins_settings_are_read_where_the_system_passes_them(proof):
    settings = load_settings({}, PLUGIN | proof, {})
    assert (settings.dx.dx_url, settings.dx.dx_token) == ("https://acme.getdx.net", "plugin-secret")
    assert settings.origins["dx_url"].source == "plugin setting dx_url"


@pytest.mark.parametrize(
    "environ", [{}, {"CI": "true"}, {"GITHUB_ACTIONS": "true"}, {"GITHUB_ACTIONS": "true", "DRONE": "true"}]
)
def test_elsewhere_a_variable_that_starts_with_plugin_belongs_to_another_program(environ):
    assert not load_settings({}, PLUGIN | environ, {}).given("dx_url", "dx_token", "signals")


def test_a_plugins_secret_is_masked_wherever_it_is():
    assert "plugin-secret" in secret_values(PLUGIN)


def test_a_flag_wins_over_a_plugins_setting_and_that_over_a_variable():
    environ = {"DRONE": "true", "PLUGIN_ENVIRONMENT": "plugin", "CIBEACON_ENVIRONMENT": "variable"}
    assert load_settings({"environment": "flag"}, environ, {}).deploy.environment == "flag"
    assert load_settings({}, environ, {}).deploy.environment == "plugin"


@pytest.mark.parametrize("kind", SIGNAL_KINDS)
def test_auto_without_a_kind_asks_for_all_others(kind):
    signals = load_settings({"signals": f"auto,-{kind}"}, {}, {}).core.signals
    assert [other for other in SIGNAL_KINDS if not wants(signals, other)] == [kind]


@pytest.mark.parametrize("given", ["-pipeline-run", "deployment,-pipeline-run", "auto,-nothing", "auto,--dci"])
def test_a_kind_can_only_be_removed_from_auto(given):
    assert load_settings({"signals": given}, {}, {}).problems


@pytest.mark.parametrize("given", ["concourse", "My-CI", "prow.k8s"])
def test_any_word_names_a_ci_system_that_is_not_known(given):
    assert load_settings({"host": given}, {}, {}).core.host == given.lower()


@pytest.mark.parametrize(
    ("given", "meant"),
    [("githb", "github"), ("jenkin", "jenkins"), ("azure-pipelines", None), ("buildkit", "buildkite")],
)
def test_a_misspelled_ci_system_is_not_an_unknown_one(given, meant):
    problems = load_settings({"host": given}, {}, {}).problems
    assert bool(problems) is bool(meant)
    assert meant is None or f"did you mean {meant}?" in problems[0].message


@pytest.mark.parametrize(
    "environ",
    [
        {"TF_BUILD": ""},
        {"TF_BUILD": "False"},
        {"BUILD_ID": "7", "BUILD_NUMBER": "7", "GIT_COMMIT": "a" * 40},
        {"BUILD_TAG": "v1", "JOB_NAME": "mine"},
        {"GITHUB_ACTION": "step1"},
        {"CF_PAGES": "1", "CF_INSTANCE_INDEX": "0"},
        {"CI": "false"},
    ],
)
def test_a_name_that_others_use_or_a_false_value_proves_nothing(environ):
    assert ci_systems.recognise(environ) == []


@pytest.mark.parametrize(
    ("environ", "first"),
    [
        ({"FORGEJO_ACTIONS": "true", "GITEA_ACTIONS": "true", "GITHUB_ACTIONS": "true"}, "forgejo"),
        ({"GITEA_ACTIONS": "true", "GITHUB_ACTIONS": "true"}, "gitea"),
        ({"DRONE": "true", "HARNESS_BUILD_ID": "3"}, "harness"),
        ({"TF_BUILD": "True"}, "azure"),
        ({"APPVEYOR": "True"}, "appveyor"),
        ({"BUILD_TAG": "jenkins-shop-7", "JOB_NAME": "shop"}, "jenkins"),
    ],
)
def test_a_system_that_imitates_another_is_recognised_first(environ, first):
    assert ci_systems.recognise(environ) == [first]


@pytest.mark.parametrize(
    ("word", "host", "status"),
    [
        ("0", "travis", "success"),
        ("1", "travis", "failure"),
        ("255", "buildkite", "failure"),
        ("1", "codebuild", "success"),
        ("0", "codebuild", "failure"),
        ("1", "github", None),
        ("Completed", "tekton", "success"),
        ("None", "tekton", "cancelled"),
        ("completed", "github", None),
        ("true", "bamboo", "failure"),
        ("true", "harness", "success"),
        ("SucceededWithIssues", "azure", "success"),
        ("UNSTABLE", "jenkins", "failure"),
        ("NOT_BUILT", "jenkins", "cancelled"),
        ("exploded", "jenkins", None),
    ],
)
def test_a_word_means_what_it_means_on_its_own_system(word, host, status):
    assert status_words.meaning(word, host) == status
