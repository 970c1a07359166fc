"""The CI system is found by the environment or by name, and a new one is a class and a line in the list."""

from __future__ import annotations

import pytest

from cibeacon.ci import detect
from cibeacon.ci.ci_system import CISystem, Variables
from cibeacon.model.context import Checkout, Context
from cibeacon.runtime.errors import CheckoutError
from cibeacon.settings import load_settings

GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/shop"}
GITLAB = {"GITLAB_CI": "true", "CI_PROJECT_PATH": "acme/shop"}


class Toy(CISystem):
    """A CI system with the variables of Drone: https://docs.drone.io/pipeline/environment/reference/"""

    name = "toy"
    title = "Toy"

    def matches(self, env: Variables) -> bool:
        return env.is_true("DRONE")

    def read(self, env: Variables) -> Context:
        return Context(
            host=self.name,
            server=env.server("DRONE_REPO_LINK"),
            repository=env.get("DRONE_REPO"),
            event=env.get("DRONE_BUILD_EVENT"),
            commit_sha=env.sha("DRONE_COMMIT_SHA"),
            branch=env.get("DRONE_SOURCE_BRANCH", "DRONE_BRANCH"),
            run_id=env.get("DRONE_BUILD_NUMBER"),
            started_at=env.seconds("DRONE_NO_SUCH_TIME"),
            ci=True,
        )


class NoCheckout:
    """A repository that cannot be read."""

    def checkout(self) -> Checkout:
        raise CheckoutError("There is no git repository here", "", "")


def read(environ, **flags):
    return detect.read_context(load_settings(flags, environ, {}), environ, NoCheckout())


def test_the_setting_names_the_ci_systems_that_there_are():
    for system in detect.SYSTEMS:
        assert load_settings({"host": system.name}, {}, {}).problems == ()


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


@pytest.mark.parametrize(("environ", "is_job"), [(GITHUB, True), ({"CI": "true"}, True), ({}, False)])
def test_a_ci_job_is_one_of_a_known_system_or_of_any_other(environ, is_job):
    assert detect.is_ci_job(environ) is is_job


def test_a_new_ci_system_is_a_class_and_a_line_in_the_list(monkeypatch):
    monkeypatch.setattr(detect, "SYSTEMS", (Toy(), *detect.SYSTEMS))
    environ = {"DRONE": "true", "DRONE_REPO": "acme/shop", "DRONE_BUILD_NUMBER": "7", "DRONE_COMMIT_SHA": "a" * 40}
    environ |= {"DRONE_REPO_LINK": "https://git.example:3000/acme/shop", "DRONE_BRANCH": "main", "CI": "true"}

    context, notices = read(environ)

    assert (context.host, context.server, context.repository) == ("toy", "git.example:3000", "acme/shop")
    assert (context.commit_sha, context.branch, context.run_id) == ("a" * 40, "main", "7")
    assert notices == ()
    system = detect.detect(environ)
    assert (system.remotes(Variables(environ), None), system.spool_folder(Variables(environ))) == ((), None)
