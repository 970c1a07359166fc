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
from cibeacon.model.signals import Deployment, PipelineRun, PullServices, Signal
from cibeacon.model.spool_record import Record

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

ADVICE: Mapping[str, str] = {
    "not_authed": "The request had no API key. Set the secret dx_token (DX_API_TOKEN).",
    "invalid_auth": "The API key is not valid or has expired. Create a new Data Cloud API key in DX and update the secret "
    "dx_token (a Web API token does not work here).",
    "account_inactive": "The account of the API key is deactivated or suspended. Create a key with an active account.",
    "required_params_missing": "DX requires a field that is missing. Compare the request in the JSON report with docs/reference.md.",
    "invalid_json": "DX could not parse the request: something on the way to DX changed it. Check the proxy.",
    "invalid_arguments": "DX rejects a field. Try the other form of the API with dx_api.",
    "repository_not_found": "DX does not know the repository. Check its full name (setting repository) and that DX imports it.",
    "repo_not_found": "DX does not know the repository. Check its full name (setting repository) and that DX imports it.",
    "commit_sha_invalid": "DX rejects the commit id. Set commit_sha to 7 to 40 hexadecimal digits.",
    "reference_id_exists": "This reference_id was used before with other values. Choose a unique one, or leave it unset.",
    "metadata_invalid": "DX rejects the metadata. Use a JSON object whose keys are letters, digits, dashes and underscores.",
    "integration_branch_not_valid": "Set integration_branch to a branch that pull requests target, but not the default branch.",
    "ambiguous_commit_sha_arguments": "Set either commit_sha or merge_commit_shas, not both.",
    "merge_commit_shas_blank": "merge_commit_shas is empty. List at least one commit, or leave it unset.",
    "merge_commit_shas_invalid": "A commit in merge_commit_shas is shorter than 7 digits. Correct it.",
    "merge_commit_shas_not_found": "DX does not know a commit in merge_commit_shas, and may not have imported it yet. Try again later.",
    "deployment_not_found": "DX has no deployment with this reference_id.",
}
"""DX's error codes, each with its meaning and the next step."""
_SAME_AS = {"repo_not_found": "repository_not_found"}
ERROR_IDS: Mapping[str, str] = {code: f"dx-{_SAME_AS.get(code, code).replace('_', '-')}" for code in ADVICE}
"""Code → heading in docs/troubleshooting.md."""

_OWN_ATTEMPT = (
    "DX already has this reference_id, most likely from an earlier attempt of this run whose response was lost. "
    "If another run may have used it, check in DX."
)
_EXISTED_BEFORE = (
    "DX already has this reference_id, from an earlier attempt whose response was lost, or from another run. "
    "Check in DX; if another run used it, choose a unique reference_id, or leave it unset."
)
_WRONG_ADDRESS = "There is no such method at this URL. Check dx_url, and try the other form of the API with dx_api."

_HTTP_ADVICE: Mapping[int, str] = {
    401: ADVICE["invalid_auth"],
    403: "The API key may not use this method. Check its scopes in DX, and that dx_url is the Data Cloud host "
    "(https://INSTANCE.getdx.net).",
    404: _WRONG_ADDRESS,
    405: _WRONG_ADDRESS,
}
_RETRYABLE_STATUS = frozenset({401, 403, 407, 408, 425, 429})
_NO_SUCH_METHOD = frozenset({404, 405})
"""Without a code from DX these come from another server: the URL is wrong, not the request."""
_RETRYABLE_CODES = frozenset(
    {
        "not_authed",
        "invalid_auth",
        "account_inactive",
        "repository_not_found",
        "repo_not_found",
        "merge_commit_shas_not_found",
    }
)
"""DX rejects the key, or has not imported something yet: it will accept the same request later."""

_KNOWN = frozenset(("POST", f"/api/{method}") for form in METHODS.values() for method in form.values())
_SHA = re.compile(r"[0-9a-f]{7,40}", re.ASCII | re.IGNORECASE)


def method(signal: Signal, form: str) -> str:
    """The name of the one request."""
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
    return "DX accepts only pull requests, deployments and pipeline runs."


def _pull_services_faults(signal: PullServices) -> str | None:
    if not signal.services:
        return "There is no service to send; an empty list could erase those that DX has."
    if signal.github_pull_id is None and not (signal.repository and signal.pr_number):
        return "DX needs the pull request's GitHub id, or its repository and number. Set pr_number and repository."
    return None


