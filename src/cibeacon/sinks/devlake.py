"""Knows how a webhook of Apache DevLake is sent deployments with their commits. Does not know HTTP or tokens.

A deployment with an id that DevLake has is replaced, and its commits are added to those it had. The names of the fields
are those since version 1.0. https://devlake.apache.org/docs/Plugins/webhook and backend/plugins/webhook in apache/devlake.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cibeacon.model.request import (
    Exchange,
    Request,
    Response,
    Resumed,
    SinkResult,
    foreign_error,
    redirect_error,
    status_advice,
)
from cibeacon.model.signals import Deployment, Signal
from cibeacon.model.spool_record import Record

NAME = "devlake"
PATH = "/deployments"
_ENVIRONMENTS: Mapping[str, frozenset[str]] = {
    "STAGING": frozenset({"staging", "stage", "stg", "preprod", "preproduction", "pre", "uat"}),
    "TESTING": frozenset({"testing", "test", "tests", "qa"}),
    "DEVELOPMENT": frozenset({"development", "develop", "dev", "review", "preview", "sandbox"}),
    "PRODUCTION": frozenset({"production", "prod", "prd", "live"}),
}
"""DevLake's names, each with the words that mean it; the first name that fits counts, so pre-prod is no production."""
_LONGEST_ID = 150
"""DevLake makes the ids of commits, at most 255 characters, from a deployment's id, a commit and 45 more."""
_ADVICE: Mapping[int, str] = {
    400: "DevLake refuses a field: compare the request in the JSON report with docs/devlake.md. DevLake before 1.0 has other "
    "names for the fields.",
    401: "DevLake got no API key that it can read: set the secret devlake_token.",
    403: "The API key is wrong or expired, or belongs to another webhook: set the secret devlake_token to the key that DevLake "
    "showed with this webhook, or to a new one.",
    404: "DevLake has no such webhook: check devlake_url.",
}
_RETRYABLE = frozenset({401, 403, 404, 405, 407, 408, 425, 429})


def method(signal: Signal, form: str) -> str:
    """The vendor's name of the request."""
    return "webhook.deployments"


def faults(signal: Signal) -> str | None:
    """The first of DevLake's rules that the signal breaks, as a sentence, or None."""
    if not isinstance(signal, Deployment):
        return "DevLake takes deployments alone."
    if not _repository_url(signal):
        return "DevLake knows a commit by the URL of its repository: set repository to the whole URL."
    if not _commits(signal):
        return "DevLake attributes a deployment by its commits: set commit_sha."
    if signal.environment and not environment(signal.environment):
        return (
            f"DevLake knows the environments production, staging, testing and development, and {signal.environment} "
            "names none of them: rename it in environment."
        )
    return None


def environment(name: str) -> str | None:
    """DevLake's name of an environment, by a word in the name that people gave it; None where there is none."""
    words = set(re.split(r"[^a-z]+", name.lower()))
    return next((known for known, like in _ENVIRONMENTS.items() if words & like), None)


def request(signal: Signal, form: str) -> Request:
    """The one request that says everything of a deployment."""
    if not isinstance(signal, Deployment):
        raise TypeError(type(signal).__name__)
    return Request("POST", PATH, _body(signal))


def send(signal: Signal, form: str) -> Exchange:
    """Sends the one request, and judges DevLake's response."""
    return judge((yield request(signal, form)))


def spooled_signal(signal: Signal, form: str) -> Mapping[str, Any] | None:
    """Nothing beside the request."""
    return None


def resume(record: Record, form: str = "") -> Resumed | None:
    """Sends the request of a record, when it is one of DevLake's."""
    if (record.method, record.path) != ("POST", PATH) or record.body is None:
        return None
    spooled = Request("POST", PATH, record.body)
    return Resumed(spooled, _send_again(spooled))


def _send_again(spooled: Request) -> Exchange:
    return judge((yield spooled))


def _body(signal: Deployment) -> Mapping[str, Any]:
    """The result stands beside each commit as well: DevLake takes success for one without."""
    time = datetime.fromtimestamp(signal.deployed_at, UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    result = "FAILURE" if signal.success is False else "SUCCESS"
    ref = signal.run and (signal.run.tag or signal.run.branch)
    head = {"id": _id(signal.reference_id), "name": signal.service, "displayTitle": signal.subject, "result": result}
    if signal.environment:
        head |= {"environment": environment(signal.environment) or "", "originalEnvironment": signal.environment}
    times = {"startedDate": time, "finishedDate": time}
    commit = {"repoUrl": _repository_url(signal), **({"refName": ref} if ref else {})}
    about = {"name": signal.service, "displayTitle": signal.subject, "result": result, **times}
    return {**head, **times, "deploymentCommits": [{**commit, "commitSha": sha, **about} for sha in _commits(signal)]}


def _commits(signal: Deployment) -> tuple[str, ...]:
    """The commits that are deployed; where DX is to find them by the repository, that of the run."""
    sha = signal.commit_sha or (signal.run and signal.run.commit_sha)
    return tuple(dict.fromkeys(signal.merge_commit_shas)) or ((sha,) if sha else ())


def _repository_url(signal: Deployment) -> str | None:
    server = signal.run and signal.run.server
    if not server or not signal.repository:
        return None
    base = server if "://" in server else f"https://{server}"
    return f"{base.rstrip('/')}/{signal.repository}"


def _id(reference_id: str) -> str:
    if len(reference_id) <= _LONGEST_ID:
        return reference_id
    digest = hashlib.sha256(reference_id.encode()).hexdigest()
    return f"{reference_id[: _LONGEST_ID - len(digest) - 1]}+{digest}"


def judge(response: Response) -> SinkResult:
    """What a response means. Success is a 2xx status and a JSON object whose `success` is true."""
    if 300 <= response.status < 400:
        return redirect_error(response, "DevLake", "devlake_url").result
    document = response.json()
    is_json = isinstance(document, dict)
    if 200 <= response.status < 300 and is_json and document.get("success") is True:
        return SinkResult("sent")
    if not is_json and response.status != 400 and (response.status < 400 or response.status in (404, 405)):
        kind = (response.content_type.partition(";")[0] or "no content type") if response.content else "an empty body"
        return foreign_error("DevLake", "devlake_url", f"{kind} instead of JSON").result
    advice = _ADVICE.get(response.status) or status_advice(response.status, "DevLake", "devlake_url")
    said = document.get("message") if isinstance(document, dict) else document
    words = f": {said.strip().rstrip('.')}" if isinstance(said, str) and said.strip() else ""
    return SinkResult(
        "failed",
        advice or "DevLake refused the request; its own words are above.",
        f"HTTP {response.status}{words}",
        retryable=response.status in _RETRYABLE or response.status >= 500,
    )
