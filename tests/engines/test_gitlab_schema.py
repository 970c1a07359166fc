"""Our questions to GitLab, and our reading of its answers, by a description of what GitLab documents."""

from __future__ import annotations

from urllib.parse import parse_qs

import descriptions
import pytest
import requests
from relay import Relay

from cibeacon.ci import gitlab_api
from cibeacon.model.changes import Listed
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


def test_the_merge_request_that_a_commit_merged_is_found(gitlab, credential, session, deadline):
    assert gitlab_api.landed(gitlab, credential, PROJECT, MERGE, session, deadline) == (MERGED,)


def test_another_commit_of_it_merged_nothing(gitlab, credential, session, deadline):
    assert gitlab_api.landed(gitlab, credential, PROJECT, OTHER, session, deadline) == ()


def test_a_merge_request_that_landed_with_another_commit_of_the_push_is_found_too(
    gitlab, credential, session, deadline
):
    assert gitlab_api.landed(gitlab, credential, PROJECT, OTHER, session, deadline, among=[MERGE]) == (MERGED,)


def test_what_is_known_is_not_asked_for_again(gitlab, relay, credential, session, deadline):
    found = gitlab_api.landed(gitlab, credential, PROJECT, MERGE, session, deadline, known={7: MERGED})
    assert found == (MERGED,)
    assert len(relay.seen) == 1


def test_the_merge_base_of_two_commits_is_told(gitlab, credential, session, deadline):
    assert gitlab_api.merge_base(gitlab, credential, PROJECT, MERGE, HEAD, session, deadline) == BASE


def test_a_comparison_tells_commits_and_files(gitlab, credential, session, deadline):
    found = gitlab_api.compared(gitlab, credential, PROJECT, BASE, HEAD, session, deadline)
    assert found == Listed(None, (HEAD,), ("pay/old.py", "pay/new.py"))


@pytest.mark.parametrize("name", ["timeout", "cut"])
def test_a_comparison_that_is_not_whole_says_so(name, gitlab, relay, credential, session, deadline):
    relay.wish = lambda _: f"example={name}"
    found = gitlab_api.compared(gitlab, credential, PROJECT, BASE, HEAD, session, deadline)
    assert found.files is None
    assert found.fault


def test_a_pipeline_is_read_by_its_id(gitlab, session, deadline):
    named = Context("gitlab", "gitlab.example.com", PROJECT, "upstream", run_id="77")
    told = gitlab_api.pipeline(gitlab, {"private_token": TOKEN}, named.repository, named, session, deadline)
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


def test_a_merge_request_is_read_by_its_number(gitlab, credential, session, deadline):
    assert gitlab_api.pull_request(gitlab, credential, PROJECT, 7, session, deadline) == MERGED


def test_a_merge_request_whose_fork_is_deleted_was_a_forks(gitlab, relay, credential, session, deadline):
    relay.wish = lambda _: "example=fork-deleted"
    assert gitlab_api.pull_request(gitlab, credential, PROJECT, 7, session, deadline) == MERGED._replace(fork=True)


def test_a_merge_request_that_was_just_opened_has_no_base_yet(gitlab, relay, credential, session, deadline):
    relay.wish = lambda _: "example=fresh"
    found = gitlab_api.pull_request(gitlab, credential, PROJECT, 7, session, deadline)
    assert found == MERGED._replace(merged=False, closed=False, merge_commit_sha=None, diff_base_sha=None)


def test_a_move_is_both_its_sides(gitlab, credential, session, deadline):
    found = gitlab_api.changed_files(gitlab, credential, PROJECT, 7, session, deadline)
    assert found == ("pay/old.py", "pay/new.py")


def test_the_files_are_read_page_by_page(gitlab, relay, credential, session, deadline):
    def page(request):
        return f"page-{parse_qs(request.query)['page'][0]}" if request.path.endswith("/diffs") else "many"

    relay.wish = lambda request: f"example={page(request)}"
    found = gitlab_api.changed_files(gitlab, credential, PROJECT, 7, session, deadline)
    assert sorted(found) == sorted(side for n in range(COUNT) for side in (f"was/f{n}", f"f{n}"))
    asked = [parse_qs(question.rpartition("?")[2]) for question in relay.seen[1:]]
    assert asked == [{"per_page": ["100"], "page": [number]} for number in ("1", "2")]


@pytest.mark.parametrize("name", ["many", "more", "fresh"])
def test_a_list_of_files_that_is_not_whole_is_an_error(name, gitlab, relay, credential, session, deadline):
    relay.wish = lambda request: "" if request.path.endswith("/diffs") else f"example={name}"
    with pytest.raises(HostError, match="truncated"):
        gitlab_api.changed_files(gitlab, credential, PROJECT, 7, session, deadline)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_description_permits_is_understood(seed, gitlab, relay, session, deadline):
    """Made up by the schema, with nothing but what it requires: nulls, odd texts, any number."""
    relay.wish = lambda _: f"dynamic=true, seed=s{seed}"
    credential = {"job_token": TOKEN}
    found = gitlab_api.pull_request(gitlab, credential, PROJECT, 7, session, deadline)
    assert isinstance(found.number, int)
    assert all(isinstance(each, str) for each in (found.head_ref, found.base_ref))
    assert all(each is None or len(each) in (40, 64) for each in (found.head_sha, found.diff_base_sha))
    assert gitlab_api.landed(gitlab, credential, PROJECT, OTHER, session, deadline) == ()
    assert len(gitlab_api.merge_base(gitlab, credential, PROJECT, HEAD, OTHER, session, deadline)) in (40, 64)
    compared = gitlab_api.compared(gitlab, credential, PROJECT, OTHER, HEAD, session, deadline)
    assert compared.fault or compared.files is not None


QUESTIONS = {
    "landed, the list": (lambda *asked: gitlab_api.landed(*asked[:3], OTHER, *asked[3:]), "/merge_requests"),
    "landed, the record": (lambda *asked: gitlab_api.landed(*asked[:3], MERGE, *asked[3:]), "/merge_requests/7"),
    "merge request": (lambda *asked: gitlab_api.pull_request(*asked[:3], 7, *asked[3:]), "/merge_requests/7"),
    "files, the count": (lambda *asked: gitlab_api.changed_files(*asked[:3], 7, *asked[3:]), "/merge_requests/7"),
    "files, the list": (lambda *asked: gitlab_api.changed_files(*asked[:3], 7, *asked[3:]), "/diffs"),
    "merge base": (lambda *asked: gitlab_api.merge_base(*asked[:3], HEAD, MERGE, *asked[3:]), "/merge_base"),
    "comparison": (lambda *asked: gitlab_api.compared(*asked[:3], BASE, HEAD, *asked[3:]), "/compare"),
}


@pytest.mark.parametrize("code", [400, 401, 403, 404, 429, 500])
@pytest.mark.parametrize(("ask", "at"), QUESTIONS.values(), ids=QUESTIONS)
def test_a_refusal_is_an_error_that_names_its_code(code, ask, at, gitlab, relay, credential, session, deadline):
    relay.wish = lambda request: f"code={code}" if request.path.endswith(at) else ""
    with pytest.raises(HostError) as caught:
        ask(gitlab, credential, PROJECT, session, deadline)
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
