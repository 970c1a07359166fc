"""From survey to outcomes: plans the signals, holds each against its sink's rules, and has them delivered."""

from __future__ import annotations

from collections.abc import Sequence

from cibeacon.changes import pr_changes
from cibeacon.delivery.deliver import deliver
from cibeacon.delivery.write_ahead import Journal
from cibeacon.model.outcome import Outcome
from cibeacon.model.report import Notice
from cibeacon.model.signals import JobState
from cibeacon.run import Run
from cibeacon.runtime import paths
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import guarded, interruption
from cibeacon.settings import Settings
from cibeacon.settings.endpoint import endpoints
from cibeacon.settings.options import Problem
from cibeacon.signals.metadata import with_metadata, without_metadata
from cibeacon.signals.plan import Ready, Step, plan, spoiled_kinds
from cibeacon.signals.plan_input import File, PlanInput
from cibeacon.sinks import SINKS, method_of_kind


def kept(env: Environment, found: Run, journal: Journal | None = None) -> tuple[Run, Journal | None]:
    """What is known already is on disk before anything slow or fragile is looked at. A dry run keeps nothing."""
    if found.dry_run:
        return found, None
    steps = [_permitted(step, found.settings) for step in plan(_situation(env, found))]
    if found.settings.deploy.metadata_jq:
        steps = without_metadata(steps, "failed", "it was not run yet")
    journal = journal or Journal(env, found)
    why, _ = journal.hold(steps, found.settings, found.interrupted)
    return found._replace(interrupted=why), journal


def sent(env: Environment, found: Run, journal: Journal | None) -> tuple[Run, tuple[Outcome, ...], tuple[Notice, ...]]:
    """What became of every signal that the run and the settings call for; the survey says whether it was interrupted."""
    program = found.settings.deploy.metadata_jq
    if program or found.settings.dci.dci_files:
        found, journal = kept(env, found, journal)
    found, planned, unsent = _with_files(env, found, plan(_situation(env, found)))
    steps, left = [_permitted(step, found.settings) for step in planned], found.deadline.remaining()
    try:
        steps = guarded(
            lambda: with_metadata(steps, program, found.context, env.environ, left / 2),  # the rest is for sending
            lambda why: without_metadata(steps, "failed", f"{why}."),
        )
    except KeyboardInterrupt as stop:
        found = found._replace(interrupted=interruption(stop))
        steps = without_metadata(steps, "failed", interruption(stop))
    outcomes, notices = deliver(env, found, steps, journal=journal)
    return found, outcomes, (*unsent, *notices)


def _with_files(
    env: Environment, found: Run, steps: tuple[Step, ...]
) -> tuple[Run, tuple[Step, ...], tuple[Notice, ...]]:
    """Where a job of DCI ends, its files go along; and what is to be said of those that cannot."""
    patterns = found.settings.dci.dci_files
    if not patterns or not any(isinstance(step, Ready) and isinstance(step.signal, JobState) for step in steps):
        return found, steps, ()
    from cibeacon.files.attachments import (  # whoever sends no files needs none of it
        attachments_or_none,
        no_attachments,
    )

    why = found.interrupted
    top = paths.boundary(env)
    env.halftime(found.deadline.remaining() / 2)  # the rest is for sending
    (taken, said), why = (no_attachments(why), why) if why else attachments_or_none(patterns, env.cwd, top=top)
    env.halftime(None)
    found = found._replace(interrupted=why)
    files = tuple(File(*each) for each in taken)
    notices = tuple(Notice("error", f"dci_files: {each}.") for each in said)
    return found, plan(_situation(env, found)._replace(files=files)), notices


def unsaid(problems: Sequence[Problem]) -> list[Problem]:
    """The problems that no signal speaks of."""
    return [problem for problem in problems if not spoiled_kinds(problem)]


def _situation(env: Environment, found: Run) -> PlanInput:
    landed = found.landing
    return PlanInput(
        context=found.context,
        settings=found.settings,
        stage=env.stage,
        now=env.began,
        dry_run=found.dry_run,
        host_title=found.host.title,
        changes=found.changes,
        map_fault=found.map_fault,
        landed=pr_changes.landed(found.landing, found.changes, found.parts),
        unlanded=(landed.status, landed.reason) if landed.reason else None,
    )


def _permitted(step: Step, settings: Settings) -> Step:
    """A signal that breaks its sink's rules is invalid before anything is sent."""
    known = endpoints(settings)
    if isinstance(step, Outcome):
        return step._replace(method=method_of_kind(step.sink, step.kind, known[step.sink].form))
    sink = SINKS[step.row.sink]
    fault = sink.faults(step.signal)
    row = step.row._replace(method=sink.method(step.signal, known[step.row.sink].form))
    return row._replace(status="invalid", reason=fault) if fault else Ready(step.signal, row)
