"""Knows how DataOps.live lists jobs and bridges, plays, retries, cancels and erases them. Does not know their logs' bytes.

https://docs.gitlab.com/api/jobs/
"""

from __future__ import annotations

from collections.abc import Iterable

from cibeacon.sandbox import dataops_rows as rows
from cibeacon.sandbox.dataops_answers import forbidden, message, parameters
from cibeacon.sandbox.dataops_call import Asked
from cibeacon.sandbox.dataops_listing import paged
from cibeacon.sandbox.dataops_live import OVER, LiveJob
from cibeacon.sandbox.dataops_pipelines import STATUSES, cancel_job
from cibeacon.sandbox.exchange import Answer, in_json


def of_project(asked: Asked) -> Answer:
    """GET jobs: newest first, retried ones too, without a count of all."""
    found = [job for line in asked.state.of(asked.project) for job in line.jobs if not job.spec.child]
    return paged(asked, _newest(_scoped(asked, found)), lambda one: rows.job(one, asked.base), counted=False)


def of_pipeline(asked: Asked) -> Answer:
    """GET pipelines/ID/jobs: without those that were tried again, unless they are asked for."""
    return _of_pipeline(asked, bridges=False)


def bridges(asked: Asked) -> Answer:
    """GET pipelines/ID/bridges."""
    return _of_pipeline(asked, bridges=True)


def _of_pipeline(asked: Asked, *, bridges: bool) -> Answer:
    line = asked.pipeline()
    every = line.jobs if asked.truth("include_retried") else line.latest()
    found = _newest(_scoped(asked, [one for one in every if bool(one.spec.child) == bridges]))
    answer = paged(asked, found, lambda one: (rows.bridge if bridges else rows.job)(one, asked.base))
    if asked.caller and asked.caller.kind == "job" and not bridges and asked.params.get("page", "1") == "1":
        asked.state.asked_for(line)  # a job token may not ask for the pipeline itself
    return answer


def _scoped(asked: Asked, found: Iterable[LiveJob]) -> list[LiveJob]:
    scope = asked.params.get("scope")
    words = scope if isinstance(scope, list) else [scope]
    if scope is None:
        return list(found)
    if not all(word in STATUSES for word in words):
        raise parameters("scope does not have a valid value")
    return [one for one in found if one.status in words]


def _newest(found: Iterable[LiveJob]) -> list[LiveJob]:
    return sorted(found, key=lambda one: -one.id)


def job(asked: Asked) -> Answer:
    """GET jobs/ID."""
    one = asked.job()
    answer = in_json(200, rows.job(one, asked.base))
    asked.state.asked_for(one.pipeline)
    return answer


def play(asked: Asked) -> Answer:
    """POST jobs/ID/play: a manual job."""
    one = asked.job()
    if one.status != "manual":
        raise message(400, "400 Bad request - Unplayable Job")
    one.played = True
    one.becomes("pending", asked.state.now())
    asked.state.revived(one.pipeline)
    return in_json(200, rows.job(one, asked.base))


def retry(asked: Asked) -> Answer:
    """POST jobs/ID/retry: once more under another id."""
    one = asked.job()
    if one.retried or one.status not in OVER:
        raise forbidden("Job is not retryable")
    again = asked.state.attempt(one)
    again.played = True
    for later in one.pipeline.latest():
        if later.status == "skipped":
            later.becomes("created", asked.state.now())
    asked.state.revived(one.pipeline)
    return in_json(201, rows.job(again, asked.base))


def cancel(asked: Asked) -> Answer:
    """POST jobs/ID/cancel; one that is over stays as it is."""
    one = asked.job()
    cancel_job(one, asked.state.now())
    asked.state.revived(one.pipeline)
    return in_json(201, rows.job(one, asked.base))


def erase(asked: Asked) -> Answer:
    """POST jobs/ID/erase: the log of a job that is over."""
    one = asked.job()
    if one.status not in OVER or one.erased_at is not None:
        raise forbidden("Job is not erasable!")
    one.erase(asked.state.now())
    return in_json(201, rows.job(one, asked.base))
