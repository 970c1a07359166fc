"""The only `dciauth`: puts a credential on a request, as the scheme wants it that a call names. Knows no system's calls.

A signature covers the body and the minute, so a request is signed again at each attempt. DCI's scheme is AWS Signature
Version 4 with other constants; the official library does it (https://github.com/redhat-cip/python-dciauth).
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cibeacon.model.request import Request
from cibeacon.runtime.watched_file import Watched
from cibeacon.settings.endpoint import Endpoint


def headers(call: Request, endpoint: Endpoint, content: bytes | Watched | None) -> Mapping[str, str]:
    """The headers that sign a call with this content. Raises `OSError` when a file cannot be read."""
    if call.auth == "dci":
        return _dci(call, endpoint, content)
    return {"Authorization": f"Bearer {endpoint.token}", **endpoint.headers}


def _dci(call: Request, endpoint: Endpoint, content: bytes | Watched | None) -> Mapping[str, str]:
    from dciauth.v2.headers import generate_headers  # 5 ms that only DCI costs

    place = urlsplit(endpoint.base_url + call.path)
    with ExitStack() as held:
        request = {
            "method": call.method,
            "endpoint": place.path,
            "params": dict(parse_qsl(place.query)),
            "host": place.netloc,
            "data": _mapped(content, held) if isinstance(content, Watched) else content or b"",
        }
        signed: Mapping[str, str] = generate_headers(
            request, {"access_key": endpoint.client_id, "secret_key": endpoint.token}
        )
    return {
        **endpoint.headers,
        **signed,
        "Host": place.netloc,
    }  # what is signed is what is sent, whatever the HTTP stack would make of it


def _mapped(file: Watched, held: ExitStack) -> Any:
    """A file's content that is read page by page while it is hashed, and never all of it held in memory.

    So much as will be sent of it: a log grows while it is signed.
    """
    if file.len == 0:
        return b""
    return held.enter_context(mmap.mmap(file.fileno(), file.len, access=mmap.ACCESS_READ))
