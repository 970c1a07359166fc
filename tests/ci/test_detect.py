"""The CI system is recognised by the environment or named by the setting `host`."""

from __future__ import annotations

import pytest

from cibeacon.ci import detect
from cibeacon.model.ci_systems import CI_SYSTEMS, recognise
from cibeacon.model.context import Checkout
from cibeacon.runtime.errors import CheckoutError
from cibeacon.settings import load_settings

GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/shop"}
GITLAB = {"GITLAB_CI": "true", "CI_PROJECT_PATH": "acme/shop"}


class NoCheckout:
    """A repository that cannot be read."""

    def checkout(self) -> Checkout:
        raise CheckoutError("There is no git repository here", "", "")


def read(environ, **flags):
    return detect.read_context(load_settings(flags, environ, {}), environ, NoCheckout())


def test_the_setting_names_the_ci_systems_that_there_are():
    for name in (*CI_SYSTEMS, "local", "concourse"):
        assert load_settings({"host": name}, {}, {}).problems == ()
        assert detect.named(name).name == name


@pytest.mark.parametrize(
    ("environ", "name"), [(GITHUB, "github"), (GITLAB, "gitlab"), ({}, "local"), ({"CI": "true"}, "local")]
)
def test_a_ci_system_is_recognised_by_its_variables(environ, name):
    assert detect.detect(environ).name == name
    assert read(environ)[0].host == name


def test_a_name_overrides_the_environment():
    assert detect.detect(GITHUB, "gitlab").name == "gitlab"
    assert read(GITHUB, host="local")[0].host == "local"


def test_of_two_that_match_the_first_is_taken_and_the_notice_names_both():
    context, notices = read(GITHUB | GITLAB | {"GITHUB_EVENT_PATH": ""})
    assert context.host == "github"
    assert "GitHub Actions and GitLab CI" in notices[0].text
    assert not [notice for notice in read(GITHUB | GITLAB, host="gitlab")[1] if "set host" in notice.text]


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        (("FORGEJO_ACTIONS", "GITEA_ACTIONS", "GITHUB_ACTIONS"), "forgejo"),
        (("GITEA_ACTIONS", "GITHUB_ACTIONS"), "gitea"),
        (("HARNESS_BUILD_ID", "DRONE"), "harness"),
    ],
)
def test_a_system_that_sets_the_variables_of_another_is_not_both(shown, name):
    environ = dict.fromkeys(shown, "true")
    assert recognise(environ) == [name]
    assert recognise(environ | {"TRAVIS": "true"}) == [name, "travis"]


@pytest.mark.parametrize(("environ", "is_job"), [(GITHUB, True), ({"CI": "true"}, True), ({}, False)])
def test_a_ci_job_is_one_of_a_known_system_or_of_any_other(environ, is_job):
    assert detect.is_ci_job(environ) is is_job
