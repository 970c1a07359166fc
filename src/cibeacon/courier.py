"""The only `requests`: carries a sink's dialogue over HTTP with retries inside one time budget. Knows no vendor.

Retried: connection errors, timeouts, 408, 425, 429 and 5xx, with exponential backoff and full jitter; a `Retry-After`
is honoured when it fits the budget, and otherwise ends the attempts. A coded 4xx is never retried. Redirects are not
followed, since a credential would travel along; plain http goes to this machine only, unless allowed; netrc is off.
"""

from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from cibeacon.budget import Budget
from cibeacon.call import Call, Dialogue, Reply
from cibeacon.outcome import Outcome, Request
from cibeacon.transport import plain_http_refused

LARGEST_REPLY = 1 << 20
"""Bytes of a response body that are read; no API of ours answers with more."""
TRIES = 5
CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 8.0
_CHUNK = 1 << 16
_TRANSIENT = frozenset({408, 425, 429})
_ALWAYS = {"Accept": "application/json", "Accept-Encoding": "identity"}
"""A compressed body could unfold without end, or drip for ever without a byte of it coming out."""


class Endpoint(NamedTuple):
    """Where a sink's calls go, and the credential that signs them."""

    base_url: str
    token: str

    @property
    def name(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self.base_url).netloc

    @property
    def proxies(self) -> dict[str, str] | None:
        """None for those of the environment. What stays on this machine never goes through a proxy: it is plain http."""
        stays = self.base_url.startswith("http://") and not plain_http_refused(self.base_url)
        return {"http": "", "https": "", "all": ""} if stays else None


class _Lost(NamedTuple):
    """An attempt without a usable reply: the short error, advice, and whether another attempt may do better."""

    error: str
    advice: str
    transient: bool = True


class HardenedSession(requests.Session):
    """A session from which no credential follows a redirect to another place, and that never reads netrc."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = _signed_already
        self.max_redirects = 2

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Takes every credential off a redirected request; requests itself would take off `Authorization` only."""
        for name in ("Authorization", "PRIVATE-TOKEN", "JOB-TOKEN", "Cookie"):
            prepared_request.headers.pop(name, None)


def _signed_already(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An auth that changes nothing: with any auth set, requests leaves netrc alone."""
    return request


class Courier:
    """Carries dialogues. Everything it does shares one budget; an endpoint once given up gets one try a signal."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        budget: Budget,
        *,
        random: Callable[[], float],
        now: Callable[[], float],
        user_agent: str,
        allow_http: bool = False,
    ) -> None:
        self._endpoints, self._budget, self._random, self._now = endpoints, budget, random, now
        self._allow_http = allow_http
        self._given_up: set[str] = set()
        self._session = HardenedSession()
        self._session.headers.update({**_ALWAYS, "User-Agent": user_agent})
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=0))

    def close(self) -> None:
        """Closes the kept connections."""
        self._session.close()

    def carry(self, dialogue: Dialogue, row: Outcome) -> Outcome:
        """The signal's row, told: each call sent, each reply handed back, the sink's verdict at the end."""
        endpoint = self._endpoints[row.sink]
        call = next(dialogue)
        while True:
            row = row._replace(request=Request.of(call, endpoint.base_url))
            reply, attempts = self._exchange(call, endpoint)
            row = row._replace(attempts=row.attempts + attempts)
            if isinstance(reply, _Lost):
                dialogue.close()
                return row._replace(word="failed", reason=reply.advice, error=reply.error)
            row = row._replace(http_status=reply.status)
            try:
                call = dialogue.send(reply)
            except StopIteration as end:
                verdict = end.value
                return row._replace(word=verdict.outcome, reason=verdict.reason, error=verdict.error)

    def _exchange(self, call: Call, endpoint: Endpoint) -> tuple[Reply | _Lost, int]:
        """The last reply (or why there is none) and the number of attempts made."""
        if not self._allow_http and plain_http_refused(endpoint.base_url):
            advice = f"Use https for {endpoint.name}, or set allow_http if the network in between is yours."
            return _Lost("plain http refused", advice, transient=False), 0
        tries = 1 if endpoint.name in self._given_up else TRIES
        last: Reply | _Lost = _spent(endpoint)
        for attempt in range(tries):
            if self._budget.remaining() <= 0:
                return last, attempt
            last, wait = self._attempt(call, endpoint)
            if wait is None:
                return last, attempt + 1
            pause = max(wait, self._random() * min(LONGEST_BACKOFF_SECONDS, BACKOFF_SECONDS * 2**attempt))
            if attempt + 1 == tries or pause >= self._budget.remaining():
                break
            self._budget.sleep(pause)
        self._given_up.add(endpoint.name)
        return last, attempt + 1

    def _attempt(self, call: Call, endpoint: Endpoint) -> tuple[Reply | _Lost, float | None]:
        """One request: what came back, and the least wait before another; None when another would not help."""
        try:
            with self._session.request(
                call.method,
                endpoint.base_url + call.path,
                data=call.content(),
                headers={"Content-Type": "application/json", "Authorization": f"Bearer {endpoint.token}"},
                timeout=(min(CONNECT_SECONDS, self._budget.remaining()), min(READ_SECONDS, self._budget.remaining())),
                allow_redirects=False,
                stream=True,
                proxies=endpoint.proxies,
            ) as response:
                reply = self._read(response)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            lost = _lost(error, endpoint)
            return lost, (0.0 if lost.transient else None)
        if isinstance(reply, _Lost):
            return reply, (0.0 if reply.transient else None)
        if reply.status in _TRANSIENT or reply.status >= 500:
            return reply, retry_after(response.headers.get("Retry-After"), self._now())
        return reply, None

    def _read(self, response: requests.Response) -> Reply | _Lost:
        """The reply, read piece by piece: a body that drips must not outlive the budget."""
        content = bytearray()
        while len(content) <= LARGEST_REPLY:
            chunk = response.raw.read1(_CHUNK, decode_content=False)
            if not chunk:
                headers = response.headers
                return Reply(
                    response.status_code, bytes(content), headers.get("Content-Type", ""), headers.get("Location")
                )
            content += chunk
            if self._budget.remaining() <= 0:
                return _Lost("timed out", "The answer came too slowly for the time budget (setting timeout).")
        return _Lost("answer too large", "The answer is over 1 MiB, so it is not this API's: check the URL.", False)


