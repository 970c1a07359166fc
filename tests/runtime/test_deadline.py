"""Work that cannot be interrupted is waited for so long and no longer, and what it did is not lost before that."""

from __future__ import annotations

import time
from threading import Barrier, Event, current_thread

import pytest

from cibeacon.runtime.deadline import Unwatched, together, within


def test_what_the_work_returns_is_handed_on():
    assert within(20, lambda: "done") == "done"


@pytest.mark.parametrize(
    "error", [ValueError("x"), OSError(5, "x"), TimeoutError("its own"), SystemExit(3), MemoryError()]
)
def test_what_the_work_raises_is_handed_on(error):
    def work():
        raise error

    with pytest.raises(type(error)) as caught:
        within(20, work)
    assert caught.value is error


def test_work_that_does_not_end_is_given_up():
    never, began = Event(), time.monotonic()
    with pytest.raises(TimeoutError, match=r"not done within 0\.05 s"):
        within(0.05, never.wait)
    assert time.monotonic() - began < 5, "a watchdog, not a measure"
    never.set()


def test_work_that_was_given_up_keeps_no_process_alive():
    daemons = []
    within(20, lambda: daemons.append(current_thread().daemon))
    assert daemons == [True]


def test_where_no_thread_can_be_started_nothing_is_begun_that_nobody_could_break_off(monkeypatch):
    def refused(*_):
        raise RuntimeError("can't start new thread")

    begun = []
    monkeypatch.setattr("_thread.start_new_thread", refused)
    with pytest.raises(Unwatched):
        within(20, lambda: begun.append("done"))
    assert begun == []


def test_each_item_comes_with_what_the_work_made_of_it():
    assert dict(together(lambda item: item * 2, range(50), 4)) == {item: item * 2 for item in range(50)}


def test_so_many_are_in_work_at_once_and_no_more():
    met = Barrier(3, timeout=20)
    in_work, seen = [], []

    def work(item):
        in_work.append(item)
        met.wait()
        seen.append(len(in_work))
        in_work.remove(item)

    assert len(list(together(work, range(3), 3))) == 3
    assert max(seen) <= 3


def test_nothing_to_do_is_done_at_once():
    assert list(together(lambda item: item, [], 4)) == []


def test_what_one_item_raises_is_raised_where_it_is_waited_for():
    def work(item):
        raise ValueError(item)

    with pytest.raises(ValueError, match="7"):
        list(together(work, [7], 4))


def test_whoever_stops_listening_begins_nothing_more():
    begun, go_on = [], Event()

    def work(item):
        begun.append(item)
        if item:
            go_on.wait(20)

    coming = together(work, range(100), 2)
    assert next(coming)[0] == 0
    coming.close()
    go_on.set()
    assert len(begun) <= 4


def test_where_no_thread_can_be_started_items_are_done_one_by_one(monkeypatch):
    def refused(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("_thread.start_new_thread", refused)
    assert list(together(lambda item: item + 1, [1, 2], 4)) == [(1, 2), (2, 3)]
