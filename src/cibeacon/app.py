"""From environment to report: survey, then sending. What fails unexpectedly here is caught by whoever shows the report."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from cibeacon.model.changes import Changes, Unknown
from cibeacon.model.outcome import Outcome
from cibeacon.model.report import Notice, Report
from cibeacon.outset import begun
from cibeacon.run import Run, by_name
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import interruption
from cibeacon.settings import Settings
from cibeacon.settings.options import Problem

UNKNOWN = 3
"""Exit code for unknown services, where the caller asked for one."""
_BY_NAME, _BY_PATHS, _BY_GIT = (
    ("services",),
    ("config", "services"),
    ("config", "services", "base", "head", "pr_number"),
)
"""Settings without which nobody can say which services changed, where they were given and cannot be used."""
_BLANK = Report(context=None)
_NOT_LOOKED = Unknown("nobody came to look which services changed")


def report(env: Environment, flags: Mapping[str, str], settings: Settings) -> tuple[Report, Settings]:
    """Plans every signal that the run and the settings call for, and sends it."""
    with begun(env, settings) as outset:
        from cibeacon import sending  # half of all our code, which `services` does without

        found, journal = sending.kept(env, outset.found)
        found = outset.explored(found, flags)
    found, outcomes, notices = sending.sent(env, found, journal)
    unsaid = tuple(_notice(problem) for problem in sending.unsaid(found.settings.problems))
    whole = _report(found, outcomes, (*_stop(found), *notices, *unsaid))
    told = {row.reason for row in outcomes}
    return whole._replace(notices=tuple(each for each in whole.notices if each.text not in told)), found.settings


def changed_services(
    env: Environment, flags: Mapping[str, str], settings: Settings, paths: Sequence[str] | None = None
) -> tuple[Report, Settings]:
    """Works out which services changed, and sends nothing. `paths` stand in for asking git."""
    with begun(env, settings, acts=True, paths=paths) as outset:
        found = outset.explored(outset.found, flags)
    unsaid = [_notice(problem) for problem in found.settings.problems]
    deciding = _BY_NAME if by_name(found.settings) else _BY_GIT if paths is None else _BY_PATHS
    if wrong := _to_mend(found, deciding):
        found = found._replace(changes=Changes("unknown", unknown=wrong))
        unsaid.append(Notice("error", str(wrong)))
    told = _report(found._replace(dry_run=False), (), (*_stop(found), *unsaid))
    once = tuple(dict.fromkeys(told.notices))
    return told._replace(notices=once, verb="services", unknown_code=_unknown_code(settings)), found.settings


def unlooked(settings: Settings) -> Report:
    """The report on changed services before anybody has looked."""
    unknown = Changes("unknown", unknown=_NOT_LOOKED)
    return Report(None, unknown, strict=settings.output.strict, verb="services", unknown_code=_unknown_code(settings))


def _unknown_code(settings: Settings) -> int:
    """A misspelt `on_unknown` shall not pass for `skip`: nobody would notice that nothing is tested any more."""
    misspelt = any(each.option == "on_unknown" for each in settings.problems)
    return UNKNOWN if misspelt or settings.change.on_unknown == "fail" else 0


def _to_mend(found: Run, deciding: Collection[str]) -> Unknown | None:
    """What must be mended before anybody can say which services changed."""
    problem = next((each for each in found.settings.problems if each.option in deciding), None)
    if problem:
        return Unknown(f"{problem.message}.")
    return Unknown(found.map_fault) if found.map_fault else None if found.changes else found.unmapped


def _stop(found: Run) -> tuple[Notice, ...]:
    """What became of a run that was told to end while it was still looking."""
    return (Notice("error", f"Looking at the run was cut short: {found.interrupted}."),) if found.interrupted else ()


def _notice(problem: Problem) -> Notice:
    """A value that cannot be used and whose signals cannot say so. How to print is no reason to fail."""
    return Notice("info" if problem.group == "output" else "error", f"{problem.message}.")


def _report(found: Run, outcomes: tuple[Outcome, ...], unsaid: tuple[Notice, ...]) -> Report:
    return Report(
        context=found.about,
        changes=found.changes,
        outcomes=outcomes,
        notices=(*found.notices, *unsaid),
        strict=found.settings.output.strict,
        dry_run=found.dry_run,
        host_title=found.host.title,
    )


def stopped(stop: KeyboardInterrupt, blank: Report) -> Report:
    """What a signal makes of a run of which nothing is known yet."""
    return _for_nothing(f"Nothing was sent: {interruption(stop)} before it was known what there is to send.", blank)


def broken(why: str, blank: Report = _BLANK) -> Report:
    """What the firebreak makes of a failure: a report like any other, that obeys `strict`."""
    return _for_nothing(f"{why}.", blank)


def _for_nothing(why: str, blank: Report) -> Report:
    """A report without anything found; where services were asked for, they are unknown for that reason."""
    changes = blank.changes and blank.changes._replace(unknown=Unknown(why))
    return blank._replace(changes=changes, notices=(Notice("error", why),))
