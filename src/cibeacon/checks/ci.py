"""Checks which CI system this is and what is known of the run: each value, and where it was read. Asks nobody."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from cibeacon.checks import Answer, View, fail, not_checked, ok, warn
from cibeacon.model.ci_systems import LOCAL
from cibeacon.model.signals import PipelineRun
from cibeacon.signals.plan import PlannedSignal

_ABBREVIATED = 40
"""Digits of a whole commit id; those of SHA-256 have more."""
_MOST_NAMED = 6
_OF_THE_CHECKOUT = ("repository", "commit_sha")
"""Fields that a checkout says, too."""
_IN_IDS = ("repository", "run_id")
"""Fields without which a run has no record."""
_EXAMPLES = {"repository": ", such as acme/shop", "run_id": ", such as the build's number"}


def system(view: View) -> Answer:
    """The CI system, and by what it is known."""
    title, context = view.system.title, view.context
    if len(view.systems) > 1 and not view.settings.core.host:
        others = " and ".join(view.systems[1:])
        return warn(f"{title} is taken, and the environment shows {others} as well", "Set host to the one that counts.")
    if view.settings.core.host:
        return ok(title, source=view.settings.origins["host"].source)
    if context.host == LOCAL and context.ci and not view.settings.given("run_id"):
        hint = "Set host to its name, any word, and run_id to the run's id: docs/ci/other.md has a script to copy."
        return warn("this CI system is not known, so a report is a dry run", hint, "CI")
    if context.host == LOCAL:
        return ok("no CI system: the checkout describes the run")
    return ok(title, source=view.proof)


def event(view: View) -> Answer:
    """Whether what triggered the run can be read."""
    errors = [notice.text for notice in view.notices if notice.weight == "error"]
    if errors:
        return fail(
            errors[0].rstrip("."), "Run cibeacon as a step of the job, with the CI system's own files in reach."
        )
    name = view.context.event
    return ok(f"the event is {name}{_action(view)}" if name else "no event", source=view.sources.get("event", ""))


def _action(view: View) -> str:
    return f" ({view.context.action})" if view.context.action else ""


def secrets(view: View) -> Answer:
    """Whether the CI system withholds secrets from this run, which is no fault."""
    if not view.context.secrets_withheld:
        return ok("the CI system gives this run its secrets")
    return ok(
        "the CI system withholds secrets from this pull request, as it should: nothing is sent, and the job stays green"
    )


def value(field: str, setting: str, missing: str) -> Callable[[View], Answer]:
    """A value of the run that signals need."""
    return partial(_value, field, setting, missing)


def _value(field: str, setting: str, missing: str, view: View) -> Answer:
    given = getattr(view.context, field)
    if given:
        return ok(str(given), source=view.sources.get(field, ""))
    if view.context.host == LOCAL and (view.git.fault or not view.git.exists):
        return not_checked("there is no repository that would say it")
    in_checkout = ", or run cibeacon where the repository is checked out" if field in _OF_THE_CHECKOUT else ""
    hint = f"Set {setting} (variable CIBEACON_{setting.upper()}){_EXAMPLES.get(setting, '')}{in_checkout}."
    judge = fail if field in _IN_IDS and _has_invalid(view) else warn
    return judge(f"the {missing} is not known", hint)


def _has_invalid(view: View) -> bool:
    """Whether a report would have a signal that is not sent for what it lacks."""
    return any(not isinstance(step, PlannedSignal) and step.status == "invalid" for step in view.steps)


def pipeline(view: View) -> Answer:
    """What people call the pipeline. Where nobody says it, that is the repository's name."""
    context = view.context
    if context.pipeline:
        return ok(context.pipeline, source=view.sources.get("pipeline", ""))
    if context.repository:
        return ok(f"{context.repository}, after the repository: pipeline_name gives another name")
    return not_checked("it is named after the repository (run.repository)")


def commit(view: View) -> Answer:
    """The commit that people wrote, whole."""
    answer = _value("commit_sha", "commit_sha", "commit", view)
    sha, built = view.context.commit_sha, view.context.checkout_sha
    if sha and len(sha) < _ABBREVIATED:
        hint = f"Give all 40 digits (setting commit_sha): git rev-parse {sha[:12]}"
        return warn(f"{sha} is only the beginning of a commit id", hint, answer.source)
    if sha and built and sha != built:
        return answer._replace(message=f"{sha}; what is checked out is a merge of it ({built[:12]})")
    return answer


def branch(view: View) -> Answer:
    """The branch or tag."""
    context = view.context
    if context.branch:
        default = " (the default branch)" if context.on_default_branch else ""
        return ok(f"{context.branch}{default}", source=view.sources.get("branch", ""))
    return ok(f"the tag {context.tag}" if context.tag else "none", source=view.sources.get("ref", ""))


def pull_request(view: View) -> Answer:
    """The pull request."""
    pull_request = view.context.pull_request
    if pull_request is None:
        return ok("none that the event names")
    state = "merged" if pull_request.merged else "closed" if pull_request.closed else "open"
    fork = ", from a fork" if pull_request.fork else ""
    base = f", into {pull_request.base_ref}" if pull_request.base_ref else ""
    source = view.settings.origins["pr_number"].source if pull_request.named else view.sources.get("pull_request", "")
    return ok(f"#{pull_request.number}, {state}{fork}{base}", source=source)


def run_id(view: View) -> Answer:
    """The run's id, and its attempt."""
    context = view.context
    if context.host == LOCAL and context.ci and not view.settings.given("run_id"):
        return not_checked("the CI system is not known (ci.system)")
    answer = _value("run_id", "run_id", "id of the run", view)
    attempt = f", attempt {context.run_attempt}" if context.run_attempt else ""
    return answer._replace(message=answer.message + attempt)


def signals(view: View) -> Answer:
    """What a report would send. Faults that another check reports are not repeated."""
    sent = [step for step in view.steps if isinstance(step, PlannedSignal)]
    others = [step for step in view.steps if not isinstance(step, PlannedSignal)]
    if reason := _reported_elsewhere(view):
        return not_checked(f"another check has to be right first ({reason})")
    lacking = {target.name for target in view.targets.values() if target.lacks}
    if invalid := [outcome for outcome in others if outcome.status == "invalid" and outcome.sink not in lacking]:
        message = f"{invalid[0].kind} is invalid: {str(invalid[0].reason).rstrip('.')}"
        return fail(message, "Correct the setting; cibeacon report --dry-run shows the whole.")
    if not sent:
        reasons = [f"{outcome.kind}: {outcome.reason}" for outcome in others[:_MOST_NAMED]]
        return ok(f"this run sends nothing ({'; '.join(reasons)})")
    named = [f"{step.outcome.kind} {step.outcome.subject}".strip() for step in sent[:_MOST_NAMED]]
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
    if view.context.run_id is None and view.context.host != LOCAL:
        return "run.id"
    return "ci.system" if view.context.host == LOCAL and not view.settings.given("run_id") and view.context.ci else ""
