"""Puts credentials on requests, and sees that none of them leaves for another place. Knows no sink's requests.

A signature covers the body and the minute, so a request is signed again at each attempt. DCI's scheme is AWS Signature
Version 4 with other constants; the official library does it (https://github.com/redhat-cip/python-dciauth).
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from contextlib import ExitStack
from http.client import HTTPResponse
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from cibeacon.model.endpoint import Endpoint
from cibeacon.model.request import Request
from cibeacon.runtime.paths import Watched

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


def credential_headers(request: Request, endpoint: Endpoint, content: bytes | Watched | None) -> Mapping[str, str]:
    """The headers that carry the credential of a request with this content. Raises `OSError` if a file cannot be read."""
    if request.auth == "dci":
        return _dci_headers(request, endpoint, content)
    return {"Authorization": f"Bearer {endpoint.token}", **endpoint.headers}


def _dci_headers(request: Request, endpoint: Endpoint, content: bytes | Watched | None) -> Mapping[str, str]:
    from dciauth.v2.headers import generate_headers  # 5 ms that only DCI costs

    url = urlsplit(endpoint.base_url + request.path)
    with ExitStack() as stack:
        described = {
            "method": request.method,
            "endpoint": url.path,
            "params": dict(parse_qsl(url.query)),
            "host": url.netloc,
            "data": _mapped(content, stack) if isinstance(content, Watched) else content or b"",
        }
        keys = {"access_key": endpoint.client_id, "secret_key": endpoint.token}
        signed: Mapping[str, str] = generate_headers(described, keys)
    # The host that is signed is the one that is sent, whatever the HTTP stack would make of it.
    return {**endpoint.headers, **signed, "Host": url.netloc}


def _mapped(file: Watched, stack: ExitStack) -> Any:
    """A file's content, read page by page while it is hashed; only as much as is sent, since a log grows meanwhile."""
    if file.len == 0:
        return b""
    return stack.enter_context(mmap.mmap(file.fileno(), file.len, access=mmap.ACCESS_READ))