def _deployment_faults(signal: Deployment) -> str | None:
    if signal.commit_sha and signal.merge_commit_shas:
        return ADVICE["ambiguous_commit_sha_arguments"]
    if bad := [sha for sha in (signal.commit_sha, *signal.merge_commit_shas) if sha and not _SHA.fullmatch(sha)]:
        return f"{bad[0]} is not a commit id of 7 to 40 hexadecimal digits."
    if not signal.repository and not signal.merge_commit_shas:
        return "DX needs the repository to attribute a deployment. Set repository."
    return None


def _run_faults(signal: PipelineRun) -> str | None:
    if signal.commit_sha and not _SHA.fullmatch(signal.commit_sha):
        return f"{signal.commit_sha} is not a commit id of 7 to 40 hexadecimal digits."
    if not signal.repository and (signal.commit_sha or signal.pr_number):
        return "DX needs the repository of a commit or pull request. Set repository."
    return None


def request(signal: Signal, form: str) -> Request:
    """The single request for a signal."""
    return Request("POST", f"/api/{method(signal, form)}", _body(signal, current=form == "current"))


def send(signal: Signal, form: str) -> Exchange:
    """Sends the request, and interprets DX's response."""
    repeated_by_us = isinstance(signal, Deployment) and not signal.own_reference
    return judge((yield request(signal, form)), repeated_by_us=repeated_by_us)


def spooled_signal(signal: Signal, form: str) -> Mapping[str, Any] | None:
    """Nothing besides the request."""
    return None


def resume(record: Record, form: str = "") -> Resumed | None:
    """Sends the request of a record, if it is for DX."""
    if (record.method, record.path) not in _KNOWN or record.body is None:
        return None
    spooled = Request("POST", record.path, record.body)
    repeated_by_us = record.kind == "deployment" and not record.own_reference
    return Resumed(spooled, _send_late(spooled, repeated_by_us=repeated_by_us))


def _send_late(spooled: Request, *, repeated_by_us: bool) -> Exchange:
    return judge((yield spooled), repeated_by_us=repeated_by_us, late=True)


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
    """The fields that have a value: DX would store an empty one."""
    return {name: value for name, value in fields.items() if value is not None}


def _service(name: str, *, current: bool) -> Any:
    return {"identifier": name} if current else name


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def judge(response: Response, *, repeated_by_us: bool = False, late: bool = False) -> SinkResult:
    """The meaning of a response. Success is a 2xx status and a JSON object whose `ok` is not false.

    Args:
        response: the response.
        repeated_by_us: cibeacon generated the id, so no other run can have used it.
        late: the signal comes from the spool, and an earlier attempt may have arrived.
    """
    if 300 <= response.status < 400:
        return redirect_error(response, "DX", "dx_url").result
    document = response.json()
    if not isinstance(document, dict):
        return _judge_foreign(response)
    if 200 <= response.status < 300 and document.get("ok", True) is not False:
        return SinkResult("sent")
    code = document.get("error") if isinstance(document.get("error"), str) else None
    exists = code == "reference_id_exists"
    if exists and repeated_by_us:
        return SinkResult("duplicate", "DX already has this deployment.", code)
    if exists and response.repeated:
        return SinkResult("duplicate", _OWN_ATTEMPT, code)
    advice = _EXISTED_BEFORE if exists and late else ADVICE.get(code or "") or _advice(response.status)
    wrong_address = response.status in _NO_SUCH_METHOD and code not in ADVICE
    retryable = (
        wrong_address or code in _RETRYABLE_CODES or response.status in _RETRYABLE_STATUS or response.status >= 500
    )
    error = _message(document, code) or f"HTTP {response.status}"
    return SinkResult("failed", advice, error, retryable, error_id=ERROR_IDS.get(code or ""))


def _message(document: Mapping[str, Any], code: str | None) -> str | None:
    """DX's message, from the fields that it documents, after the code; as a clause, since advice follows."""
    details = document.get("error_details")
    texts = (details.get("message") if isinstance(details, dict) else None, document.get("message"), code)
    clauses = (text.strip().rstrip(".") for text in texts if isinstance(text, str))
    message = next(filter(None, clauses), None)
    return f"{code}: {message}" if code and message and message != code else message


def _judge_foreign(response: Response) -> SinkResult:
    if response.status in (*_HTTP_ADVICE, 407, 429) or response.status >= 500:
        return SinkResult("failed", _advice(response.status), f"HTTP {response.status}", retryable=True)
    return foreign_error("DX", "dx_url", not_json(response), f"HTTP {response.status} without JSON").result


def _advice(status: int) -> str:
    common = status_advice(status, "DX", "dx_url")
    return _HTTP_ADVICE.get(status) or common or "DX rejected the request. See https://docs.getdx.com for its errors."
