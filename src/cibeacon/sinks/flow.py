"""Knows how to set the Flow pipelines of an Instabase job: list, choose, set, check. Does not know HTTP or tokens.

Setting replaces all pipelines of the job, and returns those that it then has; it may be repeated. The pipelines decide who
can see the job's documents, so the result must be exactly the wanted set.
https://instabase.com/docs/apis/flow-pipeline/
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from cibeacon.model.identifiers import is_uuid
from cibeacon.model.request import Exchange, Request, Response, Resumed, SinkError, SinkResult, ended_by_errors
from cibeacon.model.signals import FlowAssignment, Signal
from cibeacon.model.spool_record import Record
from cibeacon.sinks import signal_record
from cibeacon.sinks.flow_api import PREFIX, FlowPipeline, answer, read_pipelines

NAME = "flow"
LISTING = "/api/v1/flow/pipeline"
UPDATE = "/api/v1/jobs/pipelines"
"""The documentation also uses it for the list, in an example."""
_NEEDED = frozenset({f"{PREFIX}execute", f"{PREFIX}write"})
_MOST_NAMED = 8
"""Pipelines listed in a sentence."""


def method(signal: Signal, form: str) -> str:
    """The name of the main request."""
    return UPDATE.removeprefix("/api/v1/")


def faults(signal: Signal) -> str | None:
    """The first rule that the signal breaks, as a sentence, or None."""
    if not isinstance(signal, FlowAssignment):
        return "Instabase Flow accepts only the pipelines of jobs."
    if not signal.job_id.strip():
        return "The job is missing. Set flow_job_id."
    if signal.clear and signal.pipelines:
        return "Pipelines and --clear exclude each other. Use one of them."
    if not signal.clear and not all((signal.pipelines, *signal.pipelines)):
        return "No pipeline is given; an empty list would remove all of them. To do that, use --clear."
    return None


def request(signal: Signal, form: str) -> Request:
    """The request that sets the pipelines; a name that is not looked up yet is in braces."""
    assignment = _assignment(signal)
    ids = [name.lower() if is_uuid(name.lower()) else f"{{{name}}}" for name in assignment.pipelines]
    return _update(assignment.job_id, ids)


def send(signal: Signal, form: str) -> Exchange:
    """Sets the pipelines, and checks which ones the job then has. `form` is the path of the list."""
    return ended_by_errors(_assign(_assignment(signal), form))


def spooled_signal(signal: Signal, form: str) -> Mapping[str, Any] | None:
    """The whole signal, since names are looked up when it is sent."""
    return signal_record.write(_assignment(signal))


def resume(record: Record, form: str = "") -> Resumed | None:
    """Sends the signal of a record, if it is for Flow. `form` is the path of the list."""
    signal = remembered(record)
    return Resumed(request(signal, form), send(signal, form)) if signal else None


def remembered(record: Record) -> FlowAssignment | None:
    """The signal in a record, if it is valid."""
    signal = signal_record.read(record.signal)
    if not isinstance(signal, FlowAssignment) or (record.method, record.path) != ("POST", UPDATE):
        return None
    return None if faults(signal) else signal


def list_pipelines(form: str, pattern: str, rows: list[Mapping[str, Any]]) -> Exchange:
    """Reads the pipelines that the token can see and whose name matches a glob, as rows."""

    def read() -> Exchange:
        pipelines = yield from _list(form)
        rows.extend(pipeline.document() for pipeline in pipelines if fnmatchcase(pipeline.name, pattern))
        return SinkResult("sent")

    return ended_by_errors(read())


def choose_pipelines(form: str, wanted: Sequence[str], choice: list[tuple[str, str]]) -> Exchange:
    """Looks up the wanted pipelines, each with its id and a readable name; sets nothing."""

    def read() -> Exchange:
        pipelines = _choose((yield from _list(form)), wanted)
        choice.extend((pipeline.id, pipeline.shown) for pipeline in pipelines)
        return SinkResult("sent")

    return ended_by_errors(read())


def _assign(assignment: FlowAssignment, form: str) -> Exchange:
    chosen = () if assignment.clear else _choose((yield from _list(form)), assignment.pipelines)
    try:
        document = answer((yield _update(assignment.job_id, [pipeline.id for pipeline in chosen])))
        result = _check(chosen, read_pipelines(document.get("updated_pipelines")))
    except SinkError as error:
        result = error.result
    doubts = _doubts(chosen)
    return result._replace(reason=f"{result.reason} {doubts}") if doubts else result


def _assignment(signal: Signal) -> FlowAssignment:
    if not isinstance(signal, FlowAssignment):
        raise TypeError(type(signal).__name__)
    return signal


def _list(form: str) -> Generator[Request, Response, tuple[FlowPipeline, ...]]:
    path = form or LISTING
    response = yield Request("GET", path)
    if response.status in (404, 405):
        other = LISTING if path == UPDATE else UPDATE
        raise SinkError(
            f"This Instabase has no list of pipelines at {path}. Set flow_list_path to {other}, which its documentation "
            "also mentions.",
            f"HTTP {response.status}",
            retryable=True,
        )
    return read_pipelines(answer(response).get("pipelines"))


def _update(job_id: str, ids: Sequence[str]) -> Request:
    return Request("POST", UPDATE, {"job_id": job_id, "pipeline_ids": list(ids)})


def _check(wanted: Sequence[FlowPipeline], now: Sequence[FlowPipeline]) -> SinkResult:
    has = f"The job now has {name_pipelines(now) or 'no pipeline'}"
    if {pipeline.id.lower() for pipeline in now} == {pipeline.id.lower() for pipeline in wanted}:
        return SinkResult("sent", f"{has}.")
    reason = f"{has} instead of {name_pipelines(wanted) or 'none'}. Check the job: others may see its documents."
    return SinkResult("failed", reason, "not what was set")


def _doubts(chosen: Sequence[FlowPipeline]) -> str | None:
    """What may prevent setting the pipelines. Instabase does not document the permission, so the request is still sent."""
    unlisted = [pipeline for pipeline in chosen if not pipeline.listed]
    barred = [
        pipeline for pipeline in chosen if pipeline.permissions is not None and not _NEEDED & {*pipeline.permissions}
    ]
    doubts = [f"The token cannot see {name_pipelines(unlisted)}."] if unlisted else []
    if barred:
        doubts.append(f"The token can neither execute nor write {name_pipelines(barred)}.")
    return " ".join(doubts) or None


def name_pipelines(pipelines: Sequence[FlowPipeline]) -> str:
    """Pipelines as a list in a sentence."""
    more = f" and {len(pipelines) - _MOST_NAMED} more" if len(pipelines) > _MOST_NAMED else ""
    return ", ".join(pipeline.shown for pipeline in pipelines[:_MOST_NAMED]) + more


def _choose(listed: Sequence[FlowPipeline], wanted: Iterable[str]) -> tuple[FlowPipeline, ...]:
    """The wanted pipelines. Raises `SinkError` if a name does not match exactly one."""
    return tuple({pipeline.id: pipeline for pipeline in (_match(listed, name) for name in wanted)}.values())


def _match(listed: Sequence[FlowPipeline], wanted: str) -> FlowPipeline:
    """The pipeline with this id or this exact name."""
    by_id = [pipeline for pipeline in listed if pipeline.id.lower() == wanted.lower()]
    if by_id:
        return by_id[0]
    by_name = [pipeline for pipeline in listed if pipeline.name == wanted]
    if len(by_name) == 1:
        return by_name[0]
    if by_name:
        ids = ", ".join(pipeline.id for pipeline in by_name)
        raise SinkError(f"{len(by_name)} pipelines are named {wanted}. Use the id of the right one ({ids}).")
    if is_uuid(wanted.lower()):
        return FlowPipeline("", wanted.lower(), listed=False)
    from difflib import get_close_matches  # only a slip needs it

    near = get_close_matches(wanted, dict.fromkeys(pipeline.name for pipeline in listed), 3, 0.5)
    like = f" Similar names are {', '.join(near)}." if near else ""
    raise SinkError(
        f"The token cannot see a pipeline {wanted}.{like} Run cibeacon flow list to show those that it can see; a missing or "
        "wrong flow_context shows another account's."
    )
