"""From environment to report: survey, plan, carry. What fails unexpectedly here is caught by whoever shows the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from cibeacon import __version__
from cibeacon.call import Dialogue
from cibeacon.metadata import with_metadata
from cibeacon.options import Problem
from cibeacon.outcome import Outcome
from cibeacon.plan import Ready, Step, plan, spoiled_kinds
from cibeacon.rehearsal import Rehearsal
from cibeacon.report import Notice, Report
from cibeacon.settings import Settings, settle
from cibeacon.sinks import SINKS
from cibeacon.situation import Situation
from cibeacon.survey import Survey, survey
from cibeacon.world import World


class Carrier(Protocol):
    """A courier, or its rehearsal."""

    def carry(self, dialogue: Dialogue, row: Outcome) -> Outcome:
        """The row of a signal once its dialogue was carried."""
        ...


def report(world: World, flags: Mapping[str, str]) -> tuple[Report, Survey]:
    """Plans every signal that the run and the settings call for, and sends it."""
    found = survey(world, flags)
    steps = [_permitted(step, found.settings) for step in plan(_situation(world, found))]
    program, left = found.settings.deploy.metadata_jq, found.budget.remaining()
    steps = with_metadata(steps, program, found.context, world.environ, left / 2)  # the rest is for sending
    outcomes = _carried(world, found, steps)
    unsaid = tuple(_notice(problem) for problem in found.settings.problems if not spoiled_kinds(problem))
    return _report(found, tuple(outcomes), unsaid), found


def changed_services(
    world: World, flags: Mapping[str, str], paths: Sequence[str] | None = None
) -> tuple[Report, Survey]:
    """Works out which services changed, and sends nothing. `paths` stand in for asking git."""
    found = survey(world, flags, acts=True, paths=paths)
    unsaid = [_notice(problem) for problem in found.settings.problems]
    if found.map_fault:
        unsaid.append(Notice("trouble", found.map_fault))
    return _report(found._replace(rehearsed=False), (), tuple(unsaid)), found


def _notice(problem: Problem) -> Notice:
    """A value that cannot be used and whose signals cannot say so. How to print is no reason to fail."""
    return Notice("remark" if problem.group == "output" else "trouble", f"{problem.message}.")


def _report(found: Survey, outcomes: tuple[Outcome, ...], unsaid: tuple[Notice, ...]) -> Report:
    return Report(
        context=found.context,
        changes=found.changes,
        outcomes=outcomes,
        notices=(*found.notices, *unsaid),
        strict=found.settings.output.strict,
        rehearsed=found.rehearsed,
        host_title=found.host.TITLE,
    )


def _situation(world: World, found: Survey) -> Situation:
    landed = found.landing
    return Situation(
        context=found.context,
        settings=found.settings,
        stage=world.stage,
        now=world.began,
        rehearsed=found.rehearsed,
        host_title=found.host.TITLE,
        final_words=found.host.FINAL_WORDS,
        changes=found.changes,
        map_fault=found.map_fault,
        landed=landed.pull_request,
        unlanded=(landed.word, landed.reason) if landed.reason else None,
    )


def _permitted(step: Step, settings: Settings) -> Step:
    """A signal that breaks its sink's rules is invalid before anything is sent."""
    method = SINKS["dx"].METHODS[settings.dx.dx_api][step.kind if isinstance(step, Outcome) else step.row.kind]
    if isinstance(step, Outcome):
        return step._replace(method=method)
    row = step.row._replace(method=method)
    fault = SINKS[row.sink].faults(step.signal)
    return row._replace(word="invalid", reason=fault) if fault else Ready(step.signal, row)


def _carried(world: World, found: Survey, steps: list[Step]) -> list[Outcome]:
    """Every step's outcome. The courier, and with it the network stack, exists only when something is to be sent."""
    if not any(isinstance(step, Ready) for step in steps):
        return [step for step in steps if isinstance(step, Outcome)]
    dx = found.settings.dx
    if found.rehearsed:
        return _each(Rehearsal({"dx": dx.dx_url} if dx.dx_url else {}), steps, dx.dx_api)
    from cibeacon.courier import Courier, Endpoint  # requests takes 0.1 s to import

    courier = Courier(
        {"dx": Endpoint(dx.dx_url or "", dx.dx_token or "")},
        found.budget,
        random=world.random,
        now=world.now,
        user_agent=f"cibeacon/{__version__}",
        allow_http=found.settings.core.allow_http,
    )
    try:
        return _each(courier, steps, dx.dx_api)
    finally:
        courier.close()


def _each(carrier: Carrier, steps: list[Step], form: str) -> list[Outcome]:
    return [
        carrier.carry(SINKS[step.row.sink].tell(step.signal, form), step.row) if isinstance(step, Ready) else step
        for step in steps
    ]


def stopped(world: World, flags: Mapping[str, str]) -> Report:
    """What a signal that ends the process makes of a report."""
    what = "cibeacon was interrupted before it was done; what was not sent yet is lost"
    return Report(
        context=None, notices=(Notice("trouble", what),), strict=settle(flags, world.environ, {}).output.strict
    )


def broken(error: Exception, world: World, flags: Mapping[str, str]) -> Report:
    """What the firebreak makes of a failure of our own: a report like any other, that obeys `strict`."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_qualname} line {place.tb_lineno}" if place else "an unknown place"
    what = (
        f"cibeacon failed unexpectedly; this is our fault: {type(error).__name__} in {where}. Please report this line."
    )
    strict = settle(flags, world.environ, {}).output.strict
    return Report(context=None, notices=(Notice("trouble", what),), strict=strict)
