"""What DX would conclude of deployments: the two stories of its documentation, and the four modes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.sandbox.attribution import COMMIT_NOT_IMPORTED, REPOSITORY_NOT_IMPORTED, MergedPull, attribute

SHOP, HOUR = "acme/shop", 3600


def pull(number, merged_at, base_ref="main", **more):
    return MergedPull(SHOP, number, base_ref, merged_at, (sha(number),), **more)


def sha(number):
    return f"{number:x}".ljust(40, "0")


def numbers(attributions):
    """Reference id → the numbers of the pull requests."""
    return {reference: [pull.number for pull in each.pulls] for reference, each in attributions.items()}


def deployed(reference, at, service="a", **more):
    return {"reference_id": reference, "service": service, "deployed_at": at, "repository": SHOP, **more}


A_TO_E = [pull(number, number * HOUR) for number in range(1, 6)]
DAY = [pull(1, 10 * HOUR), pull(2, 11 * HOUR), pull(3, 12 * HOUR)]


def test_commits_a_and_b_are_deployment_1_and_c_d_and_e_are_deployment_2():
    deployments = [deployed("1", 3 * HOUR, commit_sha=sha(2)), deployed("2", 9 * HOUR, commit_sha=sha(5))]
    assert numbers(attribute(deployments, A_TO_E, {}, {})) == {"1": [1, 2], "2": [3, 4, 5]}


@pytest.mark.parametrize("commit", [None, sha(3)])
@pytest.mark.parametrize(
    ("services", "expected"),
    [({f"{SHOP}#1": ["a"], f"{SHOP}#2": ["b"], f"{SHOP}#3": ["a"]}, [1, 3]), ({}, [1, 2, 3])],
    ids=["with setPullServices", "without"],
)
def test_at_12_01_service_a_is_deployed(commit, services, expected):
    deployments = [deployed("a", 12 * HOUR + 60, commit_sha=commit)]
    attributions = attribute(deployments, DAY, services, {})
    assert numbers(attributions) == {"a": expected}


def test_a_pull_request_of_two_services_is_deployed_with_each():
    services = {f"{SHOP}#1": ["a", "b"]}
    deployments = [deployed("a", 11 * HOUR), deployed("b", 12 * HOUR, "b"), deployed("again", 13 * HOUR)]
    assert numbers(attribute(deployments, DAY[:1], services, {})) == {"a": [1], "b": [1], "again": []}


def test_services_may_be_known_by_githubs_id():
    pulls = [pull(1, 10 * HOUR, github_pull_id=501)]
    assert numbers(attribute([deployed("a", 11 * HOUR)], pulls, {"501": ["b"]}, {})) == {"a": []}


def test_the_repository_alone_takes_pull_requests_of_the_default_branch():
    pulls = [pull(1, HOUR), pull(2, 2 * HOUR, "develop"), pull(3, 9 * HOUR)]
    assert numbers(attribute([deployed("1", 3 * HOUR)], pulls, {}, {})) == {"1": [1]}
    assert numbers(attribute([deployed("1", 3 * HOUR)], pulls, {}, {SHOP: "develop"})) == {"1": [2]}


def test_an_integration_branch_is_deployed_from_one_release_to_the_next():
    pulls = [pull(1, HOUR, "develop"), pull(2, 2 * HOUR), pull(3, 3 * HOUR, "develop"), pull(4, 4 * HOUR)]
    deployments = [
        deployed("1", 5 * HOUR, commit_sha=sha(2), integration_branch="develop"),
        deployed("2", 6 * HOUR, commit_sha=sha(4), integration_branch="develop"),
    ]
    assert numbers(attribute(deployments, pulls, {}, {})) == {"1": [1], "2": [3]}


def test_merge_commits_name_their_own_pull_requests():
    deployments = [deployed("1", 9 * HOUR, merge_commit_shas=(sha(2)[:12], sha(4)))]
    assert numbers(attribute(deployments, A_TO_E, {}, {})) == {"1": [2, 4]}


def test_what_was_not_imported_is_waited_for_and_never_guessed():
    attributions = attribute([deployed("1", 9 * HOUR, commit_sha="f" * 40)], A_TO_E, {}, {})
    assert (attributions["1"].pulls, attributions["1"].waits) == ((), COMMIT_NOT_IMPORTED)


def test_a_repository_that_was_not_imported_is_waited_for():
    assert attribute([deployed("1", HOUR)], [], {}, {})["1"].waits == REPOSITORY_NOT_IMPORTED
    assert attribute([deployed("1", HOUR)], [pull(1, 2 * HOUR)], {}, {})["1"].waits is None


def test_a_pull_request_of_another_service_waits_for_that_service_and_is_not_lost():
    services = {f"{SHOP}#1": ["b"]}
    deployments = [deployed("a", 13 * HOUR), deployed("b", 14 * HOUR, "b", commit_sha=sha(3))]
    assert numbers(attribute(deployments, DAY, services, {})) == {"a": [2, 3], "b": [1]}


def test_what_is_behind_the_range_of_an_integration_branch_is_not_taken_later_by_it():
    pulls = [pull(1, HOUR, "develop"), pull(2, 2 * HOUR), pull(3, 3 * HOUR, "develop"), pull(4, 4 * HOUR)]
    services = {f"{SHOP}#3": ["b"]}
    at = {"integration_branch": "develop"}
    deployments = [deployed("1", 5 * HOUR, commit_sha=sha(2), **at), deployed("2", 6 * HOUR, commit_sha=sha(4), **at)]
    assert numbers(attribute(deployments, pulls, services, {})) == {"1": [1], "2": []}


def test_services_by_id_and_by_number_are_of_one_pull_request():
    pulls = [pull(1, 10 * HOUR, github_pull_id=501)]
    services = {"501": ["b"], f"{SHOP}#1": ["a"]}
    deployments = [deployed("a", 11 * HOUR), deployed("b", 12 * HOUR, "b"), deployed("c", 13 * HOUR, "c")]
    assert numbers(attribute(deployments, pulls, services, {})) == {"a": [1], "b": [1], "c": []}


def test_of_two_repositories_with_the_same_commit_the_deployments_own_counts():
    other = MergedPull("acme/fork", 9, "main", HOUR, (sha(1),))
    deployments = [deployed("1", 3 * HOUR, commit_sha=sha(1)[:7])]
    assert numbers(attribute(deployments, [other, pull(1, 2 * HOUR)], {}, {})) == {"1": [1]}


MOMENTS = st.integers(1, 30)
PULLS = st.lists(st.tuples(MOMENTS, st.sampled_from(["main", "develop"])), max_size=12)
SERVICES = st.lists(st.sampled_from("abc"), unique=True)
DEPLOYMENTS = st.lists(st.tuples(MOMENTS, st.sampled_from("abc"), st.none() | st.integers(1, 12)), max_size=8)


@given(PULLS, st.lists(SERVICES, min_size=12, max_size=12), DEPLOYMENTS)
def test_a_deployment_takes_what_a_plain_reading_of_the_rules_gives_it(merges, services, deployments):
    pulls = [pull(number, at, base) for number, (at, base) in enumerate(merges, start=1)]
    of = {number: set(names) for number, names in enumerate(services, start=1)}
    events = [
        deployed(f"{index:02}", at, service, commit_sha=number and sha(number))
        for index, (at, service, number) in enumerate(deployments)
    ]
    actual = attribute(events, pulls, {f"{SHOP}#{number}": sorted(names) for number, names in of.items()}, {})
    gone, expected = set(), {}
    for event in sorted(events, key=lambda event: event["deployed_at"]):
        named = [one for one in pulls if event["commit_sha"] in one.shas]
        until, base = (named[0].merged_at, named[0].base_ref) if named else (event["deployed_at"], "main")
        waits = event["commit_sha"] is not None and not named
        expected[event["reference_id"]] = [
            one.number
            for one in sorted(pulls, key=lambda one: one.merged_at)
            if not waits and one.merged_at <= until and one.base_ref == base
            if (not of[one.number] or event["service"] in of[one.number])
            and (one.number, bool(of[one.number]) and event["service"]) not in gone
        ]
        gone |= {(number, bool(of[number]) and event["service"]) for number in expected[event["reference_id"]]}
    assert numbers(actual) == expected


@given(st.permutations(range(5)), st.permutations(range(3)))
def test_the_order_of_arrival_changes_nothing(pulls, deployments):
    happened = [deployed(str(at), at * HOUR + 1, commit_sha=sha(at)) for at in (1, 3, 5)]
    expected = attribute(happened, A_TO_E, {}, {})
    assert attribute([happened[i] for i in deployments], [A_TO_E[i] for i in pulls], {}, {}) == expected


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8, unique=True))
def test_no_pull_request_is_deployed_twice_by_one_service(times):
    attributions = attribute([deployed(str(at), at * 600) for at in times], A_TO_E, {}, {})
    taken = [pull.number for each in attributions.values() for pull in each.pulls]
    assert len(taken) == len(set(taken))
