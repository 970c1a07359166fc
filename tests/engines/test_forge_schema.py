"""The sandbox's GitHub and GitLab answer as the hosts' descriptions say: in every field that they send or that we read."""

from __future__ import annotations

import ast
import inspect
from types import MappingProxyType

import descriptions
import pytest
import requests
from relay import Relay

from cibeacon.ci import github_api, gitlab_api
from cibeacon.ci.github_api import GitHubApi
from cibeacon.ci.gitlab_api import GitLabApi
from cibeacon.model.changes import ApiComparison
from cibeacon.runtime.errors import HostError
from forge import Forge

pytestmark = pytest.mark.engine

HEAD, MERGE, SQUASH, BASE, FORK = "1" * 40, "2" * 40, "3" * 40, "4" * 40, "5" * 40
HUB, LAB, TOKEN = "acme/shop", "acme/team/shop", {"job_token": "t"}
FILES = [f"services/pay/f{n}" for n in range(137)]
PULLS = [
    {
        "number": 7,
        "id": 1497468863,
        "merge_commit_sha": MERGE,
        "head": {"ref": "pay", "sha": HEAD},
        "base": {"ref": "main", "sha": BASE},
        "files": FILES,
    },
    {"number": 8, "merged_at": None, "commits": [MERGE]},
]
REQUESTS = [
    {
        "iid": 7,
        "sha": HEAD,
        "merge_commit_sha": MERGE,
        "squash_commit_sha": SQUASH,
        "source_branch": "pay",
        "diff_refs": {"base_sha": BASE, "head_sha": HEAD, "start_sha": BASE},
        "files": FILES,
    },
    {"iid": 8, "state": "opened", "commits": [MERGE]},
]
PARENTS = {BASE: [], HEAD: [BASE], FORK: [BASE], MERGE: [BASE, HEAD]}
TREES = {BASE: {"kept": "1", "changed": "1", "gone": "1"}, HEAD: {"kept": "1", "changed": "2", "new": "1"}}
CHANGED = ("changed", "gone", "new")
LEFT_OUT = {"diff-entry": {"sha"}}
"""Read of commits, not of files. Other fields that the forge leaves out have names that no line of ours holds."""


def read_by(module) -> set[str]:
    """Every text in a module: the fields that it reads are among them."""
    constants = (node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Constant))
    return {node.value for node in constants if isinstance(node.value, str)}


@pytest.fixture(scope="session")
def forge():
    with Forge(merge_requests={LAB: REQUESTS}, pulls={HUB: PULLS}, parents=PARENTS, trees=TREES) as running:
        yield running
        assert running.faults == []


def checked(document, module, serve, forge, left_out=MappingProxyType({})):
    """A relay to the forge, its questions and answers checked."""
    document = descriptions.relied_on(document, read_by(module), left_out)
    return Relay(serve(document, forge.url), document)


@pytest.fixture(scope="session", params=["", "/api/v3"], ids=["github.com", "oldest enterprise server"])
def hub_relay(request, serve, forge):
    name = descriptions.enterprise_servers()[0] if request.param else "api.github.com"
    with checked(descriptions.github(name, request.param), github_api, serve, forge, LEFT_OUT) as running:
        yield running, running.url + request.param


@pytest.fixture(scope="session")
def lab_relay(serve, forge):
    with checked(descriptions.gitlab(), gitlab_api, serve, forge) as running:
        yield running


@pytest.fixture
def hub(hub_relay):
    relay, url = hub_relay
    relay.breaches.clear()
    yield url
    assert relay.breaches == []


@pytest.fixture
def lab(lab_relay):
    lab_relay.breaches.clear()
    yield lab_relay.url
    assert lab_relay.breaches == []


@pytest.mark.parametrize("question", ["", f"/commits/{MERGE}", "/pulls/8"])
def test_what_it_sends_for_github_is_described(question, hub):
    answer = requests.get(f"{hub}/repos/{HUB}{question}", headers={"Authorization": "token t"}, timeout=60)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("question", ["", "/merge_requests/8"])
def test_what_it_sends_for_gitlab_is_described(question, lab):
    project = LAB.replace("/", "%2F")
    answer = requests.get(f"{lab}/api/v4/projects/{project}{question}", headers={"JOB-TOKEN": "t"}, timeout=60)
    assert answer.status_code == 200, answer.text


def test_what_we_ask_github_about_a_pull_request_is_answered_as_described(hub, deadline):
    (found,) = GitHubApi(hub, {"token": "t"}, HUB, deadline).merged_prs(MERGE)
    assert (found.number, found.head_sha) == (7, HEAD)
    assert GitHubApi(hub, {"token": "t"}, HUB, deadline).pull_request(7) == found
    assert GitHubApi(hub, {"token": "t"}, HUB, deadline).changed_files(7) == tuple(FILES)


def test_what_we_ask_github_about_commits_is_answered_as_described(hub, deadline):
    assert GitHubApi(hub, {"token": "t"}, HUB, deadline).compare(BASE, HEAD) == ApiComparison(BASE, (HEAD,), CHANGED)
    aside = GitHubApi(hub, {"token": "t"}, HUB, deadline).compare(FORK, HEAD)
    assert (aside.merge_base, aside.files) == (BASE, None)


def test_what_we_ask_gitlab_about_a_merge_request_is_answered_as_described(lab, deadline):
    (found,) = GitLabApi(lab, TOKEN, LAB, deadline).merged_prs(SQUASH)
    assert (found.number, found.head_sha) == (7, HEAD)
    assert GitLabApi(lab, TOKEN, LAB, deadline).pull_request(7) == found
    assert GitLabApi(lab, TOKEN, LAB, deadline).changed_files(7) == tuple(FILES)


def test_what_we_ask_gitlab_about_commits_is_answered_as_described(lab, deadline):
    assert GitLabApi(lab, TOKEN, LAB, deadline).merge_base(FORK, HEAD) == BASE
    assert GitLabApi(lab, TOKEN, LAB, deadline).compare(BASE, HEAD) == ApiComparison(None, (HEAD,), CHANGED)


def test_no_such_thing_is_refused_as_described(hub, lab, deadline):
    with pytest.raises(HostError, match="404"):
        GitHubApi(hub, {"token": "t"}, HUB, deadline).pull_request(99)
    with pytest.raises(HostError, match="404"):
        GitLabApi(lab, TOKEN, LAB, deadline).pull_request(99)
