"""GitHub and GitLab as PyGithub and python-gitlab see them."""

from __future__ import annotations

import github
import gitlab
import pytest

from cibeacon.sandbox.forge import Forge

HEAD, MERGE, SQUASH, BASE = ("1" * 40, "2" * 40, "3" * 40, "4" * 40)
REQUEST = {
    "iid": 7,
    "sha": HEAD,
    "merge_commit_sha": MERGE,
    "squash_commit_sha": SQUASH,
    "source_branch": "pay",
    "diff_refs": {"base_sha": BASE, "head_sha": HEAD, "start_sha": BASE},
}
PULL = {
    "number": 7,
    "id": 1497468863,
    "merge_commit_sha": MERGE,
    "head": {"ref": "pay", "sha": HEAD},
    "base": {"ref": "main", "sha": BASE},
}


@pytest.fixture
def forge():
    running = Forge(
        merge_requests={
            "acme/tools": [],
            "acme/team/shop": [REQUEST, {"iid": 8, "state": "opened", "commits": [MERGE]}],
        },
        pulls={"acme/shop": [PULL, {"number": 8, "merged_at": None}]},
        parents={MERGE: [BASE, HEAD]},
    )
    with running:
        yield running


@pytest.fixture(params=[{"private_token": "t"}, {"job_token": "t"}], ids=["private", "job"])
def lab(request, forge):
    with gitlab.Gitlab(forge.url, keep_base_url=True, **request.param) as client:
        yield client


@pytest.fixture(params=["", "/api/v3"], ids=["cloud", "enterprise"])
def hub(request, forge):
    auth = github.Auth.Token("t")
    client = github.Github(
        base_url=forge.url + request.param, auth=auth, lazy=True, retry=None, seconds_between_requests=None
    )
    yield client
    client.close()


@pytest.mark.parametrize("sha", [HEAD, MERGE, SQUASH])
def test_python_gitlab_finds_the_merge_request_of_a_commit(sha, lab):
    project = lab.projects.get("acme/team/shop", lazy=True)
    found = {one["iid"]: one for one in project.commits.get(sha, lazy=True).merge_requests()}
    assert found[7]["state"] == "merged"
    assert (found[7]["merge_commit_sha"], found[7]["squash_commit_sha"], found[7]["sha"]) == (MERGE, SQUASH, HEAD)
    assert (8 in found) is (sha == MERGE)
    assert "diff_refs" not in found[7]


def test_python_gitlab_reads_a_merge_request_whole(lab):
    request = lab.projects.get("acme/team/shop", lazy=True).mergerequests.get(7)
    assert request.diff_refs == REQUEST["diff_refs"]
    assert (request.source_branch, request.target_branch) == ("pay", "main")
    assert request.source_project_id == request.target_project_id == lab.projects.get("acme/team/shop").id
    assert "commits" not in request.attributes


def test_python_gitlab_knows_a_project_by_its_number(lab):
    number = lab.projects.get("acme/team/shop").id
    assert lab.projects.get(number).path_with_namespace == "acme/team/shop"
    assert lab.projects.get(number).default_branch == "main"


def test_python_gitlab_hears_404(lab):
    for ask in (
        lambda: lab.projects.get("acme/none"),
        lambda: lab.projects.get("acme/team/shop", lazy=True).mergerequests.get(99),
        lambda: lab.projects.get("acme/none", lazy=True).mergerequests.get(7),
        lambda: lab.projects.get("acme/none", lazy=True).commits.get(MERGE, lazy=True).merge_requests(),
    ):
        with pytest.raises(gitlab.GitlabError) as told:
            ask()
        assert told.value.response_code == 404


def test_python_gitlab_hears_of_no_merge_request(lab):
    project = lab.projects.get("acme/tools", lazy=True)
    assert project.commits.get(MERGE, lazy=True).merge_requests() == []


def test_python_gitlab_without_a_token_is_401(forge):
    with gitlab.Gitlab(forge.url, keep_base_url=True) as client, pytest.raises(gitlab.GitlabAuthenticationError):
        client.projects.get("acme/team/shop")


def test_pygithub_finds_the_pull_request_of_a_commit(hub):
    (pull,) = hub.get_repo("acme/shop").get_commit(MERGE).get_pulls()
    assert (pull.number, pull.id, pull.merge_commit_sha) == (7, 1497468863, MERGE)
    assert (pull.base.ref, pull.base.repo.full_name, pull.head.sha) == ("main", "acme/shop", HEAD)
    assert pull.merged_at is not None
    assert pull.merged is True  # the list leaves it out: the library asks for the pull request itself


def test_pygithub_reads_a_pull_request(hub):
    repository = hub.get_repo("acme/shop")
    assert repository.get_pull(7).state == "closed"
    assert (repository.get_pull(8).state, repository.get_pull(8).merged) == ("open", False)
    assert repository.get_pull(7).commits == 1


def test_pygithub_reads_a_commit_and_its_parents(hub):
    commit = hub.get_repo("acme/shop").get_commit(MERGE)
    assert [parent.sha for parent in commit.parents] == [BASE, HEAD]


def test_pygithub_reads_the_repository(hub):
    assert hub.get_repo("acme/shop").default_branch == "main"


def test_pygithub_hears_404(hub):
    for ask in (
        lambda: hub.get_repo("acme/none").default_branch,
        lambda: hub.get_repo("acme/shop").get_pull(99).state,
        lambda: hub.get_repo("acme/shop").get_commit("9" * 40).parents,
        lambda: list(hub.get_repo("acme/none").get_commit(MERGE).get_pulls()),
    ):
        with pytest.raises(github.UnknownObjectException):
            ask()


def test_pygithub_hears_of_no_pull_request(hub):
    assert list(hub.get_repo("acme/shop").get_commit("9" * 40).get_pulls()) == []


def test_pygithub_without_a_token_is_401(forge):
    client = github.Github(base_url=forge.url, retry=None)
    with pytest.raises(github.BadCredentialsException):
        client.get_repo("acme/shop")
    client.close()


def test_a_list_ends_after_its_first_page(forge, http):
    path = f"{forge.url}/repos/acme/shop/commits/{MERGE}/pulls"
    assert len(http.get(path, params={"page": 1}).json()) == 1
    assert http.get(path, params={"page": 2}).json() == []


def test_a_forge_is_only_read_and_remembers_what_it_was_asked(forge, http):
    assert http.post(f"{forge.url}/repos/acme/shop").status_code == 405
    assert http.get(f"{forge.url}/repos/acme/shop/issues?q=secret").status_code == 404
    assert forge.seen == ["POST /repos/acme/shop", "GET /repos/acme/shop/issues"]


def test_a_forge_may_be_started_by_hand(http):
    forge = Forge(pulls={"acme/shop": []}).start()
    assert http.get(f"{forge.url}/repos/acme/shop").json()["full_name"] == "acme/shop"
    forge.stop()
