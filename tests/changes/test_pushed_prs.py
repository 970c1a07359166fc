"""The pull requests in a push: all are found in order, or the reason lists the commits that could not be looked up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.changes.pushed_prs import MOST_QUESTIONS, find_pushed_prs
from cibeacon.model.context import Context, PullRequest, Push
from cibeacon.runtime.errors import CheckoutError, HostError

BEFORE = "0d" * 20
FAULT = HostError("GitHub would not say which", "it answered 502", "Run again later.")


def sha(number: int) -> str:
    return f"{number + 1:040x}"


class Host:
    """An API that knows the pull requests of commits."""

    credential = {"token": "t"}

    def __init__(self, pulls, failing=(), *, only_the_last=False):
        self.pulls, self.failing, self.only_the_last = pulls, set(failing), only_the_last
        self.asked = []

    def merged_prs(self, commit, among, known):
        self.asked.append(commit)
        if commit in self.failing:
            raise FAULT
        holding = [
            pull
            for pull, commits in self.pulls
            if commit in (commits[-1:] if self.only_the_last else commits) and pull.merge_commit_sha in {commit, *among}
        ]
        return tuple(known.get(pull.number, pull) for pull in holding)


class Repository:
    """A repository that may know the first parents of a push."""

    def __init__(self, commits):
        self.commits = commits

    def parents(self, commit):
        return None if self.commits is None else (self.commits[-2] if len(self.commits) > 1 else BEFORE,)

    def first_parents(self, before, after):
        return self.commits


def pull(number, commits, branch="main"):
    return PullRequest(number, merged=True, merge_commit_sha=commits[-1], base_ref=branch), tuple(commits)


def looked_up(host, commits, *, known=True, listed=(), **told):
    push = Push(**{"before": BEFORE, "after": commits[-1], "commits": tuple(listed)} | told)
    context = Context(
        host="github",
        server="github.com",
        repository="acme/shop",
        event="push",
        checkout_sha=commits[-1],
        branch="main",
        default_branch="main",
        push=push,
        ci=True,
    )
    return find_pushed_prs(context, host, Repository(tuple(commits) if known else None), dry_run=False)


def numbers(found):
    return [each.number for each in found.pull_requests]


PIECES = st.lists(st.tuples(st.booleans(), st.integers(1, 4)), min_size=1, max_size=9)


def told(pieces):
    """A push with direct commits and pull requests of several commits each."""
    commits, pulls = [], []
    for number, (merged, count) in enumerate(pieces):
        own = [sha(len(commits) + each) for each in range(count)]
        commits += own
        if merged:
            pulls.append(pull(100 - number, own))
    return commits, pulls


@given(PIECES, st.booleans())
def test_every_pull_request_is_found_in_order_or_the_reason_lists_the_rest(pieces, only_the_last):
    commits, pulls = told(pieces)
    host = Host(pulls, only_the_last=only_the_last)

    found = looked_up(host, commits)

    truth = [each.number for each, _ in pulls]
    assert numbers(found) == [number for number in truth if number in numbers(found)]
    assert len(host.asked) == len(set(host.asked)) <= MOST_QUESTIONS
    if numbers(found) != truth:
        assert found.status == "failed"
        assert found.reason
    if pieces[-1][0]:
        assert truth[-1] in numbers(found), "the newest commit is always asked about"


@given(PIECES)
def test_one_question_is_enough_for_a_pull_request_or_a_direct_commit(pieces):
    commits, pulls = told(pieces)
    host = Host(pulls)

    looked_up(host, commits)

    assert len(host.asked) == min(MOST_QUESTIONS, sum(1 if merged else count for merged, count in pieces))


@given(PIECES, st.sets(st.integers(0, 40)))
def test_a_failed_question_is_always_reported(pieces, failing):
    commits, pulls = told(pieces)
    host = Host(pulls, [sha(number) for number in failing])

    found = looked_up(host, commits)

    missing = {each.number for each, _ in pulls} - set(numbers(found))
    if missing:
        assert found.status == "failed"
        assert FAULT.what in found.reason or f"{MOST_QUESTIONS} commits" in found.reason
    if set(host.asked) & host.failing:
        assert found.status == "failed"
        assert not found.alone


@given(PIECES)
def test_a_push_is_a_single_pull_request_only_if_it_has_nothing_else(pieces):
    commits, pulls = told(pieces)

    found = looked_up(Host(pulls), commits)

    assert found.alone == (len(pieces) == 1 and pieces[0][0])


def test_the_payloads_only_commit_is_the_push_whatever_git_knows():
    host = Host([pull(7, [sha(0)])])

    found = looked_up(host, [sha(0)], known=False, listed=[sha(0)])

    assert (numbers(found), found.alone, found.reason) == ([7], True, None)


@pytest.mark.parametrize("more", [{"before": None, "created": True}, {"forced": True}], ids=["new", "forced"])
def test_for_a_new_branch_only_its_tip_is_looked_up(more):
    commits = [sha(number) for number in range(3)]
    host = Host([pull(7, commits)])

    found = looked_up(host, commits, known=False, **more)

    assert (numbers(found), found.alone, host.asked) == ([7], True, commits[-1:])


def test_a_force_push_whose_commits_are_known_is_looked_up_whole():
    commits = [sha(number) for number in range(2)]
    host = Host([pull(7, commits[:1]), pull(8, commits[1:])])

    assert numbers(looked_up(host, commits, forced=True)) == [7, 8]


def test_commits_of_the_merged_branches_in_the_payload_do_not_hide_each_other():
    """Sorted by date they are mixed, and nothing shows which of them are on the branch."""
    a, b, first, second = (sha(number) for number in range(4))
    host = Host([pull(7, [a, first]), pull(8, [b, second])])

    found = looked_up(host, [first, second], known=False, listed=[a, b, first, second])

    assert numbers(found) == [7, 8]
    assert (found.alone, found.reason) == (False, None)
    assert len(host.asked) == 2, "what landed is known by then"


def rebased(number, commits):
    """A pull request with as many commits as it added."""
    made, own = pull(number, commits)
    return made._replace(commits=len(own)), own


def test_a_rebase_that_the_payload_lists_needs_no_history():
    commits = [sha(number) for number in range(3)]
    host = Host([rebased(7, commits)])

    class Shallow(Repository):
        def parents(self, commit):
            return (commits[-2],)

        def first_parents(self, before, after):
            raise AssertionError("history was fetched")

    context = Context(
        host="github", server=None, repository="a/b", event="push", checkout_sha=commits[-1], branch="main",
        default_branch="main", push=Push(BEFORE, commits[-1], commits=tuple(commits)),
    )  # fmt: skip
    found = find_pushed_prs(context, host, Shallow(None), dry_run=False)

    assert (numbers(found), found.alone, host.asked) == ([7], True, commits[:1])


def test_a_queue_of_as_many_squashes_as_the_last_had_commits_is_not_mistaken_for_a_rebase():
    commits = [sha(number) for number in range(3)]
    pulls = [pull(number, [commit]) for number, commit in zip((7, 8, 9), commits, strict=True)]
    pulls[-1] = (pulls[-1][0]._replace(commits=3), pulls[-1][1])
    host = Host(pulls)

    found = looked_up(host, commits, listed=commits)

    assert (numbers(found), found.alone, host.asked) == ([7, 8, 9], False, commits)


def test_a_commit_is_not_asked_about_again_when_its_question_failed():
    commits = [sha(number) for number in range(3)]
    host = Host([pull(7, commits[1:])], commits[:1])

    found = looked_up(host, commits, listed=commits)

    assert (numbers(found), found.status) == ([7], "failed")
    assert len(host.asked) == len(set(host.asked))


def test_a_pull_request_into_a_merged_branch_is_not_one_of_the_push():
    """A commit that was pushed directly is also part of a merge into another branch."""
    direct, inner, tip = sha(0), sha(1), sha(2)
    host = Host([pull(7, [direct, inner], "side"), pull(8, [tip])])

    found = looked_up(host, [direct, tip], listed=[direct, inner, tip])

    assert numbers(found) == [8]


def test_a_full_payload_may_lack_commits():
    listed = [sha(number) for number in range(2048)]
    found = looked_up(Host([pull(7, listed)]), listed[-1:], known=False, listed=listed)

    assert numbers(found) == [7]
    assert found.status == "failed"


def test_a_broken_repository_answers_nothing():
    class Broken(Repository):
        def parents(self, commit):
            raise CheckoutError("git cannot be run", "it is gone", "Install git.")

    context = Context(
        host="github", server=None, repository="a/b", event="push", checkout_sha=sha(1), branch="main",
        default_branch="main", push=Push(BEFORE, sha(1)),
    )  # fmt: skip
    found = find_pushed_prs(context, Host([pull(7, [sha(1)])]), Broken(None), dry_run=False)

    assert (numbers(found), found.status) == ([7], "failed")


def test_stacked_pull_requests_that_were_fast_forwarded_together_are_all_found():
    commits = [sha(number) for number in range(3)]
    host = Host([pull(7, commits[:2]), pull(8, commits)])

    assert numbers(looked_up(host, commits)) == [7, 8]


def test_a_pull_request_into_this_branch_covers_those_merged_into_it():
    commits = [sha(number) for number in range(3)]
    host = Host([pull(7, commits[:1], "release"), pull(8, commits[1:2], "release"), pull(9, commits)])

    assert numbers(looked_up(host, commits)) == [9]


def test_commits_between_a_commit_and_a_merge_that_contains_it_are_not_skipped():
    """The first of two commits was pushed directly, then another pull request was merged, and then the rest."""
    commits = [sha(number) for number in range(5)]
    mine, own = pull(7, [commits[0], commits[4]])
    host = Host([(mine._replace(commits=2), own), pull(8, commits[1:4])])

    assert numbers(looked_up(host, commits)) == [8, 7]


def test_the_newest_commit_is_asked_about_although_there_are_too_many():
    commits = [sha(number) for number in range(MOST_QUESTIONS + 3)]
    host = Host([pull(7, commits[-1:])])

    found = looked_up(host, commits)

    assert numbers(found) == [7]
    assert host.asked == [*commits[: MOST_QUESTIONS - 1], commits[-1]]
    assert found.reason.startswith(f"3 of the push's commits ({commits[MOST_QUESTIONS - 1][:12]}, ")


def test_exactly_the_largest_number_of_commits_is_looked_up_completely():
    commits = [sha(number) for number in range(MOST_QUESTIONS)]
    host = Host([])

    found = looked_up(host, commits)

    assert host.asked == commits
    assert (found.status, found.reason) == ("skipped", "the push does not belong to a merged pull request")


@pytest.mark.parametrize(
    ("host", "server", "says"),
    [
        ("github", "github.example.com", "set github_token, or"),
        (
            "gitlab",
            "gitlab.example.com",
            "merge request unknown: no token to ask gitlab.example.com; set gitlab_token, or",
        ),
        ("jenkins", "github.com", "set github_token (variable GITHUB_TOKEN), or pr_number and pr_merged"),
        ("jenkins", "gitlab.com", "set gitlab_token (variable GITLAB_TOKEN), or pr_number and pr_merged"),
        ("jenkins", "git.example.com", "set git_url, and github_token or gitlab_token, or pr_number and pr_merged"),
        ("azure", "dev.azure.com", "cibeacon does not ask dev.azure.com; set pr_number and pr_merged"),
    ],
)
def test_without_a_token_the_hint_names_the_one_that_can_be_used_there(host, server, says):
    about = Context(host=host, server=server, branch="main", default_branch="main", push=Push(BEFORE, sha(1)))
    asked = Host([])
    asked.credential = {}
    assert says in str(find_pushed_prs(about, asked, Repository(None), dry_run=False).reason)
