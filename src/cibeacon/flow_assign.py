"""Sets the Flow pipelines of an Instabase job, for `cibeacon flow assign`. Reads no event and plans no other signal.

The pipelines are shown before they are set, because they decide who may see the job's documents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cibeacon.delivery.sender import open_client
from cibeacon.manual_run import deliver_steps, read_run
from cibeacon.model.report import Outcome, Report
from cibeacon.model.signals import FlowAssignment
from cibeacon.run import Run
from cibeacon.runtime import Environment
from cibeacon.runtime.errors import interruption
from cibeacon.settings import Settings, load_settings
from cibeacon.signals import why_unsendable
from cibeacon.signals.plan import PlannedSignal, check_signal
from cibeacon.signals.triggers import NO_PIPELINE
from cibeacon.sinks import flow

Announce = Callable[[Sequence[str]], None]


def assign(
    env: Environment, flags: Mapping[str, str], announce: Announce, *, clear: bool = False
) -> tuple[Report, Settings]:
    """Assigns the pipelines of flow_pipelines to the job flow_job_id; with `clear` removes all of its pipelines.

    `announce` is called with name and id of each pipeline before it is set.
    """
    settings = load_settings(flags, env.environ, {})
    signal = FlowAssignment(settings.flow.flow_job_id or "", settings.flow.flow_pipelines, clear)
    run = read_run(env, settings)
    step = check_signal(signal, flow.NAME, settings, _why_not(signal, settings, dry_run=run.dry_run))
    if isinstance(step, PlannedSignal) and not run.dry_run:
        try:
            step = step._replace(signal=_by_id(env, run, signal, step.outcome, announce))
        except KeyboardInterrupt as stop:  # the assignment is spooled with the names that the user gave
            run = run._replace(interrupted=interruption(stop))
    return deliver_steps(env, run, [step], "flow"), settings


def _why_not(signal: FlowAssignment, settings: Settings, *, dry_run: bool) -> str | None:
    """Why the pipelines cannot be set."""
    if reason := why_unsendable(flow.NAME, settings, "core", "flow", dry_run=dry_run):
        return reason
    if signal.job_id and not signal.clear and not signal.pipelines:
        return f"{NO_PIPELINE[:1].upper()}{NO_PIPELINE[1:]}."
    return None


def _by_id(env: Environment, run: Run, signal: FlowAssignment, outcome: Outcome, announce: Announce) -> FlowAssignment:
    """The assignment with the ids that were announced. If they cannot be looked up, the delivery reports why."""
    if signal.clear:
        announce([])
        return signal
    pipelines: list[tuple[str, str]] = []
    known = run.settings.endpoints
    with open_client(env, run.settings, known, run.deadline.part(0.5)) as client:
        exchange = flow.choose_pipelines(known[flow.NAME].form, signal.pipelines, pipelines)
        if client.send(exchange, outcome).status != "sent":
            return signal
    announce([label for _, label in pipelines])
    return signal._replace(pipelines=tuple(pipeline_id for pipeline_id, _ in pipelines))
