"""From environment to report: survey, then sending. What fails unexpectedly here is caught by whoever shows the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cibeacon.errors import interruption
from cibeacon.options import Problem
from cibeacon.outcome import Outcome
from cibeacon.outset import survey
from cibeacon.process.world import World
from cibeacon.settings import Settings
from cibeacon.survey import Survey
from cibeacon.telling.report import Notice, Report


def report(world: World, flags: Mapping[str, str], settings: Settings) -> tuple[Report, Settings]:
    """Plans every signal that the run and the settings call for, and sends it."""
    found = survey(world, flags, settings)
    from cibeacon import sending  # half of all our code, which `services` does without

    found, outcomes, notices = sending.sent(world, found)
    unsaid = tuple(_notice(problem) for problem in sending.unsaid(found.settings.problems))
    return _report(found, outcomes, (*_stop(found), *notices, *unsaid)), found.settings


def changed_services(
    world: World, flags: Mapping[str, str], settings: Settings, paths: Sequence[str] | None = None
) -> tuple[Report, Settings]:
    """Works out which services changed, and sends nothing. `paths` stand in for asking git."""
    found = survey(world, flags, settings, acts=True, paths=paths)
    unsaid = [_notice(problem) for problem in found.settings.problems]
    if found.map_fault:
        unsaid.append(Notice("trouble", found.map_fault))
    told = _report(found._replace(rehearsed=False), (), (*_stop(found), *unsaid))
    return told._replace(verb="services"), found.settings


def _stop(found: Survey) -> tuple[Notice, ...]:
    """What became of a run that was told to end while it was still looking."""
    return (Notice("trouble", f"Looking at the run was cut short: {found.interrupted}."),) if found.interrupted else ()


def _notice(problem: Problem) -> Notice:
    """A value that cannot be used and whose signals cannot say so. How to print is no reason to fail."""
    return Notice("remark" if problem.group == "output" else "trouble", f"{problem.message}.")


def _report(found: Survey, outcomes: tuple[Outcome, ...], unsaid: tuple[Notice, ...]) -> Report:
    return Report(
        context=found.about,
        changes=found.changes,
        outcomes=outcomes,
        notices=(*found.notices, *unsaid),
        strict=found.settings.output.strict,
        rehearsed=found.rehearsed,
        host_title=found.host.TITLE,
    )


def stopped(stop: KeyboardInterrupt, *, strict: bool) -> Report:
    """What a signal makes of a run of which nothing is known yet."""
    what = f"Nothing was sent: {interruption(stop)} before it was known what there is to send."
    return Report(context=None, notices=(Notice("trouble", what),), strict=strict)


def broken(error: Exception, *, strict: bool = False) -> Report:
    """What the firebreak makes of a failure of our own: a report like any other, that obeys `strict`."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_qualname} line {place.tb_lineno}" if place else "an unknown place"
    what = (
        f"cibeacon failed unexpectedly; this is our fault: {type(error).__name__} in {where}. Please report this line."
    )
    return Report(context=None, notices=(Notice("trouble", what),), strict=strict)
