"""Checks which CI system this is and what is known about the run: each value and its source. Opens no connection."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from cibeacon.checks import Answer, View, fail, not_checked, ok, warn
from cibeacon.model.ci_systems import LOCAL
from cibeacon.model.report import signal_names
from cibeacon.model.signals import PipelineRun
from cibeacon.signals.plan import PlannedSignal
from cibeacon.signals.triggers import NOT_A_CI_RUN

_ABBREVIATED = 40
"""Digits of a full SHA-1 commit id; SHA-256 ids are longer."""
_MOST_NAMED = 6
_OF_THE_CHECKOUT = ("repository", "commit_sha")
"""Fields that a checkout provides, too."""
_IN_IDS = ("repository", "run_id")
"""Fields that the id of a run's record needs."""
_EXAMPLES = {"repository": ", such as acme/shop", "run_id": ", such as the build's number"}


def system(view: View) -> Answer:
    """The CI system, and the variable that identifies it."""
    title, context = view.system.title, view.context
    if len(view.systems) > 1 and not view.settings.core.host:
        others = " and ".join(view.systems[1:])
        return warn(f"cibeacon uses {title}, but the environment also matches {others}", "Set host to the right one.")
    if view.settings.core.host:
        return ok(title, source=view.settings.origins["host"].source)
    if context.host == LOCAL and context.ci and not view.settings.given("run_id"):
        hint = "Set host to a name for it (any word) and run_id to the run's id; docs/ci/other.md has a script to copy."
        return warn("cibeacon does not know this CI system, so a report is a dry run", hint, "CI")
    if context.host == LOCAL:
        return ok("not in CI: the run is described by the checkout")
    return ok(title, source=view.proof)


def event(view: View) -> Answer:
    """Whether what triggered the run can be read."""
    errors = [notice.text for notice in view.notices if notice.weight == "error"]
    if errors:
        return fail(
            errors[0].rstrip("."), "Run cibeacon as a step of the job, where it can read the CI system's files."
        )
    name = view.context.event
    return ok(f"the event is {name}{_action(view)}" if name else "no event", source=view.sources.get("event", ""))


def _action(view: View) -> str:
    return f" ({view.context.action})" if view.context.action else ""


def secrets(view: View) -> Answer:
    """Whether the CI system withholds secrets from this run, which is not a problem."""
    if not view.context.secrets_withheld:
        return ok("no secrets are withheld from this run")
    return ok(
        "the CI system withholds secrets from this pull request, as expected: nothing is sent, and the job stays green"
    )


def value(field: str, setting: str, missing: str) -> Callable[[View], Answer]:
    """The check of one value of the run that signals need."""
    return partial(_value, field, setting, missing)


def _value(field: str, setting: str, missing: str, view: View) -> Answer:
    given = getattr(view.context, field)
    if given:
        return ok(str(given), source=view.sources.get(field, ""))
    if view.context.host == LOCAL and (view.git.fault or not view.git.exists):
        return not_checked("there is no repository to read it from")
    in_checkout = ", or run cibeacon where the repository is checked out" if field in _OF_THE_CHECKOUT else ""
    hint = f"Set {setting} (variable CIBEACON_{setting.upper()}){_EXAMPLES.get(setting, '')}{in_checkout}."
    judge = fail if field in _IN_IDS and _has_invalid(view) else warn
    return judge(f"the {missing} is unknown", hint)


def _lacks_run_id(view: View) -> bool:
    """Whether a report outside CI would have a signal that needs a run id."""
    return any(NOT_A_CI_RUN in str(step.reason) for step in view.steps if not isinstance(step, PlannedSignal))


def _has_invalid(view: View) -> bool:
    """Whether a report would have an invalid signal."""
    return any(not isinstance(step, PlannedSignal) and step.status == "invalid" for step in view.steps)


def pipeline(view: View) -> Answer:
    """The pipeline's name; the repository's if neither a setting nor the CI system gives one."""
    context = view.context
    if context.pipeline:
        return ok(context.pipeline, source=view.sources.get("pipeline", ""))
    if context.repository:
        return ok(f"{context.repository}, the repository's name; to change it, set pipeline_name")
    return not_checked("it takes the repository's name, which is unknown (run.repository)")


