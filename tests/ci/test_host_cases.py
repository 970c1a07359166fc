"""What a run is, read from variables and event: one JSON file a case, in this folder. See README.md here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cibeacon.ci import github
from cibeacon.ci.ci_system import Variables
from cibeacon.ci.detect import detect, read_run
from cibeacon.git import split_remote_url
from cibeacon.model.context import Checkout
from cibeacon.runtime.errors import EventError

HERE = Path(__file__).parent
CASES = sorted(HERE.glob("*/*.json"))


def read(path):
    case = json.loads(path.read_text())
    if path.parent.name == "github":
        return case, github.read_run(Variables(case["env"]), case["event"] or {})
    return case, detect({}, path.parent.name).read(Variables(case["env"]))


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_context_is_what_the_host_means(path):
    case, context = read(path)
    document = context.document()
    for name, expected in case["context"].items():
        found = document[name]
        if isinstance(expected, dict):
            found = {key: found[key] for key in expected}
        assert found == expected, f"{name}: {case['why']}"


def test_there_are_cases_for_both_hosts():
    assert len([path for path in CASES if path.parent.name == "github"]) >= 24
    assert len([path for path in CASES if path.parent.name == "gitlab"]) >= 14


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_host_recognises_its_own_environment(path):
    case, _ = read(path)
    assert detect(case["env"]).name == path.parent.name


@pytest.mark.parametrize("event", [{}, {"pull_request": None}, {"pull_request": []}, {"push": 1, "repository": "x"}])
def test_an_odd_payload_is_read_without_failing(event):
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request", "GITHUB_SHA": "a" * 40}
    context = github.read_run(Variables(environ), event)
    assert context.pull_request is None
    assert context.commit_sha is None, "GITHUB_SHA of a pull request is a test merge, never the commit people wrote"


@pytest.mark.parametrize("content", [None, "", "[]", "{", '"text"', "[" * 100_000])
def test_an_unreadable_payload_is_an_error_with_a_next_step(tmp_path, content):
    path = tmp_path / "event.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(EventError, match="payload cannot be read") as caught:
        github.load_event({"GITHUB_EVENT_PATH": str(path)})
    assert caught.value.hint


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://github.com/acme/shop.git", ("github.com", "acme/shop")),
        ("https://user:token@github.com/acme/shop", ("github.com", "acme/shop")),
        ("git@github.com:acme/shop.git", ("github.com", "acme/shop")),
        ("ssh://git@gitlab.example.com:2222/group/sub/shop.git", ("gitlab.example.com", "group/sub/shop")),
        ("file:///srv/shop.git", (None, None)),
        ("/srv/shop.git", (None, None)),
        ("../shop", (None, None)),
        (None, (None, None)),
    ],
)
def test_a_remote_names_server_and_repository_and_never_a_credential(url, expected):
    assert split_remote_url(url) == expected


def test_a_laptop_is_no_ci_and_jenkins_is():
    checkout = Checkout("git@github.com:acme/shop.git", "b" * 40, "main", "main")
    assert not read_run(Variables({}), checkout).ci
    assert read_run(Variables({"CI": "true"}), checkout).ci


JENKINS = {
    "BUILD_TAG": "jenkins-shop-build-17",
    "JOB_NAME": "shop-build",
    "JENKINS_URL": "https://me:pw@ci.example/jenkins/",
}


@pytest.mark.parametrize(
    ("environ", "pipeline", "attempt"),
    [
        ({}, None, None),
        (JENKINS, "ci.example/jenkins/shop-build", None),
        (JENKINS | {"JOB_NAME": "acme/shop/feature%2Fx"}, "ci.example/jenkins/acme/shop/feature%2Fx", None),
        ({**JENKINS, "JENKINS_URL": ""}, "shop-build", None),
        ({"BUILD_TAG": "v1", "JOB_NAME": "mine"}, None, None),
        (
            {"BUILDKITE": "true", "BUILDKITE_ORGANIZATION_SLUG": "acme", "BUILDKITE_PIPELINE_SLUG": "web"},
            "acme/web",
            None,
        ),
        (
            {
                "TF_BUILD": "True",
                "SYSTEM_COLLECTIONURI": "https://dev.azure.com/acme/",
                "SYSTEM_TEAMPROJECT": "Shop",
                "BUILD_DEFINITIONNAME": "web",
                "SYSTEM_STAGEATTEMPT": "2",
            },
            "dev.azure.com/acme/Shop/web",
            2,
        ),
        ({"BITBUCKET_BUILD_NUMBER": "4", "BITBUCKET_STEP_RUN_NUMBER": "3"}, None, 3),
        (
            {"TEAMCITY_VERSION": "2025", "TEAMCITY_PROJECT_NAME": "Shop", "TEAMCITY_BUILDCONF_NAME": "Web"},
            "Shop/Web",
            None,
        ),
        ({"APPVEYOR": "True", "APPVEYOR_ACCOUNT_NAME": "acme", "APPVEYOR_PROJECT_SLUG": "web"}, "acme/web", None),
        ({"bamboo_planKey": "SHOP-WEB"}, "SHOP-WEB", None),
        (
            {
                "GO_PIPELINE_COUNTER": "4",
                "GO_SERVER_URL": "https://go.example:8154/go",
                "GO_PIPELINE_NAME": "web",
                "GO_STAGE_COUNTER": "2",
            },
            "go.example:8154/go/web",
            2,
        ),
        ({"CF_BUILD_ID": "5f", "CF_PIPELINE_NAME": "shop/web"}, "shop/web", None),
        (
            {
                "HARNESS_EXECUTION_ID": "x",
                "HARNESS_ACCOUNT_ID": "a",
                "HARNESS_PROJECT_ID": "p",
                "HARNESS_PIPELINE_ID": "w",
            },
            "a/p/w",
            None,
        ),
    ],
)
def test_a_ci_system_says_whose_number_the_number_of_a_run_is(environ, pipeline, attempt):
    """Two pipelines of one server have a run 17 each, whatever a person calls them."""
    context = read_run(
        Variables({"CI": "true", **environ}), Checkout("git@github.com:acme/shop.git", "b" * 40, "main", "main")
    )
    assert (context.pipeline_id, context.run_attempt) == (pipeline, attempt)
