"""Decides which signals a run sends, and why it does not send the others. Does not know CI systems, requests, or I/O.

Each kind of signal is checked in the same order: invalid settings of its group, the event, the sink's settings, and then
the signal itself. A signal that fails a check becomes an `Outcome` with the reason.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from cibeacon.model.changes import Changes
from cibeacon.model.report import Outcome
from cibeacon.model.request import Unneeded
from cibeacon.model.signals import Deployment, PipelineRun, Signal
from cibeacon.settings import SIGNAL_KINDS, Settings
from cibeacon.settings.general import wants
from cibeacon.settings.options import Problem
from cibeacon.signals import NotPlanned, PlanInput, builders, has_credential, is_wanted, triggers, unreachable
from cibeacon.sinks import KINDS, SINKS, first_sink, method_of_kind

_KINDS_OF_GROUP: Mapping[str, tuple[str, ...]] = {
    "core": SIGNAL_KINDS,
    "change": SIGNAL_KINDS,
    "deploy": ("deployment",),
    "run": ("pipeline-run", "dci"),
}
"""Settings group → kinds of signal that an invalid value makes invalid. In a sink's group it affects that sink."""
Built: TypeAlias = Sequence[Signal | NotPlanned]


class PlannedSignal(NamedTuple):
    """A signal that may be sent, and its outcome so far."""

    signal: Signal
    outcome: Outcome


PlanStep: TypeAlias = PlannedSignal | Outcome


def plan(plan_input: PlanInput) -> tuple[PlanStep, ...]:
    """Every signal of the run in sending order, either ready or with its outcome."""
    kinds = [kind for kind in SIGNAL_KINDS if wants(plan_input.settings.core.signals, kind)]
    if plan_input.stage == "post":
        main_sent_flow = plan_input.in_stages  # the action's post stage has the settings of its main stage
        kinds = [kind for kind in kinds if kind != "pull-services" and not (kind == "flow" and main_sent_flow)]
    sinks = [(kind, sink) for kind in kinds for sink in KINDS if _concerns(kind, sink, plan_input)]
    return tuple(step for kind, sink in sinks for step in _plan_kind(kind, sink, plan_input))


def kinds_made_invalid(problem: Problem) -> tuple[str, ...]:
    """The kinds of signal that an invalid setting makes invalid."""
    if problem.option == "services":  # then the changed services are unknown; other signals do not need them
        return ("pull-services",)
    return _KINDS_OF_GROUP.get(problem.group) or KINDS.get(problem.group, ())


def check_signal(signal: Signal, sink: str, settings: Settings, reason: str | None = None) -> PlanStep:
    """The signal, ready to send; invalid for `reason`, or if it breaks one of its sink's rules."""
    form = settings.endpoints[sink].form
    fault = SINKS[sink].faults(signal)
    outcome = Outcome(
        kind=signal.kind,
        sink=sink,
        status="invalid" if reason or (fault and not isinstance(fault, Unneeded)) else "skipped",
        reason=reason or fault,
        subject=signal.subject,
        method=SINKS[sink].method(signal, form),
        key=signal.key if sink == first_sink(signal.kind) else f"{sink}/{signal.key}",
        reference_id=signal.reference_id if isinstance(signal, Deployment | PipelineRun) else None,
    )
    return outcome if outcome.reason else PlannedSignal(signal, outcome)


def _plan_kind(kind: str, sink: str, plan_input: PlanInput) -> Iterator[PlanStep]:
    settings = plan_input.settings
    signals: Built
    try:
        _check_credential(sink, plan_input)
        _check_settings(kind, sink, plan_input)
        trigger, build = _rules(kind)
        trigger(plan_input)
        _check_sink(kind, sink, plan_input)
        signals = build(plan_input)
    except NotPlanned as not_planned:
        signals = (not_planned,)
    for signal in signals:
        if isinstance(signal, NotPlanned):
            method = method_of_kind(sink, kind, settings.endpoints[sink].form)
            yield Outcome(kind, sink, signal.status, signal.reason, signal.subject, method)
        else:
            yield check_signal(signal, sink, settings)


