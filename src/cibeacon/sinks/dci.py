"""Knows the life of a DCI job: creation, states, files and numbers, end. Does not know HTTP, clocks or keys.

Every exchange finds its job by id or by a unique tag, and checks before it sends, so it can be repeated from the start
whatever happened before. The API: https://github.com/redhat-cip/dci-control-server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cibeacon.model.identifiers import is_uuid
from cibeacon.model.request import Exchange, Request, Resumed, SinkError, SinkResult, ended_by_errors
from cibeacon.model.signals import Attachment, DciJob, JobState, JobUpdate, JobValue, Signal
from cibeacon.model.spool_record import Record
from cibeacon.sinks import signal_record
from cibeacon.sinks.dci_api import ROOT, DciRow, Talk, ask, can_be_queried, get, id_of, once, post, rows
from cibeacon.sinks.dci_files import LONGEST, is_header_name, send_file, upload
from cibeacon.sinks.dci_jobs import (
    FINAL,
    STATUSES,
    end_duplicates,
    find_existing_jobs,
    find_job_id,
    find_jobs,
    has_passed,
    set_state,
    state_request,
    status_of,
)
from cibeacon.sinks.dci_topics import component_types, find_active_topic, find_components

NAME = "dci"
_PAGE = re.compile(r"https?://\S+", re.ASCII | re.IGNORECASE)


def method(signal: Signal, form: str) -> str:
    """The name of the main request: its path, without the id of a job."""
    return "jobs/kv" if isinstance(signal, JobValue) else request(signal, form).path.removeprefix(f"{ROOT}/")


def faults(signal: Signal) -> str | None:
    """The first of DCI's rules that the signal breaks, as a sentence, or None."""
    match signal:
        case DciJob():
            return _job_faults(signal)
        case Attachment():
            return None if is_header_name(signal.name) else "DCI accepts file names of 1 to 255 Latin-1 characters."
        case JobValue():
            return None if 0 < len(signal.name) <= LONGEST else "DCI accepts number names of 1 to 255 characters."
        case JobState():
            known = ", ".join(STATUSES)
            return (
                None
                if signal.status in STATUSES
                else f"{signal.status} is not a state of a DCI job. Use one of {known}."
            )
    return "DCI accepts only signals about its own jobs."


def _job_faults(signal: DciJob) -> str | None:
    if not signal.job_id and not signal.topic:
        return "A DCI job needs a topic. Set dci_topic."
    if signal.topic and not can_be_queried(signal.topic):
        return "DCI cannot look up a topic whose name has a comma or ends in an asterisk. Set dci_topic to its id."
    if long := [text for text in (signal.correlation, signal.name or "", *signal.tags) if len(text) > LONGEST]:
        return f"DCI stores names and tags of at most {LONGEST} characters. Shorten the one that begins with {long[0][:40]}."
    if signal.change_url and not _PAGE.fullmatch(signal.change_url):
        return "The URL of the change does not start with http:// or https://. Correct dci_change_url."
    return None


def request(signal: Signal, form: str) -> Request:
    """The main request, with placeholders for values that a look-up would provide."""
    match signal:
        case DciJob(job_id=None):
            default = ("the latest released of every type",) if signal.latest_by == "released" else ()
            return _create(signal, signal.topic or "", [f"{{{name}}}" for name in signal.components or default])
        case DciJob():
            return state_request(str(signal.job_id), "running", signal.note)
        case Attachment():
            return upload(signal.job_id or "{job.id}", signal.path, signal.name, signal.mime)
        case JobValue():
            return _keep_value(signal.job_id or "{job.id}", signal)
        case JobState():
            return state_request(signal.job_id or "{job.id}", signal.status, signal.comment)
    raise TypeError(type(signal).__name__)


def send(signal: Signal, form: str) -> Exchange:
    """Sends the signal, unless DCI already has it."""
    return ended_by_errors(_send(signal, late=False))


def spooled_signal(signal: Signal, form: str) -> Mapping[str, Any] | None:
    """The whole signal, since it takes several requests."""
    return signal_record.write(signal) if isinstance(signal, DciJob | JobUpdate) else None


def resume(record: Record, form: str = "") -> Resumed | None:
    """Sends the signal of a record, if it is for DCI."""
    signal = remembered(record)
    return Resumed(request(signal, form), ended_by_errors(_send(signal, late=True))) if signal else None


def remembered(record: Record) -> DciJob | JobUpdate | None:
    """The signal of a record, if it is valid and its main request is the one in the record."""
    signal = signal_record.read(record.signal)
    if not isinstance(signal, DciJob | JobUpdate) or record.method != "POST" or faults(signal):
        return None
    if signal.job_id is not None and not is_uuid(signal.job_id):
        return None
    return signal if request(signal, "").path == record.path else None


