"""Knows what may happen to a job of DCI: states, changes, values, its end. Does not know files.

No order of states is enforced. As observed, an end in failure or error that comes while the job is new or in pre-run
is remembered as error in the history, while the job's status says what was sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from cibeacon.sandbox import dci_schema as schema
from cibeacon.sandbox.dci_answers import SIMILAR, UNABLE, Refusal
from cibeacon.sandbox.dci_call import Asked, found_job
from cibeacon.sandbox.dci_jobs import storable, tags_of
from cibeacon.sandbox.dci_listing import listed
from cibeacon.sandbox.dci_schema import Rule, nullable
from cibeacon.sandbox.dci_state import STATUSES
from cibeacon.sandbox.exchange import Answer, in_json

_JOBSTATE: Mapping[str, Rule] = {
    "job_id": schema.identifier,
    "status": schema.text,
    "comment": nullable(schema.text),
}
_UPDATE: Mapping[str, Rule] = {
    "comment": nullable(schema.text),
    "name": nullable(schema.text),
    "configuration": nullable(schema.text),
    "status_reason": nullable(schema.text),
    "url": nullable(schema.link),
    "tags": schema.anything_listed,
    "status": schema.text,
    "state": schema.state,
}
_VALUE: Mapping[str, Rule] = {"key": schema.text, "value": schema.number}
_EARLY = ("new", "pre-run")
_JOBSTATES = ("id", "job_id", "status", "comment", "created_at")


def add_state(asked: Asked) -> Answer:
    """POST /jobstates."""
    body = schema.checked(asked.json(), _JOBSTATE, ["job_id", "status"])
    job = found_job(asked.state, body["job_id"])
    status, comment = body["status"], body.get("comment")
    _known(status)
    schema.storable(comment)
    early_end = status in ("failure", "error") and job["status"] in _EARLY
    row = asked.state.add_state(job, status, comment, kept="error" if early_end else None)
    return in_json(201, {"jobstate": row})


def states(asked: Asked) -> Answer:
    """GET /jobs/ID/jobstates."""
    rows = asked.state.states_of(asked.job()["id"])
    return in_json(200, listed("jobstates", rows, asked.args, _JOBSTATES, "created_at"))


def update(asked: Asked) -> Answer:
    """PUT /jobs/ID with If-Match; a status becomes a row of the history, without comment."""
    body = schema.checked(asked.json(), _UPDATE)
    job = asked.job()
    asked.matched(job["etag"], "job")
    storable(body)
    change = body | ({"tags": tags_of(body["tags"])} if "tags" in body else {})
    status = change.pop("status", None)
    if status is not None:
        _known(status)
        asked.state.add_state(job, status, None)
    job |= change | {"etag": asked.state.etag(), "updated_at": asked.state.now()}
    return in_json(200, {"job": job}, ETag=job["etag"])


def delete(asked: Asked) -> Answer:
    """DELETE /jobs/ID with If-Match."""
    job = asked.job()
    asked.matched(job["etag"], "job")
    job |= {"state": "archived", "etag": asked.state.etag()}
    return Answer(204, b"")


def add_value(asked: Asked) -> Answer:
    """POST /jobs/ID/kv: a number under a key that the job does not have yet."""
    body = schema.checked(asked.json(), _VALUE, ["key", "value"])
    job_id, key = asked.job()["id"], body["key"]
    schema.storable(short=(key,))
    if any(row["key"] == key for row in asked.state.values_of(job_id)):
        raise Refusal(409, SIMILAR)
    row = {"job_id": job_id, "key": key, "value": body["value"]}
    asked.state.values.append(row)
    return in_json(201, {"kv": row})


def _known(status: str) -> None:
    if status not in STATUSES:
        raise Refusal(400, UNABLE)
