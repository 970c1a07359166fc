"""Knows which signals a run gives and what is in them: the trigger table. Does not know hosts, sinks' wire, or I/O.

Each kind of signal is judged in the same order: a setting of its group that cannot be used, the event, the sink's
settings, and then the signal itself. Whoever does not pass becomes an `Outcome` at once, with the reason.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from cibeacon import compose
from cibeacon.context import PullRequest
from cibeacon.options import Problem
from cibeacon.outcome import Outcome, Word
from cibeacon.settings import SIGNAL_KINDS
from cibeacon.signals import Deployment, PipelineRun, Signal
from cibeacon.situation import Situation
from cibeacon.transport import plain_http_refused

_SPOILS: Mapping[str, tuple[str, ...]] = {
    "core": SIGNAL_KINDS,
    "change": SIGNAL_KINDS,
    "dx": SIGNAL_KINDS,
    "deploy": ("deployment",),
    "run": ("pipeline-run",),
}
"""Settings group → the kinds of signal that a bad value in it makes invalid."""
_DX = ("dx_url", "dx_token", "dx_api", "replace_services")


class Ready(NamedTuple):
    """A signal that may go, and its row in the report so far."""

    signal: Signal
    row: Outcome


Step: TypeAlias = Ready | Outcome


class _Settled(Exception):
    """A kind of signal that does not go: how it ends, and why."""

    def __init__(self, word: Word, reason: str) -> None:
        self.word, self.reason = word, reason


def plan(situation: Situation) -> tuple[Step, ...]:
    """Every signal of the run in sending order, ready to go or settled already."""
    named = situation.settings.core.signals
    kinds = SIGNAL_KINDS if "auto" in named else tuple(kind for kind in SIGNAL_KINDS if kind in named)
    if situation.stage == "post":
        kinds = tuple(kind for kind in kinds if kind != "pull-services")
    return tuple(step for kind in kinds for step in _steps(kind, situation))


def _steps(kind: str, situation: Situation) -> Iterator[Step]:
    blank = Outcome(kind=kind, sink="dx", word="skipped")
    try:
        _entrusted(situation)
        _unspoiled(kind, situation)
        _CALLED_FOR[kind](situation)
        _reachable(kind, situation)
        signals = _COMPOSED[kind](situation)
    except _Settled as settled:
        yield blank._replace(word=settled.word, reason=settled.reason)
        return
    for signal in signals:
        own = signal.reference_id if isinstance(signal, Deployment | PipelineRun) else None
        yield Ready(signal, blank._replace(subject=signal.subject, key=signal.key, reference_id=own))


def _entrusted(situation: Situation) -> None:
    """A host that withholds secrets by policy settles everything: nothing that a stranger wrote can count as a fault."""
    if not situation.rehearsed and situation.context.secrets_withheld and not situation.settings.dx.dx_token:
        raise _Settled("skipped", "the host withholds secrets from pull requests of forks and of Dependabot")


def spoiled_kinds(problem: Problem) -> tuple[str, ...]:
    """The kinds of signal that a value which cannot be used makes invalid."""
    return _SPOILS.get(problem.group, ())


def _unspoiled(kind: str, situation: Situation) -> None:
    for problem in situation.settings.problems:
        if kind in spoiled_kinds(problem):
            raise _Settled("invalid", f"{problem.message}.")


def _reachable(kind: str, situation: Situation) -> None:
    """Not configured is a choice, configured wrong is a fault; a dry run needs no token, but a right address."""
    dx, given = situation.settings.dx, situation.settings.given(*_DX)
    if dx.dx_url and not situation.settings.core.allow_http and plain_http_refused(dx.dx_url):
        raise _Settled(
            "invalid",
            f"{dx.dx_url} would carry the token unencrypted: use https, or set allow_http if the network is yours",
        )
    if situation.rehearsed or (dx.dx_url and dx.dx_token):
        return
    if not given:
        word: Word = "invalid" if situation.asked_by_name(kind) else "skipped"
        raise _Settled(word, "DX is not configured: set dx_url and the secret dx_token")
    if not dx.dx_token:
        raise _Settled("invalid", "DX's token is missing or empty: set the secret dx_token (variable DX_API_TOKEN)")
    raise _Settled("invalid", "DX's address is missing: set dx_url to the instance name or https://INSTANCE.getdx.net")


def _pull_services(situation: Situation) -> tuple[Signal, ...]:
    pull_request = _told_pull_request(situation)
    return (compose.pull_services(situation, pull_request, _changed_services(situation, "pull-services")),)


def _told_pull_request(situation: Situation) -> PullRequest:
    """The merged pull request that the run is about."""
    context, pull_request = situation.context, situation.context.pull_request
    if pull_request and (context.about_pull_request or _described(pull_request)):
        if not pull_request.merged:
            raise _Settled("skipped", f"pull request #{pull_request.number} is not merged")
        if context.host == "github" and context.action != "closed":
            raise _Settled("skipped", f"pull request #{pull_request.number} was merged earlier")
        return pull_request
    if pull_request:
        if context.push and not context.on_default_branch and not situation.asked_by_name("pull-services"):
            raise _Settled("skipped", "a push to another branch than the default one merges no pull request")
        return pull_request
    if context.about_pull_request:
        raise _Settled("failed", "the event does not say which pull request it is about")
    if situation.landed:
        return situation.landed
    if situation.settings.change.github_pull_id:
        return PullRequest(number=0)
    word, reason = situation.unlanded or ("skipped", "this run is not about a merged pull request")
    raise _Settled(word, reason)


def _described(pull_request: PullRequest) -> bool:
    """True when the host told of it; of a pull request that a person named, only the number is known."""
    return pull_request.merged or pull_request.head_sha is not None


def _changed_services(situation: Situation, kind: str) -> tuple[str, ...]:
    changes = situation.changes
    if situation.map_fault:
        raise _Settled("invalid", situation.map_fault)
    if changes is None:
        word: Word = "invalid" if situation.asked_by_name(kind) else "skipped"
        raise _Settled(word, "no service map is drawn: add .cibeacon.yml or set services, such as services/{service}/")
    if changes.status == "unknown":
        raise _Settled("failed", f"services unknown: {changes.unknown}")
    if not changes.services:
        raise _Settled("skipped", "no service changed")
    return changes.services


def _deployments(situation: Situation) -> tuple[Signal, ...]:
    deploy = situation.settings.deploy
    wanted = [name for name in deploy.deploy_services if name != "changed"]
    nothing_more = wanted and situation.changes and situation.changes.status == "none"
    if "changed" in deploy.deploy_services and not nothing_more:
        wanted += _changed_services(situation, "deployment")
    services = tuple(dict.fromkeys(wanted))
    return tuple(compose.deployment(situation, service, alone=len(services) == 1) for service in services)


def _deployed(situation: Situation) -> None:
    """A deployment is never announced before it happened."""
    context, deploy = situation.context, situation.settings.deploy
    pull_request = context.pull_request
    if not deploy.deploy_services:
        word: Word = "invalid" if situation.asked_by_name("deployment") else "skipped"
        raise _Settled(word, "deploy_services is not set")
    if situation.stage == "main":
        raise _Settled("skipped", "it is announced when the job has ended")
    by_name = situation.asked_by_name("deployment")
    told = pull_request and (context.about_pull_request or _described(pull_request))
    if pull_request and told and not pull_request.merged and not by_name:
        raise _Settled("skipped", f"pull request #{pull_request.number} is not merged")
    if context.about_pull_request and not pull_request:
        raise _Settled("failed", "the event does not say which pull request it is about")
    if context.about_pull_request and context.host == "github" and context.action != "closed" and not by_name:
        raise _Settled("skipped", "the pull request was merged earlier")
    if context.push and context.push.deleted:
        raise _Settled("skipped", "the branch was deleted")
    _succeeded(situation)
    _identified(situation)


def _succeeded(situation: Situation) -> None:
    """What failed was not deployed, unless a person says so."""
    context, deploy = situation.context, situation.settings.deploy
    if deploy.deploy_success is not None:
        return
    if context.deployment_state not in (None, "success"):
        raise _Settled("skipped", f"the deployment's state is {context.deployment_state}")
    ended = compose.ending(situation)
    if ended in ("failure", "cancelled") or (situation.stage == "post" and ended != "success"):
        raise _Settled("skipped", f"the job ended as {ended}, so nothing was deployed")


def _identified(situation: Situation) -> None:
    """A deployment needs a commit to be attributed by, and outside a known CI system an id of its run."""
    settings = situation.settings
    by_commit = settings.deploy.attribution == "commit" and not settings.deploy.merge_commit_shas
    if by_commit and not compose.deployed_sha(situation):
        raise _Settled(
            "invalid", "no commit is known to attribute the deployment by: set commit_sha, or attribution: repository"
        )
    if not settings.deploy.reference_id:
        _numbered(situation)


def _numbered(situation: Situation) -> None:
    """Without a run id every run at one commit would be the same run."""
    if situation.context.host == "local" and not situation.rehearsed and not situation.settings.given("run_id"):
        raise _Settled(
            "invalid", "this CI system is not known, so the run has no id: set run_id, such as its build number"
        )


def _running(situation: Situation) -> None:
    """A run has a record in any event; by job only where one job sees all of it."""
    _numbered(situation)
    if situation.context.about_upstream and situation.stage == "post":
        raise _Settled("skipped", "the run that this one follows was told at the start")
    staged = situation.context.host == "gitlab" and situation.stage != "whole"
    if staged and situation.settings.change.run_scope == "job":
        raise _Settled(
            "invalid",
            "run_scope job cannot be told from jobs before and after the pipeline: call cibeacon report in the job itself",
        )


def _pipeline_run(situation: Situation) -> tuple[Signal, ...]:
    return (compose.pipeline_run(situation),)


_CALLED_FOR: Mapping[str, Callable[[Situation], object]] = {
    "pull-services": _told_pull_request,
    "deployment": _deployed,
    "pipeline-run": _running,
}
"""Kind of signal → whether the event calls for it; `_Settled` when it does not."""

_COMPOSED: Mapping[str, Callable[[Situation], tuple[Signal, ...]]] = {
    "pull-services": _pull_services,
    "deployment": _deployments,
    "pipeline-run": _pipeline_run,
}
"""Kind of signal → its signals in a situation, or `_Settled`."""
