"""Knows how to report a CI run to the DX self-service workflow that started it: link, message, status, in this order.

Does not know HTTP or tokens. The `form` is the id of the workflow run, and on a second line the user's addition to the last
message. DX does not recognise a repeated request, so every attempt first asks what the workflow run has; if the token may
not ask, everything is sent. Lost requests are not repeated blindly. The status comes last: it shows that everything
arrived. https://docs.getdx.com/webapi/methods/workflowruns.changestatus/, and next to it .postmessage, .addlink and .info;
the response of `.info` is also in https://github.com/get-dx/cli, src/commands/workflowRuns/info.ts.
"""

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from cibeacon.model.request import (
    Exchange,
    Request,
    Response,
    Resumed,
    SinkError,
    SinkResult,
    ended_by_errors,
    foreign_error,
    not_json,
    redirect_error,
    status_advice,
)
from cibeacon.model.signals import PipelineRun, Signal
from cibeacon.model.spool_record import Record

NAME = "dx_workflow"
INFO, LINK, MESSAGE, STATUS = (
    f"/workflowRuns.{method}" for method in ("info", "addLink", "postMessage", "changeStatus")
)
_TYPE = "WorkflowRunEvents"
_ENDS: Mapping[str | None, str] = {"success": "SUCCEEDED", "failure": "FAILED", "cancelled": "FAILED"}
"""DX has only two final statuses."""
_TRIES = 2
"""How often DX is asked what it has, and sent what it lacks."""
_DX, _URL = "DX", "dx_workflow_url"

ADVICE: Mapping[str, str] = {
    "not_authed": "The request had no token. Set the secret dx_workflow_token.",
    "invalid_auth": "The token is wrong or expired. Set dx_workflow_token to a Web API token of DX (a Data Cloud API key "
    "does not work here).",
    "account_inactive": "The account of the token is deactivated. Create a token with an active account.",
}
"""What to do about a rejected token, by DX's error code."""
_SCOPE = "The token may not do this. Give it the scope workflowRuns:writeEvents (workflows:write in older documents)."
_UNKNOWN_RUN = (
    "DX rejected the request. Set dx_workflow_run to the id of a workflow run of this account that has not ended; the "
    "workflow must send it as {{run.id}}."
)
_LOST = "DX's response was lost. Try again later: cibeacon first checks what has arrived."


class _Held(NamedTuple):
    """What a workflow run already has."""

    status: str = ""
    messages: frozenset[str] = frozenset()
    links: frozenset[str] = frozenset()

    def has(self, request: Request) -> bool:
        """Whether the request would add nothing."""
        body = request.body or {}
        if request.path == LINK:
            return body["link"]["url"] in self.links
        return body.get("message") in self.messages if request.path == MESSAGE else body.get("status") == self.status


def method(signal: Signal, form: str) -> str:
    """The name of the main request, which reports the run's status."""
    return request(signal, form).path.removeprefix("/")


def faults(signal: Signal) -> str | None:
    """The rule that the signal breaks, as a sentence, or None."""
    return None if isinstance(signal, PipelineRun) else "DX workflow runs accept only pipeline runs."


def request(signal: Signal, form: str) -> Request:
    """The request that reports the run's status: the final status, or before the end the message."""
    return _requests(signal, form)[-1]


def send(signal: Signal, form: str) -> Exchange:
    """Sends what the workflow run does not have yet."""
    return ended_by_errors(_send(form.partition("\n")[0], _requests(signal, form)))


def spooled_signal(signal: Signal, form: str) -> Mapping[str, Any] | None:
    """All requests, since there are several."""
    return {"type": _TYPE, "requests": [[one.path, one.body] for one in _requests(signal, form)]}


def resume(record: Record, form: str = "") -> Resumed | None:
    """Sends the requests of a record, if they are known and about one workflow run; `form` is not needed."""
    given = (record.signal or {}).get("requests") if (record.signal or {}).get("type") == _TYPE else None
    requests = [_spooled(each) for each in given] if isinstance(given, list) else []
    known = [each for each in requests if each]
    ids = {str((each.body or {})["workflow_run_id"]) for each in known}
    if len(known) < len(requests) or len(ids) != 1 or (record.path, record.body) != (known[-1].path, known[-1].body):
        return None
    return Resumed(known[-1], ended_by_errors(_send(ids.pop(), tuple(known))))


def post_nothing() -> Exchange:
    """Posts an empty message to test the token; DX must reject the message."""

    def post() -> Exchange:
        _check((yield Request("POST", MESSAGE, {})))
        return SinkResult("sent")

    return ended_by_errors(post())


