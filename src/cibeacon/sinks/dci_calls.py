"""Knows every call of DCI's API that cibeacon makes: path, query, body, headers. Does not know what the answers mean.

The API: https://github.com/redhat-cip/dci-control-server. Lists take `limit` and `offset` both or neither, `where` is a
list of equalities, and an empty parameter breaks the signature, so none is ever sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cibeacon.model.request import Request

PAGE = 200
"""Rows of a page; DCI gives no more at once."""
MOST_OF_A_RUN = 10
"""Jobs of one run: more than it can have by mistakes of ours."""
_ROOT = "/api/v1"


def identity() -> Request:
    """Who signs."""
    return _get("/identity")


def topics(offset: int = 0, name: str | None = None) -> Request:
    """A page of the topics, or those of one name."""
    return _list("/topics", offset, PAGE, **({"name": name} if name else {}))


def topic(topic_id: str) -> Request:
    """One topic."""
    return _get(f"/topics/{topic_id}")


def components(topic_id: str, offset: int = 0, kind: str | None = None) -> Request:
    """A page of a topic's components, the newest first, or of those of one type."""
    return _list(f"/topics/{topic_id}/components", offset, PAGE, **({"type": kind} if kind else {}))


def latest(topic_id: str, kind: str) -> Request:
    """The component of a type in use that was released last."""
    return _list(f"/topics/{topic_id}/components", 0, 1, type=kind, state="active")


def created(topic_id: str, kind: str) -> Request:
    """A page of the components of a type that are in use, those that were created last in front."""
    return rows(f"/topics/{topic_id}/components", 0, PAGE, {"type": kind, "state": "active"}, "-created_at")


def component(component_id: str) -> Request:
    """One component."""
    return _get(f"/components/{component_id}")


def jobs(offset: int = 0, limit: int = PAGE, **where: str) -> Request:
    """A page of the jobs, the newest first; with `where` of those whose columns hold these values."""
    return _list("/jobs", offset, limit, **where)


def tagged(tag: str) -> Request:
    """The jobs that carry a tag, the newest first: one, or two where it was made twice."""
    return jobs(0, MOST_OF_A_RUN, tags=tag)


def job(job_id: str) -> Request:
    """One job, with its states and files."""
    return _get(f"/jobs/{job_id}")


def create(topic_id: str, component_ids: list[str], fields: Mapping[str, Any]) -> Request:
    """A new job with these components."""
    return _post("/jobs", {"topic_id": topic_id, "components": component_ids, **fields})


def schedule(topic_id: str, fields: Mapping[str, Any]) -> Request:
    """A new job with the component of every type of the topic that was created last, and is not a team's own."""
    return _post("/jobs/schedule", {"topic_id": topic_id, **fields})


def state(job_id: str, status: str, comment: str | None = None) -> Request:
    """How a job stands from now on."""
    return _post("/jobstates", {"job_id": job_id, "status": status, **({"comment": comment} if comment else {})})


def value(job_id: str, name: str, number: float) -> Request:
    """A number that the job keeps under a name that it does not have yet."""
    return _post(f"/jobs/{job_id}/kv", {"key": name, "value": number})


def files(job_id: str, offset: int = 0, name: str | None = None) -> Request:
    """A page of a job's files, or those of one name."""
    by_name = {"name": name} if name and can_be_asked_for(name) else {}
    return _list(f"/jobs/{job_id}/files", offset, PAGE, **by_name)


def upload(job_id: str, path: Path, name: str, mime: str) -> Request:
    """A file of a job; without a content type, by which DCI would read the body as a form."""
    headers = {"DCI-JOB-ID": job_id, "DCI-NAME": name, "DCI-MIME": mime}
    return Request("POST", f"{_ROOT}/files", auth="dci", headers=headers, file=path, repeatable=False)


def content(file_id: str, path: Path, mime: str) -> Request:
    """What a file of DCI's holds, to be compared with one of ours; its type says how that one is cleaned before."""
    return Request("GET", f"{_ROOT}/files/{file_id}/content", auth="dci", headers={"DCI-MIME": mime}, file=path)


def rows(path: str, offset: int, limit: int, where: Mapping[str, str], sort: str = "") -> Request:
    """A page of any list, of those rows whose columns hold these values; in an order of its own without `sort`."""
    query = f"?limit={limit}&offset={offset}" + (f"&sort={sort}" if sort else "")
    if where:
        query += "&where=" + _quoted(",".join(f"{column}:{value}" for column, value in where.items()))
    return _get(f"{path}{query}")


def can_be_asked_for(value: str) -> bool:
    """False for what `where` cannot write as one value: a comma parts values, and an asterisk at the end means any."""
    return bool(value) and "," not in value and not value.endswith("*")


def _get(path: str) -> Request:
    return Request("GET", f"{_ROOT}{path}", auth="dci")


def _list(path: str, offset: int, limit: int, **where: str) -> Request:
    return rows(path, offset, limit, where)


def _quoted(value: str) -> str:
    """As the signature quotes it: what is signed is what is sent."""
    return quote(value, safe="_.-~", errors="replace")


def _post(path: str, body: Mapping[str, Any]) -> Request:
    return Request("POST", f"{_ROOT}{path}", body, auth="dci", repeatable=False)
