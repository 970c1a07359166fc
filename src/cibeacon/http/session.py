"""The session that our HTTP libraries get: no credential leaves it for another place. Knows no vendor."""

from __future__ import annotations

from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

LARGEST = 8 << 20
"""Bytes of a response; as JSON they can take twenty times as much memory."""
_PIECE = 64 << 10
_BLOCK = 256 << 10
"""Bytes that are written at once; of the usual 16 KiB a large file has so many that counting them costs most."""


class AnswerTooLarge(requests.exceptions.RequestException):
    """A response over `LARGEST`."""


class HardenedSession(requests.Session):
    """A session from which no credential follows a redirect to another place, and that never reads netrc."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = _signed_already
        self.max_redirects = 2
        self._merged: dict[tuple[object, ...], Any] = {}
        for scheme in ("https://", "http://"):
            self.mount(scheme, UnrepeatingAdapter())

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Proxies and certificates, looked up once for each host: reading all variables is a third of a request's cost."""
        place = urlsplit(url)[:2]
        key = (place, tuple(sorted((proxies or {}).items())), stream, verify, cert)
        if key not in self._merged:
            self._merged[key] = super().merge_environment_settings(url, proxies, stream, verify, cert)
        found = self._merged[key]
        return {**found, "proxies": dict(found["proxies"])}

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Takes every credential off a redirected request; requests itself would take off `Authorization` only."""
        for name in ("Authorization", "PRIVATE-TOKEN", "JOB-TOKEN", "Cookie"):
            prepared_request.headers.pop(name, None)


def _signed_already(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An auth that changes nothing: with any auth set, requests leaves netrc alone."""
    return request


class BoundedAdapter(HTTPAdapter):
    """Reads a response that nobody streams up to `LARGEST`: the libraries above it read whatever a server sends."""

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


class _Final(HTTPResponse):
    """Passes over what comes before an answer (102 Processing, 103 Early Hints): Python itself knows 100 alone."""

    def begin(self) -> None:
        """Reads up to the headers of the answer itself."""
        super().begin()
        while 102 <= self.status < 200:
            self.headers = self.msg = None  # type: ignore[assignment]  # so that it reads on
            super().begin()


class _Plain(HTTPConnection):
    response_class = _Final


class _Encrypted(HTTPSConnection):
    response_class = _Final


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
        """The pool whose connections write so."""
        super().init_poolmanager(*args, **{**kwargs, "blocksize": _BLOCK})
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """The same through a proxy."""
        manager = super().proxy_manager_for(proxy, **{**kwargs, "blocksize": _BLOCK})
        manager.pool_classes_by_scheme = _POOLS
        return manager
