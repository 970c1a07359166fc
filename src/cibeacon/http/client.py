"""Sends a sink's requests over HTTP, with retries inside one deadline. Knows no vendor.

Retries connection errors, timeouts, 408, 425, 429 and 5xx, with exponential backoff and full jitter; honours `Retry-After`
if it fits the deadline, and otherwise gives up. Never retries any other 4xx. Does not follow redirects, which would pass on
the credential; uses plain http only to this machine, unless allowed; never reads netrc.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TypeAlias

import requests
from urllib3.exceptions import HTTPError

from cibeacon.http import HardenedSession, Lost, credential_headers, no_time_left, too_slow, translate_error
from cibeacon.model.parsers import plain_http_refused
from cibeacon.model.report import Outcome, OutcomeStatus
from cibeacon.model.request import Endpoint, Exchange, Request, Response, SinkResult
from cibeacon.runtime.deadline import Deadline, Unwatched, within
from cibeacon.runtime.errors import RedactionError
from cibeacon.runtime.paths import Watch, watched

TRIES = 5
CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 8.0
LARGEST_REPLY = 1 << 20
"""Bytes of a response body that are read; no supported API returns more."""
_CHUNK = 1 << 16
_TRANSIENT = frozenset({408, 425, 429})
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}
"""A compressed body could expand without end, or arrive for ever without yielding a byte."""


Redaction: TypeAlias = Callable[[Request, float], AbstractContextManager[Request]]
"""From a request with a file and the seconds left to the request with the redacted file. Raises `RedactionError`."""
Attempt: TypeAlias = tuple[Response | Lost, float | None]
"""The response, and the minimum seconds before another attempt; None if another attempt would not help."""


class HttpClient:
    """Sends exchanges before a deadline.

    Args:
        run_within: runs an attempt for at most so many seconds. Raises `TimeoutError`.
        on_retry_after: is called with the seconds of every `Retry-After`, for other clients of the same host.
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
        redact: Redaction | None = None,
        run_within: Callable[[float, Callable[[], Attempt]], Attempt] = within,
        on_retry_after: Callable[[float], None] | None = None,
    ) -> None:
        self._endpoints, self._deadline, self._random, self._now = endpoints, deadline, random, now
        self._allow_http, self._watch, self._redact = allow_http, watch, redact
        self._run_within, self._on_retry_after = run_within, on_retry_after
        self._session = HardenedSession()
        self._session.headers.update({**_HEADERS, "User-Agent": user_agent})

    def close(self) -> None:
        """Closes the open connections."""
        self._session.close()

    def send(
        self, exchange: Exchange, outcome: Outcome, deadline: Deadline | None = None, *, retry: bool = True
    ) -> Outcome:
        """Sends each request of an exchange, passes the responses back, and returns the sink's result as an outcome.

        `spooled` means that the signal could not be delivered now but may be later. A signal may have its own deadline.
        """
        endpoint, deadline = self._endpoints[outcome.sink], deadline or self._deadline
        tries = TRIES if retry else 1
        request = next(exchange)
        while True:
            outcome = outcome._replace(request=request.shown(endpoint.base_url))
            reply, attempts = self._send_redacted(request, endpoint, deadline, tries, repeated=outcome.maybe_delivered)
            outcome = outcome._replace(
                attempts=outcome.attempts + attempts,
                maybe_delivered=outcome.maybe_delivered or _may_have_arrived(reply),
            )
            if isinstance(reply, Lost):
                exchange.close()
                status: OutcomeStatus = "spooled" if reply.transient else "failed"
                return outcome._replace(status=status, reason=reply.advice, error=reply.error, retryable=True)
            outcome = outcome._replace(http_status=reply.status or None)
            try:
                request = exchange.send(reply)
            except StopIteration as end:
                return _with_verdict(outcome, end.value, reply)

    def _send_redacted(
        self, request: Request, endpoint: Endpoint, deadline: Deadline, tries: int, *, repeated: bool
    ) -> tuple[Response | Lost, int]:
        """`_send_request`, with a redacted copy of a file that may contain secrets."""
        if request.file is None or self._redact is None:
            return self._send_request(request, endpoint, deadline, tries, repeated=repeated)
        try:
            with self._redact(request, deadline.remaining()) as redacted:
                return self._send_request(redacted, endpoint, deadline, tries, repeated=repeated)
        except RedactionError as error:
            return Lost("not redacted", str(error), transient=False, received=False), 0

    def _send_request(
        self, request: Request, endpoint: Endpoint, deadline: Deadline, tries: int, *, repeated: bool
    ) -> tuple[Response | Lost, int]:
        """Returns the last response (or why there is none) and the number of attempts.

        `repeated`: an earlier attempt may have arrived, as it may have if a response is `repeated` or `received`.
        """
        if not (self._allow_http or endpoint.open) and plain_http_refused(endpoint.base_url):
            advice = f"Use https for {endpoint.name}, or set allow_http if you trust the network in between."
            return Lost("plain http refused", advice, transient=False, received=False), 0
        last: Response | Lost = no_time_left(endpoint)
        for attempt in range(tries):
            if deadline.remaining() <= 0:
                return last, attempt
            last, wait = self._attempt(request, endpoint, deadline)
            if not request.repeatable and wait is not None and _may_have_arrived(last):
                deadline.sleep(min(BACKOFF_SECONDS, deadline.remaining()))  # the server may still be working on it
                return Response(0, lost=True), attempt + 1
            last = _after(last, repeated=repeated)
            repeated = _may_have_arrived(last)
            if wait is None:
                return last, attempt + 1
            if wait and self._on_retry_after:
                self._on_retry_after(wait)
            pause = max(wait, self._random() * min(LONGEST_BACKOFF_SECONDS, BACKOFF_SECONDS * 2**attempt))
            if attempt + 1 == tries or pause >= deadline.remaining():
                break
            deadline.sleep(pause)
        return last, attempt + 1

    def _attempt(self, request: Request, endpoint: Endpoint, deadline: Deadline) -> Attempt:
        """One request, abandoned when the time is up: name look-ups and slowly arriving headers have no time limit of their own."""
        try:
            return self._run_within(deadline.remaining(), lambda: self._request(request, endpoint, deadline))
        except Unwatched as error:
            return Lost("not sent", f"{str(error)[:1].upper()}{str(error)[1:]}.", received=False), None
        except TimeoutError:
            return too_slow(), 0.0

    def _request(self, request: Request, endpoint: Endpoint, deadline: Deadline) -> Attempt:
        left = max(deadline.remaining(), 0.001)  # requests refuses zero
        try:
            with (
                watched(request.file, self._watch)
                if request.file and request.uploads
                else nullcontext(request.content()) as content,
                self._session.request(
                    request.method,
                    endpoint.base_url + request.path,
                    data=content,
                    headers={
                        **_content_headers(request),
                        **credential_headers(request, endpoint, content, self._now()),
                    },
                    cert=endpoint.certificate,
                    timeout=(min(CONNECT_SECONDS, left), left if request.file else min(READ_SECONDS, left)),
                    allow_redirects=False,
                    stream=True,
                    proxies=endpoint.proxies,
                ) as response,
            ):
                file = None if request.uploads or response.status_code >= 300 else request.file
                reply = _compare(response, file, deadline) if file else _read(response, deadline)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            reply = translate_error(error, endpoint)
        if isinstance(reply, Lost):
            return reply, (0.0 if reply.transient else None)
        if _is_transient(reply):
            return reply, retry_after(response.headers.get("Retry-After"), self._now())
        return reply, None


