"""Whose turn it is: a signal that is never taken starves no other, and a vendor that is down is soon left alone."""

from __future__ import annotations

import pytest

from cibeacon.delivery.turns import PROBES, Turn, in_turn
from cibeacon.model.outcome import Outcome, ShownRequest
from cibeacon.runtime.deadline import Deadline

ASKED = ShownRequest("POST", "https://x.example", {})


class Vendor:
    """Takes all but some, on a clock that only sleeping moves."""

    def __init__(self, refuses=(), *, status=500, free=0.0, left=()):
        self.refuses, self.status, self.until, self.left = set(refuses), status, free, set(left)
        self.asked, self.now = [], 0.0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        assert seconds >= 0
        self.now += seconds

    def row(self, place, status="sent", **more):
        return Outcome("pipeline-run", "dx", status, key=str(place), **more)

    def tell(self, place, deadline, *, patient):
        if place in self.left:
            return self.row(place, "spooled", retryable=True)
        self.asked.append((place, patient))
        if place not in self.refuses:
            return self.row(place, attempts=1, request=ASKED)
        return self.row(
            place, "spooled", attempts=5 if patient else 1, http_status=self.status, request=ASKED, retryable=True
        )

    def untold(self, place):
        return self.row(place, "spooled", error="not tried", retryable=True)

    def free(self, sink):
        return self.until


def told(vendor, count, *, seconds=30.0, random=0.0, chains=None):
    turns = [Turn(place, "dx", (chains or {}).get(place, place)) for place in range(count)]
    deadline = Deadline(seconds, vendor.clock, vendor.sleep, vendor.now)
    return dict(in_turn(turns, vendor, deadline, lambda: random))


def sent(rows):
    return [place for place, row in sorted(rows.items()) if row.status == "sent"]


@pytest.mark.parametrize("random", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("refused", range(4))
def test_one_that_is_never_taken_keeps_no_other_from_being_sent(refused, random):
    vendor = Vendor([refused])
    rows = told(vendor, 4, random=random)
    assert sent(rows) == [place for place in range(4) if place != refused]
    assert rows[refused].attempts == (6 if refused < 3 else 5), "it had another turn, after all others"


def test_nobody_refused_all_go_in_their_order_and_patiently():
    vendor = Vendor()
    assert sent(told(vendor, 5)) == list(range(5))
    assert vendor.asked == [(place, True) for place in range(5)]


def test_a_vendor_that_is_down_is_left_alone_after_a_few():
    vendor = Vendor(range(1000))
    rows = told(vendor, 1000, random=1.0)
    assert len(vendor.asked) == 1 + PROBES
    assert vendor.now < 10.0
    assert sum(row.error == "not tried" for row in rows.values()) == 1000 - 1 - PROBES


def test_a_vendor_that_does_not_answer_at_all_is_asked_once_more():
    vendor = Vendor(range(10), status=None)
    told(vendor, 10)
    assert len(vendor.asked) == 2


def test_behind_many_that_are_never_taken_chance_finds_those_that_are():
    """The first dozen are refused; whoever is drawn from the end arrives, and the rest follow."""
    vendor = Vendor(range(12))
    rows = told(vendor, 24, random=0.9)
    assert sent(rows), "some arrive in this round, and the next one has fewer to draw from"


def test_one_that_hangs_leaves_half_of_the_time_to_the_others():
    vendor = Vendor([0], status=None)
    tell = vendor.tell

    def hangs(place, deadline, *, patient):
        if place == 0:
            vendor.now += deadline.remaining()
        return tell(place, deadline, patient=patient)

    vendor.tell = hangs
    assert sent(told(vendor, 3)) == [1, 2]


def test_a_vendor_that_asks_for_a_pause_gets_it_where_there_is_time():
    patient = Vendor([0], free=12.0)
    assert sent(told(patient, 3)) == [1, 2]
    assert patient.now >= 12.0
    hurried = Vendor([0], free=40.0)
    assert sent(told(hurried, 3)) == []
    assert (len(hurried.asked), hurried.now) == (1, 0.0)


def asks_for_pauses(vendor, place, seconds, times):
    """The vendor answers one signal with a pause, so many times."""
    tell, left = vendor.tell, [seconds] * times

    def paused(asked, deadline, *, patient):
        if asked != place or not left:
            return tell(asked, deadline, patient=patient)
        vendor.asked.append((asked, patient))
        vendor.now += 0.125  # no two answers come in one moment
        vendor.until = vendor.now + left.pop()
        return vendor.row(asked, "spooled", attempts=1, http_status=429, request=ASKED, retryable=True)

    vendor.tell = paused
    return vendor


@pytest.mark.parametrize("random", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("chains", [None, {0: "job", 1: "job"}])
def test_after_a_pause_that_a_vendor_asked_for_the_order_is_the_same(random, chains):
    vendor = asks_for_pauses(Vendor(), 0, 16.0, times=1)
    rows = told(vendor, 5, random=random, chains=chains)
    assert sent(rows) == list(range(5))
    assert [place for place, _ in vendor.asked] == [0, 0, 1, 2, 3, 4]
    assert (rows[0].attempts, vendor.now) == (2, 16.125), "the vendor had its pause, and no more"


@pytest.mark.parametrize("seconds", [2.0, 5.0, 9.0, 16.0, 29.5])
def test_a_signal_that_is_always_answered_with_a_pause_has_one_more_turn_and_keeps_no_other_back(seconds):
    vendor = asks_for_pauses(Vendor(), 0, seconds, times=100)
    assert sent(told(vendor, 5, random=0.5)) == [1, 2, 3, 4]
    assert [place for place, _ in vendor.asked].count(0) == 2


def test_a_vendor_that_answers_everybody_with_a_long_pause_is_asked_little():
    vendor = Vendor(range(10), status=429)
    for place in range(10):
        asks_for_pauses(vendor, place, 16.0, times=100)
    rows = told(vendor, 10)
    assert len(vendor.asked) == 3, "the first one twice, and one other"
    assert len(rows) == 10


def test_what_belongs_together_is_told_in_its_order():
    chains = dict.fromkeys(range(3), "job")
    vendor = Vendor([0])
    rows = told(vendor, 5, chains=chains, random=1.0)
    assert sent(rows) == [3, 4]
    assert {place for place, _ in vendor.asked} == {0, 3, 4}, "nothing of the job was tried without it"
    vendor = Vendor([3])
    assert sent(told(vendor, 6, chains={4: "job", 5: "job"}, random=1.0)) == [0, 1, 2, 4, 5]
    order = [place for place, _ in vendor.asked if place in (4, 5)]
    assert order == [4, 5]


def test_a_row_without_a_request_says_nothing_of_the_vendor():
    vendor = Vendor([0], left=[1, 2, 3, 4])
    rows = told(vendor, 6)
    assert sent(rows) == [5]


def test_systems_do_not_wait_for_each_other():
    vendor = Vendor([0, 1, 2])
    turns = [Turn(place, "dci" if place < 3 else "dx", place) for place in range(6)]
    rows = dict(in_turn(turns, vendor, Deadline(30.0, vendor.clock, vendor.sleep, 0.0), lambda: 0.0))
    assert sent(rows) == [3, 4, 5]
