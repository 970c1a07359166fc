"""The only way to the sinks over HTTP, and one attempt at a request: its credential, its limits, and what a network did to it.

No credential leaves for another place. A signature covers the body and the minute, so a request is signed again at each
attempt. Knows no vendor's requests.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from warnings import catch_warnings

from cibeacon.model.endpoint import Endpoint
from cibeacon.model.parsers import plain_http_refused
from cibeacon.model.request import Request
from cibeacon.runtime.paths import BECAME_SHORTER, Watched


@contextmanager
def _without_guessing() -> Iterator[None]:
    """Has requests do without the library that guesses encodings: all that we read is JSON, or says what it is written in.

    Its import takes a tenth of a report, and guessing at some megabytes of a stranger's answer takes seconds.
    """
    absent = [name for name in ("chardet", "charset_normalizer") if name not in sys.modules]
    with catch_warnings(action="ignore"):  # requests says that it is not there
        sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None makes an import fail
        yield
    for name in absent:
        del sys.modules[name]


with _without_guessing():
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.exceptions import HTTPError

LARGEST = 8 << 20
"""Bytes of a response; as JSON they can take twenty times as much memory."""
_PIECE = 64 << 10
_BLOCK = 1 << 20
"""Bytes that are written at once; of the usual 16 KiB a large file has so many that counting them costs most."""


class AnswerTooLarge(requests.exceptions.RequestException):
    """A response over `LARGEST`."""


class HardenedSession(requests.Session):
    """A session from which no credential follows a redirect to another place, and that never reads netrc."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = _keep_headers
        self.max_redirects = 2
        self._merged: dict[tuple[object, ...], Any] = {}
        for scheme in ("https://", "http://"):
            self.mount(scheme, UnrepeatingAdapter())

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Proxies and certificates, looked up once for each host: reading all variables is a third of a request's cost."""
        origin = urlsplit(url)[:2]
        key = (origin, tuple(sorted((proxies or {}).items())), stream, verify, cert)
        if key not in self._merged:
            self._merged[key] = super().merge_environment_settings(url, proxies, stream, verify, cert)
        merged = self._merged[key]
        return {**merged, "proxies": dict(merged["proxies"])}

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Takes every credential off a redirected request; requests itself would take off `Authorization` only."""
        for name in ("Authorization", "PRIVATE-TOKEN", "JOB-TOKEN", "Cookie"):
            prepared_request.headers.pop(name, None)


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An auth that changes nothing: with any auth set, requests does not read netrc."""
    return request


class BoundedAdapter(HTTPAdapter):
    """Reads a response that is not streamed up to `LARGEST`: the libraries above it read whatever a server sends."""

    def send(
        self, request: requests.PreparedRequest, stream: bool = False, *arguments: Any, **more: Any
    ) -> requests.Response:
        """The response. Raises `AnswerTooLarge`."""
        response = super().send(request, True, *arguments, **more)
        if not stream or response.is_redirect:
            content = bytearray()
            for piece in response.iter_content(_PIECE):
                content += piece
                if len(content) > LARGEST:
                    response.close()
                    raise AnswerTooLarge(f"over {LARGEST >> 20} MiB")
            response._content = bytes(content)
        return response


class _FinalResponse(HTTPResponse):
    """Skips interim responses (102 Processing, 103 Early Hints): Python itself skips 100 alone."""

    def begin(self) -> None:
        """Reads up to the headers of the final response."""
        super().begin()
        while 102 <= self.status < 200:
            self.headers = self.msg = None  # type: ignore[assignment]  # http.client reads no headers where it has some
            super().begin()


class _Plain(HTTPConnection):
    response_class = _FinalResponse


class _Encrypted(HTTPSConnection):
    response_class = _FinalResponse


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _EncryptedPool(HTTPSConnectionPool):
    ConnectionCls = _Encrypted


_POOLS = {"http": _PlainPool, "https": _EncryptedPool}


class UnrepeatingAdapter(BoundedAdapter):
    """One attempt a request, a body in large blocks, and of several answers the last."""

    def __init__(self) -> None:
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """The pools whose connections write in large blocks."""
        super().init_poolmanager(*args, **{**kwargs, "blocksize": _BLOCK})
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """The same through a proxy."""
        manager = super().proxy_manager_for(proxy, **{**kwargs, "blocksize": _BLOCK})
        manager.pool_classes_by_scheme = _POOLS
        return manager


def credential_headers(
    request: Request, endpoint: Endpoint, content: bytes | Watched | None, now: float
) -> Mapping[str, str]:
    """The headers that carry the credential of a request with this content. Raises `OSError` if a file cannot be read."""
    if request.auth == "headers":
        return endpoint.headers
    if request.auth != "dci":
        return {"Authorization": f"Bearer {endpoint.token}", **endpoint.headers}
    from cibeacon.http.dci_signature import sign  # loaded for DCI only

    url = endpoint.base_url + request.path
    return {**endpoint.headers, **sign(request.method, url, content, endpoint.client_id, endpoint.token, now)}


UNTRUSTED = "TLS certificate not trusted"
"""The error of a certificate whose issuer is not known here."""


class Lost(NamedTuple):
    """An attempt without a usable reply: the short error, advice, and whether another attempt may do better."""

    error: str
    advice: str
    transient: bool = True
    received: bool = True
    """False when the request cannot have reached the other side."""


def too_slow() -> Lost:
    """An answer that is still coming when the time is over."""
    return Lost("timed out", "The answer came too slowly for the time budget (setting timeout).")


def no_time_left(endpoint: Endpoint) -> Lost:
    """A request for which no time was left."""
    advice = f"The time budget was used up before {endpoint.name} could be asked (setting timeout)."
    return Lost("no time left", advice, received=False)