def _content_headers(request: Request) -> Mapping[str, str]:
    """A file gets no content type, or DCI would read it as a form or as JSON."""
    content_type = {"Content-Type": "application/json"} if request.body is not None else {}
    return {**content_type, **(request.headers or {})}


def _read(response: requests.Response, deadline: Deadline) -> Response | Lost:
    """Reads the response piece by piece: a slow body must not outlive the deadline."""
    content = bytearray()
    while len(content) <= LARGEST_REPLY:
        chunk = response.raw.read1(_CHUNK, decode_content=False)
        if not chunk:
            return _without_content(response)._replace(content=bytes(content))
        content += chunk
        if deadline.remaining() <= 0:
            return too_slow()
    return Lost("answer too large", "The response is over 1 MiB, so it is not from this API. Check the URL.", False)


def _compare(response: requests.Response, path: Path, deadline: Deadline) -> Response | Lost:
    """Compares the response body with a file piece by piece, up to the first difference."""
    same, chunk = True, b"-"
    with watched(path, None) as file:
        while same and chunk:
            chunk = response.raw.read1(_CHUNK, decode_content=False)
            same = chunk == file.read(len(chunk) or 1)
            if deadline.remaining() <= 0:
                return too_slow()
    return _without_content(response)._replace(same=same)


def _without_content(response: requests.Response) -> Response:
    headers = response.headers
    content_type, location, date = headers.get("Content-Type", ""), headers.get("Location"), headers.get("Date")
    return Response(response.status_code, b"", content_type, location, date)


def _may_have_arrived(reply: Response | Lost) -> bool:
    """True if the server may have acted on this attempt or on an earlier one."""
    return reply.received if isinstance(reply, Lost) else reply.lost or reply.repeated or reply.status >= 500


def _after(reply: Response | Lost, *, repeated: bool) -> Response | Lost:
    """The response, with a note whether an earlier attempt may have arrived."""
    if isinstance(reply, Lost):
        return reply._replace(received=reply.received or repeated)
    return reply._replace(repeated=repeated)


def _with_verdict(outcome: Outcome, result: SinkResult, reply: Response) -> Outcome:
    """The outcome with the sink's result; a temporary failure becomes `spooled`."""
    final = outcome._replace(
        status=result.outcome,
        reason=result.reason,
        error=result.error,
        retryable=result.retryable,
        outputs=result.outputs,
        sink_error_id=result.error_id,
    )
    is_passing = result.outcome == "failed" and (reply.lost or _is_transient(reply))
    return final._replace(status="spooled", retryable=True) if is_passing else final


def _is_transient(reply: Response) -> bool:
    return reply.status in _TRANSIENT or reply.status >= 500


def retry_after(header: str | None, now: float) -> float:
    """Seconds to wait according to a `Retry-After` header (seconds or an HTTP date); 0 if absent or unreadable."""
    if not header:
        return 0.0
    if header.strip().isdecimal():
        return float(header.strip())
    try:
        when = parsedate_to_datetime(header)
        return max(0.0, (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError):  # such as a year that no calendar has
        return 0.0
