"""Knows the signature that DCI expects on a request, from its headers and the digest of its body. Does not know any client.

AWS Signature Version 4 (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html) in
two vocabularies, without payload header: `DCI2-HMAC-SHA256` and `AWS4-HMAC-SHA256`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from urllib.parse import quote, unquote

from cibeacon.sandbox.dci_answers import Page, Refusal

ALGORITHMS = ("DCI2-HMAC-SHA256", "AWS4-HMAC-SHA256")
_DATE_HEADERS = {"dci2_request": "x-dci-date", "aws4_request": "x-amz-date"}
_TIMESTAMP = "%Y%m%dT%H%M%SZ"
_TOLERANCE = timedelta(minutes=15)
_INCOMPLETE = Refusal(400, "HmacMechanism failed: bad or incomplete headers.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a request says about its signature; `client` is (type, id)."""

    algorithm: str
    client: tuple[str, str]
    scope: tuple[str, str, str, str]
    """Date, region, service and the scheme's last word."""
    timestamp: str
    headers: Mapping[str, str]
    """The signed ones in their order, names in lower case."""
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What was signed of a request. `args` holds the first value of each query key; `digest` is SHA-256 of the body."""

    method: str
    path: str
    args: Mapping[str, str]
    digest: str


def read(headers: Mapping[str, str]) -> Claim:
    """The claim in the headers, whose names are in lower case. Raises what DCI answers when there is none."""
    authorization = headers.get("authorization")
    if not authorization:
        raise Refusal(401, "Authorization header missing")
    scheme = authorization.split(" ")[0]
    if scheme in ("Basic", "Bearer"):
        raise Refusal(401, "identity does not exists.")
    if scheme not in ALGORITHMS:
        raise Refusal(401, f"Authorization scheme {scheme} unknown")
    timestamp = headers.get("x-amz-date") or headers.get("x-dci-date")
    if not timestamp:
        raise _INCOMPLETE
    if authorization.count(" ") != 3:
        raise Page(500)
    _, credential, names, signature = authorization.split(" ")
    parts = _between(credential, "Credential=").split("/")
    if len(parts) != 6 or parts[5] not in _DATE_HEADERS:
        raise _INCOMPLETE
    signed = _between(names, "SignedHeaders=").split(";")
    if not all(name in headers for name in signed):
        raise Page(500)
    return Claim(
        algorithm=scheme,
        client=(parts[0], parts[1]),
        scope=(parts[2], parts[3], parts[4], parts[5]),
        timestamp=timestamp,
        headers={name: headers[name] for name in signed},
        signature=signature.removeprefix("Signature="),
    )


def verify(claim: Claim, signed: Signed, secret: str, now: float) -> None:
    """Raise DCI's refusal unless the claim is fresh at `now` (Unix seconds) and right; age is looked at first."""
    try:
        signed_at = datetime.strptime(claim.timestamp, _TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        raise Page(500) from None
    if abs(datetime.fromtimestamp(now, UTC) - signed_at) > _TOLERANCE:
        raise Refusal(400, "HmacMechanism failed: signature is expired")
    if not hmac.compare_digest(signature(claim, signed, secret).encode(), claim.signature.encode()):
        raise Refusal(400, "HmacMechanism failed: signature is invalid")


def signature(claim: Claim, signed: Signed, secret: str) -> str:
    """The right signature for what the claim says, in lower-case hexadecimal digits."""
    canonical = "\n".join(
        (
            signed.method,
            unquote(signed.path),
            _canonical_query(signed.args),
            *(f"{name}:{value.strip()}" for name, value in claim.headers.items()),
            "",
            ";".join(claim.headers),
            signed.digest,
        )
    )
    scope = "/".join(claim.scope)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join((claim.algorithm, claim.timestamp, scope, digest))
    first = (claim.algorithm.partition("-")[0] + secret).encode()
    return reduce(_mac, (*claim.scope, to_sign), first).hex()


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _canonical_query(args: Mapping[str, str]) -> str:
    pairs = sorted((quote(name, safe="_.-~"), quote(value, safe="_.-~")) for name, value in args.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


def _between(text: str, start: str) -> str:
    return text.removeprefix(start).partition(",")[0] if text.startswith(start) and "," in text else ""
