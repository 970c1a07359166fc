"""Builds deployment metadata with the user's jq program, once per run. If it fails, the deployments are invalid.

Input of the program: `event` (GitHub's payload, else null), `context` (as in the JSON report) and `services` (the names of
the deployed services).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cibeacon.model import parsers
from cibeacon.model.context import Context
from cibeacon.model.report import OutcomeStatus
from cibeacon.model.signals import Deployment
from cibeacon.runtime.errors import CibeaconError, SettingsError
from cibeacon.signals.plan import PlannedSignal, PlanStep

_FIX = "The program must return one object, such as {branch: .context.branch}."


def with_metadata(
    steps: Sequence[PlanStep],
    program: str,
    context: Context,
    read_event: Callable[[], object],
    environ: Mapping[str, str],
    seconds: float,
) -> list[PlanStep]:
    """The steps with the program's result in each deployment; keys in the setting `metadata` take precedence."""
    services = [deployment.service for step in steps if (deployment := _deployment(step))]
    if not services:
        return list(steps)
    try:
        built = _run_program(program, context, read_event(), services, environ, seconds)
    except CibeaconError as error:
        return without_metadata(steps, "invalid", str(error))
    return [
        PlannedSignal(deployment._replace(metadata={**built, **(deployment.metadata or {})}), step.outcome)
        if isinstance(step, PlannedSignal) and (deployment := _deployment(step))
        else step
        for step in steps
    ]


def without_metadata(steps: Sequence[PlanStep], status: OutcomeStatus, reason: str) -> list[PlanStep]:
    """The steps with every deployment replaced by an outcome, since none may be sent without its metadata."""
    return [
        step.outcome._replace(status=status, reason=f"metadata_jq: {reason}")
        if isinstance(step, PlannedSignal) and _deployment(step)
        else step
        for step in steps
    ]


def _deployment(step: PlanStep) -> Deployment | None:
    return step.signal if isinstance(step, PlannedSignal) and isinstance(step.signal, Deployment) else None


def _run_program(
    program: str, context: Context, event: object, services: list[str], environ: Mapping[str, str], seconds: float
) -> Mapping[str, Any]:
    from cibeacon.jq import jq_filter  # takes 5 ms

    program_input = {"event": event, "context": context.document(), "services": services}
    results = jq_filter.run(program, program_input, seconds=min(seconds, jq_filter.SECONDS), environ=environ)
    if len(results) != 1:
        raise SettingsError("The jq program's result cannot be used", f"it returned {len(results)} values", _FIX)
    try:
        return parsers.metadata(json.dumps(results[0]))
    except ValueError as error:
        raise SettingsError("The jq program's result cannot be used", f"it {error}", _FIX) from error
