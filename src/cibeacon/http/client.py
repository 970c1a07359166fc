"""Carries a sink's dialogue over HTTP with retries inside one time budget. Knows no vendor.

Retried: connection errors, timeouts, 408, 425, 429 and 5xx, with exponential backoff and full jitter; a `Retry-After`
is honoured when it fits the budget, and otherwise ends the attempts. A coded 4xx is never retried. A host that was
given up is not asked again for a while, so that many signals do not each wait for it. Redirects are not followed,
since a credential would travel along; plain http goes to this machine only, unless allowed; netrc is off.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TypeAlias

import requests
from urllib3.exceptions import HTTPError

from cibeacon.http import auth
from cibeacon.http.network_errors import Lost, lost, spent, too_slow
from cibeacon.http.response_body import compared, read
from cibeacon.http.session import HardenedSession
from cibeacon.model.outcome import Outcome, OutcomeStatus
from cibeacon.model.parsers import plain_http_refused
from cibeacon.model.request import Exchange, Request, Response, SinkResult
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import ScrubError
from cibeacon.runtime.threads import Unwatched, within
from cibeacon.runtime.watched_file import Watch, watched
from cibeacon.settings.endpoint import Endpoint

TRIES = 5
CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 8.0
REST_SECONDS = 15.0
"""How long a host that was given up is left alone."""
_TRANSIENT = frozenset({408, 425, 429})
_ALWAYS = {"Accept": "application/json", "Accept-Encoding": "identity"}
"""A compressed body could unfold without end, or drip for ever without a byte of it coming out."""


Cleaning: TypeAlias = Callable[[Request, float], AbstractContextManager[Request]]
"""For a call with a file and the seconds left: the call with what may leave of it. Raises `ScrubError`."""
Attempted: TypeAlias = tuple[Response | Lost, float | None]
"""What came back, and the least wait before another attempt; None when another would not help."""
Within: TypeAlias = Callable[[float, Callable[[], Attempted]], Attempted]
"""How a request is given up: the seconds it may take, and the request. Raises `TimeoutError`."""


class HttpClient:
    """Carries dialogues inside one budget, of which each endpoint has its share: a dead one costs the others nothing.

    Args:
        bounded: gives a request up when its time is over.
        slowed: told the seconds of every `Retry-After`, for others who ask the same host.
        rest: seconds for which a host that was given up is left alone.
        tries: how often a call is tried.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        deadline: Deadline,
        *,
        random: Callable[[], float],
        now: Callable[[], float],
        user_agent: str,
        allow_http: bool = False,
        watch: Watch | None = None,
        clean: Cleaning | None = None,
        bounded: Within = within,
        slowed: Callable[[float], None] | None = None,
        rest: float = REST_SECONDS,
        tries: int = TRIES,
    ) -> None:
        self._endpoints, self._budget, self._random, self._now = endpoints, deadline, random, now
        self._allow_http, self._watch, self._clean = allow_http, watch, clean
        self._bounded, self._slowed, self._rest, self._tries = bounded, slowed, rest, tries
        self._shares: dict[str, Deadline] = {}
        self._resting: dict[str, float] = {}
        self._session = HardenedSession()
        self._session.headers.update({**_ALWAYS, "User-Agent": user_agent})

    def close(self) -> None:
        """Closes the kept connections."""
        self._session.close()

    def send(self, exchange: Exchange, row: Outcome, deadline: Deadline | None = None) -> Outcome:
        """The signal's row, told: each call sent, each reply handed back, the sink's verdict at the end.

        `spooled` stands for what could not be delivered and may well be later. A signal may have a budget of its own.
        """
        endpoint, deadline = self._endpoints[row.sink], deadline or self._share(row.sink)
        call = next(exchange)
        while True:
            row = row._replace(request=call.shown(endpoint.base_url))
            reply, attempts = self._cleaned(call, endpoint, deadline, repeated=row.maybe_delivered)
            row = row._replace(
                attempts=row.attempts + attempts, maybe_delivered=row.maybe_delivered or _doubtful(reply)
            )
            if isinstance(reply, Lost):
                exchange.close()
                status: OutcomeStatus = "spooled" if reply.transient else "failed"
                return row._replace(status=status, reason=reply.advice, error=reply.error, retryable=True)
            row = row._replace(http_status=reply.status or None)
            try:
                call = exchange.send(reply)
            except StopIteration as end:
                return _judged(row, end.value, reply)

    def _share(self, sink: str) -> Deadline:
        if sink not in self._shares:
            self._shares[sink] = self._budget.part(1 / (len(self._endpoints) - len(self._shares)))
        return self._shares[sink]

    def _cleaned(
        self, call: Request, endpoint: Endpoint, deadline: Deadline, *, repeated: bool
    ) -> tuple[Response | Lost, int]:
        """`_exchange`; no file leaves with what must not leave in it."""
        if call.file is None or self._clean is None:
            return self._exchange(call, endpoint, deadline, repeated=repeated)
        try:
            with self._clean(call, deadline.remaining()) as clean:
                return self._exchange(clean, endpoint, deadline, repeated=repeated)
        except ScrubError as error:
            return Lost("not redacted", str(error), transient=False, received=False), 0

    def _exchange(
        self, call: Request, endpoint: Endpoint, deadline: Deadline, *, repeated: bool
    ) -> tuple[Response | Lost, int]:
        """The last reply (or why there is none) and the number of attempts made; what came back says if any is in doubt."""
        if not self._allow_http and plain_http_refused(endpoint.base_url):
            advice = f"Use https for {endpoint.name}, or set allow_http if the network in between is yours."
            return Lost("plain http refused", advice, transient=False, received=False), 0
        if self._resting.get(endpoint.name, 0.0) > deadline.clock():
            why = f"{endpoint.name} did not take the signal before this one: send again later."
            return Lost("not tried", why, received=False), 0
        last: Response | Lost = spent(endpoint)
        for attempt in range(self._tries):
            if deadline.remaining() <= 0:
                return last, attempt
            last, wait = self._attempt(call, endpoint, deadline)
            if not call.repeatable and wait is not None and _doubtful(last):
                deadline.sleep(min(BACKOFF_SECONDS, deadline.remaining()))  # it may be at it still
                return Response(0, lost=True), attempt + 1
            last = _after(last, repeated=repeated)
            repeated = _doubtful(last)
            if wait is None:
                return last, attempt + 1
            if wait and self._slowed:
                self._slowed(wait)
            pause = max(wait, self._random() * min(LONGEST_BACKOFF_SECONDS, BACKOFF_SECONDS * 2**attempt))
            if attempt + 1 == self._tries or pause >= deadline.remaining():
                break
            deadline.sleep(pause)
        self._resting[endpoint.name] = deadline.clock() + max(self._rest, wait or 0.0)
        return last, attempt + 1

    def _attempt(self, call: Request, endpoint: Endpoint, deadline: Deadline) -> tuple[Response | Lost, float | None]:
        """`_request`, given up when the time is over: neither a name look-up nor dripping headers end by themselves."""
        try:
            return self._bounded(deadline.remaining(), lambda: self._request(call, endpoint, deadline))
        except Unwatched as error:
            return Lost("not sent", f"{str(error)[:1].upper()}{str(error)[1:]}.", received=False), None
        except TimeoutError:
            return too_slow(), 0.0

    def _request(self, call: Request, endpoint: Endpoint, deadline: Deadline) -> tuple[Response | Lost, float | None]:
        """One request: what came back, and the least wait before another; None when another would not help."""
        left = max(deadline.remaining(), 0.001)  # requests takes no zero
        try:
            with (
                watched(call.file, self._watch)
                if call.file and call.uploads
                else nullcontext(call.content()) as content,
                self._session.request(
                    call.method,
                    endpoint.base_url + call.path,
                    data=content,
                    headers={**_described(call), **auth.headers(call, endpoint, content)},
                    cert=endpoint.certificate,
                    timeout=(min(CONNECT_SECONDS, left), left if call.file else min(READ_SECONDS, left)),
                    allow_redirects=False,
                    stream=True,
                    proxies=endpoint.proxies,
                ) as response,
            ):
                against = None if call.uploads or response.status_code >= 300 else call.file
                reply = compared(response, against, deadline) if against else read(response, deadline)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            failure = lost(error, endpoint)
            return failure, (0.0 if failure.transient else None)
        if isinstance(reply, Lost):
            return reply, (0.0 if reply.transient else None)
        if _passing(reply):
            return reply, retry_after(response.headers.get("Retry-After"), self._now())
        return reply, None


