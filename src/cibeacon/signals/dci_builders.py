"""Knows how a CI job becomes a DCI job: when it is sent, and what. Does not know whether DCI already has it.

Later steps find the job by a tag derived from the run, so none has to pass the id to another. DCI compares the results of
jobs with the same name, configuration and change: these may contain nothing that differs from run to run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from cibeacon.model.identifiers import is_uuid
from cibeacon.model.signals import Attachment, DciJob, JobState, JobValue, Signal
from cibeacon.signals import NotPlanned, PlanInput, builders, triggers

LONGEST = 255
"""Characters of a tag or a name that DCI stores."""
ENDS: Mapping[str, str] = {"success": "success", "failure": "failure", "cancelled": "killed", "error": "error"}
"""Final status of a run → state of its DCI job."""


def trigger(plan_input: PlanInput) -> None:
    """A job needs a topic or an id; only its own run sends it. Raises `NotPlanned`."""
    context, dci = plan_input.context, plan_input.settings.dci
    if not dci.dci_topic and not known_id(plan_input):
        raise NotPlanned("invalid", "DCI's topic is missing: set dci_topic, or dci_job_id for an existing job")
    if context.about_upstream:
        raise NotPlanned("skipped", "the run that this one follows sends its own DCI jobs")
    if not dci.dci_job_id:
        triggers.check_identity(plan_input)
    triggers.check_final(builders.run_status(plan_input))
    if plan_input.stage == "post" and _end(plan_input) is None:
        raise NotPlanned("invalid", "the job's result is unknown: set job_status")


def signals(plan_input: PlanInput) -> list[Signal]:
    """The job at its start; its files and final state at its end; everything if there is only one step."""
    jobs: list[Signal] = [] if plan_input.stage == "post" else [job(plan_input)]
    end = _end(plan_input)
    if plan_input.stage == "main" or end is None:
        return jobs
    tag, job_id = correlation(plan_input), known_id(plan_input)
    files = [Attachment(tag, job_id, *file) for file in plan_input.files]
    state = JobState(tag, job_id, end, note(plan_input), if_unfinished=True)
    return [*jobs, *files, *key_values(plan_input, tag), state]


def job(plan_input: PlanInput) -> DciJob:
    """The job to create or continue."""
    context, dci = plan_input.context, plan_input.settings.dci
    pull_request = context.pull_request
    page = pull_request.url if pull_request and context.about_pull_request else None
    return DciJob(
        correlation=correlation(plan_input),
        topic=dci.dci_topic,
        components=dci.dci_components,
        latest_by=dci.dci_latest_by,
        name=(dci.dci_name or _name(plan_input))[:LONGEST],
        configuration=dci.dci_configuration,
        change_url=dci.dci_change_url or page,
        tags=dci.dci_tags,
        data=_data(plan_input),
        comment=dci.dci_comment,
        job_id=known_id(plan_input),
        note=note(plan_input),
    )


def key_values(plan_input: PlanInput, tag: str) -> Iterator[JobValue]:
    """The numbers to store with the job."""
    for name, number in plan_input.settings.dci.dci_key_values.items():
        yield JobValue(tag, known_id(plan_input), name, number)


def correlation(plan_input: PlanInput) -> str:
    """The job's unique tag: `ci:SERVER:REPOSITORY[:PIPELINE]:RUN:ATTEMPT[:JOB[:LEG]]`, without commas.

    The first and the last job of a GitLab pipeline report the whole pipeline, so the tag contains neither.
    """
    context = plan_input.context
    pipeline = (context.pipeline_id,) if context.pipeline_id else ()
    run = (
        context.server or context.host,
        context.repository or "",
        *pipeline,
        context.run_id or "",
        context.run_attempt or 1,
    )
    job = () if _is_of_pipeline(plan_input) else (context.job_id or context.job or "", builders.matrix_leg(plan_input))
    parts = (quote(str(part), safe="/", errors="surrogatepass") for part in (*run, *job))
    tag = ":".join(("ci", *parts)).rstrip(":")
    if len(tag) <= LONGEST:
        return tag
    digest = hashlib.sha256(tag.encode()).hexdigest()
    return f"{tag[: LONGEST - len(digest) - 1]}+{digest}"


def known_id(plan_input: PlanInput) -> str | None:
    """The id of the job, from a setting or an earlier stage."""
    made = plan_input.context.dci_job_id
    return plan_input.settings.dci.dci_job_id or (made if made and is_uuid(made) else None)


def _is_of_pipeline(plan_input: PlanInput) -> bool:
    """Whether the job represents a whole pipeline."""
    return plan_input.stage != "single" and plan_input.context.host == "gitlab"


def _name(plan_input: PlanInput) -> str:
    context = plan_input.context
    parts = [builders.pipeline_name(plan_input)]
    if context.job and not _is_of_pipeline(plan_input):
        parts.append(context.job)
    matrix = plan_input.settings.change.matrix
    values = list(matrix.values()) if isinstance(matrix, dict) else []
    shown = ", ".join(value if isinstance(value, str) else json.dumps(value) for value in values)
    name = " / ".join(parts)
    return f"{name} ({shown})" if shown else name


def _data(plan_input: PlanInput) -> Mapping[str, Any]:
    context = plan_input.context
    known = {
        "run_url": plan_input.settings.change.source_url or context.run_url,
        "repository": context.repository,
        "commit": context.commit_sha,
        "branch": context.branch,
        "run_id": context.run_id,
        "run_attempt": context.run_attempt,
        "job": context.job,
    }
    return {name: value for name, value in known.items() if value is not None}


def note(plan_input: PlanInput) -> str:
    """The comment on a state, with a link to the run."""
    where = plan_input.settings.change.source_url or plan_input.context.run_url
    return plan_input.settings.dci.dci_comment or ": ".join(part for part in (plan_input.host_title, where) if part)


def _end(plan_input: PlanInput) -> str | None:
    """The final state in DCI's words; None while the job runs. `error`, for infrastructure problems, needs a setting."""
    status = builders.job_status(plan_input)
    if plan_input.settings.run.status == "error" and status in ("failure", "unknown"):
        return "error"
    return ENDS.get(status or "")
