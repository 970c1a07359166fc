"""Reads the body of an answer, piece by piece: what drips must not outlive the budget. Makes no request itself."""

from pathlib import Path

import requests

from cibeacon.http.network_errors import Lost, too_slow
from cibeacon.model.request import Response
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.watched_file import watched

LARGEST_REPLY = 1 << 20
"""Bytes of a response body that are read; no API of ours answers with more."""
_CHUNK = 1 << 16


def read(response: requests.Response, deadline: Deadline) -> Response | Lost:
    """The reply, read piece by piece: a body that drips must not outlive the budget."""
    content = bytearray()
    while len(content) <= LARGEST_REPLY:
        chunk = response.raw.read1(_CHUNK, decode_content=False)
        if not chunk:
            return _reply(response)._replace(content=bytes(content))
        content += chunk
        if deadline.remaining() <= 0:
            return too_slow()
    return Lost("answer too large", "The answer is over 1 MiB, so it is not this API's: check the URL.", False)


def compared(response: requests.Response, path: Path, deadline: Deadline) -> Response | Lost:
    """The reply, its body held against a file piece by piece, up to the first piece that differs."""
    same, chunk = True, b"-"
    with watched(path, None) as file:
        while same and chunk:
            chunk = response.raw.read1(_CHUNK, decode_content=False)
            same = chunk == file.read(len(chunk) or 1)
            if deadline.remaining() <= 0:
                return too_slow()
    return _reply(response)._replace(same=same)


def _reply(response: requests.Response) -> Response:
    """The reply without its body."""
    headers = response.headers
    kind, where, date = headers.get("Content-Type", ""), headers.get("Location"), headers.get("Date")
    return Response(response.status_code, b"", kind, where, date)
