"""Knows DX's Data Cloud API: wire format, rules and error codes, in both forms. Does not know HTTP, clocks or tokens.

`classic` is the form of the Deployments and Pipelines API articles: services are strings, times are Unix seconds, and
the run method is `pipelineRuns.sync`. `current` is docs.getdx.com's: services are objects, times ISO 8601, methods
`.upsert`. Articles: https://help.getdx.com/en/articles/7669458-deployments-api and 8691575-pipelines-api.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cibeacon.model.request import Exchange, Request, Response, Resumed, SinkResult
from cibeacon.model.signals import Deployment, PipelineRun, PullServices, Signal
from cibeacon.model.spool_record import Record
from cibeacon.sinks.dx_advice import (
    ADVICE,
    EXISTED_BEFORE,
    HTTP_ADVICE,
    KEPT_CODES,
    KEPT_STATUS,
    NO_SUCH_METHOD,
    OWN_ATTEMPT,
)

NAME = "dx"

METHODS: Mapping[str, Mapping[str, str]] = {
    "classic": {
        "pull-services": "deployments.setPullServices",
        "deployment": "deployments.create",
        "pipeline-run": "pipelineRuns.sync",
    },
    "current": {
        "pull-services": "deployments.setPullServices",
        "deployment": "deployments.upsert",
        "pipeline-run": "pipelineRuns.upsert",
    },
}

_KNOWN = frozenset(("POST", f"/api/{method}") for form in METHODS.values() for method in form.values())
_SHA = re.compile(r"[0-9a-f]{7,40}", re.ASCII | re.IGNORECASE)


def method(signal: Signal, form: str) -> str:
    """The name of the call that tells a signal."""
    return METHODS[form][signal.kind]


def faults(signal: Signal) -> str | None:
    """The first of DX's rules that the signal breaks, as a sentence, or None."""
    match signal:
        case PullServices():
            return _pull_services_faults(signal)
        case Deployment():
            return _deployment_faults(signal)
        case PipelineRun():
            return _run_faults(signal)
    return "DX is told of pull requests, deployments and pipeline runs alone."


def _pull_services_faults(signal: PullServices) -> str | None:
    if not signal.services:
        return "No service is named; an empty list could wipe what DX knows."
    if signal.github_pull_id is None and not (signal.repository and signal.pr_number):
        return "DX needs the pull request's GitHub id, or its repository and number: set pr_number and repository."
    return None


def _deployment_faults(signal: Deployment) -> str | None:
    if signal.commit_sha and signal.merge_commit_shas:
        return ADVICE["ambiguous_commit_sha_arguments"]
    if bad := [sha for sha in (signal.commit_sha, *signal.merge_commit_shas) if sha and not _SHA.fullmatch(sha)]:
        return f"{bad[0]} is not a commit id of 7 to 40 hexadecimal digits."
    if not signal.repository and not signal.merge_commit_shas:
        return "DX attributes a deployment by its repository: set repository."
    return None


def _run_faults(signal: PipelineRun) -> str | None:
    if signal.commit_sha and not _SHA.fullmatch(signal.commit_sha):
        return f"{signal.commit_sha} is not a commit id of 7 to 40 hexadecimal digits."
    if not signal.repository and (signal.commit_sha or signal.pr_number):
        return "DX needs the repository when a commit or pull request is named: set repository."
    return None


def request(signal: Signal, form: str) -> Request:
    """The one request that says everything of a signal."""
    return Request("POST", f"/api/{method(signal, form)}", _body(signal, current=form == "current"))


def send(signal: Signal, form: str) -> Exchange:
    """Sends the one request, and judges DX's response."""
    repeated_by_us = isinstance(signal, Deployment) and not signal.own_reference
    return judge((yield request(signal, form)), repeated_by_us=repeated_by_us)


def spooled_signal(signal: Signal) -> Mapping[str, Any] | None:
    """Nothing beside the request."""
    return None


def resume(record: Record, form: str = "") -> Resumed | None:
    """Sends the request of a record, when it is one of DX's."""
    if (record.method, record.path) not in _KNOWN or record.body is None:
        return None
    kept = Request("POST", record.path, record.body)
    repeated_by_us = record.kind == "deployment" and not record.own_reference
    return Resumed(kept, _send_late(kept, repeated_by_us=repeated_by_us))


def _send_late(kept: Request, *, repeated_by_us: bool) -> Exchange:
    return judge((yield kept), repeated_by_us=repeated_by_us, late=True)


def _body(signal: Signal, *, current: bool) -> Mapping[str, Any]:
    match signal:
        case PullServices():
            return _pull_services_body(signal, current=current)
        case Deployment():
            return _deployment_body(signal, current=current)
        case PipelineRun():
            return _run_body(signal, current=current)
    raise TypeError(type(signal).__name__)