def _described(call: Request) -> Mapping[str, str]:
    """A file goes without a content type: it would be taken for what its system reads into it."""
    kind = {"Content-Type": "application/json"} if call.body is not None else {}
    return {**kind, **(call.headers or {})}


def _doubtful(last: Response | Lost) -> bool:
    """True when the call may have been done all the same, at this attempt or one before."""
    return last.received if isinstance(last, Lost) else last.lost or last.repeated or last.status >= 500


def _after(last: Response | Lost, *, repeated: bool) -> Response | Lost:
    """What came back, in doubt where an attempt before it was."""
    if isinstance(last, Lost):
        return last._replace(received=last.received or repeated)
    return last._replace(repeated=repeated)


def _judged(row: Outcome, result: SinkResult, reply: Response) -> Outcome:
    """The row with the sink's verdict; what a vendor's trouble kept from arriving is to be sent later."""
    told = row._replace(
        status=result.outcome,
        reason=result.reason,
        error=result.error,
        retryable=result.retryable,
        outputs=result.outputs,
    )
    passing = reply.lost or _passing(reply)
    return told._replace(status="spooled", retryable=True) if result.outcome == "failed" and passing else told


def _passing(reply: Response) -> bool:
    """True for an answer that another attempt may not get."""
    return reply.status in _TRANSIENT or reply.status >= 500


def retry_after(header: str | None, now: float) -> float:
    """Seconds that a `Retry-After` header asks to wait: from seconds or an HTTP date; 0 when absent or unreadable."""
    if not header:
        return 0.0
    if header.strip().isdecimal():
        return float(header.strip())
    try:
        when = parsedate_to_datetime(header)
        return max(0.0, (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError):  # a year that no calendar has is no date
        return 0.0
