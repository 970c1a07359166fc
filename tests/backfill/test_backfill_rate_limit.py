"""The rate limit that all workers of a backfill share: so many requests per second, and none while a host asks to wait."""

from __future__ import annotations

from cibeacon.backfill.rate_limiter import RateLimiter


class Still:
    """A clock that only waiting moves; `ends` is when the run stops."""

    def __init__(self, ends: float = 1e9) -> None:
        self.time, self._ends = 0.0, ends

    def __call__(self) -> float:
        return self.time

    def wait(self, seconds: float) -> bool:
        self.time += seconds
        return self.time >= self._ends


def turns(limiter, clock, number):
    return [(limiter.wait_turn(), round(clock.time, 6))[1] for _ in range(number)]


def test_requests_leave_at_even_distances():
    clock = Still()
    assert turns(RateLimiter(4, clock, clock.wait), clock, 5) == [0, 0.25, 0.5, 0.75, 1]


def test_without_a_rate_nobody_waits():
    clock = Still()
    assert turns(RateLimiter(0, clock, clock.wait), clock, 5) == [0] * 5


def test_idle_time_is_not_saved_up_for_a_burst():
    clock = Still()
    limiter = RateLimiter(2, clock, clock.wait)
    clock.time = 60
    assert turns(limiter, clock, 3) == [60, 60.5, 61]


def test_a_hold_is_everybodys_and_the_longest_counts():
    clock = Still()
    limiter = RateLimiter(0, clock, clock.wait)
    limiter.hold(5)
    limiter.hold(2)
    assert turns(limiter, clock, 2) == [5, 5]


def test_a_hold_that_comes_while_somebody_waits_is_kept_too():
    clock = Still()
    limiter = RateLimiter(
        1, clock, lambda seconds: (clock.wait(seconds), limiter.hold(3) if clock.time == 1 else None)[0]
    )
    assert turns(limiter, clock, 2) == [0, 4]


def test_whoever_waits_is_sent_home_when_all_ends():
    clock = Still(ends=2)
    limiter = RateLimiter(0, clock, clock.wait)
    limiter.hold(5)
    assert not limiter.wait_turn()
