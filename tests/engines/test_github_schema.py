"""Our questions to GitHub, and our reading of its answers, by GitHub's own description of its API."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import descriptions
import pytest
import requests
from relay import Relay

from cibeacon.ci.github_api import GitHubApi
from cibeacon.model.changes import ApiComparison
from cibeacon.model.context import PullRequest
from cibeacon.runtime.errors import HostError

pytestmark = pytest.mark.engine

NAME, TOKEN, OTHER = "octocat/Hello-World", "ghs_c2VjcmV0", "9" * 40
PULL = f"{descriptions.REPOSITORY}/pulls/{{pull_number}}"
PULLS_OF, FILES = f"{descriptions.REPOSITORY}/commits/{{commit_sha}}/pulls", f"{PULL}/files"
COMPARED = f"{descriptions.REPOSITORY}/compare/{{basehead}}"
COUNT = 137


class Served(NamedTuple):
    """A description of GitHub, where it is served, and the path before its paths."""

    document: dict[str, Any]
    url: str
    prefix: str

    def example(self, path):
        return descriptions.example(self.document, self.prefix + path)


@pytest.fixture(scope="session", params=["github.com", "oldest enterprise server"])
def served(request, serve):
    """GitHub's examples, and pages of files made from them."""
    enterprise = request.param != "github.com"
    prefix = "/api/v3" if enterprise else ""
    name = descriptions.enterprise_servers()[0] if enterprise else "api.github.com"
    document = descriptions.sparing(descriptions.github(name, prefix))
    pull, (file,) = (descriptions.example(document, prefix + path) for path in (PULL, FILES))
    document = descriptions.with_example(document, prefix + PULL, "many", pull | {"changed_files": COUNT})
    for number in (1, 2):
        numbers = range(100 * (number - 1), min(100 * number, COUNT))
        files = [file | {"filename": f"f{n}", "previous_filename": f"was/f{n}", "status": "renamed"} for n in numbers]
        document = descriptions.with_example(document, prefix + FILES, f"page-{number}", files)
    for path in document["paths"]:
        document = descriptions.with_example(document, path, "wrong", 7)
    return Served(document, serve(document), prefix)


@pytest.fixture
def relay(served):
    with Relay(served.url, served.document) as running:
        yield running
        assert running.faults == []


@pytest.fixture
def github(relay, served):
    """The URL of an API of which nothing may be asked that GitHub would not understand."""
    yield relay.url + served.prefix
    assert relay.breaches == []


def of_the_example(served) -> PullRequest:
    told = served.example(PULL)
    return PullRequest(
        number=told["number"],
        id=told["id"],
        merged=True,
        closed=True,
        merge_commit_sha=told["merge_commit_sha"],
        base_ref=told["base"]["ref"],
        base_sha=told["base"]["sha"],
        head_ref=told["head"]["ref"],
        head_sha=told["head"]["sha"],
        commits=told["commits"],
    )


def test_the_pull_request_that_a_commit_merged_is_found_in_githubs_example(github, served, deadline):
    (listed,) = served.example(PULLS_OF)
    found = GitHubApi(github, {"token": TOKEN}, NAME, deadline).merged_prs(listed["merge_commit_sha"])
    assert found == (of_the_example(served),)


def test_another_commit_of_it_merged_nothing(github, deadline):
    assert GitHubApi(github, {"token": TOKEN}, NAME, deadline).merged_prs(OTHER) == ()


def test_a_pull_request_that_landed_with_another_commit_of_the_push_is_found_too(github, served, deadline):
    told = of_the_example(served)
    found = GitHubApi(github, {"token": TOKEN}, NAME, deadline).merged_prs(OTHER, among=[told.merge_commit_sha])
    assert found == (told,)


def test_what_is_known_is_not_asked_for_again(github, relay, served, deadline):
    told = of_the_example(served)
    known = {told.number: told}
    assert GitHubApi(github, {"token": TOKEN}, NAME, deadline).merged_prs(told.merge_commit_sha, known=known) == (told,)
    assert len(relay.seen) == 1


def test_githubs_example_of_a_comparison_is_understood(github, served, deadline):
    told = served.example(COMPARED)
    base, head = told["merge_base_commit"]["sha"], told["commits"][-1]["sha"]
    found = GitHubApi(github, {"token": TOKEN}, NAME, deadline).compare(base, head)
    assert found == ApiComparison(base, (head,), tuple(file["filename"] for file in told["files"]))


def test_of_a_comparison_from_elsewhere_the_merge_base_is_known_but_not_the_files(github, served, deadline):
    told = served.example(COMPARED)
    found = GitHubApi(github, {"token": TOKEN}, NAME, deadline).compare(OTHER, told["commits"][-1]["sha"])
    assert (found.merge_base, found.files) == (told["merge_base_commit"]["sha"], None)
    assert "merge base" in found.fault


def test_a_pull_request_is_read_by_its_number(github, served, deadline):
    told = of_the_example(served)
    found = GitHubApi(github, {"token": TOKEN}, NAME, deadline).pull_request(told.number)
    assert found == told._replace(merged=False, closed=False, merge_commit_sha=None), "GitHub's example is open"


