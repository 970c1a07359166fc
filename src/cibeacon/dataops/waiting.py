"""Knows when a wait is over and when to look again: a state machine over snapshots and faults. Knows no clock, no network.

It polls every 5 s at first and every 30 s later on. Server errors, 429 and a dead network are borne for a span; a
refusal is believed when it is repeated.
"""

from typing import Literal, NamedTuple

from cibeacon.dataops.errors import Fault
from cibeacon.dataops.exit_codes import ResultStatus
from cibeacon.dataops.records import BLOCKED, QUEUED, Pipeline, Snapshot

_SLOWER = 1.5
_MOST_REFUSALS = 2


class Policy(NamedTuple):
    """How long, and how patiently. All in seconds."""

    total: float = 3600.0
    queue: float = 1800.0
    """How long it may take until the pipeline runs for the first time."""
    on_manual: Literal["fail", "succeed", "wait"] = "fail"
    tolerance: float = 300.0
    """How long the server may be out of reach."""
    shortest: float = 5.0
    longest: float = 30.0
    longest_pause: float = 60.0
    """More than this no `Retry-After` is obeyed at once."""


class State(NamedTuple):
    """What is remembered from look to look. Times are those of a monotonic clock."""

    began: float
    ran: bool = False
    troubled: float | None = None
    """Since when no look succeeded."""
    refusals: int = 0
    pause: float = 0.0
    seen: Snapshot | None = None


class PipelineResult(NamedTuple):
    """How the wait ended."""

    status: ResultStatus
    why: str


class Step(NamedTuple):
    """What follows from one look: the verdict, or the pause until the next look."""

    state: State
    result: PipelineResult | None = None
    pause: float = 0.0


def stepped(policy: Policy, state: State, now: float, chance: float, look: Snapshot | Fault) -> Step:
    """What follows from a look at `now`; `chance` is a number from 0 to 1."""
    if isinstance(look, Fault):
        return _troubled(policy, state, now, chance, look)
    changed = state.seen is None or _statuses(state.seen) != _statuses(look)
    pause = policy.shortest if changed else min(max(state.pause, policy.shortest) * _SLOWER, policy.longest)
    ran = state.ran or look.pipeline.status not in QUEUED
    state = state._replace(ran=ran, troubled=None, refusals=0, pause=pause, seen=look)
    result = _reached(policy, look) or _expired(policy, state, now)
    return Step(state, result) if result else Step(state, None, _until_next(policy, state, now, pause, chance))


def _troubled(policy: Policy, state: State, now: float, chance: float, fault: Fault) -> Step:
    since = now if state.troubled is None else state.troubled
    refusals = state.refusals + 1 if fault.refused else 0
    pause = policy.shortest if fault.refused else min(max(state.pause, policy.shortest) * _SLOWER, policy.longest)
    state = state._replace(troubled=since, refusals=refusals, pause=pause)
    if refusals >= _MOST_REFUSALS:
        return Step(state, PipelineResult("refused", str(fault)))
    if expired := _expired(policy, state, now):
        return Step(state, expired)
    if now - since >= policy.tolerance:
        return Step(state, PipelineResult("lost", f"No contact for {now - since:.0f} s. {fault}"))
    wanted = max(pause, min(fault.later, policy.longest_pause))
    return Step(state, None, _until_next(policy, state, now, wanted, chance, since + policy.tolerance))


def _until_next(
    policy: Policy, state: State, now: float, pause: float, chance: float, by: float = float("inf")
) -> float:
    """A quarter more at most, and never beyond a deadline: the last look is at the deadline itself."""
    ends = [by, state.began + policy.total]
    if not state.ran:
        ends.append(state.began + policy.queue)
    return max(0.0, min(pause * (1 + chance / 4), min(ends) - now))


def _expired(policy: Policy, state: State, now: float) -> PipelineResult | None:
    if now - state.began >= policy.total:
        return PipelineResult("timed-out", f"It was not over after {policy.total:g} s (setting dataops_wait_timeout).")
    if not state.ran and now - state.began >= policy.queue:
        said = f"It did not start to run within {policy.queue:g} s (setting dataops_queue_timeout)."
        return PipelineResult("timed-out", f"{said} Is there a runner for its jobs?")
    return None


def _reached(policy: Policy, look: Snapshot) -> PipelineResult | None:
    """The verdict of the pipeline itself, then of what it started. A success counts when all of that is over."""
    status = look.pipeline.status
    if status in ("failed", "canceled", "skipped"):
        return PipelineResult(status, look.pipeline.yaml_errors)  # type: ignore[arg-type]  # each is a word of ours
    counted = [each for each in look.downstream if not each.allowed]
    for word in ("failed", "canceled"):
        for each in counted:
            if each.pipeline.status == word:
                said = f"The downstream pipeline {each.pipeline.id} of {each.bridge} {_PAST[word]}."
                return PipelineResult(word, said)
    everything = (look.pipeline, *(each.pipeline for each in counted))
    if blocked := [each for each in everything if each.status == BLOCKED]:
        return _blocked(policy, everything, blocked[0])
    return PipelineResult("success", "") if all(each.over for each in everything) else None


_PAST = {"failed": "failed", "canceled": "was canceled"}


def _blocked(policy: Policy, everything: tuple[Pipeline, ...], blocked: Pipeline) -> PipelineResult | None:
    """What a manual job makes of a wait: it never starts by itself, so it is decided on once nothing else runs."""
    if policy.on_manual == "wait" or any(not each.over and each.status != BLOCKED for each in everything):
        return None
    said = f"Pipeline {blocked.id} waits for a manual job"
    if policy.on_manual == "succeed":
        return PipelineResult("success", f"{said}, which counts as success (setting dataops_on_manual).")
    return PipelineResult("manual", f"{said}: start it, or set dataops_on_manual to wait or succeed.")


def _statuses(look: Snapshot) -> tuple[object, ...]:
    jobs = ((job.id, job.status) for job in look.jobs)
    return (look.pipeline.status, *jobs, *((each.pipeline.id, each.pipeline.status) for each in look.downstream))
