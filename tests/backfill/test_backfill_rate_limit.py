"""The rhythm that all workers of a backfill share: so many a second, and none while a host asked for rest."""

from __future__ import annotations

from math import inf

import pytest

from cibeacon.backfill.rate_limiter import LONGEST, Pace


class Still:
    """A clock that only waiting moves; `ends` is when all is to end."""

    def __init__(self, ends: float = 1e9) -> None:
        self.time, self._ends = 0.0, ends

    def __call__(self) -> float:
        return self.time

    def wait(self, seconds: float) -> bool:
        self.time += seconds
        return self.time >= self._ends


def turns(pace, clock, number):
    return [(pace.turn(), round(clock.time, 6))[1] for _ in range(number)]


def test_requests_leave_at_even_distances():
    clock = Still()
    assert turns(Pace(4, clock, clock.wait), clock, 5) == [0, 0.25, 0.5, 0.75, 1]


def test_without_a_rate_nobody_waits():
    clock = Still()
    assert turns(Pace(0, clock, clock.wait), clock, 5) == [0] * 5


def test_idle_time_is_not_saved_up_for_a_burst():
    clock = Still()
    pace = Pace(2, clock, clock.wait)
    clock.time = 60
    assert turns(pace, clock, 3) == [60, 60.5, 61]


def test_a_hold_is_everybodys_and_the_longest_counts():
    clock = Still()
    pace = Pace(0, clock, clock.wait)
    pace.hold(5)
    pace.hold(2)
    assert turns(pace, clock, 2) == [5, 5]


def test_a_hold_that_comes_while_somebody_waits_is_kept_too():
    clock = Still()
    pace = Pace(1, clock, lambda seconds: (clock.wait(seconds), pace.hold(3) if clock.time == 1 else None)[0])
    assert turns(pace, clock, 2) == [0, 4]


@pytest.mark.parametrize("seconds", [LONGEST + 1, 1e5, 1e20, inf])
def test_nobody_waits_for_longer_than_anybody_would_see_it_go_on(seconds):
    clock = Still()
    pace = Pace(0, clock, clock.wait)
    assert not pace.hold(seconds)
    assert turns(pace, clock, 1) == [0]
    assert pace.hold(LONGEST)
    assert turns(pace, clock, 1) == [LONGEST]


def test_whoever_waits_is_sent_home_when_all_ends():
    clock = Still(ends=2)
    pace = Pace(0, clock, clock.wait)
    pace.hold(5)
    assert not pace.turn()
