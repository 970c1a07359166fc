"""Our questions to GitLab, and our reading of its answers, by a description of what GitLab documents."""

from __future__ import annotations

from urllib.parse import parse_qs

import descriptions
import pytest
import requests
from relay import Relay

from cibeacon.ci.gitlab_api import GitLabApi
from cibeacon.model.changes import ApiComparison
from cibeacon.model.context import Context, PullRequest
from cibeacon.runtime.errors import HostError

pytestmark = pytest.mark.engine

PROJECT, TOKEN = "acme/team/shop", "glpat-c2VjcmV0"
HEAD, MERGE, BASE, OTHER = "1" * 40, "2" * 40, "4" * 40, "9" * 40
REQUEST = "/api/v4/projects/{id}/merge_requests/{iid}"
COMPARED = "/api/v4/projects/{id}/repository/compare"
COUNT = 137
MERGED = PullRequest(
    number=7,
    merged=True,
    closed=True,
    merge_commit_sha=MERGE,
    base_ref="main",
    head_ref="pay",
    head_sha=HEAD,
    diff_base_sha=BASE,
    squashed=False,
    fork=False,
)


@pytest.fixture(scope="session")
def document():
    """The description's examples, and pages of files made from them."""
    told = descriptions.sparing(descriptions.gitlab())
    whole, (file,) = (descriptions.example(told, path) for path in (REQUEST, f"{REQUEST}/diffs"))
    told = descriptions.with_example(told, REQUEST, "many", whole | {"changes_count": str(COUNT)})
    told = descriptions.with_example(told, REQUEST, "more", whole | {"changes_count": "1000+"})
    for number in (1, 2):
        numbers = range(100 * (number - 1), min(100 * number, COUNT))
        files = [file | {"old_path": f"was/f{n}", "new_path": f"f{n}"} for n in numbers]
        told = descriptions.with_example(told, f"{REQUEST}/diffs", f"page-{number}", files)
    compared = descriptions.example(told, COMPARED)
    told = descriptions.with_example(told, COMPARED, "timeout", compared | {"compare_timeout": True})
    cut = [file | {"collapsed": True}]
    told = descriptions.with_example(told, COMPARED, "cut", compared | {"diffs": cut})
    for path in told["paths"]:
        told = descriptions.with_example(told, path, "wrong", 7)
    return told


@pytest.fixture(scope="session")
def served(document, serve):
    return serve(document)


@pytest.fixture
def relay(served, document):
    with Relay(served, document) as running:
        yield running
        assert running.faults == []


@pytest.fixture
def gitlab(relay):
    """The URL of a GitLab of which nothing may be asked that it would not understand."""
    yield relay.url
    assert relay.breaches == []


@pytest.fixture(params=[{"private_token": TOKEN}, {"job_token": TOKEN}], ids=["private token", "job token"])
def credential(request):
    return request.param


def test_the_merge_request_that_a_commit_merged_is_found(gitlab, credential, deadline):
    assert GitLabApi(gitlab, credential, PROJECT, deadline).merged_prs(MERGE) == (MERGED,)


def test_another_commit_of_it_merged_nothing(gitlab, credential, deadline):
    assert GitLabApi(gitlab, credential, PROJECT, deadline).merged_prs(OTHER) == ()


def test_a_merge_request_that_landed_with_another_commit_of_the_push_is_found_too(gitlab, credential, deadline):
    assert GitLabApi(gitlab, credential, PROJECT, deadline).merged_prs(OTHER, among=[MERGE]) == (MERGED,)


def test_what_is_known_is_not_asked_for_again(gitlab, relay, credential, deadline):
    found = GitLabApi(gitlab, credential, PROJECT, deadline).merged_prs(MERGE, known={7: MERGED})
    assert found == (MERGED,)
    assert len(relay.seen) == 1


def test_the_merge_base_of_two_commits_is_told(gitlab, credential, deadline):
    assert GitLabApi(gitlab, credential, PROJECT, deadline).merge_base(MERGE, HEAD) == BASE


def test_a_comparison_tells_commits_and_files(gitlab, credential, deadline):
    found = GitLabApi(gitlab, credential, PROJECT, deadline).compare(BASE, HEAD)
    assert found == ApiComparison(None, (HEAD,), ("pay/old.py", "pay/new.py"))


@pytest.mark.parametrize("name", ["timeout", "cut"])
def test_a_comparison_that_is_not_whole_says_so(name, gitlab, relay, credential, deadline):
    relay.wish = lambda _: f"example={name}"
    found = GitLabApi(gitlab, credential, PROJECT, deadline).compare(BASE, HEAD)
    assert found.files is None
    assert found.fault


def test_a_pipeline_is_read_by_its_id(gitlab, deadline):
    named = Context("gitlab", "gitlab.example.com", PROJECT, "upstream", run_id="77")
    told = GitLabApi(gitlab, {"private_token": TOKEN}, named.repository, deadline).pipeline(named)
    assert told == named._replace(
        commit_sha=HEAD,
        branch="pay",
        run_url="https://gitlab.example.com/acme/team/shop/-/pipelines/77",
        pipeline=PROJECT,
        actor="mona",
        status="canceled",
        started_at=1_767_520_800,
        finished_at=1_767_521_220,
    )


def test_a_merge_request_is_read_by_its_number(gitlab, credential, deadline):
    assert GitLabApi(gitlab, credential, PROJECT, deadline).pull_request(7) == MERGED


def test_a_merge_request_whose_fork_is_deleted_was_a_forks(gitlab, relay, credential, deadline):
    relay.wish = lambda _: "example=fork-deleted"
    assert GitLabApi(gitlab, credential, PROJECT, deadline).pull_request(7) == MERGED._replace(fork=True)


