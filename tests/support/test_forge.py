"""GitHub and GitLab as PyGithub and python-gitlab see them."""

from __future__ import annotations

import github
import gitlab
import pytest

from forge import Forge

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


# Comparisons, and lists in pages --------------------------------------------------------------------------------------

FILES = [f"services/a/{number}" for number in range(45)]


@pytest.fixture
def comparing():
    """Three commits in a row and one beside them; a request that changed 45 files."""
    running = Forge(
        merge_requests={"acme/team/shop": [REQUEST | {"files": FILES}]},
        pulls={"acme/shop": [PULL | {"files": FILES}]},
        parents={BASE: [], SQUASH: [BASE], MERGE: [SQUASH], HEAD: [BASE]},
        trees={BASE: {"a": "1"}, SQUASH: {"a": "2"}, MERGE: {"b": "1"}, HEAD: {"a": "1", "c": "1"}},
        troubles={"/repos/acme/shop/pulls/8": 502},
    )
    with running:
        yield running


@pytest.fixture
def comparing_hub(comparing):
    client = github.Github(base_url=comparing.url, auth=github.Auth.Token("t"), retry=None, per_page=20)
    yield client
    client.close()


@pytest.fixture
def comparing_lab(comparing):
    with gitlab.Gitlab(comparing.url, keep_base_url=True, private_token="t") as client:
        yield client.projects.get("acme/team/shop", lazy=True)


def test_pygithub_compares_two_commits(comparing_hub):
    found = comparing_hub.get_repo("acme/shop").compare(BASE, MERGE)
    assert (found.status, found.ahead_by, found.behind_by, found.total_commits) == ("ahead", 2, 0, 2)
    assert found.merge_base_commit.sha == BASE
    assert [commit.sha for commit in found.commits] == [SQUASH, MERGE]
    assert {file.filename: file.status for file in found.files} == {"a": "removed", "b": "added"}


def test_pygithub_hears_that_commits_parted(comparing_hub):
    found = comparing_hub.get_repo("acme/shop").compare(HEAD, MERGE)
    assert (found.status, found.ahead_by, found.behind_by) == ("diverged", 2, 1)
    assert found.merge_base_commit.sha == BASE


def test_python_gitlab_compares_two_commits(comparing_lab):
    told = comparing_lab.repository_compare(BASE, MERGE)
    assert [commit["id"] for commit in told["commits"]] == [SQUASH, MERGE]
    assert told["commits"][1]["parent_ids"] == [SQUASH]
    assert [(diff["new_path"], diff["new_file"], diff["deleted_file"]) for diff in told["diffs"]] == [
        ("a", False, True),
        ("b", True, False),
    ]
    assert (told["compare_timeout"], told["compare_same_ref"]) == (False, False)


def test_python_gitlab_compares_with_the_merge_base_unless_told_otherwise(comparing_lab):
    assert [diff["new_path"] for diff in comparing_lab.repository_compare(HEAD, MERGE)["diffs"]] == ["a", "b"]
    straight = comparing_lab.repository_compare(HEAD, MERGE, straight="true")
    assert [diff["new_path"] for diff in straight["diffs"]] == ["a", "b", "c"]


def test_python_gitlab_hears_of_a_merge_base(comparing_lab):
    assert comparing_lab.repository_merge_base([HEAD, MERGE])["id"] == BASE


def test_a_commit_that_a_forge_does_not_know_is_404(comparing_hub, comparing_lab):
    with pytest.raises(github.UnknownObjectException):
        comparing_hub.get_repo("acme/shop").compare(BASE, "9" * 40)
    for ask in (comparing_lab.repository_compare, lambda *refs: comparing_lab.repository_merge_base(list(refs))):
        with pytest.raises(gitlab.GitlabError) as told:
            ask(BASE, "9" * 40)
        assert told.value.response_code == 404


def test_the_files_of_a_request_come_in_pages(comparing_hub, comparing_lab, comparing):
    pull = comparing_hub.get_repo("acme/shop").get_pull(7)
    assert pull.changed_files == 45
    assert [file.filename for file in pull.get_files()] == FILES
    request = comparing_lab.mergerequests.get(7)
    assert request.changes_count == "45"
    diffs = comparing_lab.manager.gitlab.http_list("/projects/1/merge_requests/7/diffs", get_all=True)
    assert [diff["new_path"] for diff in diffs] == FILES
    assert sum(line.endswith("/files") for line in comparing.seen) == 3


def test_a_count_of_more_files_than_gitlab_keeps_is_no_number():
    request = REQUEST | {"files": [str(number) for number in range(1001)]}
    with Forge(merge_requests={"acme/shop": [request]}) as forge, gitlab.Gitlab(forge.url, private_token="t") as client:
        assert client.projects.get("acme/shop", lazy=True).mergerequests.get(7).changes_count == "1000+"


def test_trouble_is_answered_where_it_was_ordered(comparing, http):
    assert http.get(f"{comparing.url}/repos/acme/shop/pulls/8").status_code == 502
    assert http.get(f"{comparing.url}/repos/acme/shop/pulls/7").status_code != 502
