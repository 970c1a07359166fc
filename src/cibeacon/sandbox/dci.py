"""Knows DCI as an app: topics, components and what may happen to a job. Does not know files.

https://github.com/redhat-cip/dci-control-server, as it was observed to behave: `POST /jobs` stores the job before it looks
at the components, so that a wrong one leaves a job behind, while `POST /jobs/schedule` looks first. No order of states is
enforced. An end in failure or error that comes while the job is new or in pre-run is remembered as error in the history,
while the job's status says what was sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import Annotated

from fastapi import Depends, Request, Response
from starlette.middleware.base import RequestResponseEndpoint

from cibeacon.sandbox import dci_files, vendor
from cibeacon.sandbox import dci_models as models
from cibeacon.sandbox.dci_account import Dci, DciAccount, Topic
from cibeacon.sandbox.dci_models import SIMILAR, Refusal, Row, check_uuid, list_rows, show
from cibeacon.sandbox.dci_signature import Ask, Call, Given, Id, Pages, answer, create_router
from cibeacon.sandbox.safe_json import JSONAnswer
from cibeacon.sandbox.store import Store

PREFIX = "/api/v1"
router = create_router()


async def _agent_of(user_agent: Given = None, client_version: Given = None) -> Row:
    return {"user_agent": user_agent, "client_version": client_version}


_Agent = Annotated[Row, Depends(_agent_of)]


@router.get("/identity")
async def show_identity(ask: Ask) -> Response:
    """The client that signs, and its teams."""
    account = ask.dci.account
    team = {"team_name": account.team_name, "state": "active", "has_pre_release_access": False}
    nothing = dict.fromkeys(("name", "fullname", "email", "etag", "timezone"))
    return answer("identity", {"id": ask.remoteci.id, **nothing, "teams": {account.team_id: team}})


@router.get("/topics")
async def list_topics(ask: Ask, paging: Pages) -> Response:
    """The topics that the team may see, also inactive ones."""
    rows = [topic.row() for topic in ask.dci.account.topics if topic.granted]
    return JSONAnswer(list_rows("topics", rows, paging))


@router.get("/topics/{topic_id:uuid}")
async def show_topic(topic_id: Id, ask: Ask) -> Response:
    """A topic."""
    return answer("topic", ask.dci.topic(topic_id).row())


@router.get("/topics/{topic_id:uuid}/components")
async def list_components(topic_id: Id, ask: Ask, paging: Pages) -> Response:
    """The components of a topic, newest release first."""
    rows = ask.dci.topic(topic_id).component_rows(ask.dci.account.team_id)
    return JSONAnswer(list_rows("components", rows, paging, "-released_at"))


@router.get("/components/{component_id:uuid}")
async def show_component(component_id: Id, ask: Ask) -> Response:
    """A component of a topic that the team may see."""
    row = ask.dci.account.components().get(component_id)
    if row is None:
        raise Refusal(404, "component not found")
    ask.dci.topic(row["topic_id"])
    return answer("component", row)


@router.get("/remotecis")
async def list_remotecis(ask: Ask, paging: Pages) -> Response:
    """The team's remote CIs, with their secrets."""
    account = ask.dci.account
    rows = [one.row(account.team_id) for one in account.remotecis if one.kind == "remoteci"]
    return JSONAnswer(list_rows("remotecis", rows, paging))


@router.get("/jobs")
async def list_jobs(ask: Ask, paging: Pages) -> Response:
    """The jobs, newest first, each with all that belongs to it except states and files."""
    rows = [job for job in ask.dci.jobs.values() if job["state"] != "archived"]
    page = list_rows("jobs", rows, paging)
    return JSONAnswer(page | {"jobs": [job | _relations(ask.dci, job["id"]) for job in page["jobs"]]})


@router.post("/jobs", status_code=201)
async def create_job(body: models.NewJob, ask: Ask, agent: _Agent) -> Response:
    """Create a job with the components that it names."""
    job = _insert(ask, _open_topic(ask, body.topic_id), body, agent)
    known = ask.dci.account.components()
    for index, component_id in enumerate(body.components):
        check_uuid("components.id", component_id)
        if component_id not in known:
            raise Refusal(404, "component not found")
        ask.dci.jobs[job["id"]] = ask.dci.jobs[job["id"]] | {"components": body.components[: index + 1]}
    return answer("job", job, 201)