def commit(view: View) -> Answer:
    """The full id of the commit under test, as its author made it."""
    answer = _value("commit_sha", "commit_sha", "commit", view)
    sha, built = view.context.commit_sha, view.context.checkout_sha
    if sha and len(sha) < _ABBREVIATED:
        hint = f"Set commit_sha to all 40 digits: git rev-parse {sha[:12]} prints them."
        return warn(f"{sha} is an abbreviated commit id", hint, answer.source)
    if sha and built and sha != built:
        return answer._replace(message=f"{sha}; a merge of it ({built[:12]}) is checked out")
    return answer


def branch(view: View) -> Answer:
    """The branch or tag."""
    context = view.context
    if context.branch:
        default = " (the default branch)" if context.on_default_branch else ""
        return ok(f"{context.branch}{default}", source=view.sources.get("branch", ""))
    return ok(f"the tag {context.tag}" if context.tag else "no branch or tag", source=view.sources.get("ref", ""))


def pull_request(view: View) -> Answer:
    """The pull request."""
    pull_request = view.context.pull_request
    if pull_request is None:
        return ok("no pull request in the event")
    state = "merged" if pull_request.merged else "closed" if pull_request.closed else "open"
    fork = ", from a fork" if pull_request.fork else ""
    base = f", into {pull_request.base_ref}" if pull_request.base_ref else ""
    source = view.settings.origins["pr_number"].source if pull_request.named else view.sources.get("pull_request", "")
    return ok(f"#{pull_request.number}, {state}{fork}{base}", source=source)


def run_id(view: View) -> Answer:
    """The run's id, and its attempt."""
    context = view.context
    if context.host == LOCAL and context.ci and not view.settings.given("run_id"):
        return not_checked("cibeacon does not know the CI system (ci.system)")
    if context.host == LOCAL and not view.settings.given("run_id"):
        if _lacks_run_id(view):
            return fail(NOT_A_CI_RUN, "Set run_id (variable CIBEACON_RUN_ID), such as 1.")
        return not_checked(NOT_A_CI_RUN)
    answer = _value("run_id", "run_id", "run's id", view)
    attempt = f", attempt {context.run_attempt}" if context.run_attempt else ""
    return answer._replace(message=answer.message + attempt)


def signals(view: View) -> Answer:
    """What a report would send. Problems that another check reports are not repeated."""
    sent = [step for step in view.steps if isinstance(step, PlannedSignal)]
    others = [step for step in view.steps if not isinstance(step, PlannedSignal)]
    if reason := _reported_elsewhere(view):
        return not_checked(f"another check must pass first ({reason})")
    lacking = {target.name for target in view.targets.values() if target.lacks}
    if invalid := [outcome for outcome in others if outcome.status == "invalid" and outcome.sink not in lacking]:
        message = f"{invalid[0].kind} is invalid: {str(invalid[0].reason).rstrip('.')}"
        return fail(message, "To see every signal, run cibeacon report --dry-run.")
    if not sent:
        reasons = [f"{outcome.kind}: {outcome.reason}" for outcome in others[:_MOST_NAMED]]
        return ok(f"this run sends nothing ({'; '.join(reasons)})")
    names = signal_names(step.outcome for step in sent)[:_MOST_NAMED]
    named = [f"{name} {step.outcome.subject}".strip() for name, step in zip(names, sent, strict=False)]
    ids = [step.signal.reference_id for step in sent if isinstance(step.signal, PipelineRun)]
    return ok(f"would send {', '.join(named)}", source=f"reference_id {ids[0]}" if ids else "")


def _reported_elsewhere(view: View) -> str:
    """The check that reports why a signal may be invalid."""
    if view.settings.problems:
        return "settings.values"
    if view.service_map.faults:
        return "services.map"
    if view.context.repository is None or view.context.commit_sha is None:
        return "run.repository and run.commit"
    if (view.context.run_id is None and view.context.host != LOCAL) or _lacks_run_id(view):
        return "run.id"
    return "ci.system" if view.context.host == LOCAL and not view.settings.given("run_id") and view.context.ci else ""