def _spooled(given: Any) -> Request | None:
    """A request of a record; None if it is not one that this sink makes."""
    path, body = given if isinstance(given, list) and len(given) == 2 else ("", None)
    if path not in (LINK, MESSAGE, STATUS) or not isinstance(body, dict):
        return None
    name = {LINK: "link", MESSAGE: "message", STATUS: "status"}[path]
    value = body.get(name, {}).get("url") if path == LINK and isinstance(body.get(name), dict) else body.get(name)
    if body.keys() != {"workflow_run_id", name} or not isinstance(value, str):
        return None
    return _post(path, body) if isinstance(body["workflow_run_id"], str) else None


def _requests(signal: Signal, form: str) -> tuple[Request, ...]:
    if not isinstance(signal, PipelineRun):
        raise TypeError(type(signal).__name__)
    run_id, _, text = form.partition("\n")
    end, message = _ENDS.get(signal.status), signal.subject
    about = {"workflow_run_id": run_id}
    requests = [_post(MESSAGE, {**about, "message": f"{message}\n\n{text}" if text and end else message})]
    if signal.source_url:
        link = {"url": signal.source_url, "label": f"{signal.pipeline_source}: {signal.pipeline_name}"}
        requests.insert(0, _post(LINK, {**about, "link": link}))
    if end:
        requests.append(_post(STATUS, {**about, "status": end}))
    return tuple(requests)


def _post(path: str, body: Mapping[str, Any]) -> Request:
    """A status may be set twice; a message or link would then appear twice."""
    return Request("POST", path, body, repeatable=path == STATUS)


def _send(run_id: str, requests: tuple[Request, ...]) -> Exchange:
    for _ in range(_TRIES):
        held = yield from _ask(run_id)
        missing = [request for request in requests if not held.has(request)]
        if not missing:
            return SinkResult("duplicate", "DX already has all of it.")
        is_lost = False
        for request in missing:
            response = yield request
            is_lost = response.lost
            if is_lost:
                break
            _check(response)
        if not is_lost:
            return SinkResult("sent")
    return SinkResult("failed", _LOST, "no answer", retryable=True)


def _ask(run_id: str) -> Generator[Request, Response, _Held]:
    """What the workflow run has; nothing if the token may not ask. Raises `SinkError` if DX rejects the token."""
    response = yield Request("GET", f"{INFO}?id={quote(run_id, safe='')}")
    code, _ = _said(response)
    may_not = response.status == 403 and code not in ADVICE
    if may_not or (code and not _is_retryable(response.status, code)):
        return _Held()
    run = _check(response).get("workflow_run")
    run = run if isinstance(run, dict) else {}
    events = _objects(run.get("events"))
    added = [event["data"].get("link") for event in events if isinstance(event.get("data"), dict)]
    return _Held(
        str(run.get("status")),
        frozenset(str(event.get("message")) for event in events),
        frozenset(str(link.get("url")) for link in (*_objects(run.get("links")), *_objects(added))),
    )


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _check(response: Response) -> Mapping[str, Any]:
    """DX's response. Raises `SinkError` if it is an error or not from DX."""
    if 300 <= response.status < 400:
        raise redirect_error(response, _DX, _URL)
    document = response.json()
    if isinstance(document, dict) and 200 <= response.status < 300 and document.get("ok", True) is not False:
        return document
    if not isinstance(document, dict) and response.status < 400:
        raise foreign_error(_DX, _URL, not_json(response), f"HTTP {response.status} without JSON")
    code, message = _said(response)
    said = f"{code}: {message.rstrip('.')}" if code and message else code or message or f"HTTP {response.status}"
    raise SinkError(_advice(response.status, code), said, retryable=_is_retryable(response.status, code))


def _said(response: Response) -> tuple[str | None, str | None]:
    """DX's error code and message."""
    document = response.json()
    given = [document.get(name) for name in ("error", "message")] if isinstance(document, dict) else [None, None]
    code, message = (text if isinstance(text, str) and text else None for text in given)
    return code, message


def _is_retryable(status: int, code: str | None) -> bool:
    """Whether DX may accept the same request later, or once a setting is corrected."""
    by_token = code in ADVICE or status in (401, 403, 407)
    return by_token or status in (408, 425, 429) or status >= 500 or (status in (404, 405) and code is None)


def _advice(status: int, code: str | None) -> str:
    if code and code in ADVICE:
        return ADVICE[code]
    if status in (401, 403):
        return ADVICE["invalid_auth"] if status == 401 else _SCOPE
    if status in (404, 405) and code:
        return _UNKNOWN_RUN
    return status_advice(status, _DX, _URL) or _UNKNOWN_RUN
