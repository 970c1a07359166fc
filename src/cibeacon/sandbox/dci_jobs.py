"""Knows how DCI makes jobs and shows them. Does not know what happens to them afterwards.

As observed, `POST /jobs` stores the job before it looks at the components: a wrong one leaves a job without components
behind. `POST /jobs/schedule` looks first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cibeacon.sandbox import dci_schema as schema
from cibeacon.sandbox.dci_account import Topic
from cibeacon.sandbox.dci_answers import SIMILAR, UNABLE, Refusal, database
from cibeacon.sandbox.dci_call import Asked
from cibeacon.sandbox.dci_listing import listed
from cibeacon.sandbox.dci_schema import Rule, nullable
from cibeacon.sandbox.dci_state import Row, component_rows, components_by_id, topic_row
from cibeacon.sandbox.dci_topics import remoteci_row
from cibeacon.sandbox.exchange import Answer, in_json

_OPTIONAL: Mapping[str, Rule] = {
    "name": schema.text,
    "comment": schema.text,
    "configuration": schema.text,
    "status_reason": schema.text,
    "url": schema.link,
    "tags": schema.anything_listed,
    "data": schema.mapping,
    "previous_job_id": schema.identifier,
    "update_previous_job_id": schema.identifier,
    "pipeline_id": schema.identifier,
}
_CREATE: Mapping[str, Rule] = {
    **_OPTIONAL,
    "topic_id": schema.identifier,
    "components": schema.anything_listed,
    "remoteci_id": schema.identifier,
    "team_id": schema.identifier,
}
_SCHEDULE: Mapping[str, Rule] = {
    **{name: nullable(rule) for name, rule in _OPTIONAL.items()},
    "topic_id": schema.identifier,
    "components_ids": schema.identifiers,
}
_COLUMNS = (
    "id",
    "created_at",
    "updated_at",
    "etag",
    "state",
    "status",
    *_OPTIONAL,
    "duration",
    "client_version",
    "user_agent",
    "product_id",
    "remoteci_id",
    "team_id",
    "topic_id",
)


def create(asked: Asked) -> Answer:
    """POST /jobs."""
    body = schema.checked(asked.json(), _CREATE, ["components"])
    _may_make(asked)
    topic = _active(asked, body.get("topic_id"))
    job = _inserted(asked, topic, body)
    known = components_by_id(asked.account.topics, asked.account.team_id)
    for component_id in body["components"]:
        if not schema.is_uuid(component_id):
            raise database("components.id", str(component_id))
        if component_id not in known:
            raise Refusal(404, "component not found")
        asked.state.components_of[job["id"]].append(component_id)
    return in_json(201, {"job": job}, ETag=job["etag"])


def schedule(asked: Asked) -> Answer:
    """POST /jobs/schedule: with the component of each type that was created last, or with one of each type as given."""
    body = schema.checked(asked.json(), _SCHEDULE, ["topic_id"])
    _may_make(asked)
    topic = _active(asked, body["topic_id"])
    rows = [row for row in component_rows(topic, asked.account.team_id) if row["state"] == "active"]
    types = [kind.lower() for kind in topic.component_types]
    chosen = _told(body["components_ids"], rows, types) if body.get("components_ids") else _newest(rows, types)
    job = _inserted(asked, topic, body)
    asked.state.components_of[job["id"]] += [row["id"] for row in chosen]
    return in_json(201, {"job": job}, ETag=job["etag"])


def jobs(asked: Asked) -> Answer:
    """GET /jobs: newest first, each with what belongs to it but states and files."""
    rows = [job for job in asked.state.jobs.values() if job["state"] != "archived"]
    answer = listed("jobs", rows, asked.args, _COLUMNS)
    return in_json(200, answer | {"jobs": [job | _around(asked, job) for job in answer["jobs"]]})


def job(asked: Asked) -> Answer:
    """GET /jobs/ID: everything, but of the files only those that are on no jobstate."""
    row, state = asked.job(), asked.state
    files = [one.row for one in state.files_of(row["id"]) if one.row["jobstate_id"] is None]
    document = row | _around(asked, row) | {"jobstates": state.states_of(row["id"]), "files": files}
    return in_json(200, {"job": document}, ETag=row["etag"])


def _around(asked: Asked, row: Row) -> Row:
    state = asked.state
    known = components_by_id(asked.account.topics, asked.account.team_id)
    account = asked.account
    return {
        "topic": topic_row(asked.topic(row["topic_id"])),
        "remoteci": remoteci_row(asked, row["remoteci_id"]),
        "team": {"id": account.team_id, "name": account.team_name, "state": "active"},
        "components": [known[each] for each in state.components_of[row["id"]]],
        "results": [one.row for one in state.results_of(row["id"])],
        "keys_values": state.values_of(row["id"]),
        "pipeline": None,
    }


def _may_make(asked: Asked) -> None:
    if asked.remoteci.kind != "remoteci":
        raise Refusal(400, "Only remoteci can create job")
    if not asked.remoteci.active:
        raise Refusal(412, f'RemoteCI "{asked.remoteci.id}" is disabled.')


def _active(asked: Asked, topic_id: str | None) -> Topic:
    topic = asked.topic(topic_id)
    if not topic.active:
        raise Refusal(412, f"Topic {topic.id}:{topic.name} not active.")
    return topic


def _newest(rows: Sequence[Row], types: Sequence[str]) -> list[Row]:
    chosen = []
    for kind in types:
        of_type = [row for row in rows if row["type"] == kind and row["team_id"] is None]
        if not of_type:
            raise Refusal(412, f'Component of type "{kind}" not found or not exported.')
        chosen.append(max(of_type, key=lambda row: str(row["created_at"])))
    return chosen


def _told(ids: Sequence[str], rows: Sequence[Row], types: Sequence[str]) -> list[Row]:
    by_id = {row["id"]: row for row in rows}
    if len(ids) != len(types):
        raise Refusal(412, f"The number of component ids does not match the number of component types {list(types)}")
    for each in ids:
        if each not in by_id:
            raise Refusal(412, f"Component id {each} not found or not exported")
    chosen = [by_id[each] for each in ids]
    if sorted(row["type"] for row in chosen) != sorted(types):
        raise Refusal(412, "Component types malformed: one component of each type is needed.")
    return chosen


def _inserted(asked: Asked, topic: Topic, body: Mapping[str, Any]) -> Row:
    state = asked.state
    tags = tags_of(body.get("tags"))
    agent, version = (asked.request.headers.get(name) for name in ("User-Agent", "Client-Version"))
    storable(body, short=(agent, version))
    previous = (body.get("previous_job_id"), body.get("update_previous_job_id"))
    if body.get("pipeline_id") or any(each and each not in state.jobs for each in previous):
        raise Refusal(409, SIMILAR)
    job = state.base("job") | {
        "status": "new",
        **{name: body.get(name) for name in _OPTIONAL},
        "tags": tags,
        "data": body.get("data") or {},
        "duration": 0,
        "client_version": version,
        "user_agent": agent,
        "product_id": topic.product_id,
        "remoteci_id": asked.remoteci.id,
        "team_id": asked.account.team_id,
        "topic_id": topic.id,
    }
    state.jobs[job["id"]] = job
    state.components_of[job["id"]] = []
    return job


def tags_of(tags: Sequence[object] | None) -> list[str]:
    """Tags as they are stored: blank ones dropped. Raises what DCI answers when one is no string."""
    kept = [tag for tag in tags or () if isinstance(tag, str)]
    if len(kept) != len(tags or ()):
        raise Refusal(400, UNABLE)
    schema.storable(*kept)
    return [tag for tag in kept if tag.strip()]


def storable(body: Mapping[str, Any], short: Sequence[object] = ()) -> None:
    """Raise what DCI answers when a text of a job does not fit its column."""
    schema.storable(*body.values(), short=(body.get("name"), *short))
