"""The rules of waiting, for any sequence of events: it ends in time and never sleeps past a deadline."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cibeacon.dataops.errors import ENDINGS, DataopsError
from cibeacon.dataops.snapshot import FINAL, KNOWN, Downstream, GitLabPipeline, Snapshot
from cibeacon.dataops.waiting import WaitPolicy, WaitState, next_step

STATUSES = st.one_of(st.sampled_from(sorted(KNOWN)), st.text(max_size=5))
PIPELINES = st.builds(lambda status: GitLabPipeline(7, "1", status), STATUSES)
DOWNSTREAM = st.builds(lambda pipeline, allowed: Downstream(pipeline, "b", allowed), PIPELINES, st.booleans())
SNAPSHOTS = st.builds(lambda one, more: Snapshot(one, (), tuple(more)), PIPELINES, st.lists(DOWNSTREAM, max_size=2))
FAULTS = st.builds(
    lambda refused, later: DataopsError("It failed", "why", "", refused=refused, retry_after=later),
    st.booleans(),
    st.floats(0, 1e9),
)
POLICIES = st.builds(
    lambda total, queue, on_manual, tolerance: WaitPolicy(total, queue, on_manual, tolerance),
    st.floats(1, 5000),
    st.floats(1, 5000),
    st.sampled_from(["fail", "succeed", "wait"]),
    st.floats(1, 500),
)


@given(POLICIES, st.lists(st.one_of(SNAPSHOTS, FAULTS), min_size=1, max_size=30), st.floats(0, 1))
def test_whatever_is_seen_a_wait_ends_at_its_deadline_at_the_latest(policy, looks, chance):
    state, now, seen = WaitState(100.0), 100.0, []
    for _ in range(5000):
        look = looks[min(len(seen), len(looks) - 1)]
        seen.append(look)
        step = next_step(policy, state, now, chance, look)
        if step.result:
            break
        assert step.pause >= 0
        state, now = step.state, now + max(step.pause, 1e-6)
    assert step.result
    assert step.result.status in ENDINGS
    assert now <= 100.0 + policy.total + 0.01
    last = seen[-1]
    if step.result.status == "success" and isinstance(last, Snapshot):
        counted = [last.pipeline, *(each.pipeline for each in last.downstream if not each.allowed)]
        assert all(each.status in ("success", "skipped", "manual") for each in counted)
    if isinstance(last, Snapshot) and last.pipeline.status in FINAL[1:]:
        assert step.result.status == last.pipeline.status


@given(POLICIES, FAULTS)
def test_one_failed_look_ends_nothing(policy, fault):
    step = next_step(policy, WaitState(0.0), 0.0, 0.5, fault)
    assert step.result is None


@given(st.floats(0, 1), st.floats(0, 1e9))
def test_no_server_makes_us_pause_for_more_than_a_minute_and_a_quarter(chance, later):
    step = next_step(WaitPolicy(), WaitState(0.0), 0.0, chance, DataopsError("It failed", "why", "", retry_after=later))
    assert 5 <= step.pause <= 75
