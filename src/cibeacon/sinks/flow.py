"""Knows how the Flow pipelines of a job of Instabase are set: listed, chosen, set, checked. Does not know HTTP or tokens.

Setting replaces all that the job had, and says afterwards what it has now; it may be said twice. Who may see the job's
documents depends on it, so what the job has in the end must be what was meant.
https://instabase.com/docs/apis/flow-pipeline/
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from cibeacon.model.identifiers import is_uuid
from cibeacon.model.request import Exchange, Request, Response, Resumed, SinkResult
from cibeacon.model.signals import FlowAssignment, Signal
from cibeacon.model.spool_record import Record
from cibeacon.sinks.flow_pipelines import Pipeline, chosen, doubts, named, pipelines
from cibeacon.sinks.flow_replies import Refused, answer

NAME = "flow"
LISTING = "/api/v1/flow/pipeline"
UPDATE = "/api/v1/jobs/pipelines"
"""The documents show it for the list as well, in an example."""


def method(signal: Signal, form: str) -> str:
    """The name of the call that tells a signal."""
    return UPDATE.removeprefix("/api/v1/")


def faults(signal: Signal) -> str | None:
    """The first rule that the signal breaks, as a sentence, or None."""
    if not isinstance(signal, FlowAssignment):
        return "Instabase Flow is told of the pipelines of jobs alone."
    if not signal.job_id.strip():
        return "The job is missing: set flow_job_id."
    if signal.clear and signal.pipelines:
        return "Pipelines are named, and all of them are to be taken away: give one of the two."
    if not signal.clear and not signal.pipelines:
        return "No pipeline is named: an empty list would take all of them from the job."
    return None


def listing(form: str, name: str, found: list[Mapping[str, Any]]) -> Exchange:
    """The pipelines that the token sees, as rows: those whose name fits a glob."""
    try:
        listed = yield from _listed(form)
    except Refused as refused:
        return refused.result
    found += [one.document() for one in listed if fnmatchcase(one.name, name)]
    return SinkResult("sent")


def choice(form: str, wanted: Sequence[str], found: list[tuple[str, str]]) -> Exchange:
    """The pipelines that are named, each with its id and in words; nothing is set."""
    try:
        found += [(one.id, one.shown) for one in chosen((yield from _listed(form)), wanted)]
    except Refused as refused:
        return refused.result
    return SinkResult("sent")


def request(signal: Signal, form: str) -> Request:
    """The request that sets the pipelines; a name that the list would turn into an id stands in braces."""
    assignment = _own(signal)
    ids = [each.lower() if is_uuid(each.lower()) else f"{{{each}}}" for each in assignment.pipelines]
    return _update(assignment.job_id, ids)


def send(signal: Signal, form: str) -> Exchange:
    """The pipelines set, and what the job has then. `form` is the path of the list."""
    assignment = _own(signal)
    try:
        found = () if assignment.clear else chosen((yield from _listed(form)), assignment.pipelines)
    except Refused as refused:
        return refused.result
    doubt = doubts(found)
    try:
        document = answer((yield _update(assignment.job_id, [one.id for one in found])))
        result = _verified(found, pipelines(document.get("updated_pipelines")))
    except Refused as refused:
        result = refused.result
    return result._replace(reason=f"{result.reason} {doubt}") if doubt else result


def spooled_signal(signal: Signal) -> Mapping[str, Any] | None:
    """What a record needs beside a call, since names are looked up when it is sent."""
    fields = _own(signal)._asdict()
    return {"type": FlowAssignment.__name__, **fields, "pipelines": list(fields["pipelines"])}


def resume(record: Record, form: str = "") -> Resumed | None:
    """Sends the signal of a record, when it is one of Flow's. `form` is the path of the list."""
    signal = remembered(record)
    return Resumed(request(signal, form), send(signal, form)) if signal else None


def remembered(record: Record) -> FlowAssignment | None:
    """The signal that a record holds, when it breaks no rule."""
    told = record.signal or {}
    job_id, names, clear = (told.get(name) for name in FlowAssignment._fields)
    if (record.method, record.path, told.get("type")) != ("POST", UPDATE, FlowAssignment.__name__):
        return None
    if not isinstance(job_id, str) or not isinstance(clear, bool) or not isinstance(names, list):
        return None
    if not all(isinstance(name, str) and name for name in names):
        return None
    signal = FlowAssignment(job_id, tuple(names), clear)
    return None if faults(signal) else signal


def _own(signal: Signal) -> FlowAssignment:
    if not isinstance(signal, FlowAssignment):
        raise TypeError(type(signal).__name__)
    return signal


def _listed(form: str) -> Generator[Request, Response, tuple[Pipeline, ...]]:
    path = form or LISTING
    reply = yield Request("GET", path)
    if reply.status in (404, 405):
        other = LISTING if path == UPDATE else UPDATE
        why = (
            f"This Instabase lists no pipelines at {path}. Its documents name another path as well: "
            f"set flow_list_path to {other}."
        )
        raise Refused(SinkResult("failed", why, f"HTTP {reply.status}", retryable=True))
    return pipelines(answer(reply).get("pipelines"))


def _update(job_id: str, ids: Sequence[str]) -> Request:
    return Request("POST", UPDATE, {"job_id": job_id, "pipeline_ids": list(ids)})


def _verified(meant: Sequence[Pipeline], now: Sequence[Pipeline]) -> SinkResult:
    has = f"The job has {named(now) or 'no pipeline'} now"
    if {one.id.lower() for one in now} == {one.id.lower() for one in meant}:
        return SinkResult("sent", f"{has}.")
    why = f"{has}, and not {named(meant) or 'none'}: look at the job, whose documents others may see."
    return SinkResult("failed", why, "not what was set")