def _send(signal: Signal, *, late: bool) -> Exchange:
    """`late`: sending is delayed, so the job may be in a later state by now."""
    match signal:
        case DciJob():
            return _send_job(signal)
        case Attachment():
            return send_file(signal)
        case JobValue():
            return _send_value(signal)
        case JobState():
            return _send_state(signal, late=late)
    raise TypeError(type(signal).__name__)


def _send_job(signal: DciJob) -> Exchange:
    """Creates the job unless it exists, and sets it to running."""
    jobs = yield from find_jobs(signal.job_id, signal.correlation)
    is_new = not jobs
    if is_new:
        jobs = yield from _create_job(signal)
    job, *duplicates = jobs
    outputs = {"dci_job_id": id_of(job)}
    states = [status for status in ("pre-run", "running") if not has_passed(job, status)]
    try:
        for status in states:
            yield from set_state(id_of(job), status, signal.note)
    except SinkError as error:
        return error.result._replace(outputs=outputs)
    yield from end_duplicates(duplicates, job)
    if is_new or states:
        return SinkResult("sent", outputs=outputs)
    return SinkResult("duplicate", f"DCI already has this job; it is {_shown_status(job)}.", outputs=outputs)


def _create_job(signal: DciJob) -> Talk[list[DciRow]]:
    topic = yield from find_active_topic(signal.topic or "")
    topic_id = id_of(topic)
    wanted = signal.components or (component_types(topic) if signal.latest_by == "released" else ())
    component_ids = yield from find_components(topic_id, wanted, signal.latest_by)

    def look() -> Talk[list[DciRow] | None]:
        return (yield from find_jobs(None, signal.correlation)) or None

    create = _create(signal, topic_id, component_ids)
    return (yield from once(create, look, lambda document: [document.get("job") or {}]))


def _create(signal: DciJob, topic_id: str, component_ids: list[str]) -> Request:
    """The request that creates the job; without components, DCI uses the latest of every type of the topic."""
    fields = {
        "name": signal.name,
        "configuration": signal.configuration,
        "url": signal.change_url,
        "tags": [signal.correlation, *signal.tags],
        "data": signal.data,
        "comment": signal.comment,
    }
    filled = {name: value for name, value in fields.items() if value is not None}  # DCI rejects null for a text
    topic = {"topic_id": topic_id if is_uuid(topic_id) else "{topic.id}"}
    if not component_ids:
        return post("/jobs/schedule", {**topic, **filled})
    return post("/jobs", {**topic, "components": component_ids, **filled})


def _send_value(signal: JobValue) -> Exchange:
    """Stores the number with the job, unless it already has one of that name."""
    job_id = yield from find_job_id(signal.job_id, signal.correlation)
    outputs = {"dci_job_id": job_id}

    def look() -> Talk[DciRow | None]:
        job = yield from ask(get(f"/jobs/{job_id}"), "job")
        return next((row for row in rows(job, "keys_values") if row.get("key") == signal.name), None)

    existing = yield from look()
    if existing is None:
        yield from once(_keep_value(job_id, signal), look, lambda document: document)
        return SinkResult("sent", outputs=outputs)
    has = f"DCI already has {signal.name}={existing.get('value')}"
    if existing.get("value") == signal.value:
        return SinkResult("duplicate", f"{has}.", outputs=outputs)
    return SinkResult("failed", f"{has}; a job keeps the first number of each name.", "name taken", outputs=outputs)


def _keep_value(job_id: str, signal: JobValue) -> Request:
    return post(f"/jobs/{job_id}/kv", {"key": signal.name, "value": signal.value})


def _send_state(signal: JobState, *, late: bool) -> Exchange:
    """Sets the job's state; a final one also ends jobs that were created by mistake."""
    job, *duplicates = yield from find_existing_jobs(signal.job_id, signal.correlation)
    result = yield from _set_state_in_order(job, signal, late=late)
    if result.outcome != "failed" and signal.status in FINAL:
        yield from end_duplicates(duplicates, job)
    return result


def _set_state_in_order(job: DciRow, signal: JobState, *, late: bool) -> Exchange:
    job_id = id_of(job)
    outputs, now = {"dci_job_id": job_id}, status_of(job)
    if now == signal.status or (signal.if_unfinished and now in FINAL):
        return SinkResult("duplicate", f"The DCI job is already {_shown_status(job)}.", outputs=outputs)
    if signal.status not in FINAL and (now in FINAL or (late and has_passed(job, signal.status))):
        reason = f"The DCI job is already {_shown_status(job)}; {signal.status} comes before that and is not sent."
        return SinkResult("duplicate", reason, outputs=outputs)  # it would reopen the job
    try:
        if signal.status in ("failure", "error") and not has_passed(job, "running"):
            yield from set_state(job_id, "running", signal.comment)  # or the job's history would show an error
        yield from set_state(job_id, signal.status, signal.comment)
    except SinkError as error:
        return error.result._replace(outputs=outputs)
    return SinkResult("sent", outputs=outputs)


def _shown_status(job: DciRow) -> str:
    return status_of(job) if status_of(job) in STATUSES else "in an unknown state"