def _rules(kind: str) -> tuple[Callable[[PlanInput], object], Callable[[PlanInput], Built]]:
    """The trigger and the builder of a kind of signal; both raise `NotPlanned` if none is sent."""
    if kind == "dci":
        from cibeacon.signals import dci_builders  # few runs have a DCI job

        return dci_builders.trigger, dci_builders.signals
    return {
        "pull-services": (triggers.pull_services, _pull_services),
        "deployment": (triggers.deployment, _deployments),
        "pipeline-run": (triggers.pipeline_run, _pipeline_run),
        "flow": (triggers.flow, _flow),
    }[kind]


def _concerns(kind: str, sink: str, plan_input: PlanInput) -> bool:
    """A sink other than DX is not mentioned unless a setting enables it."""
    if kind not in KINDS[sink]:
        return False
    is_named = plan_input.is_named(kind) and sink == first_sink(kind)
    return sink == "dx" or is_named or is_wanted(sink, plan_input.settings)


def _check_credential(sink: str, plan_input: PlanInput) -> None:
    """If the host withholds secrets by policy, nothing that an outsider wrote can count as a fault."""
    withheld = plan_input.context.secrets_withheld and not plan_input.dry_run
    if withheld and not has_credential(sink, plan_input.settings):
        raise NotPlanned("skipped", "the CI system withholds secrets from pull requests of forks and of Dependabot")


def _check_settings(kind: str, sink: str, plan_input: PlanInput) -> None:
    problems = plan_input.settings.problems
    if plan_input.settings.given("deployed_at", "started_at", "finished_at"):
        from cibeacon.signals import times  # few runs set times

        problems = (*problems, *times.problems(plan_input))
    for problem in problems:
        other_sink = problem.group in KINDS and problem.group != sink
        if kind in kinds_made_invalid(problem) and not other_sink:
            raise NotPlanned("invalid", f"{problem.message}.")


def _check_sink(kind: str, sink: str, plan_input: PlanInput) -> None:
    """A sink that is not configured is a choice; a wrong configuration is a fault."""
    settings = plan_input.settings
    if reason := unreachable(sink, settings, dry_run=plan_input.dry_run):
        by_choice = not is_wanted(sink, settings) and not plan_input.is_named(kind)
        raise NotPlanned("skipped" if by_choice else "invalid", reason)


def _pull_services(plan_input: PlanInput) -> Built:
    """One signal for each pull request; and an outcome if some could not be looked up."""
    merged_prs = triggers.pull_services(plan_input)
    signals: list[Signal | NotPlanned] = []
    for pull_request, changes in merged_prs:
        try:
            services = _changed_services(plan_input, changes, "pull-services")
            signals.append(builders.pull_services(plan_input, pull_request, services))
        except NotPlanned as not_planned:
            subject = f"#{pull_request.number}" if len(merged_prs) > 1 else ""
            signals.append(NotPlanned(not_planned.status, not_planned.reason, subject))
    if plan_input.merged_prs and plan_input.unknown_prs:
        signals.append(NotPlanned(*plan_input.unknown_prs))
    return signals


def _changed_services(plan_input: PlanInput, changes: Changes | None, kind: str) -> tuple[str, ...]:
    if plan_input.map_fault:
        raise NotPlanned("invalid", plan_input.map_fault)
    if changes is None:
        reason = "there is no service map: add .cibeacon.yml or set services, such as services/{service}/"
        raise NotPlanned("invalid" if plan_input.is_named(kind) else "skipped", reason)
    if changes.status == "unknown":
        raise NotPlanned("failed", f"services unknown: {changes.unknown}")
    if not changes.services:
        raise NotPlanned("skipped", "no service changed")
    return changes.services


def _deployments(plan_input: PlanInput) -> Built:
    """One for each listed service, and for each changed service if `changed` is listed."""
    wanted = plan_input.settings.deploy.deploy_services
    services = [name for name in wanted if name != "changed"]
    no_other = services and plan_input.changes and plan_input.changes.status == "none"
    if "changed" in wanted and not no_other:
        services += _changed_services(plan_input, plan_input.changes, "deployment")
    unique = tuple(dict.fromkeys(services))
    return [builders.deployment(plan_input, service, alone=len(unique) == 1) for service in unique]


def _pipeline_run(plan_input: PlanInput) -> Built:
    signal = builders.pipeline_run(plan_input)
    if plan_input.settings.given("started_at", "finished_at"):
        from cibeacon.signals import times

        times.check_order(signal)
    return (signal,)


def _flow(plan_input: PlanInput) -> Built:
    return (builders.flow_assignment(plan_input),)
