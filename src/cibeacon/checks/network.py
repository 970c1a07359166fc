"""Sends one request that changes nothing, with the HTTP client of a report, and tells the possible failures apart.

Only a rejected credential is called a wrong token. Knows nothing about any vendor.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from typing import NamedTuple

from cibeacon.checks import Answer, HostAnswer, Target, View, fail, not_checked, ok, warn
from cibeacon.model.report import Outcome
from cibeacon.model.request import Exchange, Response, SinkResult
from cibeacon.runtime.deadline import Deadline

_MOST_SKEW = 300.0
"""Seconds; beyond that DCI rejects signatures, and events are sorted wrongly."""
_TOO_SLOW = frozenset({"timed out", "no time left"})
_BUSY = 429


class Asked(NamedTuple):
    """How an exchange ended, and its last response, if there was one."""

    outcome: Outcome
    response: Response | None
    skew: float | None

    @property
    def is_skewed(self) -> bool:
        """Whether the clocks differ by too much."""
        return self.skew is not None and abs(self.skew) > _MOST_SKEW

    @property
    def said(self) -> str:
        """What was wrong, as a clause."""
        return str(self.outcome.error or self.outcome.reason or "no answer").rstrip(".")


def ask(view: View, target: Target, deadline: Deadline, exchange: Exchange) -> Asked:
    """Runs an exchange without retries."""
    if view.client is None:
        raise TypeError("a probe without a client")
    seen: list[tuple[Response, float]] = []
    with view.client(deadline) as client:
        outcome: Outcome = client.send(
            _watched(exchange, lambda response: seen.append((response, view.env.now()))),
            Outcome(kind=target.name, sink=target.name, status="invalid"),
            retry=False,
        )
    response, now = seen[-1] if seen else (None, 0.0)
    if outcome.http_status is None:  # an earlier response is not the one that failed
        response = None
    return Asked(outcome, response, _skew(response.date, now) if response and response.date else None)


def answer(
    asked: Asked, target: Target, auth: Callable[[Asked, Response], Answer], *, says_404: bool = False
) -> HostAnswer:
    """The answers of a system's network checks; `auth` judges a response that comes from the system itself.

    `says_404`: the system answers 404 for an unknown identity.
    """
    reach = _reach(asked, target, says_404=says_404)
    if reach.state != "ok" or asked.response is None:
        return HostAnswer(reach, not_checked(f"{target.title} gave no usable answer"), asked.skew)
    if asked.response.status == _BUSY:
        reason = f"{target.title} is rate limiting requests"
        return HostAnswer(reach, not_checked(reason, "Run cibeacon doctor again later."), asked.skew)
    return HostAnswer(reach, auth(asked, asked.response), asked.skew)


def _watched(exchange: Exchange, note: Callable[[Response], object]) -> Exchange:
    request = next(exchange)
    while True:
        response = yield request
        note(response)
        try:
            request = exchange.send(response)
        except StopIteration as end:
            result: SinkResult = end.value
            return result


def _reach(asked: Asked, target: Target, *, says_404: bool) -> Answer:
    outcome, response = asked.outcome, asked.response
    if response is None:
        return _lost(outcome, target)
    said = f"{target.url} answered HTTP {response.status}"
    if response.status >= 500:
        return warn(said, f"{target.title} has an internal error: try again later.", target.url_source)
    is_json = isinstance(response.json(), dict)
    if response.status in (404, 405) and not (says_404 and is_json):
        return fail(f"{said} ({asked.said})", str(outcome.reason), target.url_source)
    if 300 <= response.status < 400 or response.status == 407:
        return fail(f"{said} ({asked.said})", str(outcome.reason), target.url_source)
    if not is_json and outcome.status != "sent" and response.status not in (401, 403, _BUSY):
        kind = response.content_type.partition(";")[0] or "no content type"
        hint = f"A proxy or login page may be in between: check {target.address} and HTTPS_PROXY."
        return fail(f"{said} with {kind} instead of JSON", hint, target.url_source)
    return ok(f"{target.url} answers", source=target.url_source)


def _lost(outcome: Outcome, target: Target) -> Answer:
    """Why there was no response. A slow server may still answer a report, which waits longer."""
    from cibeacon.http import UNTRUSTED

    message, hint = f"{target.url}: {outcome.error}", str(outcome.reason)
    if outcome.error in _TOO_SLOW:
        return too_slow(target)
    if outcome.error == UNTRUSTED:
        from cibeacon.http.certificate import issuer

        if name := issuer(target.url):
            message = f"{message}: it was issued by {name}"
    return fail(message, hint, target.url_source)


def too_slow(target: Target) -> Answer:
    """A system that takes longer than this check waits."""
    hint = "Check whether a firewall or proxy drops the connection; a report waits longer."
    return warn(f"{target.url} did not answer in time", hint, target.url_source)


def _skew(date: str, now: float) -> float | None:
    try:
        when = parsedate_to_datetime(date)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, OverflowError):  # a server can send anything
        return None


def refused_token(target: Target, said: str, hint: str, source: str) -> Answer:
    """The only answer that calls a token wrong."""
    return fail(f"{target.title} rejects the token ({said})", hint, source)


def clock(view: View) -> Answer:
    """Whether this machine's clock agrees with the servers'. The closest server counts, since one may be wrong itself."""
    skews = [answer.skew for answer in view.answers.values() if answer.skew is not None]
    if not skews:
        return not_checked("no server gave the time")
    skew = min(skews, key=abs)
    if abs(skew) <= _MOST_SKEW:
        return ok(f"the clock differs from the servers' by less than {_MOST_SKEW / 60:.0f} minutes")
    side = "behind" if skew > 0 else "ahead of"
    message = f"the clock is {abs(skew) / 60:,.0f} minutes {side} the servers'"
    return warn(
        message,
        "Set the runner's clock: otherwise signatures expire, and the times of events are wrong.",
        "the responses' Date header",
    )


def configured(name: str) -> Callable[[View], Answer]:
    """Whether all settings that a system needs are set."""
    return partial(_configured, name)


def _configured(name: str, view: View) -> Answer:
    target = view.targets[name]
    if not target.wanted:
        return not_checked(target.lacks or f"{target.title} is not configured")
    if target.faulty:
        return not_checked(f"a setting for {target.title} is invalid (settings.values)")
    if not target.lacks:
        return ok(f"{target.title} is configured", source=target.url_source)
    if view.context.secrets_withheld and not target.secrets:
        return ok("the secret is withheld from this pull request, as expected")
    message, _, hint = target.lacks.partition(": ")
    return fail(message, f"{hint[:1].upper()}{hint[1:]}.")


def reach(name: str) -> Callable[[View], Answer]:
    """Whether a system answers."""
    return lambda view: view.answers[name].reach if name in view.answers else _not_asked(view)


def auth(name: str) -> Callable[[View], Answer]:
    """Whether a system accepts the credential."""
    return lambda view: view.answers[name].auth if name in view.answers else _not_asked(view)


def _not_asked(view: View) -> Answer:
    return not_checked(view.offline or view.unseen.get("network", "doctor did not connect to it"))
