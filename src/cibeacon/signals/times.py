"""Finds times in the settings that cannot be right, alone or together. Has no clock.

A time is in Unix seconds. The limits are the same for a run that is reported now and for history.
"""

from collections.abc import Iterator

from cibeacon.model.signals import PipelineRun
from cibeacon.settings.options import Problem
from cibeacon.signals import NotPlanned, PlanInput

EARLIEST = 631_152_000
"""1990: there were no pull requests before, and a year or a spreadsheet's day number would be a second of 1970."""
AHEAD = 86_400
"""Seconds by which clocks may differ."""


def problems(plan_input: PlanInput) -> Iterator[Problem]:
    """Invalid times in the settings, in the form of `load_settings`, which has no clock."""
    deploy, run = plan_input.settings.deploy, plan_input.settings.run
    given = (
        ("deploy", "deployed_at", deploy.deployed_at),
        ("run", "started_at", run.started_at),
        ("run", "finished_at", run.finished_at),
    )
    for group, name, seconds in given:
        if seconds is not None and (reason := _impossible(seconds, plan_input.now)):
            source = plan_input.settings.origins[name].source
            yield Problem(group, name, f"{name} {shown(seconds)} cannot be used because it {reason} ({source})")


def check_order(signal: PipelineRun) -> None:
    """Raises `NotPlanned` for a run that ended before it began."""
    if signal.finished_at is not None and signal.finished_at < signal.started_at:
        ends = f"the end ({shown(signal.finished_at)}) is before the start ({shown(signal.started_at)})"
        raise NotPlanned("invalid", f"{ends}: set started_at and finished_at to when the run began and ended")


def shown(seconds: int) -> str:
    """A readable time: ISO 8601 in UTC."""
    from datetime import UTC, datetime  # used only in error messages

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _impossible(seconds: int, now: int) -> str | None:
    if seconds < EARLIEST:
        return "is before 1990"
    return "is more than a day in the future" if seconds > now + AHEAD else None