def test_a_merge_request_that_was_just_opened_has_no_base_yet(gitlab, relay, credential, deadline):
    relay.wish = lambda _: "example=fresh"
    found = GitLabApi(gitlab, credential, PROJECT, deadline).pull_request(7)
    assert found == MERGED._replace(merged=False, closed=False, merge_commit_sha=None, diff_base_sha=None)


def test_a_move_is_both_its_sides(gitlab, credential, deadline):
    found = GitLabApi(gitlab, credential, PROJECT, deadline).changed_files(7)
    assert found == ("pay/old.py", "pay/new.py")


def test_the_files_are_read_page_by_page(gitlab, relay, credential, deadline):
    def page(request):
        return f"page-{parse_qs(request.query)['page'][0]}" if request.path.endswith("/diffs") else "many"

    relay.wish = lambda request: f"example={page(request)}"
    found = GitLabApi(gitlab, credential, PROJECT, deadline).changed_files(7)
    assert sorted(found) == sorted(side for n in range(COUNT) for side in (f"was/f{n}", f"f{n}"))
    asked = [parse_qs(question.rpartition("?")[2]) for question in relay.seen[1:]]
    assert asked == [{"per_page": ["100"], "page": [number]} for number in ("1", "2")]


@pytest.mark.parametrize("name", ["many", "more", "fresh"])
def test_a_list_of_files_that_is_not_whole_is_an_error(name, gitlab, relay, credential, deadline):
    relay.wish = lambda request: "" if request.path.endswith("/diffs") else f"example={name}"
    with pytest.raises(HostError, match="does not list all changed files"):
        GitLabApi(gitlab, credential, PROJECT, deadline).changed_files(7)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_description_permits_is_understood(seed, gitlab, relay, deadline):
    """Made up by the schema, with nothing but what it requires: nulls, odd texts, any number."""
    relay.wish = lambda _: f"dynamic=true, seed=s{seed}"
    credential = {"job_token": TOKEN}
    found = GitLabApi(gitlab, credential, PROJECT, deadline).pull_request(7)
    assert isinstance(found.number, int)
    assert all(isinstance(each, str) for each in (found.head_ref, found.base_ref))
    assert all(each is None or len(each) in (40, 64) for each in (found.head_sha, found.diff_base_sha))
    assert GitLabApi(gitlab, credential, PROJECT, deadline).merged_prs(OTHER) == ()
    assert len(GitLabApi(gitlab, credential, PROJECT, deadline).merge_base(HEAD, OTHER)) in (40, 64)
    compared = GitLabApi(gitlab, credential, PROJECT, deadline).compare(OTHER, HEAD)
    assert compared.fault or compared.files is not None


QUESTIONS = {
    "landed, the list": (lambda api: api.merged_prs(OTHER), "/merge_requests"),
    "landed, the record": (lambda api: api.merged_prs(MERGE), "/merge_requests/7"),
    "merge request": (lambda api: api.pull_request(7), "/merge_requests/7"),
    "files, the count": (lambda api: api.changed_files(7), "/merge_requests/7"),
    "files, the list": (lambda api: api.changed_files(7), "/diffs"),
    "merge base": (lambda api: api.merge_base(HEAD, MERGE), "/merge_base"),
    "comparison": (lambda api: api.compare(BASE, HEAD), "/compare"),
}


@pytest.mark.parametrize("code", [400, 401, 403, 404, 429, 500])
@pytest.mark.parametrize(("ask", "at"), QUESTIONS.values(), ids=QUESTIONS)
def test_a_refusal_is_an_error_that_names_its_code(code, ask, at, gitlab, relay, credential, deadline):
    relay.wish = lambda request: f"code={code}" if request.path.endswith(at) else ""
    with pytest.raises(HostError) as caught:
        ask(GitLabApi(gitlab, credential, PROJECT, deadline))
    assert str(code) in caught.value.why
    assert "gitlab_token" in caught.value.hint


BREACHES = {
    "a number that is none": "/merge_requests/seven",
    "a page too large": "/merge_requests/7/diffs?per_page=101",
    "a misspelt name": "/merge_requests/7/diffs?perpage=100",
    "a path that is none": "/merge_requests/7/files",
    "a project with a slash": "/shop/merge_requests/7",
    "one commit alone": f"/repository/merge_base?refs[]={HEAD}",
    "commits under a wrong name": f"/repository/merge_base?refs={HEAD}&refs={MERGE}",
    "no second commit": f"/repository/compare?from={BASE}",
}


@pytest.mark.parametrize("question", BREACHES.values(), ids=BREACHES)
def test_a_question_that_gitlab_would_not_understand_is_noticed(question, relay):
    requests.get(f"{relay.url}/api/v4/projects/acme{question}", headers={"PRIVATE-TOKEN": TOKEN}, timeout=60)
    assert relay.breaches


@pytest.mark.parametrize(
    "question",
    [
        "",
        f"/repository/commits/{HEAD}/merge_requests",
        "/merge_requests/7",
        "/merge_requests/7/diffs",
        "/pipelines/77",
        f"/repository/merge_base?refs[]={HEAD}&refs[]={MERGE}",
        f"/repository/compare?from={BASE}&to={HEAD}",
    ],
)
def test_an_answer_that_is_none_of_gitlabs_is_noticed_wherever_it_is_asked(question, relay):
    relay.wish = lambda _: "example=wrong"
    requests.get(f"{relay.url}/api/v4/projects/acme{question}", headers={"PRIVATE-TOKEN": TOKEN}, timeout=60)
    assert len(relay.breaches) == 1


def test_a_question_without_a_token_is_noticed(relay):
    assert requests.get(f"{relay.url}/api/v4/projects/acme/merge_requests/7", timeout=60).status_code == 401
    assert "security" in relay.breaches[0]
