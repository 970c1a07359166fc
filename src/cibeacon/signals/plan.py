"""Knows which signals a run gives and what is in them: the trigger table. Does not know hosts, sinks' wire, or I/O.

Each kind of signal is judged in the same order: a setting of its group that cannot be used, the event, the sink's
settings, and then the signal itself. Whoever does not pass becomes an `Outcome` at once, with the reason.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from cibeacon.model.changes import Changes
from cibeacon.model.outcome import Outcome, Word
from cibeacon.model.signals import Deployment, PipelineRun, Signal
from cibeacon.settings import SIGNAL_KINDS
from cibeacon.settings.options import Problem
from cibeacon.signals import builders, dci_builders, flow_rules, requirements
from cibeacon.signals.plan_input import Settled, Situation
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


def plan(situation: Situation) -> tuple[Step, ...]:
    """Every signal of the run in sending order, ready to go or settled already."""
    named = situation.settings.core.signals
    kinds = SIGNAL_KINDS if "auto" in named else tuple(kind for kind in SIGNAL_KINDS if kind in named)
    if situation.stage == "post":
        kinds = tuple(kind for kind in kinds if kind != "pull-services" and flow_rules.again(kind, situation))
    return tuple(step for kind in kinds if _wanted(kind, situation) for step in _steps(kind, situation))


def _steps(kind: str, situation: Situation) -> Iterator[Step]:
    blank = Outcome(kind=kind, sink=_sink(kind), word="skipped")
    try:
        _entrusted(kind, situation)
        _unspoiled(kind, situation)
        _CALLED_FOR[kind](situation)
        _reachable(kind, situation)
        signals = _COMPOSED[kind](situation)
    except Settled as settled:
        signals = (settled,)
    for signal in signals:
        if isinstance(signal, Settled):
            yield blank._replace(word=signal.word, reason=signal.reason, subject=signal.subject)
            continue
        own = signal.reference_id if isinstance(signal, Deployment | PipelineRun) else None
        yield Ready(signal, blank._replace(subject=signal.subject, key=signal.key, reference_id=own))


def _sink(kind: str) -> str:
    return _SINKS.get(kind, "dx")


def _wanted(kind: str, situation: Situation) -> bool:
    """A system that few people have is not spoken of where nobody asked for it."""
    return (
        kind not in _SINKS or situation.asked_by_name(kind) or requirements.asked_for(_sink(kind), situation.settings)
    )


def _entrusted(kind: str, situation: Situation) -> None:
    """A host that withholds secrets by policy settles everything: nothing that a stranger wrote can count as a fault."""
    withheld = situation.context.secrets_withheld and not situation.rehearsed
    if withheld and not requirements.entrusted(_sink(kind), situation.settings):
        raise Settled("skipped", "the host withholds secrets from pull requests of forks and of Dependabot")


def spoiled_kinds(problem: Problem) -> tuple[str, ...]:
    """The kinds of signal that a value which cannot be used makes invalid."""
    if problem.option == "services":  # then nobody knows which changed, and the rest can be told all the same
        return ("pull-services",)
    return _SPOILS.get(problem.group, ())


def _unspoiled(kind: str, situation: Situation) -> None:
    for problem in (*situation.settings.problems, *_wrong_times(situation)):
        if kind in spoiled_kinds(problem):
            raise Settled("invalid", f"{problem.message}.")


def _wrong_times(situation: Situation) -> tuple[Problem, ...]:
    if not situation.settings.given("deployed_at", "started_at", "finished_at"):
        return ()
    from cibeacon.signals import times  # most runs are told as they happen

    return tuple(times.problems(situation))


def _reachable(kind: str, situation: Situation) -> None:
    """Not configured is a choice, configured wrong is a fault; a dry run needs no token, but a right address."""
    sink, settings = _sink(kind), situation.settings
    fault = requirements.unreachable(sink, settings)
    if fault is None or (situation.rehearsed and not requirements.unencrypted(sink, settings)):
        return
    by_choice = not requirements.asked_for(sink, settings) and not situation.asked_by_name(kind)
    raise Settled("skipped" if by_choice else "invalid", fault)


def _pull_services(situation: Situation) -> tuple[Signal | Settled, ...]:
    """One for each pull request; and where some could not be looked up, that."""
    told = told_pull_requests(situation)
    found: list[Signal | Settled] = []
    for pull_request, changes in told:
        try:
            services = _changed_services(situation, changes, "pull-services")
            found.append(builders.pull_services(situation, pull_request, services))
        except Settled as settled:
            found.append(Settled(settled.word, settled.reason, f"#{pull_request.number}" if len(told) > 1 else ""))
    if situation.landed and situation.unlanded:
        found.append(Settled(*situation.unlanded))
    return tuple(found)


def _changed_services(situation: Situation, changes: Changes | None, kind: str) -> tuple[str, ...]:
    if situation.map_fault:
        raise Settled("invalid", situation.map_fault)
    if changes is None:
        word: Word = "invalid" if situation.asked_by_name(kind) else "skipped"
        raise Settled(word, "no service map is drawn: add .cibeacon.yml or set services, such as services/{service}/")
    if changes.status == "unknown":
        raise Settled("failed", f"services unknown: {changes.unknown}")
    if not changes.services:
        raise Settled("skipped", "no service changed")
    return changes.services


def _deployments(situation: Situation) -> tuple[Signal, ...]:
    deploy = situation.settings.deploy
    wanted = [name for name in deploy.deploy_services if name != "changed"]
    nothing_more = wanted and situation.changes and situation.changes.status == "none"
    if "changed" in deploy.deploy_services and not nothing_more:
        wanted += _changed_services(situation, situation.changes, "deployment")
    services = tuple(dict.fromkeys(wanted))
    return tuple(builders.deployment(situation, service, alone=len(services) == 1) for service in services)


def _deployed(situation: Situation) -> None:
    """A deployment is never announced before it happened."""
    context, deploy = situation.context, situation.settings.deploy
    pull_request = context.pull_request
    if not deploy.deploy_services:
        word: Word = "invalid" if situation.asked_by_name("deployment") else "skipped"
        raise Settled(word, "deploy_services is not set")
    if situation.stage == "main":
        raise Settled("skipped", "it is announced when the job has ended")
    by_name = situation.asked_by_name("deployment")
    told = pull_request and (context.about_pull_request or not pull_request.named)
    if pull_request and told and not pull_request.merged and not by_name:
        raise Settled("skipped", f"pull request #{pull_request.number} is not merged")
    if context.about_pull_request and not pull_request:
        raise Settled("failed", "the event does not say which pull request it is about")
    if context.about_pull_request and context.host == "github" and context.action != "closed" and not by_name:
        raise Settled("skipped", "the pull request was merged earlier")
    if context.push and context.push.deleted:
        raise Settled("skipped", "the branch was deleted")
    if context.closes:
        raise Settled("skipped", f"what pipeline {context.run_id} deployed was for itself to announce")
    _succeeded(situation)
    _identified(situation)


def _succeeded(situation: Situation) -> None:
    """What is said to go on, or to have failed, was not deployed, unless a person says so. No status at all is a fact."""
    context, deploy = situation.context, situation.settings.deploy
    if deploy.deploy_success is not None:
        return
    if context.deployment_state not in (None, "success"):
        raise Settled("skipped", f"the deployment's state is {context.deployment_state}")
    for problem in situation.settings.problems:
        if problem.option in ("status", "job_status"):
            raise Settled("invalid", f"{problem.message}.")
    ended = builders.ending(situation)
    if ended not in (None, "success"):
        raise Settled("skipped", f'the run is "{ended}"')


def _identified(situation: Situation) -> None:
    """A deployment needs a commit to be attributed by, and outside a known CI system an id of its run."""
    settings = situation.settings
    by_commit = settings.deploy.attribution == "commit" and not settings.deploy.merge_commit_shas
    if by_commit and not builders.deployed_sha(situation):
        raise Settled(
            "invalid", "no commit is known to attribute the deployment by: set commit_sha, or attribution: repository"
        )
    if not settings.deploy.reference_id:
        builders.numbered(situation)


def _running(situation: Situation) -> None:
    """A run has a record in any event; by job only where one job sees all of it."""
    builders.alone(situation)
    if situation.context.closes:
        _looked_up(situation)
    if situation.context.about_upstream and situation.stage == "post":
        raise Settled("skipped", "the run that this one follows was told at the start")
    builders.may_go_on(builders.run_status(situation))
    staged = situation.context.host == "gitlab" and situation.stage != "whole"
    if staged and situation.settings.change.run_scope == "job":
        raise Settled(
            "invalid",
            "run_scope job cannot be told from jobs before and after the pipeline: call cibeacon report in the job itself",
        )


def _looked_up(situation: Situation) -> None:
    """A record is closed by what the host says, never by a guess."""
    context = situation.context
    if not context.status:
        word: Word = "skipped" if situation.rehearsed else "failed"
        raise Settled(word, f"how pipeline {context.run_id} stands is not known")


def _pipeline_run(situation: Situation) -> tuple[Signal, ...]:
    signal = builders.pipeline_run(situation)
    if situation.settings.given("started_at", "finished_at"):
        from cibeacon.signals import times

        times.in_order(signal)
    return (signal,)


_CALLED_FOR: Mapping[str, Callable[[Situation], object]] = {
    "pull-services": told_pull_requests,
    "deployment": _deployed,
    "pipeline-run": _running,
    "dci": dci_builders.called_for,
    "flow": flow_rules.called_for,
}
"""Kind of signal → whether the event calls for it; `Settled` when it does not."""

_COMPOSED: Mapping[str, Callable[[Situation], tuple[Signal | Settled, ...]]] = {
    "pull-services": _pull_services,
    "deployment": _deployments,
    "pipeline-run": _pipeline_run,
    "dci": dci_builders.signals,
    "flow": flow_rules.signals,
}
"""Kind of signal → its signals in a situation; `Settled` stands for one that does not go, or is raised for all."""
