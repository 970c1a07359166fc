"""The host's own list of a pull request's files: whole, with both sides of a move, or an error that says it is not."""

from __future__ import annotations

import time

import pytest

from cibeacon.ci.github_api import GitHubApi
from cibeacon.ci.gitlab_api import GitLabApi
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import HostError
from filesapi import Api

HEAD, MERGE, BASE = "1" * 40, "2" * 40, "4" * 40
PULL = {
    "number": 7,
    "id": 70,
    "merged": False,
    "state": "open",
    "merge_commit_sha": MERGE,
    "commits": 2,
    "head": {"ref": "pay", "sha": HEAD},
    "base": {"ref": "main", "sha": BASE},
}
REQUEST = {
    "iid": 7,
    "state": "opened",
    "sha": HEAD,
    "source_branch": "pay",
    "target_branch": "main",
    "merge_commit_sha": MERGE,
    "diff_refs": {"base_sha": BASE, "head_sha": HEAD, "start_sha": BASE},
}


def ample() -> Deadline:
    return Deadline(30.0, time.monotonic, time.sleep, time.monotonic())


def github(api: Api):
    return GitHubApi(api.url, {"token": "token"}, "acme/shop", ample()).changed_files(7)


def gitlab(api: Api):
    return GitLabApi(api.url, {"job_token": "t"}, "acme/team/shop", ample()).changed_files(7)


def named(count: int) -> list[dict]:
    return [{"filename": f"f{n}", "old_path": f"f{n}", "new_path": f"f{n}"} for n in range(count)]


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250, 2999])
def test_a_whole_list_is_read_page_by_page(count):
    with Api(PULL | {"changed_files": count}, named(count)) as api:
        assert len(github(api)) == count
    with Api(REQUEST | {"changes_count": str(count)}, named(count)) as api:
        assert len(gitlab(api)) == count


def test_a_move_is_both_its_sides():
    with Api(PULL | {"changed_files": 1}, [{"filename": "new/a", "previous_filename": "old/a"}]) as api:
        assert github(api) == ("old/a", "new/a")
    with Api(REQUEST | {"changes_count": "1"}, [{"old_path": "old/a", "new_path": "new/a"}]) as api:
        assert gitlab(api) == ("old/a", "new/a")


@pytest.mark.parametrize(("count", "listed"), [(3000, 3000), (5001, 3000), (250, 249), (250, 200), (10, 0), (5, 9)])
def test_a_list_of_githubs_that_is_cut_is_an_error_that_says_so(count, listed):
    record = PULL | {"changed_files": count}
    with (
        Api(record, named(max(count, listed)), most=listed) as api,
        pytest.raises(HostError, match="does not list all changed files"),
    ):
        github(api)


@pytest.mark.parametrize(("count", "listed"), [("1000+", 1000), ("250", 249), ("10", 0), (None, 3), ("", 3), ("5", 9)])
def test_a_list_of_gitlabs_that_is_cut_is_an_error_that_says_so(count, listed):
    with (
        Api(REQUEST | {"changes_count": count}, named(listed)) as api,
        pytest.raises(HostError, match="does not list all changed files"),
    ):
        gitlab(api)


def test_an_answer_without_the_count_is_an_error():
    for record in ({}, PULL, {"changed_files": "many"}):
        with Api(record, named(3)) as api, pytest.raises(HostError):
            github(api)
    with Api({}, named(3)) as api, pytest.raises(HostError):
        gitlab(api)


@pytest.mark.parametrize("merged", [True, False])
def test_a_pull_request_is_told_by_its_number(merged):
    with Api(PULL | {"merged": merged, "state": "closed" if merged else "open"}) as api:
        found = GitHubApi(api.url, {"token": "token"}, "acme/shop", ample()).pull_request(7)
    assert (found.number, found.merged, found.closed) == (7, merged, merged)
    assert found.merge_commit_sha == (MERGE if merged else None), "an open one's is a test merge"
    assert (found.head_sha, found.base_sha, found.commits) == (HEAD, BASE, 2)


@pytest.mark.parametrize("state", ["merged", "opened", "closed"])
def test_a_merge_request_is_told_by_its_number(state):
    with Api(REQUEST | {"state": state}) as api:
        found = GitLabApi(api.url, {"private_token": "t"}, "acme/shop", ample()).pull_request(7)
    assert (found.merged, found.closed) == (state == "merged", state != "opened")
    assert found.merge_commit_sha == (MERGE if state == "merged" else None)
    assert (found.head_sha, found.diff_base_sha) == (HEAD, BASE)
