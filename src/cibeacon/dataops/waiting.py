"""Decides when a wait ends and when to poll next, as a function of snapshots and errors. Uses neither clock nor network.

It polls every 5 s at first and every 30 s later. Server errors, 429 and network failures are tolerated for a while; a
refusal ends the wait if it is repeated.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from cibeacon.dataops.errors import DataopsError, ResultStatus
from cibeacon.dataops.snapshot import BLOCKED, QUEUED, GitLabPipeline, Snapshot

_SLOWER = 1.5
_MOST_REFUSALS = 2


class WaitPolicy(NamedTuple):
    """Time limits and pauses of a wait, in seconds."""

    total: float = 3600.0
    queue: float = 1800.0
    """How long the pipeline may take to start running."""
    on_manual: Literal["fail", "succeed", "wait"] = "fail"
    tolerance: float = 300.0
    """How long the server may be unreachable."""
    shortest: float = 5.0
    longest: float = 30.0
    longest_retry_after: float = 60.0
    """Longest `Retry-After` that is obeyed; a longer one counts as this."""


class WaitState(NamedTuple):
    """The state between two polls. Times are those of a monotonic clock."""

    started_at: float
    has_run: bool = False
    failing_since: float | None = None
    """Since when every poll has failed."""
    refusals: int = 0
    pause: float = 0.0
    snapshot: Snapshot | None = None


class PipelineResult(NamedTuple):
    """How the wait ended."""

    status: ResultStatus
    reason: str


class WaitStep(NamedTuple):
    """What follows from one poll: the result, or the pause before the next poll."""

    state: WaitState
    result: PipelineResult | None = None
    pause: float = 0.0


def next_step(
    policy: WaitPolicy, state: WaitState, now: float, chance: float, look: Snapshot | DataopsError
) -> WaitStep:
    """What follows from a poll at `now`; `chance` is a random number from 0 to 1."""
    slower = min(max(state.pause, policy.shortest) * _SLOWER, policy.longest)
    if isinstance(look, DataopsError):
        since = now if state.failing_since is None else state.failing_since
        refusals = state.refusals + 1 if look.refused else 0
        pause = policy.shortest if look.refused else slower
        state = state._replace(failing_since=since, refusals=refusals, pause=pause)
        result = _given_up(policy, state, now, look)
        wanted = max(pause, min(look.retry_after, policy.longest_retry_after))
        latest = since + policy.tolerance
    else:
        wanted = policy.shortest if state.snapshot is None or _statuses(state.snapshot) != _statuses(look) else slower
        has_run = state.has_run or look.pipeline.status not in QUEUED
        state = WaitState(state.started_at, has_run, pause=wanted, snapshot=look)
        result = _reached(policy, look) or _expired(policy, state, now)
        latest = math.inf
    latest = min(latest, state.started_at + (policy.total if state.has_run else min(policy.total, policy.queue)))
    # up to a quarter longer, but never beyond a deadline: the last poll is at the deadline itself
    return WaitStep(state, result, max(0.0, min(wanted * (1 + chance / 4), latest - now)))


def _given_up(policy: WaitPolicy, state: WaitState, now: float, error: DataopsError) -> PipelineResult | None:
    if state.refusals >= _MOST_REFUSALS:
        return PipelineResult("refused", str(error))
    seconds = now - (now if state.failing_since is None else state.failing_since)
    lost = PipelineResult("lost", f"No contact for {seconds:.0f} s. {error}") if seconds >= policy.tolerance else None
    return _expired(policy, state, now) or lost


def _expired(policy: WaitPolicy, state: WaitState, now: float) -> PipelineResult | None:
    if now - state.started_at >= policy.total:
        return PipelineResult("timed-out", f"It did not end within {policy.total:g} s (setting dataops_wait_timeout).")
    if not state.has_run and now - state.started_at >= policy.queue:
        text = f"It did not start running within {policy.queue:g} s (setting dataops_queue_timeout)."
        return PipelineResult("timed-out", f"{text} Check that there is a runner for its jobs.")
    return None


def _reached(policy: WaitPolicy, snapshot: Snapshot) -> PipelineResult | None:
    """The result of the pipeline itself, then of those that it started. It succeeds only when all have ended."""
    status = snapshot.pipeline.status
    if status in ("failed", "canceled", "skipped"):
        return PipelineResult(status, snapshot.pipeline.yaml_errors)  # type: ignore[arg-type]  # each is a ResultStatus
    counted = [one for one in snapshot.downstream if not one.allowed]
    for bad, verb in (("failed", "failed"), ("canceled", "was canceled")):
        for one in counted:
            if one.pipeline.status == bad:
                return PipelineResult(bad, f"The downstream pipeline {one.pipeline.id} of {one.bridge} {verb}.")  # type: ignore[arg-type]
    pipelines = (snapshot.pipeline, *(one.pipeline for one in counted))
    if blocked := [pipeline for pipeline in pipelines if pipeline.status == BLOCKED]:
        return _blocked(policy, pipelines, blocked[0])
    return PipelineResult("success", "") if all(pipeline.is_over for pipeline in pipelines) else None


def _blocked(policy: WaitPolicy, pipelines: Sequence[GitLabPipeline], blocked: GitLabPipeline) -> PipelineResult | None:
    """The result if a manual job blocks the pipeline: it never starts by itself, so decide once nothing else runs."""
    if policy.on_manual == "wait" or any(not one.is_over and one.status != BLOCKED for one in pipelines):
        return None
    text = f"Pipeline {blocked.id} waits for a manual job"
    if policy.on_manual == "succeed":
        return PipelineResult("success", f"{text}, which counts as success (setting dataops_on_manual).")
    return PipelineResult("manual", f"{text}: start it, or set dataops_on_manual to wait or succeed.")


def _statuses(snapshot: Snapshot) -> tuple[object, ...]:
    jobs = ((job.id, job.status) for job in snapshot.jobs)
    downstream = ((one.pipeline.id, one.pipeline.status) for one in snapshot.downstream)
    return (snapshot.pipeline.status, *jobs, *downstream)
