"""From survey to outcomes: plans the signals, holds each against its sink's rules, and has them delivered."""

from __future__ import annotations

from collections.abc import Sequence

from cibeacon.changes import reckoning
from cibeacon.delivery.delivering import deliver
from cibeacon.delivery.endpoint import endpoints
from cibeacon.errors import interruption
from cibeacon.options import Problem
from cibeacon.outcome import Outcome
from cibeacon.planning.job_signals import JobState
from cibeacon.planning.metadata import with_metadata, without_metadata
from cibeacon.planning.plan import Ready, Step, plan, spoiled_kinds
from cibeacon.planning.situation import File, Situation
from cibeacon.process.world import World
from cibeacon.settings import Settings
from cibeacon.sinks import SINKS, named
from cibeacon.survey import Survey
from cibeacon.telling.report import Notice


def sent(world: World, found: Survey) -> tuple[Survey, tuple[Outcome, ...], tuple[Notice, ...]]:
    """What became of every signal that the run and the settings call for; the survey says whether it was interrupted."""
    planned, unsent = _planned(world, found)
    steps = [_permitted(step, found.settings) for step in planned]
    program, left = found.settings.deploy.metadata_jq, found.budget.remaining()
    try:
        steps = with_metadata(steps, program, found.context, world.environ, left / 2)  # the rest is for sending
    except KeyboardInterrupt as stop:
        found = found._replace(interrupted=interruption(stop))
        steps = without_metadata(steps, "failed", interruption(stop))
    outcomes, notices = deliver(world, found, steps)
    return found, outcomes, (*unsent, *notices)


def _planned(world: World, found: Survey) -> tuple[tuple[Step, ...], tuple[Notice, ...]]:
    """Every step; and where a job of DCI ends, with its files, and what is to be said of those that cannot go along."""
    situation, patterns = _situation(world, found), found.settings.dci.dci_files
    steps = plan(situation)
    if not patterns or not any(isinstance(step, Ready) and isinstance(step.signal, JobState) for step in steps):
        return steps, ()
    from cibeacon.files.attachments import attachments  # whoever sends no files needs none of it

    taken, said = attachments(patterns, world.cwd)
    notices = tuple(Notice("trouble", f"dci_files: {each}.") for each in said)
    return plan(situation._replace(files=tuple(File(*each) for each in taken))), notices


def unsaid(problems: Sequence[Problem]) -> list[Problem]:
    """The problems that no signal speaks of."""
    return [problem for problem in problems if not spoiled_kinds(problem)]


def _situation(world: World, found: Survey) -> Situation:
    landed = found.landing
    return Situation(
        context=found.context,
        settings=found.settings,
        stage=world.stage,
        now=world.began,
        rehearsed=found.rehearsed,
        host_title=found.host.TITLE,
        changes=found.changes,
        map_fault=found.map_fault,
        landed=reckoning.landed(found.landing, found.changes, found.parts),
        unlanded=(landed.word, landed.reason) if landed.reason else None,
    )


def _permitted(step: Step, settings: Settings) -> Step:
    """A signal that breaks its sink's rules is invalid before anything is sent."""
    known = endpoints(settings)
    if isinstance(step, Outcome):
        return step._replace(method=named(step.sink, step.kind, known[step.sink].form))
    sink = SINKS[step.row.sink]
    fault = sink.faults(step.signal)
    row = step.row._replace(method=sink.method(step.signal, known[step.row.sink].form))
    return row._replace(word="invalid", reason=fault) if fault else Ready(step.signal, row)
