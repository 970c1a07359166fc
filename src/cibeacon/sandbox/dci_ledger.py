"""Knows how to tell in one JSON object what DCI holds. Does not know how it came there."""

from __future__ import annotations

from typing import Any

from cibeacon.sandbox.dci_state import DciState, Row

_FAILING = 100
"""Most failing test cases of a job."""


def document(state: DciState) -> dict[str, Any]:
    """The client's id (its secret is nowhere here), the names of the visible topics, and the jobs by id.

    A job: its columns, `topic` by name, `components` by id, `states` as pairs of status and comment, `timeline` with the
    time beside each, `files` with `sha256`, `results`, the first `failing` test cases, `keys_values`, and how many
    `notifications` of its end went out.
    """
    account = state.account
    return {
        "client_id": f"remoteci/{account.remotecis[0].id}",
        "topics": [topic.name for topic in account.topics if topic.granted],
        "jobs": {job_id: _job(state, job) for job_id, job in state.jobs.items()},
    }


def _job(state: DciState, job: Row) -> Row:
    job_id = job["id"]
    tested = state.results_of(job_id)
    names = {topic.id: topic.name for topic in state.account.topics}
    return job | {
        "topic": names[job["topic_id"]],
        "components": list(state.components_of[job_id]),
        "states": [[row["status"], row["comment"]] for row in state.states_of(job_id)],
        "timeline": [[row["status"], row["comment"], row["created_at"]] for row in state.states_of(job_id)],
        "files": [one.row | {"sha256": one.upload.sha256} for one in state.files_of(job_id)],
        "results": [dict(one.row) for one in tested],
        "failing": [name for one in tested for name, passed in one.passed.items() if not passed][:_FAILING],
        "keys_values": {row["key"]: row["value"] for row in state.values_of(job_id)},
        "notifications": state.notifications.get(job_id, 0),
    }
