"""The only way to the sinks over HTTP: the credential and limits of one request, and what its network errors mean.

No credential goes to another server. A signature covers the body and the time, so every attempt is signed again.
Knows no vendor's requests.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from warnings import catch_warnings

from cibeacon.model.parsers import plain_http_refused
from cibeacon.model.request import Endpoint, Request
from cibeacon.runtime.paths import BECAME_SHORTER, Watched


@contextmanager
def _without_guessing() -> Iterator[None]:
    """Makes requests work without its encoding detector: everything we read is JSON or declares its encoding.

    Importing it takes a tenth of a report's time, and detecting the encoding of a few megabytes takes seconds.
    """
    absent = [name for name in ("chardet", "charset_normalizer") if name not in sys.modules]
    with catch_warnings(action="ignore"):  # requests warns that it is missing
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
"""Bytes of a response; parsed as JSON they can take twenty times as much memory."""
_PIECE = 64 << 10
_BLOCK = 1 << 20
"""Bytes per write; with the usual 16 KiB, tracking the progress of a large file would dominate its cost."""


class AnswerTooLarge(requests.exceptions.RequestException):
    """A response over `LARGEST`."""


class HardenedSession(requests.Session):
    """A session that never sends a credential along a redirect, and never reads netrc."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = _keep_headers
        self.max_redirects = 2
        self._merged: dict[tuple[object, ...], Any] = {}
        for scheme in ("https://", "http://"):
            self.mount(scheme, UnrepeatingAdapter())

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Proxies and certificates, looked up once per host: reading all variables is a third of a request's cost."""
        origin = urlsplit(url)[:2]
        key = (origin, tuple(sorted((proxies or {}).items())), stream, verify, cert)
        if key not in self._merged:
            self._merged[key] = super().merge_environment_settings(url, proxies, stream, verify, cert)
        merged = self._merged[key]
        return {**merged, "proxies": dict(merged["proxies"])}

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Removes every credential from a redirected request; requests itself removes only `Authorization`."""
        for name in ("Authorization", "PRIVATE-TOKEN", "JOB-TOKEN", "Cookie"):
            prepared_request.headers.pop(name, None)


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An auth that changes nothing: if any auth is set, requests does not read netrc."""
    return request


