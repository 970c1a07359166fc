"""Knows which signals a run gives and what is in them: the trigger table. Does not know hosts, sinks' wire, or I/O.

Each kind of signal is judged in the same order: a setting of its group that cannot be used, the event, the sink's
settings, and then the signal itself. Whoever does not pass becomes an `Outcome` at once, with the reason.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from cibeacon.model.changes import Changes
from cibeacon.model.outcome import Outcome, OutcomeStatus
from cibeacon.model.signals import Deployment, PipelineRun, Signal
from cibeacon.settings import SIGNAL_KINDS
from cibeacon.settings.options import Problem
from cibeacon.signals import builders, dci_builders, flow_rules, requirements
from cibeacon.signals.plan_input import NotPlanned, PlanInput
from cibeacon.signals.pr_selection import told_pull_requests

_SINKS: Mapping[str, str] = {"dci": "dci", "flow": "flow"}
"""Kind of signal → who is told of it, where that is not DX."""
_SPOILS: Mapping[str, tuple[str, ...]] = {
    "core": SIGNAL_KINDS,
    "change": SIGNAL_KINDS,
    "dx": ("pull-services", "deployment", "pipeline-run"),
    "deploy": ("deployment",),
    "run": ("pipeline-run", "dci"),
    "dci": ("dci",),
    "flow": ("flow",),
}
"""Settings group → the kinds of signal that a bad value in it makes invalid."""


class Ready(NamedTuple):
    """A signal that may go, and its row in the report so far."""

    signal: Signal
    row: Outcome


Step: TypeAlias = Ready | Outcome


def plan(plan_input: PlanInput) -> tuple[Step, ...]:
    """Every signal of the run in sending order, ready to go or settled already."""
    named = plan_input.settings.core.signals
    kinds = SIGNAL_KINDS if "auto" in named else tuple(kind for kind in SIGNAL_KINDS if kind in named)
    if plan_input.stage == "post":
        kinds = tuple(kind for kind in kinds if kind != "pull-services" and flow_rules.again(kind, plan_input))
    return tuple(step for kind in kinds if _wanted(kind, plan_input) for step in _steps(kind, plan_input))


def _steps(kind: str, plan_input: PlanInput) -> Iterator[Step]:
    blank = Outcome(kind=kind, sink=_sink(kind), status="skipped")
    try:
        _entrusted(kind, plan_input)
        _unspoiled(kind, plan_input)
        _CALLED_FOR[kind](plan_input)
        _reachable(kind, plan_input)
        signals = _COMPOSED[kind](plan_input)
    except NotPlanned as settled:
        signals = (settled,)
    for signal in signals:
        if isinstance(signal, NotPlanned):
            yield blank._replace(status=signal.status, reason=signal.reason, subject=signal.subject)
            continue
        own = signal.reference_id if isinstance(signal, Deployment | PipelineRun) else None
        yield Ready(signal, blank._replace(subject=signal.subject, key=signal.key, reference_id=own))


def _sink(kind: str) -> str:
    return _SINKS.get(kind, "dx")


def _wanted(kind: str, plan_input: PlanInput) -> bool:
    """A system that few people have is not spoken of where nobody asked for it."""
    return (
        kind not in _SINKS or plan_input.asked_by_name(kind) or requirements.is_wanted(_sink(kind), plan_input.settings)
    )


def _entrusted(kind: str, plan_input: PlanInput) -> None:
    """A host that withholds secrets by policy settles everything: nothing that a stranger wrote can count as a fault."""
    withheld = plan_input.context.secrets_withheld and not plan_input.dry_run
    if withheld and not requirements.has_credential(_sink(kind), plan_input.settings):
        raise NotPlanned("skipped", "the host withholds secrets from pull requests of forks and of Dependabot")


def spoiled_kinds(problem: Problem) -> tuple[str, ...]:
    """The kinds of signal that a value which cannot be used makes invalid."""
    if problem.option == "services":  # then nobody knows which changed, and the rest can be told all the same
        return ("pull-services",)
    return _SPOILS.get(problem.group, ())


def _unspoiled(kind: str, plan_input: PlanInput) -> None:
    for problem in (*plan_input.settings.problems, *_wrong_times(plan_input)):
        if kind in spoiled_kinds(problem):
            raise NotPlanned("invalid", f"{problem.message}.")


def _wrong_times(plan_input: PlanInput) -> tuple[Problem, ...]:
    if not plan_input.settings.given("deployed_at", "started_at", "finished_at"):
        return ()
    from cibeacon.signals import times  # most runs are told as they happen

    return tuple(times.problems(plan_input))


def _reachable(kind: str, plan_input: PlanInput) -> None:
    """Not configured is a choice, configured wrong is a fault; a dry run needs no token, but a right address."""
    sink, settings = _sink(kind), plan_input.settings
    if reason := requirements.unreachable(sink, settings, dry_run=plan_input.dry_run):
        by_choice = not requirements.is_wanted(sink, settings) and not plan_input.asked_by_name(kind)
        raise NotPlanned("skipped" if by_choice else "invalid", reason)


def _pull_services(plan_input: PlanInput) -> tuple[Signal | NotPlanned, ...]:
    """One for each pull request; and where some could not be looked up, that."""
    told = told_pull_requests(plan_input)
    found: list[Signal | NotPlanned] = []
    for pull_request, changes in told:
        try:
            services = _changed_services(plan_input, changes, "pull-services")
            found.append(builders.pull_services(plan_input, pull_request, services))
        except NotPlanned as settled:
            found.append(NotPlanned(settled.status, settled.reason, f"#{pull_request.number}" if len(told) > 1 else ""))
    if plan_input.landed and plan_input.unlanded:
        found.append(NotPlanned(*plan_input.unlanded))
    return tuple(found)


def _changed_services(plan_input: PlanInput, changes: Changes | None, kind: str) -> tuple[str, ...]:
    if plan_input.map_fault:
        raise NotPlanned("invalid", plan_input.map_fault)
    if changes is None:
        status: OutcomeStatus = "invalid" if plan_input.asked_by_name(kind) else "skipped"
        raise NotPlanned(
            status, "no service map is drawn: add .cibeacon.yml or set services, such as services/{service}/"
        )
    if changes.status == "unknown":
        raise NotPlanned("failed", f"services unknown: {changes.unknown}")
    if not changes.services:
        raise NotPlanned("skipped", "no service changed")
    return changes.services


def _deployments(plan_input: PlanInput) -> tuple[Signal, ...]:
    deploy = plan_input.settings.deploy
    wanted = [name for name in deploy.deploy_services if name != "changed"]
    nothing_more = wanted and plan_input.changes and plan_input.changes.status == "none"
    if "changed" in deploy.deploy_services and not nothing_more:
        wanted += _changed_services(plan_input, plan_input.changes, "deployment")
    services = tuple(dict.fromkeys(wanted))
    return tuple(builders.deployment(plan_input, service, alone=len(services) == 1) for service in services)


def _deployed(plan_input: PlanInput) -> None:
    """A deployment is never announced before it happened."""
    context, deploy = plan_input.context, plan_input.settings.deploy
    pull_request = context.pull_request
    if not deploy.deploy_services:
        status: OutcomeStatus = "invalid" if plan_input.asked_by_name("deployment") else "skipped"
        raise NotPlanned(status, "deploy_services is not set")
    if plan_input.stage == "main":
        raise NotPlanned("skipped", "it is announced when the job has ended")
    by_name = plan_input.asked_by_name("deployment")
    told = pull_request and (context.about_pull_request or not pull_request.named)
    if pull_request and told and not pull_request.merged and not by_name:
        raise NotPlanned("skipped", f"pull request #{pull_request.number} is not merged")
    if context.about_pull_request and not pull_request:
        raise NotPlanned("failed", "the event does not say which pull request it is about")
    if context.about_pull_request and context.host == "github" and context.action != "closed" and not by_name:
        raise NotPlanned("skipped", "the pull request was merged earlier")
    if context.push and context.push.deleted:
        raise NotPlanned("skipped", "the branch was deleted")
    if context.closes:
        raise NotPlanned("skipped", f"what pipeline {context.run_id} deployed was for itself to announce")
    _succeeded(plan_input)
    _identified(plan_input)


def _succeeded(plan_input: PlanInput) -> None:
    """What is said to go on, or to have failed, was not deployed, unless a person says so. No status at all is a fact."""
    context, deploy = plan_input.context, plan_input.settings.deploy
    if deploy.deploy_success is not None:
        return
    if context.deployment_state not in (None, "success"):
        raise NotPlanned("skipped", f"the deployment's state is {context.deployment_state}")
    for problem in plan_input.settings.problems:
        if problem.option in ("status", "job_status"):
            raise NotPlanned("invalid", f"{problem.message}.")
    ended = builders.ending(plan_input)
    if ended not in (None, "success"):
        raise NotPlanned("skipped", f'the run is "{ended}"')


def _identified(plan_input: PlanInput) -> None:
    """A deployment needs a commit to be attributed by, and outside a known CI system an id of its run."""
    settings = plan_input.settings
    by_commit = settings.deploy.attribution == "commit" and not settings.deploy.merge_commit_shas
    if by_commit and not builders.deployed_sha(plan_input):
        raise NotPlanned(
            "invalid", "no commit is known to attribute the deployment by: set commit_sha, or attribution: repository"
        )
    if not settings.deploy.reference_id:
        builders.numbered(plan_input)


def _running(plan_input: PlanInput) -> None:
    """A run has a record in any event; by job only where one job sees all of it."""
    builders.alone(plan_input)
    if plan_input.context.closes:
        _looked_up(plan_input)
    if plan_input.context.about_upstream and plan_input.stage == "post":
        raise NotPlanned("skipped", "the run that this one follows was told at the start")
    builders.may_go_on(builders.run_status(plan_input))
    staged = plan_input.context.host == "gitlab" and plan_input.stage != "single"
    if staged and plan_input.settings.change.run_scope == "job":
        raise NotPlanned(
            "invalid",
            "run_scope job cannot be told from jobs before and after the pipeline: call cibeacon report in the job itself",
        )


def _looked_up(plan_input: PlanInput) -> None:
    """A record is closed by what the host says, never by a guess."""
    context = plan_input.context
    if not context.status:
        status: OutcomeStatus = "skipped" if plan_input.dry_run else "failed"
        raise NotPlanned(status, f"how pipeline {context.run_id} stands is not known")


def _pipeline_run(plan_input: PlanInput) -> tuple[Signal, ...]:
    signal = builders.pipeline_run(plan_input)
    if plan_input.settings.given("started_at", "finished_at"):
        from cibeacon.signals import times

        times.in_order(signal)
    return (signal,)


_CALLED_FOR: Mapping[str, Callable[[PlanInput], object]] = {
    "pull-services": told_pull_requests,
    "deployment": _deployed,
    "pipeline-run": _running,
    "dci": dci_builders.called_for,
    "flow": flow_rules.called_for,
}
"""Kind of signal → whether the event calls for it; `NotPlanned` when it does not."""

_COMPOSED: Mapping[str, Callable[[PlanInput], tuple[Signal | NotPlanned, ...]]] = {
    "pull-services": _pull_services,
    "deployment": _deployments,
    "pipeline-run": _pipeline_run,
    "dci": dci_builders.signals,
    "flow": flow_rules.signals,
}
"""Kind of signal → its signals in a situation; `NotPlanned` stands for one that does not go, or is raised for all."""