def test_the_files_are_read_page_by_page(github, relay, served, deadline):
    def page(request):
        return f"page-{parse_qs(request.query)['page'][0]}" if request.path.endswith("/files") else "many"

    relay.wish = lambda request: f"example={page(request)}"
    found = GitHubApi(github, {"token": TOKEN}, NAME, deadline).changed_files(7)
    assert sorted(found) == sorted(side for n in range(COUNT) for side in (f"was/f{n}", f"f{n}"))
    asked = [parse_qs(question.rpartition("?")[2]) for question in relay.seen[1:]]
    assert asked == [{"per_page": ["100"], "page": [number]} for number in ("1", "2")]


def test_fewer_files_than_githubs_example_counts_are_a_truncated_list(github, deadline):
    with pytest.raises(HostError, match="does not list all changed files"):
        GitHubApi(github, {"token": TOKEN}, NAME, deadline).changed_files(7)


def as_github_means_it(content):
    """The answer with ids of commits and counts, where its description permits any text and any number."""

    def walked(value, key=None):
        if isinstance(value, dict):
            return {name: walked(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [walked(each) for each in value]
        if isinstance(value, int) and not isinstance(value, bool):
            return abs(value) or 1
        return "5" * 40 if isinstance(value, str) and key in ("sha", "merge_commit_sha") else value

    return json.dumps(walked(json.loads(content))).encode()


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_description_permits_is_understood(seed, github, relay, deadline):
    """Made up by the schema, with nothing but what it requires: nulls, odd texts."""
    relay.wish, relay.change = (lambda _: f"dynamic=true, seed=s{seed}"), as_github_means_it
    found = GitHubApi(github, {"token": TOKEN}, NAME, deadline).pull_request(7)
    assert isinstance(found.number, int)
    assert isinstance(found.commits, int)
    assert all(isinstance(each, str) for each in (found.head_ref, found.head_sha, found.base_ref, found.base_sha))
    assert GitHubApi(github, {"token": TOKEN}, NAME, deadline).merged_prs(OTHER) == ()
    assert GitHubApi(github, {"token": TOKEN}, NAME, deadline).compare(OTHER, OTHER).files is None


QUESTIONS = {
    "landed, the list": (lambda api, _: api.merged_prs(OTHER), "/pulls"),
    "landed, the record": (lambda api, merge: api.merged_prs(merge), "/pulls/1347"),
    "pull request": (lambda api, _: api.pull_request(7), "/pulls/7"),
    "files, the count": (lambda api, _: api.changed_files(7), "/pulls/7"),
    "files, the list": (lambda api, _: api.changed_files(7), "/files"),
    "comparison": (lambda api, _: api.compare(OTHER, OTHER), f"/{OTHER}...{OTHER}"),
}


@pytest.mark.parametrize("code", [401, 403, 404, 422])
@pytest.mark.parametrize(("ask", "at"), QUESTIONS.values(), ids=QUESTIONS)
def test_a_refusal_is_an_error_that_names_its_code(code, ask, at, github, relay, served, deadline):
    relay.wish = lambda request: f"code={code}" if request.path.endswith(at) else ""
    with pytest.raises(HostError) as caught:
        ask(GitHubApi(github, {"token": TOKEN}, NAME, deadline), of_the_example(served).merge_commit_sha)
    assert str(code) in caught.value.why
    assert "permissions" in caught.value.hint


@pytest.mark.parametrize("code", [500, 503])
@pytest.mark.parametrize("ask", [GitHubApi.pull_request, GitHubApi.changed_files])
def test_trouble_at_github_is_asked_past_once(code, ask, github, relay, deadline):
    relay.wish = lambda _: f"code={code}"
    with pytest.raises(HostError, match="Run again later"):
        ask(GitHubApi(github, {"token": TOKEN}, NAME, deadline), 7)
    assert len(relay.seen) == 2


BREACHES = {
    "a number that is none": "/pulls/seven",
    "a page that is none": "/pulls/7/files?page=two",
    "a misspelt name": "/pulls/7/files?perpage=100",
    "a path that is none": "/pulls/7/file",
}


@pytest.mark.parametrize("question", BREACHES.values(), ids=BREACHES)
def test_a_question_that_github_would_not_understand_is_noticed(question, relay, served):
    headers = {"Authorization": f"token {TOKEN}"}
    requests.get(f"{relay.url}{served.prefix}/repos/{NAME}{question}", headers=headers, timeout=60)
    assert len(relay.breaches) == 1


@pytest.mark.parametrize(
    "question", ["", f"/commits/{OTHER}", f"/commits/{OTHER}/pulls", "/pulls/7", "/pulls/7/files", "/compare/a...b"]
)
def test_an_answer_that_is_none_of_githubs_is_noticed_wherever_it_is_asked(question, relay, served):
    relay.wish = lambda _: "example=wrong"
    headers = {"Authorization": f"token {TOKEN}"}
    requests.get(f"{relay.url}{served.prefix}/repos/{NAME}{question}", headers=headers, timeout=60)
    assert len(relay.breaches) == 1


def test_a_question_without_a_token_is_noticed(relay, served):
    assert requests.get(f"{relay.url}{served.prefix}/repos/{NAME}/pulls/7", timeout=60).status_code == 401
    assert re.search("security", relay.breaches[0])