def retry_after(header: str | None, now: float) -> float:
    """Seconds that a `Retry-After` header asks to wait: from seconds or an HTTP date; 0 when absent or unreadable."""
    if not header:
        return 0.0
    if header.strip().isdecimal():
        return float(header.strip())
    try:
        when = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    return max(0.0, (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now)


def _spent(endpoint: Endpoint) -> _Lost:
    return _Lost(
        "no time left", f"The time budget was used up before {endpoint.name} could be asked (setting timeout)."
    )


def _lost(error: Exception, endpoint: Endpoint) -> _Lost:
    """A foreign exception as a short error and a next step."""
    words = str(error)
    if isinstance(error, requests.exceptions.SSLError):
        return _Lost(
            "TLS certificate or handshake refused",
            f"{endpoint.name} shows a certificate that is not trusted here: name your CA file in REQUESTS_CA_BUNDLE.",
            transient=False,
        )
    if "CA certificate bundle" in words:
        return _Lost("the CA file is missing", "REQUESTS_CA_BUNDLE names a file that is not there.", transient=False)
    if isinstance(error, requests.exceptions.InvalidProxyURL):
        return _Lost("the proxy cannot be used", "HTTPS_PROXY is not the URL of a proxy.", transient=False)
    if isinstance(error, requests.exceptions.ProxyError):
        return _Lost("the proxy does not answer", "Check HTTPS_PROXY and NO_PROXY.")
    if isinstance(error, requests.Timeout) or "timed out" in words:
        return _Lost("timed out", f"{endpoint.name} took too long: send again later.")
    if "Name or service not known" in words or "NameResolution" in words or "getaddrinfo" in words:
        return _Lost("host name not found", f"There is no host {endpoint.name}: check the URL and the runner's DNS.")
    if isinstance(error, requests.ConnectionError | HTTPError | OSError) and not isinstance(error, _NEVER_RETRIED):
        short = "connection refused" if "refused" in words else "connection failed"
        return _Lost(short, f"{endpoint.name} cannot be reached: check the URL, or send again later.")
    return _Lost(f"the request cannot be made ({type(error).__name__})", "Check the URL.", transient=False)


_NEVER_RETRIED = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)
