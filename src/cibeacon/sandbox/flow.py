"""Knows how Instabase lists Flow pipelines and sets those of a job. Does not know sockets or any client.

https://instabase.com/docs/apis/flow-pipeline/: the status is 200 for errors too, and the list calls `name` and `id` what
the update calls `flowPipelineName` and `flowPipelineId`. A test orders trouble with `sandbox.flow.mishaps`, on paths
without `/api/v1`, and reads what was set from `sandbox.flow.document()`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from threading import RLock
from typing import Any

from cibeacon.sandbox.exchange import Answer, Request, in_json
from cibeacon.sandbox.flow_account import Context, FlowAccount, FlowPipeline
from cibeacon.sandbox.ledger import Ledger
from cibeacon.sandbox.mishaps import Mishaps, login_page
from cibeacon.sandbox.safe_json import parse_json

PREFIX = "/api/v1"
LISTING, UPDATE = "/flow/pipeline", "/jobs/pipelines"


class _Refusal(Exception):
    """An error in words; the status is 200 all the same."""


class Flow:
    """Instabase with a memory; safe to use from many threads.

    Args:
        account: what it holds before the first request.
        ledger: where requests are noted.
        clock: tells the Unix time in seconds.
        log: called with the entry of each request.
    """

    def __init__(
        self,
        account: FlowAccount,
        ledger: Ledger,
        clock: Callable[[], float],
        log: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.account = account
        self.mishaps = Mishaps()
        self._jobs = {name: {job: list(ids) for job, ids in one.jobs.items()} for name, one in account.contexts.items()}
        self._ledger, self._clock, self._log = ledger, clock, log
        self._lock = RLock()

    def receives(self, request: Request) -> bool:
        """Whether a request is for Instabase; DCI has its API under the same prefix."""
        return request.path.rstrip("/") in {PREFIX + path for path in (LISTING, UPDATE, self.account.listing)}

    def document(self) -> dict[str, Any]:
        """By context: its pipelines with id and name, and its jobs, each with the pipelines that it has now."""
        with self._lock:
            return {name: self._context(name, context) for name, context in self.account.contexts.items()}

    def answer(self, request: Request) -> Answer | None:
        """Judge a request, change what is held accordingly and note it; None when its answer gets lost."""
        path = request.path.removeprefix(PREFIX).rstrip("/")
        body = parse_json(request.body)
        with self._lock:
            mishap = self.mishaps.next(request.method, path)
            answer = mishap.instead(request, self._clock()) if mishap else None
            message = None
            if answer is None:
                try:
                    answer = self._handled(request, path, body)
                except _Refusal as refusal:
                    message = str(refusal)
                    answer = in_json(200, {"status": "ERROR", "msg": message})
            self._note(request, body, answer, message)
        return mishap.after(answer, "") if mishap else answer

    def _handled(self, request: Request, path: str, body: object) -> Answer:
        method = "GET" if request.method == "HEAD" else request.method
        if (method, path) not in (("GET", self.account.listing), ("POST", UPDATE)):
            return Answer(self.account.trap, b"", "text/html; charset=utf-8")
        scheme, _, token = str(request.headers.get("Authorization", "")).partition(" ")
        good = (hmac.compare_digest(token.strip().encode(), one.encode()) for one in self.account.tokens)
        if scheme.lower() != "bearer" or not any(good):
            return self._stranger()
        told = str(request.headers.get("IB-Context", ""))
        name = told if told in self.account.contexts else self.account.fallback
        if method == "POST":
            return in_json(200, {"status": "OK", "updated_pipelines": self._update(name, body)})
        return in_json(200, {"status": "OK", "pipelines": [_row(one) for one in self._of(name).pipelines]})

    def _stranger(self) -> Answer:
        if self.account.stranger == "login":
            return login_page()
        if self.account.stranger == "401":
            return in_json(401, {"status": "ERROR", "msg": "Invalid access token"})
        raise _Refusal("Invalid access token")

    def _update(self, name: str, body: object) -> list[dict[str, str]]:
        told = body if isinstance(body, dict) else {}
        job_id, ids = told.get("job_id"), told.get("pipeline_ids")
        if not isinstance(job_id, str) or not job_id:
            raise _Refusal("Missing required parameter: job_id")
        if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
            raise _Refusal("pipeline_ids must be a list of strings")
        if job_id not in self._jobs[name]:
            raise _Refusal(f"Job {job_id} does not exist")
        chosen = [self._assignable(name, one) for one in dict.fromkeys(ids)]
        self._jobs[name][job_id] = [one.id for one in chosen]
        return [{"flowPipelineName": one.name, "flowPipelineId": one.id} for one in chosen]

    def _assignable(self, name: str, pipeline_id: str) -> FlowPipeline:
        found = next((one for one in self._of(name).pipelines if one.id == pipeline_id), None)
        if found is None:
            raise _Refusal(f"Flow pipeline {pipeline_id} does not exist")
        if not found.assignable:
            raise _Refusal(f"User does not have permission to use flow pipeline {pipeline_id}")
        return found

    def _of(self, name: str) -> Context:
        return self.account.contexts.get(name, Context())

    def _context(self, name: str, context: Context) -> dict[str, Any]:
        return {
            "pipelines": [{"id": one.id, "name": one.name} for one in context.pipelines],
            "jobs": {job: _named(context.pipelines, ids) for job, ids in self._jobs[name].items()},
        }

    def _note(self, request: Request, body: object, answer: Answer, message: str | None) -> None:
        error = "ERROR" if message else None
        entry = self._ledger.note(
            method=request.method,
            path=request.path,
            body=body,
            status=answer.status,
            error=error or (f"HTTP {answer.status}" if answer.status >= 400 else None),
            message=message,
        )
        if self._log:
            self._log(entry)


def _row(one: FlowPipeline) -> dict[str, object]:
    return {"name": one.name, "id": one.id, "permissions": list(one.permissions), "is_manager": one.is_manager}


def _named(pipelines: Sequence[FlowPipeline], ids: Sequence[str]) -> list[dict[str, str]]:
    names = {one.id: one.name for one in pipelines}
    return [{"id": each, "name": names.get(each, "")} for each in ids]