def translate_error(error: Exception, endpoint: Endpoint) -> Lost:
    """An exception of the HTTP libraries, as a short error and a next step."""
    message = str(error)
    if isinstance(error, FileNotFoundError | PermissionError | NotADirectoryError):
        return Lost("the file cannot be read", "It was moved or taken away after it was found.", False, received=False)
    if BECAME_SHORTER in message:
        return Lost(BECAME_SHORTER, "It was written while it was sent: send it once it is complete.", received=False)
    if isinstance(error, requests.exceptions.SSLError):
        return _tls_error(message, endpoint)
    if "CA certificate bundle" in message:
        return Lost("the CA file is missing", "REQUESTS_CA_BUNDLE names a file that is not there.", transient=False)
    if "TLS certificate file" in message or "TLS key file" in message:
        return Lost("the client certificate is missing", "The file that is set as one is not there.", transient=False)
    if isinstance(error, requests.exceptions.InvalidProxyURL):
        return Lost("the proxy cannot be used", "HTTPS_PROXY is not the URL of a proxy.", transient=False)
    if isinstance(error, requests.exceptions.ProxyError) and any(part in message for part in _NO_TLS):
        advice = "The proxy does not speak TLS itself: begin its address in HTTPS_PROXY with http://."
        return Lost("no TLS on the proxy's port", advice, transient=False, received=False)
    if isinstance(error, requests.exceptions.ProxyError):
        return _proxy_error(message, endpoint)
    if isinstance(error, requests.Timeout) or "timed out" in message:
        connected = not isinstance(error, requests.ConnectTimeout)
        return Lost("timed out", f"{endpoint.name} took too long: send again later.", received=connected)
    if "Name or service not known" in message or "NameResolution" in message or "getaddrinfo" in message:
        advice = f"There is no host {endpoint.name}: check the URL and the runner's DNS."
        return Lost("host name not found", advice, received=False)
    if isinstance(error, requests.ConnectionError | HTTPError | OSError) and not isinstance(error, _NEVER_RETRIED):
        refused = "refused" in message
        short = "connection refused" if refused else "connection failed"
        advice = f"{endpoint.name} cannot be reached: check the URL, or send again later."
        return Lost(short, advice, received=not refused)
    return Lost(f"the request cannot be made ({type(error).__name__})", "Check the URL.", transient=False)


def _tls_error(message: str, endpoint: Endpoint) -> Lost:
    """What OpenSSL says of a handshake or a certificate."""
    if any(part in message for part in _HANDSHAKE_REFUSED):
        return Lost("TLS handshake broken off", f"{endpoint.name} {_handshake_hint(endpoint)}.", transient=False)
    if any(part in message for part in _CLOSED):
        if_repeated = (
            f", and if it happens every time, it {_handshake_hint(endpoint)}" if endpoint.certificate_setting else ""
        )
        return Lost("TLS connection closed", f"{endpoint.name} closed the connection: send again later{if_repeated}.")
    if any(part in message for part in _NO_TLS):
        plain = f"http://{endpoint.name}"
        and_allow = " and set allow_http" if plain_http_refused(plain) else ""
        advice = (
            f"{endpoint.name} does not speak TLS: check the port, or write {plain}{and_allow} if plain http is meant."
        )
        return Lost("no TLS on that port", advice, transient=False, received=False)
    if any(part in message for part in _OUTDATED):
        advice = f"The operator of {endpoint.name} must renew the certificate, or this machine's clock is wrong."
        return Lost("TLS certificate expired", advice, transient=False)
    if any(part in message for part in _OTHER_NAME):
        advice = f"The certificate is not that of {endpoint.name}: check the URL, and what stands in between."
        return Lost("TLS certificate of another name", advice, transient=False)
    advice = f"{endpoint.name} shows a certificate that is not trusted here: name your CA file in REQUESTS_CA_BUNDLE."
    return Lost(UNTRUSTED, advice, transient=False)


def _proxy_error(message: str, endpoint: Endpoint) -> Lost:
    """What a proxy answers to the request for a tunnel; it may also not answer at all."""
    status = message.partition("Tunnel connection failed: ")[2][:3]
    if status == "407":
        advice = "Give HTTPS_PROXY the user name and password that the proxy asks for."
        return Lost("the proxy asks for a password", advice, transient=False, received=False)
    if status.isdecimal():
        advice = f"Have {endpoint.name} allowed there, or name it in NO_PROXY."
        return Lost(f"the proxy refuses the connection ({status})", advice, received=False)
    return Lost("the proxy does not answer", "Check HTTPS_PROXY and NO_PROXY.", received=False)


def _handshake_hint(endpoint: Endpoint) -> str:
    """What a server wants that breaks a handshake off."""
    if setting := endpoint.certificate_setting:
        return f"may ask for a client certificate: name one in the setting {setting}"
    return "refuses this machine's TLS, or something in between does: check the URL and the proxy"


_HANDSHAKE_REFUSED = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE")
"""What OpenSSL says of a server that breaks a handshake off, by the version of TLS."""
_NO_TLS = ("WRONG_VERSION_NUMBER", "wrong version number", "record layer failure", "HTTP_REQUEST", "UNKNOWN_PROTOCOL")
"""What it says of bytes that are no TLS at all, by its version."""
_OUTDATED = ("certificate has expired", "certificate is not yet valid")
_OTHER_NAME = ("Hostname mismatch", "IP address mismatch", "doesn't match")
_CLOSED = ("SSLEOFError", "SSLZeroReturnError")
"""What it says of a connection that ends without a word: a reset, as seen through TLS."""
_NEVER_RETRIED = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)
