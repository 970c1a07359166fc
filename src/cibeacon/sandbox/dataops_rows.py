"""Knows how GitLab's API shows pipelines, jobs, bridges, schedules and projects. Does not know who asks.

https://docs.gitlab.com/api/pipelines/, https://docs.gitlab.com/api/jobs/, https://docs.gitlab.com/api/pipeline_schedules/.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any, TypeAlias

from cibeacon.sandbox.dataops_account import Project
from cibeacon.sandbox.dataops_cron import next_run
from cibeacon.sandbox.dataops_live import LiveJob, Pipeline
from cibeacon.sandbox.dataops_state import DataOpsState, Schedule

Row: TypeAlias = dict[str, Any]


def moment(seconds: float | None) -> str | None:
    """A time as GitLab writes it."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def project(one: Project, base: str) -> Row:
    """A project."""
    namespace, _, name = one.path.rpartition("/")
    return {
        "id": one.id,
        "name": name,
        "path": name,
        "path_with_namespace": one.path,
        "name_with_namespace": one.path.replace("/", " / "),
        "namespace": {"full_path": namespace, "kind": "group"},
        "default_branch": next(iter(one.branches)),
        "visibility": "private",
        "archived": False,
        "web_url": f"{base}/{one.path}",
        "ci_config_path": "$_PIPELINE_FILE_NAME",
    }


def user(name: str, base: str) -> Row:
    """A user, briefly."""
    number = int(hashlib.sha256(name.encode()).hexdigest()[:4], 16)
    return {"id": number, "username": name, "name": name.title(), "state": "active", "web_url": f"{base}/{name}"}


def pipeline(one: Pipeline, base: str) -> Row:
    """A pipeline as lists show it."""
    return {
        "id": one.id,
        "iid": one.iid,
        "project_id": one.project.id,
        "sha": one.sha,
        "ref": one.ref,
        "status": one.status,
        "source": one.source,
        "created_at": moment(one.created_at),
        "updated_at": moment(one.updated_at),
        "web_url": f"{base}/{one.project.path}/-/pipelines/{one.id}",
        "name": None,
    }


def pipeline_whole(one: Pipeline, base: str) -> Row:
    """A pipeline by itself."""
    queued = None if one.started_at is None else int(one.started_at - one.created_at)
    ran = None if one.started_at is None or one.finished_at is None else int(one.finished_at - one.started_at)
    warned = one.status == "success" and any(job.status == "failed" for job in one.latest())
    return pipeline(one, base) | {
        "before_sha": "0" * 40,
        "tag": one.tag,
        "yaml_errors": None,
        "user": user(one.user, base),
        "started_at": moment(one.started_at),
        "finished_at": moment(one.finished_at),
        "committed_at": None,
        "duration": ran,
        "queued_duration": queued,
        "coverage": None,
        "detailed_status": detailed(one.status, warned=warned),
    }


def detailed(status: str, *, warned: bool = False) -> Row:
    """A status with words for people."""
    icon, text = ("warning", "Warning") if warned else (status, {"success": "Passed"}.get(status, status.title()))
    label = "passed with warnings" if warned else {"success": "passed"}.get(status, status)
    group = "success-with-warnings" if warned else status
    return {
        "icon": f"status_{icon}",
        "text": text,
        "label": label,
        "group": group,
        "tooltip": label,
        "has_details": True,
    }


def job(one: LiveJob, base: str) -> Row:
    """A job, or the part of a bridge that is like one."""
    line, path = one.pipeline, one.pipeline.project.path
    ended = one.finished_at is not None
    return {
        "id": one.id,
        "status": one.status,
        "stage": one.spec.stage,
        "name": one.spec.name,
        "ref": line.ref,
        "tag": line.tag,
        "coverage": None,
        "allow_failure": one.spec.allow_failure,
        "created_at": moment(one.created_at),
        "started_at": moment(one.started_at),
        "finished_at": moment(one.finished_at),
        "erased_at": moment(one.erased_at),
        "duration": one.finished_at - one.started_at if one.finished_at and one.started_at else None,
        "queued_duration": one.started_at - one.pending_at if one.started_at and one.pending_at else None,
        "user": user(line.user, base),
        "commit": {"id": line.sha, "short_id": line.sha[:8], "title": "Load the flights"},
        "pipeline": {name: value for name, value in pipeline(line, base).items() if name != "name"},
        "failure_reason": one.spec.failure_reason if one.status == "failed" else None,
        "web_url": f"{base}/{path}/-/jobs/{one.id}",
        "project": {"ci_job_token_scope_enabled": False},
        "artifacts": [],
        "artifacts_expire_at": None,
        "runner": {"id": 1, "description": "sandbox", "status": "online"} if one.started_at else None,
        "tag_list": [],
        "archived": ended and line.old,
    }


def bridge(one: LiveJob, base: str) -> Row:
    """A trigger job with the pipeline that it started."""
    left_out = ("artifacts", "artifacts_expire_at", "runner", "tag_list", "archived", "failure_reason")
    row = {name: value for name, value in job(one, base).items() if name not in left_out}
    return row | {"downstream_pipeline": pipeline(one.downstream, base) if one.downstream else None}


def schedule(one: Schedule, base: str) -> Row:
    """A schedule as lists show it."""
    return {
        "id": one.id,
        "description": one.description,
        "ref": one.ref,
        "cron": one.cron,
        "cron_timezone": one.cron_timezone,
        "next_run_at": moment(next_run(one.cron, one.cron_timezone, one.updated_at)),
        "active": one.active,
        "created_at": moment(one.created_at),
        "updated_at": moment(one.updated_at),
        "owner": user(one.owner, base),
    }


def schedule_whole(one: Schedule, state: DataOpsState, base: str) -> Row:
    """A schedule by itself, with its variables and the last pipeline."""
    made = [line for line in state.of(one.project) if line.schedule_id == one.id]
    last = {name: pipeline(made[-1], base)[name] for name in ("id", "sha", "ref", "status")} if made else None
    variables = [variable(key, value) for key, value in one.variables.items()]
    return schedule(one, base) | {"last_pipeline": last, "variables": variables}


def variable(key: str, value: str) -> Row:
    """A variable of a pipeline or schedule."""
    return {"variable_type": "env_var", "key": key, "value": value, "raw": False}
