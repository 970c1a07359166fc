"""Knows the life of a job at DCI: made, running, its files, its end, each told once. Does not know HTTP, clocks or keys.

Every dialogue finds its job by id, or by a tag that no other job carries, and looks before it tells: so it can be told
again from the start whatever became of the last time. The API: https://github.com/redhat-cip/dci-control-server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cibeacon.model.file_names import fits
from cibeacon.model.identifiers import is_uuid
from cibeacon.model.request import Exchange, Request, Resumed, SinkResult
from cibeacon.model.signals import Attachment, DciJob, JobState, JobUpdate, JobValue, Signal
from cibeacon.model.spool_record import Record
from cibeacon.sinks import dci_calls as calls
from cibeacon.sinks import dci_record
from cibeacon.sinks.dci_files import told_file
from cibeacon.sinks.dci_lookup import (
    FINAL,
    STATUSES,
    Row,
    Talk,
    asked,
    ended,
    id_of,
    known_jobs,
    needed_jobs,
    past,
    rows,
    status_of,
    told_state,
)
from cibeacon.sinks.dci_lookup import once as said_once
from cibeacon.sinks.dci_replies import Refused
from cibeacon.sinks.dci_topics import components, topic, types

NAME = "dci"
LONGEST = 255
"""Characters of a name, a tag or a header that DCI stores."""
_PAGE = re.compile(r"https?://\S+", re.ASCII | re.IGNORECASE)


def method(signal: Signal, form: str) -> str:
    """The name of the call that tells a signal."""
    return "jobs/kv" if isinstance(signal, JobValue) else request(signal, form).path.removeprefix("/api/v1/")


def faults(signal: Signal) -> str | None:
    """The first of DCI's rules that the signal breaks, as a sentence, or None."""
    match signal:
        case DciJob():
            return _job_faults(signal)
        case Attachment():
            return None if fits(signal.name) else "DCI takes names of files of 1 to 255 characters of Latin-1."
        case JobValue():
            return None if 0 < len(signal.name) <= LONGEST else "DCI takes names of numbers of 1 to 255 characters."
        case JobState():
            known = ", ".join(STATUSES)
            return None if signal.status in STATUSES else f"{signal.status} is no state of a job: {known}."
    return "DCI is told of jobs alone."


def _job_faults(signal: DciJob) -> str | None:
    if not signal.job_id and not signal.topic:
        return "A job of DCI needs a topic: set dci_topic."
    if signal.topic and not calls.can_be_asked_for(signal.topic):
        return "DCI can look up no topic with a comma or an asterisk at its end: give its id (setting dci_topic)."
    if long := [text for text in (signal.correlation, signal.name or "", *signal.tags) if len(text) > LONGEST]:
        return f"DCI stores names and tags of at most {LONGEST} characters: {long[0][:40]}… is longer."
    if signal.change_url and not _PAGE.fullmatch(signal.change_url):
        return "The address of the change is no web address: check dci_change_url."
    return None


def send(signal: Signal, form: str) -> Exchange:
    """The signal told, unless DCI has it already."""
    return _told(signal, late=False)


def _told(signal: Signal, *, late: bool) -> Exchange:
    """`late`: it was to be told before, and the job may have gone on since."""
    try:
        match signal:
            case DciJob():
                return (yield from _told_job(signal))
            case Attachment():
                return (yield from told_file(signal))
            case JobValue():
                return (yield from _told_value(signal))
            case JobState():
                return (yield from _told_end(signal, late=late))
    except Refused as refused:
        return refused.result
    raise TypeError(type(signal).__name__)


def spooled_signal(signal: Signal) -> Mapping[str, Any] | None:
    """What a record needs beside a call, since the signal is a dialogue."""
    return dci_record.written(signal) if isinstance(signal, DciJob | JobUpdate) else None


def resume(record: Record, form: str = "") -> Resumed | None:
    """Sends the signal of a record, when it is one of DCI's."""
    signal = remembered(record)
    return Resumed(request(signal, form), _told(signal, late=True)) if signal else None


def remembered(record: Record) -> DciJob | JobUpdate | None:
    """The signal that a record holds, when it breaks no rule and says the call that it says."""
    signal = dci_record.read(record.signal)
    if signal is None or record.method != "POST" or faults(signal):
        return None
    return signal if request(signal, "").path == record.path else None


