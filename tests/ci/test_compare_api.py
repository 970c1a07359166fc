"""What lies between two commits, and what a commit belongs to, as the hosts tell: exactly what is whole, and no more."""

from __future__ import annotations

import json
import time

import pytest

from cibeacon.ci.github_api import GitHubApi
from cibeacon.ci.gitlab_api import GitLabApi
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import HostError
from faults import FaultServer, answers, response
from forge import Forge

FIRST, SECOND, THIRD, SIDE, MERGE, ALONE = ("1" * 40, "2" * 40, "3" * 40, "5" * 40, "6" * 40, "7" * 40)
PARENTS = {FIRST: [], SECOND: [FIRST], THIRD: [SECOND], SIDE: [FIRST], MERGE: [THIRD, SIDE], ALONE: []}
TREES = {
    FIRST: {"a": "1", "b": "1"},
    SECOND: {"a": "2", "b": "1"},
    THIRD: {"a": "2"},
    SIDE: {"a": "1", "b": "1", "c": "1"},
    MERGE: {"a": "2", "c": "1"},
    ALONE: {},
}
HUB, LAB = "acme/shop", "acme/team/shop"
KNOWN = {"pulls": {HUB: []}, "merge_requests": {LAB: []}, "parents": PARENTS, "trees": TREES}


def ample() -> Deadline:
    return Deadline(30.0, time.monotonic, time.sleep, time.monotonic())


def hub(url):
    return GitHubApi(url, {"token": "token"}, HUB, ample())


def lab(url):
    return GitLabApi(url, {"private_token": "t"}, LAB, ample())


def at_github(url, base, head):
    return hub(url).compare(base, head)


def at_gitlab(url, base, head):
    return lab(url).compare(base, head)


def base_at_gitlab(url, one, other):
    return lab(url).merge_base(one, other)


HOSTS = pytest.mark.parametrize("asked", [at_github, at_gitlab])


@HOSTS
def test_what_comes_after_is_told_by_its_first_parents_and_its_files(asked):
    with Forge(**KNOWN) as forge:
        found = asked(forge.url, SECOND, MERGE)

    assert found.first_parents == (THIRD, MERGE)
    assert (set(found.files), found.fault) == ({"b", "c"}, "")
    assert len(forge.seen) == 1


def test_github_tells_the_merge_base_and_no_files_where_the_commits_parted():
    with Forge(**KNOWN) as forge:
        found = at_github(forge.url, SIDE, THIRD)

    assert (found.merge_base, found.files) == (FIRST, None)
    assert "is not a descendant of" in found.fault


def test_gitlab_compares_straight_where_the_commits_parted_and_tells_no_first_parents():
    with Forge(**KNOWN) as forge:
        found = at_gitlab(forge.url, SIDE, THIRD)

    assert set(found.files) == {"a", "b", "c"}
    assert found.first_parents is None


@HOSTS
def test_the_same_commit_differs_in_nothing(asked):
    with Forge(**KNOWN) as forge:
        assert asked(forge.url, THIRD, THIRD).files == ()


def chain(count):
    """A first commit, and as many after it."""
    shas = [f"{number:040x}" for number in range(1, count + 2)]
    return shas, {sha: [before] if before else [] for before, sha in zip([None, *shas], shas, strict=False)}


def test_commits_that_github_cut_are_not_the_first_parents():
    for count, whole in ((250, True), (251, False)):
        shas, parents = chain(count)
        with Forge(pulls={HUB: []}, parents=parents) as forge:
            found = at_github(forge.url, shas[0], shas[-1])
        assert found.first_parents == (tuple(shas[1:]) if whole else None)


@pytest.mark.parametrize(("asked", "most"), [(at_github, 299), (at_gitlab, 999)], ids=["at_github", "at_gitlab"])
def test_files_are_told_as_long_as_there_cannot_be_more(asked, most):
    for count in (most, most + 1, most + 2):
        trees = {FIRST: {}, SECOND: {f"f{number}": "1" for number in range(count)}}
        with Forge(**KNOWN | {"trees": trees}) as forge:
            found = asked(forge.url, FIRST, SECOND)
        assert (found.files is not None) == (count == most)
        assert bool(found.fault) == (count > most)


COMMIT = {"id": SECOND, "parent_ids": [FIRST]}
DIFF = {"old_path": "a", "new_path": "a"}


@pytest.mark.parametrize(
    "told",
    [
        {"diffs": [DIFF], "compare_timeout": True},
        {"diffs": [DIFF], "overflow": True},
        {"diffs": [DIFF, DIFF | {"new_path": "b", "collapsed": True}]},
    ],
    ids=["timeout", "overflow", "collapsed"],
)
def test_a_comparison_that_gitlab_marks_as_cut_tells_no_files(told):
    raw = response(json.dumps({"commits": [COMMIT]} | told).encode())
    with FaultServer(answers(raw)) as server:
        found = at_gitlab(server.url, FIRST, SECOND)

    assert found.files is None
    assert "GitLab" in found.fault
    assert found.first_parents == (SECOND,)


