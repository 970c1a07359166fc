"""What DX would hold, and what the ledger remembers of a request."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cibeacon.sandbox.ledger import LADDER, Ledger, fold

TIMES = st.integers(min_value=0, max_value=10**6)
NOTIFICATIONS = st.fixed_dictionaries(
    {"reference_id": st.just("r"), "started_at": TIMES},
    optional={
        "finished_at": TIMES,
        "status": st.sampled_from(LADDER[1:]),
        "head_branch": st.sampled_from(["main", "next"]),
    },
)
untimed = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
FOLDED = ("started_at", "finished_at", "duration", "status", "notifications")


@untimed
@given(
    st.lists(NOTIFICATIONS, min_size=1, max_size=8).flatmap(
        lambda told: st.tuples(st.just(told), st.permutations(told))
    )
)
def test_order_of_arrival_does_not_change_start_finish_or_status(pair):
    told, shuffled = pair
    assert [fold(told)[name] for name in FOLDED] == [fold(shuffled)[name] for name in FOLDED]


@untimed
@given(
    st.lists(NOTIFICATIONS, min_size=1, max_size=8, unique_by=lambda one: one["started_at"]).flatmap(
        lambda told: st.tuples(st.just(told), st.permutations(told))
    )
)
def test_order_of_arrival_changes_nothing_when_no_two_start_together(pair):
    told, shuffled = pair
    assert fold(told) == fold(shuffled)


@untimed
@given(st.lists(NOTIFICATIONS, min_size=1, max_size=8))
def test_the_status_is_what_climbing_from_the_earliest_start_ends_with(told):
    held = "unknown"
    for notification in sorted(told, key=lambda one: one["started_at"]):
        newer = notification.get("status", "unknown")
        held = newer if LADDER.index(newer) > LADDER.index(held) else held
    assert fold(told)["status"] == held


@untimed
@given(st.lists(NOTIFICATIONS, min_size=1, max_size=8), NOTIFICATIONS)
def test_another_notification_never_lowers_the_status_or_shortens_the_run(told, more):
    before, after = fold(told), fold([*told, more])
    assert LADDER.index(after["status"]) >= LADDER.index(before["status"])
    assert after["started_at"] <= before["started_at"]
    assert before["finished_at"] is None or after["finished_at"] >= before["finished_at"]


def test_among_notifications_of_one_start_the_last_to_arrive_has_the_last_word():
    told = [{"started_at": 1, "head_branch": "old"}, {"started_at": 1, "head_branch": "new"}, {"started_at": 1}]
    assert fold(told)["head_branch"] == "new"


def test_a_change_that_raises_leaves_the_deployment_as_it_was():
    ledger = Ledger()
    ledger.change_deployment("r", lambda _: {"service": "a"})
    with pytest.raises(KeyError):
        ledger.change_deployment("r", lambda held: {"service": held["no such field"]})
    assert ledger.document()["deployments"] == {"r": {"service": "a"}}


def test_old_requests_are_forgotten_and_still_counted():
    ledger = Ledger(lambda: 7.0, kept=2)
    for number in range(3):
        ledger.note(method="POST", path=f"/{number}", body=None, status=200, error=None, message=None)
    document = ledger.document()
    assert document["received"] == 3
    assert [entry["seq"] for entry in document["requests"]] == [2, 3]
    assert document["requests"][0]["time"] == 7.0


def test_a_document_is_a_snapshot():
    ledger = Ledger()
    before = ledger.document()
    ledger.set_services("1", ["a"])
    assert before["pull_services"] == {}


def test_many_threads_lose_nothing():
    ledger = Ledger(kept=10_000)

    def work(number):
        ledger.set_services("1", [f"s{number}"])
        ledger.notify("r", {"started_at": number})
        ledger.note(method="POST", path="/", body=None, status=200, error=None, message=None)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(500)))
    document = ledger.document()
    assert len(document["pull_services"]["1"]) == 500
    assert document["pipeline_runs"]["r"]["notifications"] == 500
    assert [entry["seq"] for entry in document["requests"]] == list(range(1, 501))