@router.post("/jobs/schedule", status_code=201)
async def schedule_job(body: models.ScheduledJob, ask: Ask, agent: _Agent) -> Response:
    """Create a job with the newest components of its topic, or with one given component of each type."""
    topic = _open_topic(ask, body.topic_id)
    rows = [row for row in topic.component_rows(ask.dci.account.team_id) if row["state"] == "active"]
    types, given = topic.component_types, body.components_ids
    chosen = _choose(given, rows, types) if given else _choose_newest(rows, types)
    return answer("job", _insert(ask, topic, body, agent, chosen), 201)


@router.get("/jobs/{job_id:uuid}")
async def show_job(job_id: Id, ask: Ask) -> Response:
    """A job with all that belongs to it; of the files only those that are on no jobstate."""
    job = ask.dci.job(job_id)
    files = [show(row, "files") for row in ask.dci.of_job("files", job) if row["jobstate_id"] is None]
    states = [show(row, "jobstates") for row in ask.dci.of_job("jobstates", job)]
    return answer("job", show(job, "jobs") | _relations(ask.dci, job_id) | {"jobstates": states, "files": files})


@router.put("/jobs/{job_id:uuid}")
async def change_job(job_id: Id, body: models.JobPatch, ask: Ask, if_match: Given = None) -> Response:
    """Change the job whose etag is given. A status is added to the history, without a comment."""
    job = _match(ask, job_id, if_match)
    change = body.model_dump(exclude_unset=True)
    if status := change.pop("status", None):
        ask.dci.add_state(job, status, None)
    return answer("job", show(ask.dci.change_job(job_id, change), "jobs"))


@router.delete("/jobs/{job_id:uuid}", status_code=204)
async def delete_job(job_id: Id, ask: Ask, if_match: Given = None) -> Response:
    """Delete the job whose etag is given."""
    ask.dci.change_job(_match(ask, job_id, if_match)["id"], {"state": "archived"})
    return Response(status_code=204, media_type="application/json")


@router.post("/jobstates", status_code=201)
async def add_state(body: models.NewState, ask: Ask) -> Response:
    """Report the state of a job."""
    job = ask.dci.job(body.job_id)
    early_end = body.status in ("failure", "error") and job["status"] in ("new", "pre-run")
    row = ask.dci.add_state(job, body.status, body.comment, kept="error" if early_end else None)
    return JSONAnswer({"jobstate": row}, 201)


@router.get("/jobs/{job_id:uuid}/jobstates")
@router.get("/jobs/{job_id:uuid}/files")
@router.get("/jobs/{job_id:uuid}/results")
async def list_of_job(job_id: Id, request: Request, ask: Ask, paging: Pages) -> Response:
    """The history of a job, oldest first; or its files, or the results of its JUnit files, newest first."""
    table = request.scope["path"].rpartition("/")[2]
    order = "created_at" if table == "jobstates" else "-created_at"
    return JSONAnswer(list_rows(table, ask.dci.of_job(table, ask.dci.job(job_id)), paging, order))


@router.post("/jobs/{job_id:uuid}/kv", status_code=201)
async def add_value(job_id: Id, body: models.KeyValue, ask: Ask) -> Response:
    """Add a number to a job under a new key."""
    row = {"job_id": ask.dci.job(job_id)["id"], "key": body.key, "value": body.value}
    if (key := f"{job_id} {body.key}") in ask.dci.values:
        raise Refusal(409, SIMILAR)
    ask.dci.values[key] = row
    return JSONAnswer({"kv": row}, 201)


