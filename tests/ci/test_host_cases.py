"""What a run is, read from variables and event: one JSON file a case, in this folder. See README.md here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cibeacon.ci import github
from cibeacon.ci.ci_system import Variables
from cibeacon.ci.detect import detect
from cibeacon.git.remote_url import split_remote_url
from cibeacon.runtime.errors import EventError

HERE = Path(__file__).parent
CASES = sorted((*HERE.glob("github/*.json"), *HERE.glob("gitlab/*.json")))


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
