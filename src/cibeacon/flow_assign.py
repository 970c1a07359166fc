"""Sets the Flow pipelines of a job of Instabase, as somebody asks for it. Knows no event, and plans nothing else.

What will be set is said before it is set, since it decides who may see the job's documents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cibeacon.ci import detect
from cibeacon.delivery.deliver import deliver, hired
from cibeacon.git.repository import Repository
from cibeacon.model.outcome import Outcome
from cibeacon.model.report import Notice, Report
from cibeacon.model.signals import FlowAssignment
from cibeacon.run import Run
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import interruption
from cibeacon.runtime.paths import toplevel
from cibeacon.settings import Settings, load_settings
from cibeacon.settings.endpoint import endpoints
from cibeacon.signals.flow_rules import NO_PIPELINE
from cibeacon.signals.plan import Ready, Step
from cibeacon.signals.requirements import unencrypted, unreachable
from cibeacon.sinks import flow

_SPOIL = ("core", "flow")
"""Groups in which a value that cannot be used would have to be guessed."""
Say = Callable[[Sequence[str]], None]


def assign(env: Environment, flags: Mapping[str, str], say: Say, *, clear: bool = False) -> tuple[Report, Settings]:
    """Sets the pipelines of the setting flow_pipelines on the job of flow_job_id, or with `clear` none.

    `say` is told name and id of each pipeline before it is set.
    """
    settings = load_settings(flags, env.environ, {})
    signal = FlowAssignment(settings.flow.flow_job_id or "", settings.flow.flow_pipelines, clear)
    deadline = Deadline(settings.core.timeout, env.clock, env.sleep, env.started)
    found, notices = _run_of(env, settings, deadline)
    step = _ready(signal, found)
    if isinstance(step, Ready) and not found.dry_run:
        try:
            step = step._replace(signal=_said(env, found, signal, step.row, say))
        except KeyboardInterrupt as stop:  # what somebody asked for is known by its names: it is kept by them
            found = found._replace(interrupted=interruption(stop))
    outcomes, remarks = deliver(env, found, [step])
    report = Report(
        context=found.context,
        outcomes=outcomes,
        notices=(*(each for each in notices if each.weight == "error"), *remarks),  # no checkout is needed
        strict=settings.output.strict,
        dry_run=found.dry_run,
        host_title=found.host.title,
        verb="flow",
    )
    return report, settings


def _run_of(env: Environment, settings: Settings, deadline: Deadline) -> tuple[Run, tuple[Notice, ...]]:
    repository = Repository(toplevel(env.cwd), env.environ, deadline.share(0.5))
    try:
        context, notices = detect.read_context(settings, env.environ, repository)
    finally:
        repository.close()
    return Run(settings, detect.apply_overrides(context, settings), bool(settings.core.dry_run), deadline), tuple(
        notices
    )


def _ready(signal: FlowAssignment, found: Run) -> Step:
    row = Outcome(
        kind=signal.kind,
        sink=flow.NAME,
        status="invalid",
        subject=signal.subject,
        key=signal.key,
        method=flow.method(signal, ""),
    )
    fault = _fault(signal, found)
    return row._replace(reason=fault) if fault else Ready(signal, row._replace(status="skipped"))


def _fault(signal: FlowAssignment, found: Run) -> str | None:
    """Why nothing can be set: a value that would be guessed, an address, a credential, a set that nobody named."""
    settings = found.settings
    if bad := next((each.message for each in settings.problems if each.group in _SPOIL), None):
        return f"{bad}."
    if signal.job_id and not signal.clear and not signal.pipelines:
        return f"{NO_PIPELINE[:1].upper()}{NO_PIPELINE[1:]}."
    fault = unreachable(flow.NAME, settings)
    if fault and (not found.dry_run or unencrypted(flow.NAME, settings)):
        return f"{fault}."
    return flow.faults(signal)


def _said(env: Environment, found: Run, signal: FlowAssignment, row: Outcome, say: Say) -> FlowAssignment:
    """The assignment by the ids that were shown. Where they cannot be looked up, the delivery tells why."""
    if signal.clear:
        say([])
        return signal
    meant: list[tuple[str, str]] = []
    form = endpoints(found.settings)[flow.NAME].form
    with hired(env, found.settings, found.deadline.part(0.5), (flow.NAME,)) as client:
        if client.send(flow.choose_pipelines(form, signal.pipelines, meant), row).status != "sent":
            return signal
    say([words for _, words in meant])
    return signal._replace(pipelines=tuple(pipeline_id for pipeline_id, _ in meant))
