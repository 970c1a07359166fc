"""Knows which URLs would carry a credential in the clear. Knows no network: this machine is told by its name alone."""

from urllib.parse import urlsplit


def plain_http_refused(url: str) -> bool:
    """True when `url` would carry a credential unencrypted over a network."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    if parts.scheme == "https":
        return False
    import ipaddress  # takes a millisecond, and nearly everybody uses https

    host = (parts.hostname or "").rstrip(".")
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost" and not host.endswith(".localhost")
