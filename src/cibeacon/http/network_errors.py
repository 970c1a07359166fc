"""Translates what a network does to a request into a short error and a next step. Makes no request itself."""

from typing import NamedTuple

import requests
from urllib3.exceptions import HTTPError

from cibeacon.model.endpoint import Endpoint
from cibeacon.model.parsers import plain_http_refused


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
    if isinstance(error, requests.exceptions.SSLError) and any(part in message for part in _HANDSHAKE_REFUSED):
        return Lost("TLS handshake broken off", f"{endpoint.name} {_handshake_hint(endpoint)}.", transient=False)
    if isinstance(error, requests.exceptions.SSLError) and any(part in message for part in _CLOSED):
        if_repeated = (
            f", and if it happens every time, it {_handshake_hint(endpoint)}" if endpoint.certificate_setting else ""
        )
        return Lost("TLS connection closed", f"{endpoint.name} closed the connection: send again later{if_repeated}.")
    if isinstance(error, requests.exceptions.SSLError) and any(part in message for part in _NO_TLS):
        plain = f"http://{endpoint.name}"
        and_allow = " and set allow_http" if plain_http_refused(plain) else ""
        advice = (
            f"{endpoint.name} does not speak TLS: check the port, or write {plain}{and_allow} if plain http is meant."
        )
        return Lost("no TLS on that port", advice, transient=False, received=False)
    if isinstance(error, requests.exceptions.SSLError):
        return Lost(
            "TLS certificate or handshake refused",
            f"{endpoint.name} shows a certificate that is not trusted here: name your CA file in REQUESTS_CA_BUNDLE.",
            transient=False,
        )
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
        return Lost("the proxy does not answer", "Check HTTPS_PROXY and NO_PROXY.", received=False)
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


def _handshake_hint(endpoint: Endpoint) -> str:
    """What a server wants that breaks a handshake off."""
    if setting := endpoint.certificate_setting:
        return f"may ask for a client certificate: name one in the setting {setting}"
    return "refuses this machine's TLS, or what stands between does: check the URL and the proxy"


_HANDSHAKE_REFUSED = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE")
"""What OpenSSL says of a server that breaks a handshake off, by the version of TLS."""
_NO_TLS = ("WRONG_VERSION_NUMBER", "wrong version number", "record layer failure", "HTTP_REQUEST", "UNKNOWN_PROTOCOL")
"""What it says of bytes that are no TLS at all, by its version."""
_CLOSED = ("SSLEOFError", "SSLZeroReturnError")
"""What it says of a connection that ends without a word: a reset, as seen through TLS."""
_NEVER_RETRIED = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)
