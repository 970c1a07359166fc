"""Knows how DataOps.live starts, lists, cancels and retries pipelines. Does not know jobs or schedules.

https://docs.gitlab.com/api/pipeline_triggers/ and https://docs.gitlab.com/api/pipelines/. On DataOps the variable
`_PIPELINE_FILE_NAME` says which file makes the pipeline: https://docs.dataops.live/docs/operate-operate-pipelines/.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cibeacon.sandbox import dataops_rows as rows
from cibeacon.sandbox.dataops_account import ROLES
from cibeacon.sandbox.dataops_answers import forbidden, invalid, message, missing, parameters
from cibeacon.sandbox.dataops_call import Asked
from cibeacon.sandbox.dataops_listing import paged
from cibeacon.sandbox.dataops_live import ACTIVE, ENDED, LiveJob, Pipeline
from cibeacon.sandbox.dataops_powers import member
from cibeacon.sandbox.dataops_script import Script
from cibeacon.sandbox.dataops_state import Order
from cibeacon.sandbox.exchange import Answer, in_json

FILE = "_PIPELINE_FILE_NAME"
STATUSES = (*ACTIVE[:5], *ENDED, "manual", "scheduled", "canceling", "waiting_for_callback")
_SOURCES = (
    *("push", "web", "trigger", "schedule", "api", "external", "pipeline", "chat", "webide", "merge_request_event"),
    *("external_pull_request_event", "parent_pipeline", "ondemand_dast_scan", "ondemand_dast_validation"),
)
_ORDERS = ("id", "status", "ref", "updated_at", "user_id")
_SCOPES: Mapping[str, tuple[str, ...]] = {
    "running": ("running",),
    "pending": ("pending",),
    "finished": ("success", "failed", "canceled"),
}


def trigger(asked: Asked) -> Answer:
    """POST trigger/pipeline: with a trigger token, or that of a job. A wrong token is answered like no project."""
    if asked.request.headers.get("X-Gitlab-Event") == "Pipeline Hook":
        raise forbidden("Request triggered by pipeline hook")
    absent = [f"{name} is missing" for name in ("ref", "token") if asked.params.get(name) is None]
    if absent:
        raise parameters(*absent)
    ref = asked.text("ref")
    variables = asked.params.get("variables") or {}
    if not isinstance(variables, dict):
        raise parameters("variables is invalid")
    if not all(isinstance(value, str) for value in variables.values()):
        raise message(400, "variables needs to be a map of key-valued strings")
    value = str(asked.params["token"])
    by_job = asked.state.token("job", value)
    token = asked.state.token("trigger", value) or (by_job if asked.project.job_token_allowed else None)
    if token is None or not member(token, asked.project) or token.state != "active" or value in asked.state.revoked:
        raise missing()
    source = "pipeline" if token.kind == "job" else "trigger"
    return _started(asked, ref, source, token.user, variables)


def create(asked: Asked) -> Answer:
    """POST pipeline: the variables are a list here."""
    ref, variables = asked.text("ref"), asked.params.get("variables") or []
    if not isinstance(variables, list) or not all(isinstance(one, dict) for one in variables):
        raise parameters("variables is invalid")
    if not all(isinstance(one.get("key"), str) and isinstance(one.get("value"), str) for one in variables):
        raise parameters("variables[0][key] is missing", "variables[0][value] is missing")
    named = {one["key"]: one["value"] for one in variables}
    return _started(asked, ref, "api", asked.caller.user if asked.caller else "", named)


def _started(asked: Asked, ref: str, source: str, user: str, variables: Mapping[str, str]) -> Answer:
    has_variables = variables or source in ("trigger", "pipeline")  # a trigger's payload is a variable itself
    if has_variables and not asked.project.variables_allowed:
        raise invalid({"base": ["Insufficient permissions to set pipeline variables"]})
    script = chosen(asked, ref, variables)
    order = Order(project=asked.project, script=script, ref=short(ref), source=source, user=user, variables=variables)
    pipeline = asked.state.make(order)
    row = rows.pipeline_whole(pipeline, asked.base)
    asked.state.progress.settle(pipeline)
    return in_json(201, row)


def chosen(asked: Asked, ref: str, variables: Mapping[str, str]) -> Script:
    """What a new pipeline will do. Raises 400 when there is no such ref or no such file."""
    known = [names for names in (asked.project.branches, asked.project.tags) if short(ref) in names]
    if not known:
        raise invalid({"base": ["Reference not found"]})
    if len(known) > 1 and short(ref) == ref:
        raise invalid({"base": ["Ref is ambiguous"]})
    state = asked.state
    file = variables.get(FILE)
    script = state.scripts.get(file) if file else state.account.otherwise if state.account.plain_gitlab else None
    if state.account.plain_gitlab and script is None:
        script = state.account.otherwise
    if state.ordered and (file or script):
        return state.ordered.pop(0)
    if script is None:
        raise invalid({"base": ["Missing CI config file"]})
    return script


def short(ref: str) -> str:
    """A branch or tag without refs/heads/ or refs/tags/."""
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


def pipelines(asked: Asked) -> Answer:
    """GET pipelines: newest first; children only when they are asked for."""
    filters = {name: asked.params.get(name) for name in ("status", "source", "order_by", "sort", "scope")}
    valid = {"status": STATUSES, "source": _SOURCES, "order_by": _ORDERS, "sort": ("asc", "desc")}
    valid["scope"] = (*_SCOPES, "branches", "tags")
    if wrong := [f"{name} does not have a valid value" for name in valid if filters[name] not in (None, *valid[name])]:
        raise parameters(*wrong)
    found = [one for one in asked.state.of(asked.project) if _wanted(asked.params, one)]
    order = filters["order_by"] or "id"
    found.sort(
        key=lambda one: one.user if order == "user_id" else getattr(one, order), reverse=filters["sort"] != "asc"
    )
    return paged(asked, found, lambda one: rows.pipeline(one, asked.base))


def _wanted(params: Mapping[str, Any], one: Pipeline) -> bool:
    source, scope = params.get("source"), params.get("scope")
    if one.source != source and (source or one.source == "parent_pipeline"):
        return False
    if scope in ("branches", "tags") and one.tag != (scope == "tags"):
        return False
    if one.status not in _SCOPES.get(str(scope), (one.status,)):
        return False
    same = {"status": one.status, "ref": one.ref, "sha": one.sha, "username": one.user}
    return all(params.get(name) in (None, value) for name, value in same.items()) and all(
        _within(params, name, getattr(one, f"{name}_at")) for name in ("created", "updated")
    )


def _within(params: Mapping[str, Any], name: str, seconds: float) -> bool:
    after, before = _time(params, f"{name}_after"), _time(params, f"{name}_before")
    return (after is None or seconds >= after) and (before is None or seconds <= before)


def _time(params: Mapping[str, Any], name: str) -> float | None:
    text = params.get(name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(str(text).replace(" ", "+"))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise parameters(f"{name} is invalid") from None


def pipeline(asked: Asked) -> Answer:
    """GET pipelines/ID."""
    one = asked.pipeline()
    answer = in_json(200, rows.pipeline_whole(one, asked.base))
    asked.state.asked_for(one)
    return answer


def latest(asked: Asked) -> Answer:
    """GET pipelines/latest, of a ref or of the default branch."""
    ref = str(asked.params.get("ref") or next(iter(asked.project.branches)))
    found = [one for one in asked.state.of(asked.project) if one.ref == ref and one.source != "parent_pipeline"]
    if not found:
        raise forbidden()
    return in_json(200, rows.pipeline_whole(found[-1], asked.base))


def variables(asked: Asked) -> Answer:
    """GET pipelines/ID/variables: for a maintainer, or a developer whose pipeline it is."""
    one, caller = asked.pipeline(), asked.caller
    mine = caller is not None and caller.user == one.user and caller.role == "developer"
    if caller is None or not (mine or ROLES.index(caller.role) >= ROLES.index("maintainer")):
        raise forbidden()
    return in_json(200, [rows.variable(key, value) for key, value in one.variables.items()])


def cancel(asked: Asked) -> Answer:
    """POST pipelines/ID/cancel: those below it too; one that is over stays as it is."""
    one = asked.pipeline()
    cancelled(asked, one)
    return in_json(200, rows.pipeline_whole(one, asked.base))


def cancelled(asked: Asked, one: Pipeline) -> None:
    """Cancel what still can be."""
    now = asked.state.now()
    if one.script.statuses and one.status not in ENDED:
        words = (*("canceling",) * one.script.canceling, "canceled")
        one.script, one.since = replace(one.script, statuses=words), one.steps
    for job in one.latest():
        if job.downstream and job.spec.depend:
            cancelled(asked, job.downstream)
        cancel_job(job, now)
    asked.state.revived(one)


def cancel_job(job: LiveJob, now: float) -> bool:
    """Cancel a job; False when it is over or does not run yet by anybody's will."""
    if job.status not in ("created", "pending", "running", "manual"):
        return False
    slowly = job.status == "running" and job.pipeline.script.canceling > 0 and not job.spec.child
    job.becomes("canceling" if slowly else "canceled", now)
    return True


def retry(asked: Asked) -> Answer:
    """POST pipelines/ID/retry: its failed and canceled jobs once more, and after them those that were skipped."""
    one = asked.pipeline()
    for job in list(one.latest()):
        if job.status in ("failed", "canceled"):
            asked.state.attempt(job)
        elif job.status == "skipped":
            job.becomes("created", asked.state.now())
    asked.state.revived(one)
    return in_json(201, rows.pipeline_whole(one, asked.base))