def _pull_services_body(signal: PullServices, *, current: bool) -> Mapping[str, Any]:
    by_id = signal.github_pull_id is not None
    return _filled(
        github_pull_id=signal.github_pull_id,
        repository=None if by_id else signal.repository,
        pull_number=None if by_id else signal.pr_number,
        services=[_service(name, current=current) for name in signal.services],
        replace=signal.replace,
    )


def _deployment_body(signal: Deployment, *, current: bool) -> Mapping[str, Any]:
    return _filled(
        reference_id=signal.reference_id,
        deployed_at=_iso(signal.deployed_at) if current else signal.deployed_at,
        service=_service(signal.service, current=current),
        repository=signal.repository,
        commit_sha=signal.commit_sha,
        merge_commit_shas=list(signal.merge_commit_shas) or None,
        integration_branch=signal.integration_branch,
        source_name=signal.source_name,
        source_url=signal.source_url,
        metadata=signal.metadata,
        environment=signal.environment,
        success=signal.success,
    )


def _run_body(signal: PipelineRun, *, current: bool) -> Mapping[str, Any]:
    time = _iso if current else str
    return _filled(
        pipeline_name=signal.pipeline_name,
        pipeline_source=signal.pipeline_source,
        reference_id=signal.reference_id,
        started_at=time(signal.started_at),
        finished_at=None if signal.finished_at is None else time(signal.finished_at),
        status=signal.status,
        repository=signal.repository,
        commit_sha=signal.commit_sha,
        pr_number=signal.pr_number,
        source_url=signal.source_url,
        head_branch=signal.head_branch,
        email=signal.email,
        github_username=signal.github_username,
        gitlab_username=signal.gitlab_username,
    )


def _filled(**fields: Any) -> Mapping[str, Any]:
    """The fields that have a value: DX takes an empty one for a value."""
    return {name: value for name, value in fields.items() if value is not None}


def _service(name: str, *, current: bool) -> Any:
    return {"identifier": name} if current else name


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def judge(reply: Response, *, repeated_by_us: bool = False, late: bool = False) -> SinkResult:
    """What a reply means. Success is a 2xx status and a JSON object whose `ok` is not false.

    Args:
        repeated_by_us: the id is one that we made, so nobody else can have used it.
        late: it was to be sent before, and nobody knows what came of that.
    """
    if 300 <= reply.status < 400:
        where = f" to {reply.location}" if reply.location else ""
        return SinkResult(
            "failed",
            f"DX answered with a redirect{where}; redirects are not followed, for the token's sake: set dx_url to the final address.",
            f"redirect {reply.status}",
            retryable=True,
        )
    document = reply.json()
    if not isinstance(document, dict):
        return _unreadable(reply)
    if 200 <= reply.status < 300 and document.get("ok", True) is not False:
        return SinkResult("sent")
    code = document.get("error") if isinstance(document.get("error"), str) else None
    if code == "reference_id_exists" and repeated_by_us:
        return SinkResult("duplicate", "DX has this deployment already.", code)
    if code == "reference_id_exists" and reply.repeated:
        return SinkResult("duplicate", OWN_ATTEMPT, code)
    known = EXISTED_BEFORE if late and code == "reference_id_exists" else ADVICE.get(code) if code else None
    advice = known or HTTP_ADVICE.get(reply.status) or _unknown(reply.status)
    elsewhere = reply.status in NO_SUCH_METHOD and code not in ADVICE
    keep = code in KEPT_CODES or reply.status in KEPT_STATUS or elsewhere or reply.status >= 500
    return SinkResult("failed", advice, _message(document, code) or f"HTTP {reply.status}", keep)


def _message(document: Mapping[str, Any], code: str | None) -> str | None:
    """DX's own words, where the documents say they stand, with the code in front; as a clause, since advice follows."""
    details = document.get("error_details")
    places = (details.get("message") if isinstance(details, dict) else None, document.get("message"), code)
    words = next(
        (stripped for text in places if isinstance(text, str) and (stripped := text.strip().rstrip("."))), None
    )
    return f"{code}: {words}" if code and words and words != code else words


def _unreadable(reply: Response) -> SinkResult:
    if reply.status in HTTP_ADVICE or reply.status >= 500:
        advice = HTTP_ADVICE.get(reply.status) or _unknown(reply.status)
        return SinkResult("failed", advice, f"HTTP {reply.status}", retryable=True)
    kind = (reply.content_type.partition(";")[0] or "no content type") if reply.content else "an empty body"
    return SinkResult(
        "failed",
        f"The answer is not DX's ({kind} instead of JSON): check dx_url, and whether a proxy or login page stands between.",
        f"HTTP {reply.status} without JSON",
        retryable=True,
    )


def _unknown(status: int) -> str:
    if status >= 500:
        return "DX has trouble of its own: send again later."
    return "DX refused the request; its own words are above."
