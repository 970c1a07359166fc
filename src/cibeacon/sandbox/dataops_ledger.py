"""Knows how to tell in one JSON object what DataOps.live holds. Does not know how it came there."""

from __future__ import annotations

from typing import Any

from cibeacon.sandbox.dataops_live import LiveJob, Pipeline
from cibeacon.sandbox.dataops_state import DataOpsState, Schedule


def document(state: DataOpsState) -> dict[str, Any]:
    """The first project's id, the files that there are, and what was made since the start, by id as text.

    A pipeline: status, ref, source, file, user, variables, schedule, the bridge's pipeline as `parent`, times in Unix
    seconds, and its jobs in the order of their making, retried ones too. No token is in it.
    """
    made = [one for one in state.pipelines.values() if not one.old]
    return {
        "project": str(state.account.projects[0].id),
        "files": sorted(state.scripts),
        "pipelines": {str(one.id): _pipeline(one) for one in made},
        "schedules": {str(one.id): _schedule(one) for one in state.schedules.values()},
    }


def _pipeline(one: Pipeline) -> dict[str, Any]:
    return {
        "project": one.project.path,
        "status": one.status,
        "ref": one.ref,
        "source": one.source,
        "user": one.user,
        "variables": dict(one.variables),
        "schedule": one.schedule_id,
        "parent": one.trigger.pipeline.id if one.trigger else None,
        "created_at": one.created_at,
        "started_at": one.started_at,
        "finished_at": one.finished_at,
        "jobs": [_job(job) for job in one.jobs],
    }


def _job(job: LiveJob) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.spec.name,
        "stage": job.spec.stage,
        "status": job.status,
        "allow_failure": job.spec.allow_failure,
        "retried": job.retried,
        "downstream": job.downstream.id if job.downstream else None,
        "log": job.visible(),
    }


def _schedule(one: Schedule) -> dict[str, Any]:
    names = ("description", "ref", "cron", "cron_timezone", "active", "owner")
    return {name: getattr(one, name) for name in names} | {
        "project": one.project.path,
        "variables": dict(one.variables),
    }
