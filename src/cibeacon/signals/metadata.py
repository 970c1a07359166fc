"""Builds deployment metadata with a person's jq program, once a run. What it cannot build makes the deployments invalid.

Input of the program: `event` (GitHub's payload, else null), `context` (as in the JSON report) and `services` (the names of
the services that are being deployed).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cibeacon.ci import github
from cibeacon.model import parsers
from cibeacon.model.context import Context
from cibeacon.model.outcome import Outcome, OutcomeStatus
from cibeacon.model.signals import Deployment
from cibeacon.runtime.errors import CibeaconError, SettingsError
from cibeacon.signals.plan import Ready, Step

_FIX = "The program gives one object, such as {branch: .context.branch}."


def with_metadata(
    steps: Sequence[Step], program: str | None, context: Context, environ: Mapping[str, str], seconds: float
) -> list[Step]:
    """The steps with what the program builds in each deployment; what the setting `metadata` holds wins, key by key."""
    services = [
        step.signal.service for step in steps if isinstance(step, Ready) and isinstance(step.signal, Deployment)
    ]
    if not program or not services:
        return list(steps)
    try:
        made = _built(program, context, services, environ, seconds)
    except CibeaconError as error:
        return without_metadata(steps, "invalid", str(error))
    return [_filled(step, made) for step in steps]


def without_metadata(steps: Sequence[Step], status: OutcomeStatus, why: str) -> list[Step]:
    """The steps with no deployment left to send: one without its metadata would say something else."""
    fault = Outcome("", "", status, reason=f"metadata_jq: {why}")
    return [_filled(step, fault) for step in steps]


def _filled(step: Step, made: Mapping[str, Any] | Outcome) -> Step:
    if isinstance(step, Outcome) or not isinstance(step.signal, Deployment):
        return step
    if isinstance(made, Outcome):
        return step.row._replace(status=made.status, reason=made.reason)
    return step._replace(signal=step.signal._replace(metadata={**made, **(step.signal.metadata or {})}))


def _built(
    program: str, context: Context, services: list[str], environ: Mapping[str, str], seconds: float
) -> Mapping[str, Any]:
    from cibeacon.jq import jq_filter  # 5 ms that only a program costs

    event = github.load_event(environ) if context.host == github.GitHub.name else None
    given = {"event": event, "context": context.document(), "services": services}
    results = jq_filter.run(program, given, seconds=min(seconds, jq_filter.SECONDS), environ=environ)
    if len(results) != 1:
        raise SettingsError("The jq program's result cannot be used", f"it gives {len(results)} values", _FIX)
    try:
        return parsers.metadata(json.dumps(results[0]))
    except ValueError as error:
        raise SettingsError("The jq program's result cannot be used", f"it {error}", _FIX) from error