def test_both_sides_of_a_move_are_told_and_of_a_copy_the_new_one():
    files = [
        {"filename": "new", "previous_filename": "old", "status": "renamed"},
        {"filename": "copy", "previous_filename": "kept", "status": "copied"},
    ]
    told = {"merge_base_commit": {"sha": FIRST}, "commits": [], "total_commits": 0, "files": files}
    with FaultServer(answers(response(json.dumps(told).encode()))) as server:
        assert at_github(server.url, FIRST, SECOND).files == ("old", "new", "copy")


def test_gitlab_tells_a_merge_base():
    with Forge(**KNOWN) as forge:
        assert base_at_gitlab(forge.url, SIDE, THIRD) == FIRST
        assert base_at_gitlab(forge.url, MERGE, SIDE) == SIDE


@HOSTS
def test_a_commit_that_the_host_does_not_know_is_an_error_with_its_status(asked):
    with Forge(**KNOWN) as forge, pytest.raises(HostError, match="404"):
        asked(forge.url, FIRST, "9" * 40)


def test_commits_without_a_common_ancestor_are_an_error():
    with Forge(**KNOWN) as forge:
        with pytest.raises(HostError, match="404"):
            at_github(forge.url, FIRST, ALONE)
        with pytest.raises(HostError, match="404"):
            base_at_gitlab(forge.url, FIRST, ALONE)


BAD = {
    "html": response(b"<!doctype html>", kind="text/html"),
    "empty": response(b""),
    "no json": response(b"{"),
    "null": response(b"null"),
    "a list": response(b"[]"),
    "an empty object": response(b"{}"),
    "strange types": response(b'{"merge_base_commit": 7, "commits": 7, "diffs": 7, "files": 7, "id": 7}'),
    "odd ids": response(b'{"merge_base_commit": {"sha": "x"}, "commits": [{}], "diffs": [{}], "files": [], "id": "x"}'),
    "strange files": response(
        b'{"merge_base_commit": {"sha": "%s"}, "commits": [], "total_commits": 0, "files": [7], "diffs": [7]}'
        % FIRST.encode()
    ),
    "forbidden": response(b'{"message": "no"}', status="403 Forbidden"),
    "broken": response(b"", status="502 Bad Gateway"),
}


@pytest.mark.parametrize("asked", [at_github, at_gitlab, base_at_gitlab])
@pytest.mark.parametrize("raw", BAD.values(), ids=BAD.keys())
def test_an_unusable_answer_is_an_error(raw, asked):
    with FaultServer(answers(raw)) as server, pytest.raises(HostError) as caught:
        asked(server.url, FIRST, SECOND)

    assert "127.0.0.1" in caught.value.why
    assert len(server.requests) <= 2


def test_an_answer_without_end_is_left(monkeypatch):
    monkeypatch.setattr("cibeacon.http.LARGEST", 1 << 17)
    huge = json.dumps({"commits": [COMMIT], "diffs": [DIFF | {"diff": "x" * (1 << 18)}]}).encode()
    with FaultServer(answers(response(huge))) as server, pytest.raises(HostError):
        at_gitlab(server.url, FIRST, SECOND)


# Pull requests of a push --------------------------------------------------------------------------------------------

PULL = {"number": 7, "merge_commit_sha": THIRD, "head": {"sha": SIDE}, "introduced": [SECOND, THIRD]}
REQUEST = {"iid": 7, "merge_commit_sha": THIRD, "sha": SIDE, "introduced": [SECOND, THIRD]}


def landed_at_github(url, sha, **more):
    return hub(url).merged_prs(sha, **more)


def landed_at_gitlab(url, sha, **more):
    return lab(url).merged_prs(sha, **more)


LANDED = pytest.mark.parametrize("asked", [landed_at_github, landed_at_gitlab])


@LANDED
def test_an_earlier_commit_of_a_rebase_leads_to_its_pull_request_where_its_last_is_in_the_push(asked):
    with Forge(pulls={HUB: [PULL]}, merge_requests={LAB: [REQUEST]}) as forge:
        assert asked(forge.url, SECOND) == ()
        (found,) = asked(forge.url, SECOND, among=(SECOND, THIRD))

    assert (found.number, found.merge_commit_sha) == (7, THIRD)


@LANDED
def test_what_is_known_already_is_not_asked_for_again(asked):
    with Forge(pulls={HUB: [PULL]}, merge_requests={LAB: [REQUEST]}) as forge:
        (found,) = asked(forge.url, SECOND, among=(THIRD,))
        forge.seen.clear()
        assert asked(forge.url, THIRD, known={7: found}) == (found,)

    assert len(forge.seen) == 1
