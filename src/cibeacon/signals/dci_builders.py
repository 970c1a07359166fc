"""Knows a CI job as a job of DCI: when it is told, and what of it. Does not know whether DCI has it already.

A tag made of the run finds the job again, so that no step has to hand its id to another. DCI compares the results of
jobs that agree in name, configuration and change: nothing that differs from run to run may stand in them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from cibeacon.model.identifiers import is_uuid
from cibeacon.model.job_signals import Attachment, DciJob, JobState, JobValue
from cibeacon.model.signals import Signal
from cibeacon.signals import builders
from cibeacon.signals.plan_input import Settled, Situation

LONGEST = 255
"""Characters of a tag or a name that DCI stores."""
ENDS: Mapping[str, str] = {"success": "success", "failure": "failure", "cancelled": "killed", "error": "error"}
"""How a run ended → the state of its job at DCI."""


def called_for(situation: Situation) -> None:
    """A job has a topic or exists; only its own run tells of it."""
    context, dci = situation.context, situation.settings.dci
    if not dci.dci_topic and not known_id(situation):
        raise Settled("invalid", "DCI's topic is missing: set dci_topic, or dci_job_id for a job that exists")
    if context.about_upstream:
        raise Settled("skipped", "the run that this one follows tells of its jobs itself")
    if not dci.dci_job_id:
        builders.alone(situation)
    builders.may_go_on(builders.run_status(situation))
    if situation.stage == "post" and _end(situation) is None:
        raise Settled("invalid", "how the job ended is not known: set job_status")


def signals(situation: Situation) -> tuple[Signal | Settled, ...]:
    """The job when it begins; its files and its end when it ends; all of it where one step sees all."""
    return tuple(_signals(situation))


def _signals(situation: Situation) -> Iterator[Signal]:
    if situation.stage != "post":
        yield job(situation)
    end = _end(situation)
    if situation.stage == "main" or end is None:
        return
    tag, job_id = correlation(situation), known_id(situation)
    for file in situation.files:
        yield Attachment(tag, job_id, *file)
    yield from key_values(situation, tag)
    yield JobState(tag, job_id, end, note(situation), yields=True)


def job(situation: Situation) -> DciJob:
    """The job as it is made, or gone on with."""
    context, dci = situation.context, situation.settings.dci
    pull_request = context.pull_request
    page = pull_request.url if pull_request and context.about_pull_request else None
    return DciJob(
        correlation=correlation(situation),
        topic=dci.dci_topic,
        components=dci.dci_components,
        latest_by=dci.dci_latest_by,
        name=(dci.dci_name or _name(situation))[:LONGEST],
        configuration=dci.dci_configuration,
        change_url=dci.dci_change_url or page,
        tags=dci.dci_tags,
        data=_data(situation),
        comment=dci.dci_comment,
        job_id=known_id(situation),
        note=note(situation),
    )


def key_values(situation: Situation, tag: str) -> Iterator[JobValue]:
    """The numbers that the job is to keep."""
    for name, number in situation.settings.dci.dci_key_values.items():
        yield JobValue(tag, known_id(situation), name, number)


def correlation(situation: Situation) -> str:
    """The tag that no other job carries: `ci:SERVER:REPOSITORY[:PIPELINE]:RUN:ATTEMPT[:JOB[:LEG]]`, without commas.

    The jobs at both ends of a GitLab pipeline tell of all of it, so the name of neither stands in the tag.
    """
    context = situation.context
    whole = situation.stage != "whole" and context.host == "gitlab"
    job = () if whole else (context.job_id or context.job or "", builders.leg(situation))
    pipeline = (context.pipeline_id,) if context.pipeline_id else ()
    place = (context.server or context.host, context.repository or "", *pipeline)
    run = (context.run_id or "", context.run_attempt or 1)
    parts = (quote(str(part), safe="/", errors="surrogatepass") for part in (*place, *run, *job))
    tag = ":".join(("ci", *parts)).rstrip(":")
    if len(tag) <= LONGEST:
        return tag
    digest = hashlib.sha256(tag.encode()).hexdigest()
    return f"{tag[: LONGEST - len(digest) - 1]}+{digest}"


def known_id(situation: Situation) -> str | None:
    """The id of the job, where somebody told it or an earlier stage made the job."""
    made = situation.context.dci_job_id
    return situation.settings.dci.dci_job_id or (made if made and is_uuid(made) else None)


def _name(situation: Situation) -> str:
    context, run = situation.context, situation.settings.run
    parts = [run.pipeline_name or context.pipeline or context.repository or "pipeline"]
    if context.job and not (situation.stage != "whole" and context.host == "gitlab"):
        parts.append(context.job)
    matrix = situation.settings.change.matrix
    values = list(matrix.values()) if isinstance(matrix, dict) else []
    shown = ", ".join(value if isinstance(value, str) else json.dumps(value) for value in values)
    name = " / ".join(parts)
    return f"{name} ({shown})" if shown else name


def _data(situation: Situation) -> Mapping[str, Any]:
    context = situation.context
    known = {
        "run_url": situation.settings.change.source_url or context.run_url,
        "repository": context.repository,
        "commit": context.commit_sha,
        "branch": context.branch,
        "run_id": context.run_id,
        "run_attempt": context.run_attempt,
        "job": context.job,
    }
    return {name: value for name, value in known.items() if value is not None}


def note(situation: Situation) -> str:
    """What stands beside a state: people come from there to the run."""
    where = situation.settings.change.source_url or situation.context.run_url
    return situation.settings.dci.dci_comment or ": ".join(part for part in (situation.host_title, where) if part)


def _end(situation: Situation) -> str | None:
    """How the job ended, in DCI's words; None while it runs. That it was no fault of the code only a person can say."""
    ended = builders.ending(situation)
    if situation.settings.run.status == "error" and ended in ("failure", "unknown"):
        return "error"
    return ENDS.get(ended or "")
