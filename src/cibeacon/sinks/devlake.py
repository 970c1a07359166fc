"""Knows how to send deployments with their commits to a webhook of Apache DevLake. Does not know HTTP or tokens.

A deployment whose id DevLake has is replaced, and its commits are added to the existing ones. Field names are those of
version 1.0 and later. https://devlake.apache.org/docs/Plugins/webhook and backend/plugins/webhook in apache/devlake.
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
    not_json,
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
"""DevLake's names, each with the words for it; the first that fits counts, so pre-prod is not production."""
_LONGEST_ID = 150
"""DevLake builds commit ids of at most 255 characters from a deployment's id, a commit and 45 more characters."""
_ADVICE: Mapping[int, str] = {
    400: "DevLake rejects a field. Compare the request in the JSON report with docs/devlake.md; DevLake before 1.0 has "
    "other field names.",
    401: "DevLake received no readable API key. Set the secret devlake_token.",
    403: "The API key is wrong or expired, or belongs to another webhook. Set the secret devlake_token to the key that DevLake "
    "showed for this webhook, or to a new one.",
    404: "DevLake has no such webhook. Check devlake_url.",
}
_RETRYABLE = frozenset({401, 403, 404, 405, 407, 408, 425, 429})


def method(signal: Signal, form: str) -> str:
    """The vendor's name of the request."""
    return "webhook.deployments"


def faults(signal: Signal) -> str | None:
    """The first of DevLake's rules that the signal breaks, as a sentence, or None."""
    if not isinstance(signal, Deployment):
        return "DevLake accepts only deployments."
    if not _repository_url(signal):
        return "DevLake identifies a commit by the URL of its repository. Set repository to the full URL."
    if not _commits(signal):
        return "DevLake needs the commit of a deployment. Set commit_sha."
    if signal.environment and not environment(signal.environment):
        return (
            f"DevLake has the environments production, staging, testing and development, and {signal.environment} "
            "contains none of these words. Set environment to a name that does."
        )
    return None


def environment(name: str) -> str | None:
    """DevLake's name for an environment, by a word in the user's name; None if there is no such word."""
    words = set(re.split(r"[^a-z]+", name.lower()))
    return next((known for known, like in _ENVIRONMENTS.items() if words & like), None)


def request(signal: Signal, form: str) -> Request:
    """The single request for a deployment."""
    if not isinstance(signal, Deployment):
        raise TypeError(type(signal).__name__)
    return Request("POST", PATH, _body(signal))


def send(signal: Signal, form: str) -> Exchange:
    """Sends the request, and interprets DevLake's response."""
    return judge((yield request(signal, form)))


def spooled_signal(signal: Signal, form: str) -> Mapping[str, Any] | None:
    """Nothing besides the request."""
    return None


def resume(record: Record, form: str = "") -> Resumed | None:
    """Sends the request of a record, if it is for DevLake."""
    if (record.method, record.path) != ("POST", PATH) or record.body is None:
        return None
    spooled = Request("POST", PATH, record.body)
    return Resumed(spooled, _send_again(spooled))


def _send_again(spooled: Request) -> Exchange:
    return judge((yield spooled))


def _body(signal: Deployment) -> Mapping[str, Any]:
    """Each commit also has the result, since DevLake's default is success."""
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
    """The deployed commits; if DX finds them by the repository, the run's commit."""
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
    """The meaning of a response. Success is a 2xx status and a JSON object whose `success` is true."""
    if 300 <= response.status < 400:
        return redirect_error(response, "DevLake", "devlake_url").result
    document = response.json()
    is_json = isinstance(document, dict)
    if 200 <= response.status < 300 and is_json and document.get("success") is True:
        return SinkResult("sent")
    if not is_json and response.status != 400 and (response.status < 400 or response.status in (404, 405)):
        return foreign_error("DevLake", "devlake_url", not_json(response)).result
    advice = _ADVICE.get(response.status) or status_advice(response.status, "DevLake", "devlake_url")
    said = document.get("message") if isinstance(document, dict) else document
    words = f": {said.strip().rstrip('.')}" if isinstance(said, str) and said.strip() else ""
    return SinkResult(
        "failed",
        advice or "DevLake rejected the request. Compare it with docs/devlake.md.",
        f"HTTP {response.status}{words}",
        retryable=response.status in _RETRYABLE or response.status >= 500,
    )
