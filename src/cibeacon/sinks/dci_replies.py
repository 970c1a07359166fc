"""Knows what DCI's answers mean, and what to do about those that refuse. Does not know which signal is being told.

DCI tells a wrong secret by status 400, and a topic that is not ours by 401: status and message count together. Bodies
can hold credentials and SQL, so of an answer only short messages that are neither are ever shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from cibeacon.model.request import Response, SinkResult


class Refused(Exception):
    """The end of a dialogue that does not go on, and what to make of it."""

    def __init__(self, result: SinkResult) -> None:
        super().__init__(result)
        self.result = result


class _Advice(NamedTuple):
    words: str
    keep: bool = False
    """The same call may be accepted later."""


_SIGNATURE = (
    "check the secret dci_api_secret, this machine's clock ({clock}), and that dci_url is the address by which DCI "
    "itself is known."
)
_BY_MESSAGE: tuple[tuple[str, _Advice], ...] = (
    ("signature is expired", _Advice("DCI takes the signature for too old or too new: set the clock ({clock}).", True)),
    (
        "bad or incomplete headers",
        _Advice("DCI cannot read the signature: dci_client_id must be the id of a remote CI, remoteci/UUID.", True),
    ),
    ("HmacMechanism failed", _Advice(f"DCI does not accept the signature: {_SIGNATURE}", True)),
    ("identity does not exist", _Advice("DCI knows no active remote CI of this id: check dci_client_id.", True)),
    ("remoteci not found", _Advice("DCI knows no remote CI of this id: check dci_client_id.", True)),
    ("feeder not found", _Advice("DCI knows no feeder of this id: check dci_client_id.", True)),
    (
        "is disabled",
        _Advice(
            "The remote CI is disabled, so it can look and make no jobs: have it enabled, or sign as another.", True
        ),
    ),
    ("Authorization", _Advice("The signature did not arrive: check what stands between here and DCI (dci_url).", True)),
    (
        "Operation not authorized",
        _Advice(
            "This remote CI has no access to it: ask the product's team for access to the topic (setting dci_topic).",
            True,
        ),
    ),
    ("Only remoteci", _Advice("Only a remote CI can make jobs: dci_client_id must be the id of one.")),
    ("Topic ", _Advice("The topic is not active any more: choose another one (setting dci_topic).")),
    ("team ", _Advice("The remote CI's team is not active: ask DCI's administrators.", True)),
    (
        "Component of type",
        _Advice("The topic lacks a component: name those that the job is about (setting dci_components)."),
    ),
    ("omponent", _Advice("DCI does not take the components: check dci_components with cibeacon dci components.")),
    ("topic not found", _Advice("DCI has no such topic: check dci_topic.")),
    ("job not found", _Advice("DCI has no such job, or it was archived: check dci_job_id.")),
    (
        "Invalid XML",
        _Advice("DCI keeps the file, but cannot read it as JUnit, so its tests are not counted: mend what writes it."),
    ),
    ("similar resource already exists", _Advice("DCI has it already, or it names something that DCI does not have.")),
    (
        "unable to create this resource",
        _Advice("DCI cannot store a value: a text may be over 255 characters long, or hold one that it does not take."),
    ),
    ("Request malformed", _Advice("DCI refuses a field of the request; its own words are above.")),
)
"""A part of DCI's message, and what to do about it; the first that fits."""
_BY_STATUS: Mapping[int, _Advice] = {
    401: _Advice("DCI does not know who asks: check dci_client_id and the secret dci_api_secret.", True),
    403: _Advice("Something between here and DCI refuses the call: check the proxy, and dci_url.", True),
    404: _Advice("There is no such call at this address: check dci_url.", True),
    405: _Advice("There is no such call at this address: check dci_url.", True),
    407: _Advice("The proxy asks for a password: check HTTPS_PROXY.", True),
    413: _Advice("It is too large for DCI: compress it, or leave it out (setting dci_files)."),
    429: _Advice("DCI asks to slow down: it goes through when sent again later.", True),
}
_TROUBLE = _Advice("DCI has trouble of its own: send again later.", True)
_REFUSED = _Advice("DCI refused the request.")
_HIDDEN = re.compile(r"(?i:psycopg|sqlalche|\[SQL|api_secret)|\b(?:SELECT|INSERT|UPDATE|DELETE|FROM|WHERE)\b|<")
_LONGEST = 200


def answer(reply: Response) -> Mapping[str, Any]:
    """The JSON object of an answer that agrees. Raises `Refused` for every other answer."""
    document = reply.json()
    if 200 <= reply.status < 300 and isinstance(document, dict):
        return document
    raise Refused(_refusal(reply, document))


def unanswered() -> Refused:
    """The end of a call that was said several times, and nobody knows whether any of them was done."""
    return Refused(SinkResult("failed", _TROUBLE.words, "no answer", retryable=True))


def foreign(reply_kind: str) -> Refused:
    """An answer that is well-formed and not DCI's."""
    advice = f"The answer is not DCI's ({reply_kind}): check dci_url, and whether a proxy stands between."
    return Refused(SinkResult("failed", advice, "unexpected answer", retryable=True))


def _refusal(reply: Response, document: Any) -> SinkResult:
    if 300 <= reply.status < 400:
        where = f" to {reply.location}" if reply.location else ""
        why = f"DCI answered with a redirect{where}; a signed call follows none: set dci_url to the final address."
        return SinkResult("failed", why, f"redirect {reply.status}", retryable=True)
    if 200 <= reply.status < 300:
        raise foreign(reply.content_type.partition(";")[0] or "no content type")
    message = document.get("message") if isinstance(document, dict) else None
    message = message if isinstance(message, str) else ""
    advice = _advice(reply.status, message)
    clock = f"the server's says {reply.date[:40]}" if reply.date else "the server does not tell its own"
    words = advice.words.replace("{clock}", clock)
    return SinkResult("failed", words, _shown(message, document) or f"HTTP {reply.status}", advice.keep)


def _advice(status: int, message: str) -> _Advice:
    if status >= 500:
        return _TROUBLE
    by_message = next((advice for part, advice in _BY_MESSAGE if part in message), None)
    return by_message or _BY_STATUS.get(status) or _REFUSED


def _shown(message: str, document: Any) -> str | None:
    """DCI's own words, where they are words for people."""
    payload = document.get("payload") if isinstance(document, dict) else None
    detail = payload.get("error") if isinstance(payload, dict) else None
    words = f"{message}: {detail}" if message and isinstance(detail, str) and detail else message
    if not words or _HIDDEN.search(words):
        return None
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
