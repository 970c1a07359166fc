"""Knows the signature that DCI expects on a request, from its headers and the digest of its body. Does not know any client.

AWS Signature Version 4 (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html) in
two vocabularies, without payload header: `DCI2-HMAC-SHA256` and `AWS4-HMAC-SHA256`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import NamedTuple
from urllib.parse import quote, unquote

from starlette.exceptions import HTTPException

from cibeacon.sandbox.dci_models import Refusal

_DATE_HEADERS = {"dci2_request": "x-dci-date", "aws4_request": "x-amz-date"}
_TIMESTAMP = "%Y%m%dT%H%M%SZ"
_TOLERANCE = timedelta(minutes=15)
_INCOMPLETE = Refusal(400, "HmacMechanism failed: bad or incomplete headers.")


class Claim(NamedTuple):
    """What a request says of its signature: `client` is type and id, `scope` date, region, service and the scheme's last
    word, `headers` the signed ones in their order.
    """

    algorithm: str
    client: tuple[str, str]
    scope: tuple[str, ...]
    timestamp: str
    headers: Mapping[str, str]
    signature: str


class Signed(NamedTuple):
    """What was signed of a request. `args` holds the first value of each query key; `digest` is SHA-256 of the body."""

    method: str
    path: str
    args: Mapping[str, str]
    digest: str


def read(headers: Mapping[str, str]) -> Claim:
    """The claim in the headers, whose names are in lower case. Raises what DCI answers when there is none."""
    if not (authorization := headers.get("authorization")):
        raise Refusal(401, "Authorization header missing")
    scheme = authorization.split(" ")[0]
    if scheme in ("Basic", "Bearer"):
        raise Refusal(401, "identity does not exists.")
    if scheme not in ("DCI2-HMAC-SHA256", "AWS4-HMAC-SHA256"):
        raise Refusal(401, f"Authorization scheme {scheme} unknown")
    timestamp = headers.get("x-amz-date") or headers.get("x-dci-date")
    if not timestamp:
        raise _INCOMPLETE
    if authorization.count(" ") != 3:
        raise HTTPException(500)
    _, credential, names, signature = authorization.split(" ")
    parts = _between(credential, "Credential=").split("/")
    if len(parts) != 6 or parts[5] not in _DATE_HEADERS:
        raise _INCOMPLETE
    signed = _between(names, "SignedHeaders=").split(";")
    if not all(name in headers for name in signed):
        raise HTTPException(500)
    given = {name: headers[name] for name in signed}
    return Claim(scheme, (parts[0], parts[1]), tuple(parts[2:]), timestamp, given, signature.removeprefix("Signature="))


def verify(claim: Claim, signed: Signed, secret: str, now: float) -> None:
    """Raise DCI's refusal unless the claim is fresh at `now` (Unix seconds) and right; age is looked at first."""
    try:
        signed_at = datetime.strptime(claim.timestamp, _TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        raise HTTPException(500) from None
    if abs(datetime.fromtimestamp(now, UTC) - signed_at) > _TOLERANCE:
        raise Refusal(400, "HmacMechanism failed: signature is expired")
    if not hmac.compare_digest(signature(claim, signed, secret).encode(), claim.signature.encode()):
        raise Refusal(400, "HmacMechanism failed: signature is invalid")


def signature(claim: Claim, signed: Signed, secret: str) -> str:
    """The right signature for what the claim says, in lower-case hexadecimal digits."""
    pairs = sorted((quote(name, safe="_.-~"), quote(value, safe="_.-~")) for name, value in signed.args.items())
    query = "&".join(f"{name}={value}" for name, value in pairs)
    lines = [signed.method, unquote(signed.path), query]
    lines += [f"{name}:{value.strip()}" for name, value in claim.headers.items()]
    canonical = "\n".join([*lines, "", ";".join(claim.headers), signed.digest])
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join((claim.algorithm, claim.timestamp, "/".join(claim.scope), digest))
    first = (claim.algorithm.partition("-")[0] + secret).encode()
    return reduce(lambda key, text: hmac.digest(key, text.encode(), "sha256"), (*claim.scope, to_sign), first).hex()


def _between(text: str, start: str) -> str:
    return text.removeprefix(start).partition(",")[0] if text.startswith(start) and "," in text else ""