def request(signal: Signal, form: str) -> Request:
    """The one request that everything else leads to, with holes where a look-up would fill something in."""
    match signal:
        case DciJob(job_id=None):
            every = ("the last released of every type",) if signal.latest_by == "released" else ()
            return _made(signal, signal.topic or "", [f"{{{each}}}" for each in signal.components or every])
        case DciJob():
            return calls.state(str(signal.job_id), "running", signal.note)
        case Attachment():
            return calls.upload(signal.job_id or "{job.id}", signal.path, signal.name, signal.mime)
        case JobValue():
            return calls.value(signal.job_id or "{job.id}", signal.name, signal.value)
        case JobState():
            return calls.state(signal.job_id or "{job.id}", signal.status, signal.comment)
    raise TypeError(type(signal).__name__)


def _made(signal: DciJob, topic_id: str, component_ids: list[str]) -> Request:
    fields = {
        "name": signal.name,
        "configuration": signal.configuration,
        "url": signal.change_url,
        "tags": [signal.correlation, *signal.tags],
        "data": signal.data,
        "comment": signal.comment,
    }
    filled = {name: value for name, value in fields.items() if value is not None}  # DCI takes no null for a text
    where = topic_id if is_uuid(topic_id) else "{topic.id}"
    return calls.create(where, component_ids, filled) if component_ids else calls.schedule(where, filled)


def _told_job(signal: DciJob) -> Exchange:
    jobs = yield from known_jobs(signal.job_id, signal.correlation)
    made = not jobs
    if made:
        jobs = yield from _new_job(signal)
    job, *unowned = jobs
    outputs = {"dci_job_id": id_of(job)}
    try:
        told = yield from _started(job, signal.note)
    except Refused as refused:
        return refused.result._replace(outputs=outputs)
    yield from ended(unowned, job)
    if made or told:
        return SinkResult("sent", outputs=outputs)
    return SinkResult("duplicate", f"DCI has this job already; it is {_plain(job)}.", outputs=outputs)


def _new_job(signal: DciJob) -> Talk[list[Row]]:
    found = yield from topic(signal.topic or "")
    topic_id = id_of(found)
    wanted = signal.components or (types(found) if signal.latest_by == "released" else ())
    ids = yield from components(topic_id, wanted, signal.latest_by)

    def look() -> Talk[list[Row] | None]:
        return (yield from known_jobs(None, signal.correlation)) or None

    return (yield from said_once(_made(signal, topic_id, ids), look, lambda document: [document.get("job") or {}]))


def _started(job: Row, note: str | None) -> Talk[bool]:
    """Pre-run and running, those that are still to come; whether any was."""
    ahead = [status for status in ("pre-run", "running") if not past(job, status)]
    for status in ahead:
        yield from told_state(id_of(job), status, note)
    return bool(ahead)


def _told_value(signal: JobValue) -> Exchange:
    job_id = signal.job_id or id_of((yield from needed_jobs(None, signal.correlation))[0])
    outputs = {"dci_job_id": job_id}

    def look() -> Talk[Row | None]:
        job = yield from asked(calls.job(job_id), "job")
        return next((row for row in rows(job, "keys_values") if row.get("key") == signal.name), None)

    before = yield from look()
    if before is not None:
        has = f"DCI has {signal.name}={before.get('value')} already"
        if before.get("value") == signal.value:
            return SinkResult("duplicate", f"{has}.", outputs=outputs)
        return SinkResult(
            "failed", f"{has}, and a job keeps the first number of a name.", "name taken", outputs=outputs
        )
    yield from said_once(calls.value(job_id, signal.name, signal.value), look, lambda document: document)
    return SinkResult("sent", outputs=outputs)


def _told_end(signal: JobState, *, late: bool) -> Exchange:
    job, *unowned = yield from needed_jobs(signal.job_id, signal.correlation)
    result = yield from _told_state_of(job, signal, late=late)
    if result.outcome != "failed" and signal.status in FINAL:
        yield from ended(unowned, job)
    return result


def _told_state_of(job: Row, signal: JobState, *, late: bool) -> Exchange:
    job_id = id_of(job)
    outputs, now = {"dci_job_id": job_id}, status_of(job)
    if now == signal.status or (signal.if_unfinished and now in FINAL):
        return SinkResult("duplicate", f"DCI has the job as {_plain(job)} already.", outputs=outputs)
    if signal.status not in FINAL and (now in FINAL or (late and past(job, signal.status))):  # it would be open again
        why = f"DCI has the job as {_plain(job)} already; {signal.status} comes before that, so it is not told."
        return SinkResult("duplicate", why, outputs=outputs)
    try:
        if signal.status in ("failure", "error") and not past(job, "running"):
            yield from told_state(job_id, "running", signal.comment)  # or its history would say error
        yield from told_state(job_id, signal.status, signal.comment)
    except Refused as refused:
        return refused.result._replace(outputs=outputs)
    return SinkResult("sent", outputs=outputs)


def _plain(job: Row) -> str:
    return status_of(job) if status_of(job) in STATUSES else "in a state of its own"
