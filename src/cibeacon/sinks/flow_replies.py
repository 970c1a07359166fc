"""Knows what Instabase's answers mean, and what to do about those that refuse. Does not know which call was answered.

The status is 200 for errors too: an answer agrees when it is JSON whose `status` is OK, in whatever case.
https://instabase.com/docs/apis/index.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cibeacon.model.request import Response, SinkResult


class Refused(Exception):
    """The end of a dialogue that does not go on, and what to make of it."""

    def __init__(self, result: SinkResult) -> None:
        super().__init__(result)
        self.result = result


_TOKEN = "Instabase does not accept the token: check that the secret flow_token is current."  # noqa: S105 - advice
_ACCESS = "The token's user may not do that: ask whoever manages the pipeline (Admin app), and check flow_context."
_BY_MESSAGE: tuple[tuple[str, str, bool], ...] = (
    ("token", _TOKEN, True),
    ("permission", _ACCESS, True),
    ("access", _ACCESS, True),
    ("authori", _ACCESS, True),
    ("pipeline", "Instabase does not take a pipeline: cibeacon flow list shows those that the token sees.", False),
    ("job", "Instabase does not take the job: check flow_job_id, and that flow_context is the job's.", False),
)
"""A part of Instabase's message, what to do about it, and whether the same call may be accepted later."""
_BY_STATUS: Mapping[int, str] = {
    401: _TOKEN,
    403: "Instabase, or something before it, refuses the call: check flow_token, flow_context, flow_client_cert and the proxy.",
    404: "There is no such call at this address: check flow_url.",
    405: "There is no such call at this address: check flow_url.",
    407: "The proxy asks for a password: check HTTPS_PROXY.",
    429: "Instabase asks to slow down: it goes through when sent again later.",
}
_TROUBLE = "Instabase has trouble of its own: send again later."
_LONGEST = 200


def answer(reply: Response) -> Mapping[str, Any]:
    """The JSON object of an answer that agrees. Raises `Refused` for every other answer."""
    document = reply.json()
    if not 200 <= reply.status < 300:
        raise Refused(_refusal(reply, document))
    if not isinstance(document, dict):
        raise foreign(f"{reply.content_type.partition(';')[0] or 'no content type'} instead of JSON")
    status = document.get("status")
    if not isinstance(status, str):
        raise foreign("without a status")
    if status.upper() != "OK":
        message = _message(document)
        advice, keep = _advice(message)
        raise Refused(SinkResult("failed", advice, message or f"status {status[:40]}", keep))
    return document


def foreign(kind: str) -> Refused:
    """An answer that is not Instabase's, or not of the version that is known."""
    advice = (
        f"The answer is not Instabase's ({kind}): check flow_url, and whether a login page or proxy stands between."
    )
    return Refused(SinkResult("failed", advice, "unexpected answer", retryable=True))


def _refusal(reply: Response, document: Any) -> SinkResult:
    if 300 <= reply.status < 400:
        where = f" to {reply.location}" if reply.location else ""
        why = f"Instabase answered with a redirect{where}; none is followed, for the token's sake: check flow_url."
        return SinkResult("failed", why, f"redirect {reply.status}", retryable=True)
    message = _message(document)
    if reply.status >= 500:
        return SinkResult("failed", _TROUBLE, message or f"HTTP {reply.status}", retryable=True)
    advice = _BY_STATUS.get(reply.status)
    told, keep = (advice, True) if advice else _advice(message)
    return SinkResult("failed", told, message or f"HTTP {reply.status}", keep)


def _advice(message: str) -> tuple[str, bool]:
    lower = message.lower()
    found = next(((advice, keep) for part, advice, keep in _BY_MESSAGE if part in lower), None)
    return found or ("Instabase refused the request.", False)


def _message(document: Any) -> str:
    """Instabase's own words, where they are words for people."""
    message = document.get("msg") if isinstance(document, dict) else None
    if not isinstance(message, str) or "<" in message:
        return ""
    return message if len(message) <= _LONGEST else f"{message[:_LONGEST]}…"