class BoundedAdapter(HTTPAdapter):
    """Limits a response that is not streamed to `LARGEST`: the libraries read whatever a server sends."""

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
    """Skips interim responses (102 Processing, 103 Early Hints): Python itself skips only 100."""

    def begin(self) -> None:
        """Reads up to the headers of the final response."""
        super().begin()
        while 102 <= self.status < 200:
            self.headers = self.msg = None  # type: ignore[assignment]  # or http.client would not read headers again
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
    """One attempt per request, bodies in large blocks, interim responses skipped."""

    def __init__(self) -> None:
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Creates the pools whose connections write in large blocks."""
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
    """The headers with the credential for a request with this content. Raises `OSError` if a file cannot be read."""
    if request.auth == "headers":
        return endpoint.headers
    if request.auth != "dci":
        return {"Authorization": f"Bearer {endpoint.token}", **endpoint.headers}
    from cibeacon.http.dci_signature import sign  # loaded for DCI only

    url = endpoint.base_url + request.path
    return {**endpoint.headers, **sign(request.method, url, content, endpoint.client_id, endpoint.token, now)}


UNTRUSTED = "TLS certificate not trusted"
"""The error for a certificate whose issuer this machine does not trust."""


class Lost(NamedTuple):
    """An attempt without a usable response: the short error, advice, and whether another attempt may succeed."""

    error: str
    advice: str
    transient: bool = True
    received: bool = True
    """False if the request cannot have reached the server."""


def too_slow() -> Lost:
    """A response that is still arriving when the time is up."""
    return Lost("timed out", "The response took too long. Set a larger timeout, or check the proxy.")


def no_time_left(endpoint: Endpoint) -> Lost:
    """A request for which there was no time left."""
    advice = f"The time was up before cibeacon could connect to {endpoint.name}. Set a larger timeout."
    return Lost("no time left", advice, received=False)


def translate_error(error: Exception, endpoint: Endpoint) -> Lost:
    """Translates an exception of the HTTP libraries into a short error and a next step."""
    message = str(error)
    if isinstance(error, FileNotFoundError | PermissionError | NotADirectoryError):
        return Lost("the file cannot be read", "It was moved or deleted, or may not be read.", False, received=False)
    if BECAME_SHORTER in message:
        return Lost(BECAME_SHORTER, "It changed while it was being sent. Send it once it is complete.", received=False)
    if isinstance(error, requests.exceptions.SSLError):
        return _tls_error(message, endpoint)
    if "CA certificate bundle" in message:
        return Lost("the CA file is missing", "Set REQUESTS_CA_BUNDLE to a file that exists.", transient=False)
    if "TLS certificate file" in message or "TLS key file" in message:
        advice = f"Set {endpoint.certificate_setting or 'it'} to a file that exists."
        return Lost("the client certificate is missing", advice, transient=False)
    if isinstance(error, requests.exceptions.InvalidProxyURL):
        advice = "Set HTTPS_PROXY to a URL such as http://proxy.example.com:3128."
        return Lost("the proxy cannot be used", advice, transient=False)
    if isinstance(error, requests.exceptions.ProxyError) and any(part in message for part in _NO_TLS):
        advice = "The proxy itself does not use TLS. Start its URL in HTTPS_PROXY with http://."
        return Lost("no TLS on the proxy's port", advice, transient=False, received=False)
    if isinstance(error, requests.exceptions.ProxyError):
        return _proxy_error(message, endpoint)
    if isinstance(error, requests.Timeout) or "timed out" in message:
        connected = not isinstance(error, requests.ConnectTimeout)
        return Lost("timed out", f"{endpoint.name} took too long to respond. Try again later.", received=connected)
    if "Name or service not known" in message or "NameResolution" in message or "getaddrinfo" in message:
        advice = f"DNS does not know {endpoint.name}. Check {endpoint.url_setting} and the runner's DNS."
        return Lost("host name not found", advice, received=False)
    if isinstance(error, requests.ConnectionError | HTTPError | OSError) and not isinstance(error, _NEVER_RETRIED):
        refused = "refused" in message
        short = "connection refused" if refused else "connection failed"
        advice = f"cibeacon could not connect to {endpoint.name}. Check {endpoint.url_setting}, or try again later."
        return Lost(short, advice, received=not refused)
    return Lost(
        f"the request cannot be made ({type(error).__name__})", f"Check {endpoint.url_setting}.", transient=False
    )


def _tls_error(message: str, endpoint: Endpoint) -> Lost:
    """Translates OpenSSL's error about a handshake or a certificate."""
    if any(part in message for part in _HANDSHAKE_REFUSED):
        return Lost("TLS handshake broken off", f"{_handshake_hint(endpoint)}.", transient=False)
    if any(part in message for part in _CLOSED):
        if_repeated = (
            f" If this happens every time: {_handshake_hint(endpoint)}." if endpoint.certificate_setting else ""
        )
        advice = f"{endpoint.name} closed the connection. Try again later.{if_repeated}"
        return Lost("TLS connection closed", advice)
    if any(part in message for part in _NO_TLS):
        plain = f"http://{endpoint.name}"
        and_allow = " and set allow_http" if plain_http_refused(plain) else ""
        advice = f"{endpoint.name} does not use TLS. Check the port, or for plain http write {plain}{and_allow}."
        return Lost("no TLS on that port", advice, transient=False, received=False)
    if any(part in message for part in _OUTDATED):
        advice = f"Check this machine's clock, or ask the operator of {endpoint.name} to renew the certificate."
        return Lost("TLS certificate expired", advice, transient=False)
    if any(part in message for part in _OTHER_NAME):
        advice = f"The certificate is not for {endpoint.name}. Check {endpoint.url_setting} and any proxy in between."
        return Lost("TLS certificate of another name", advice, transient=False)
    advice = f"This machine does not trust the certificate of {endpoint.name}. Set REQUESTS_CA_BUNDLE to your CA file."
    return Lost(UNTRUSTED, advice, transient=False)


def _proxy_error(message: str, endpoint: Endpoint) -> Lost:
    """Translates a proxy's refusal to open a tunnel; the proxy may also not answer at all."""
    status = message.partition("Tunnel connection failed: ")[2][:3]
    if status == "407":
        advice = "Add the user name and password for the proxy to HTTPS_PROXY."
        return Lost("the proxy asks for a password", advice, transient=False, received=False)
    if status.isdecimal():
        advice = f"Have {endpoint.name} allowed there, or add it to NO_PROXY."
        return Lost(f"the proxy refuses the connection ({status})", advice, received=False)
    return Lost("the proxy does not answer", "Check HTTPS_PROXY and NO_PROXY.", received=False)


def _handshake_hint(endpoint: Endpoint) -> str:
    """Why a server may reject a handshake, and what to do."""
    if setting := endpoint.certificate_setting:
        return f"{endpoint.name} may require a client certificate; set {setting}"
    return f"{endpoint.name}, or a proxy in between, rejects this machine's TLS. Check {endpoint.url_setting} and the proxy"


_HANDSHAKE_REFUSED = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE")
"""OpenSSL's words for a rejected handshake, by the version of TLS."""
_NO_TLS = ("WRONG_VERSION_NUMBER", "wrong version number", "record layer failure", "HTTP_REQUEST", "UNKNOWN_PROTOCOL")
"""OpenSSL's words for bytes that are not TLS, by its version."""
_OUTDATED = ("certificate has expired", "certificate is not yet valid")
_OTHER_NAME = ("Hostname mismatch", "IP address mismatch", "doesn't match")
_CLOSED = ("SSLEOFError", "SSLZeroReturnError")
"""OpenSSL's words for a connection that ends without an error: a reset, as seen through TLS."""
_NEVER_RETRIED = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)
