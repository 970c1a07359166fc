"""Knows who issued a server's certificate, often a company's proxy. Sends no credential, and verifies nothing."""

from __future__ import annotations

import ssl
import warnings
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from cibeacon.http import HardenedSession
from cibeacon.http.issuer_name import issuer_name

_SECONDS = 1.0
_LONGEST = 100


class _Connection(HTTPSConnection):
    """A connection that remembers the server's certificate."""

    shown: bytes | None = None

    def connect(self) -> None:
        """Connects, and keeps the certificate."""
        super().connect()
        if isinstance(self.sock, ssl.SSLSocket):
            self.shown = self.sock.getpeercert(binary_form=True)


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _Connection


class _Adapter(HTTPAdapter):
    """Uses such connections, also through a proxy."""

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        """The pools."""
        super().init_poolmanager(*arguments, **more)
        self.poolmanager.pool_classes_by_scheme = {"https": _Pool}

    def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
        """The same through a proxy."""
        manager = super().proxy_manager_for(proxy, **more)
        manager.pool_classes_by_scheme = {**manager.pool_classes_by_scheme, "https": _Pool}
        return manager


def issuer(url: str) -> str | None:
    """The common name of the issuer of a URL's certificate; None if unknown."""
    try:
        with HardenedSession() as session, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the certificate is only read
            session.mount("https://", _Adapter())
            request = session.get(url, verify=False, stream=True, timeout=_SECONDS, allow_redirects=False)
            with request as response:
                connection = response.raw.connection
                shown = connection.shown if isinstance(connection, _Connection) else None
        name = issuer_name(shown) if shown else None
        return name[:_LONGEST] if name else None
    except (requests.RequestException, HTTPError, OSError, ValueError):
        return None