def play(account: DciAccount | None, store: Store, clock: Callable[[], float]) -> vendor.Vendor:
    """DCI."""
    dci = Dci(account or DciAccount(), clock, store)
    app = vendor.create_app("DCI", router, dci_files.router, refuse=models.refuse, errors=(Refusal,), dci=dci)

    @app.middleware("http")
    async def answer_dated(request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Accept a slash at the end of a path, and date answers by the clock that checks signatures."""
        request.scope["path"] = request.scope["path"].rstrip("/")
        response = await call_next(request)
        response.headers["Date"] = formatdate(dci.clock(), usegmt=True)
        return response

    return vendor.Vendor(PREFIX, app, dci, dci.account.exports, dci.document, verdict, streams=True)


def verdict(response: Response) -> tuple[str | None, str | None]:
    """The status in words and the message of a refusal; for a malformed request with the rule that it broke."""
    error, message = vendor.verdict(response)
    if message != models.MALFORMED:
        return error, message
    return error, f"{message}: {json.loads(bytes(response.body))['payload']['error']}"


def _relations(dci: Dci, job_id: str) -> Row:
    """What belongs to a job, except its states and files."""
    account, job, known = dci.account, dci.jobs[job_id], dci.account.components()
    remoteci = next(one for one in account.remotecis if one.id == job["remoteci_id"])
    return {
        "topic": dci.topic(job["topic_id"]).row(),
        "remoteci": remoteci.row(account.team_id),
        "team": {"id": account.team_id, "name": account.team_name, "state": "active"},
        "components": [known[each] for each in job["components"]],
        "results": [show(row, "results") for row in dci.of_job("results", job)],
        "keys_values": dci.of_job("values", job),
        "pipeline": None,
    }


def _match(ask: Call, job_id: str, if_match: str | None) -> Row:
    """The job whose etag If-Match names. A stale etag finds no job."""
    job = ask.dci.job(job_id)
    if not if_match:
        raise Refusal(412, "'If-match' header must be provided")
    if if_match.strip('"') != job["etag"]:
        raise Refusal(404, "job not found")
    return job


def _open_topic(ask: Call, topic_id: str | None) -> Topic:
    if ask.remoteci.kind != "remoteci":
        raise Refusal(400, "Only remoteci can create job")
    if not ask.remoteci.active:
        raise Refusal(412, f'RemoteCI "{ask.remoteci.id}" is disabled.')
    topic = ask.dci.topic(topic_id)
    if not topic.active:
        raise Refusal(412, f"Topic {topic.id}:{topic.name} not active.")
    return topic


def _choose_newest(rows: Sequence[Row], types: Sequence[str]) -> list[str]:
    by_age = sorted(rows, key=lambda row: str(row["created_at"]))
    newest = {row["type"]: row["id"] for row in by_age if row["team_id"] is None}
    if missing := [kind for kind in types if kind not in newest]:
        raise Refusal(412, f'Component of type "{missing[0]}" not found or not exported.')
    return [newest[kind] for kind in types]


def _choose(ids: Sequence[str], rows: Sequence[Row], types: Sequence[str]) -> list[str]:
    type_of = {row["id"]: row["type"] for row in rows}
    if len(ids) != len(types):
        raise Refusal(412, f"The number of component ids does not match the number of component types {list(types)}")
    if unknown := [each for each in ids if each not in type_of]:
        raise Refusal(412, f"Component id {unknown[0]} not found or not exported")
    if sorted(type_of[each] for each in ids) != sorted(types):
        raise Refusal(412, "Component types malformed: one component of each type is needed.")
    return list(ids)


def _insert(ask: Call, topic: Topic, body: models.JobFields, agent: Row, components: Sequence[str] = ()) -> Row:
    """Store a new job. The answer does not contain its components."""
    dci, previous = ask.dci, (body.previous_job_id, body.update_previous_job_id)
    if body.pipeline_id or any(each and each not in dci.jobs for each in previous):
        raise Refusal(409, SIMILAR)
    said = body.model_dump(include=set(models.JobFields.model_fields), exclude_none=True)
    owners = {"topic_id": topic.id, "product_id": topic.row()["product_id"], "team_id": dci.account.team_id}
    job = dci.new_row("jobs", **said, **agent, **owners, remoteci_id=ask.remoteci.id)
    dci.jobs[job["id"]] = job | {"components": list(components), "notifications": 0}
    return job
