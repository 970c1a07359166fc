"""Signs a request for DCI: AWS Signature Version 4 with other constants. Sends nothing.

DCI's own library (https://github.com/redhat-cip/python-dciauth) hashes a body as one buffer, so a file of 1 GiB would have
to be in memory, or mapped; a mapped file that becomes shorter kills the process. Tests compare the two.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import reduce
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from cibeacon.runtime.paths import Watched

_ALGORITHM, _SCOPE = "DCI2-HMAC-SHA256", ("BHS3", "api", "dci2_request")
_SIGNED = "host;x-dci-date"
_BLOCK = 256 << 10
"""Bytes per read, few enough for the processor's cache."""


def sign(
    method: str, url: str, content: bytes | Watched | None, client_id: str, secret: str, now: float
) -> Mapping[str, str]:
    """The headers that sign a request at this time, in seconds since 1970. Raises `OSError` if a file cannot be read."""
    parts, stamp = urlsplit(url), datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = (stamp[:8], *_SCOPE)
    query = sorted((_quoted(name), _quoted(value)) for name, value in parse_qsl(parts.query))
    canonical = (
        method,
        unquote(parts.path),
        "&".join(f"{name}={value}" for name, value in query),
        f"host:{parts.netloc}",
        f"x-dci-date:{stamp}",
        "",
        _SIGNED,
        _digest(content),
    )
    claim = (_ALGORITHM, stamp, "/".join(scope), hashlib.sha256("\n".join(canonical).encode()).hexdigest())
    key = reduce(_hmac, scope, f"DCI2{secret}".encode())
    credential = f"Credential={client_id}/{'/'.join(scope)}, SignedHeaders={_SIGNED}"
    signature = _hmac(key, "\n".join(claim)).hex()
    # The Host header is set explicitly so that it equals the signed one.
    return {
        "X-DCI-Date": stamp,
        "Authorization": f"{_ALGORITHM} {credential}, Signature={signature}",
        "Host": parts.netloc,
    }


def _quoted(text: str) -> str:
    return quote(text, safe="_.-~")


def _hmac(key: bytes, message: str) -> bytes:
    return hmac.digest(key, message.encode(), "sha256")


def _digest(content: bytes | Watched | None) -> str:
    """The hash of a body; of a file, only the part that is sent, since a log may grow meanwhile."""
    if not isinstance(content, Watched):
        return hashlib.sha256(content or b"").hexdigest()
    digest, done = hashlib.sha256(), 0
    while block := os.pread(content.fileno(), min(_BLOCK, content.len - done), done):
        digest.update(block)
        done += len(block)
    content.check_length(done)
    return digest.hexdigest()
