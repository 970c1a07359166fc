"""Knows the life of a job at DCI: created, running, its files and numbers, its end. Does not know HTTP, clocks or keys.

Every exchange finds its job by id, or by a tag that no other job carries, and looks before it sends: so it can be sent
again from the start whatever became of the last time. The API: https://github.com/redhat-cip/dci-control-server.
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
    """The name of the request that matters: its path, without the id of a job."""
    return "jobs/kv" if isinstance(signal, JobValue) else request(signal, form).path.removeprefix(f"{ROOT}/")


def faults(signal: Signal) -> str | None:
    """The first of DCI's rules that the signal breaks, as a sentence, or None."""
    match signal:
        case DciJob():
            return _job_faults(signal)
        case Attachment():
            return None if is_header_name(signal.name) else "DCI takes file names of 1 to 255 characters of Latin-1."
        case JobValue():
            return None if 0 < len(signal.name) <= LONGEST else "DCI takes names of numbers of 1 to 255 characters."
        case JobState():
            known = ", ".join(STATUSES)
            return None if signal.status in STATUSES else f"{signal.status} is no state of a job: {known}."
    return "DCI takes signals about its jobs alone."


def _job_faults(signal: DciJob) -> str | None:
    if not signal.job_id and not signal.topic:
        return "A job of DCI needs a topic: set dci_topic."
    if signal.topic and not can_be_queried(signal.topic):
        return "DCI can look up no topic with a comma or an asterisk at its end: give its id (setting dci_topic)."
    if long := [text for text in (signal.correlation, signal.name or "", *signal.tags) if len(text) > LONGEST]:
        return f"DCI stores names and tags of at most {LONGEST} characters: {long[0][:40]}… is longer."
    if signal.change_url and not _PAGE.fullmatch(signal.change_url):
        return "The address of the change is no web address: check dci_change_url."
    return None


def request(signal: Signal, form: str) -> Request:
    """The one request that everything else leads to, with holes where a look-up would fill something in."""
    match signal:
        case DciJob(job_id=None):
            default = ("the last released of every type",) if signal.latest_by == "released" else ()
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
    """Sends the signal, unless DCI has it already."""
    return ended_by_errors(_send(signal, late=False))


def spooled_signal(signal: Signal, form: str) -> Mapping[str, Any] | None:
    """All of the signal, since one request does not say it."""
    return signal_record.write(signal) if isinstance(signal, DciJob | JobUpdate) else None


def resume(record: Record, form: str = "") -> Resumed | None:
    """Sends the signal of a record, when it is one of DCI's."""
    signal = remembered(record)
    return Resumed(request(signal, form), ended_by_errors(_send(signal, late=True))) if signal else None


def remembered(record: Record) -> DciJob | JobUpdate | None:
    """The signal of a record, when it breaks no rule and comes down to the request that the record names."""
    signal = signal_record.read(record.signal)
    if not isinstance(signal, DciJob | JobUpdate) or record.method != "POST" or faults(signal):
        return None
    if signal.job_id is not None and not is_uuid(signal.job_id):
        return None
    return signal if request(signal, "").path == record.path else None


def _send(signal: Signal, *, late: bool) -> Exchange:
    """`late`: it was to be sent before, and the job may have gone on since."""
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
    """Creates the job unless it is there, and has it run."""
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
    return SinkResult("duplicate", f"DCI has this job already; it is {_shown_status(job)}.", outputs=outputs)


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
    """The request that makes the job; with no component named, DCI takes the latest of every type of the topic."""
    fields = {
        "name": signal.name,
        "configuration": signal.configuration,
        "url": signal.change_url,
        "tags": [signal.correlation, *signal.tags],
        "data": signal.data,
        "comment": signal.comment,
    }
    filled = {name: value for name, value in fields.items() if value is not None}  # DCI takes no null for a text
    topic = {"topic_id": topic_id if is_uuid(topic_id) else "{topic.id}"}
    if not component_ids:
        return post("/jobs/schedule", {**topic, **filled})
    return post("/jobs", {**topic, "components": component_ids, **filled})


def _send_value(signal: JobValue) -> Exchange:
    """Has the job keep the number, unless it has one of that name."""
    job_id = yield from find_job_id(signal.job_id, signal.correlation)
    outputs = {"dci_job_id": job_id}

    def look() -> Talk[DciRow | None]:
        job = yield from ask(get(f"/jobs/{job_id}"), "job")
        return next((row for row in rows(job, "keys_values") if row.get("key") == signal.name), None)

    existing = yield from look()
    if existing is None:
        yield from once(_keep_value(job_id, signal), look, lambda document: document)
        return SinkResult("sent", outputs=outputs)
    has = f"DCI has {signal.name}={existing.get('value')} already"
    if existing.get("value") == signal.value:
        return SinkResult("duplicate", f"{has}.", outputs=outputs)
    return SinkResult("failed", f"{has}, and a job keeps the first number of a name.", "name taken", outputs=outputs)


def _keep_value(job_id: str, signal: JobValue) -> Request:
    return post(f"/jobs/{job_id}/kv", {"key": signal.name, "value": signal.value})


def _send_state(signal: JobState, *, late: bool) -> Exchange:
    """Sets the job's state; a final one also ends the jobs that were made by mistake."""
    job, *duplicates = yield from find_existing_jobs(signal.job_id, signal.correlation)
    result = yield from _set_state_in_order(job, signal, late=late)
    if result.outcome != "failed" and signal.status in FINAL:
        yield from end_duplicates(duplicates, job)
    return result


def _set_state_in_order(job: DciRow, signal: JobState, *, late: bool) -> Exchange:
    job_id = id_of(job)
    outputs, now = {"dci_job_id": job_id}, status_of(job)
    if now == signal.status or (signal.if_unfinished and now in FINAL):
        return SinkResult("duplicate", f"DCI has the job as {_shown_status(job)} already.", outputs=outputs)
    if signal.status not in FINAL and (now in FINAL or (late and has_passed(job, signal.status))):
        reason = (
            f"DCI has the job as {_shown_status(job)} already; {signal.status} comes before that, so it is not sent."
        )
        return SinkResult("duplicate", reason, outputs=outputs)  # the job would be open again
    try:
        if signal.status in ("failure", "error") and not has_passed(job, "running"):
            yield from set_state(job_id, "running", signal.comment)  # or its history would say error
        yield from set_state(job_id, signal.status, signal.comment)
    except SinkError as error:
        return error.result._replace(outputs=outputs)
    return SinkResult("sent", outputs=outputs)


def _shown_status(job: DciRow) -> str:
    return status_of(job) if status_of(job) in STATUSES else "in a state of its own"
