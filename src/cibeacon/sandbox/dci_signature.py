"""Knows how a request to DCI is received: its body streams in, its signature is checked, then it is read. Does not know what
a request does, or any client.

AWS Signature Version 4 (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html) with
two sets of names, without the payload header: `DCI2-HMAC-SHA256` and `AWS4-HMAC-SHA256`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Annotated, Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote

from fastapi import APIRouter, Depends, Header, Query, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader
from pydantic import BeforeValidator
from starlette.exceptions import HTTPException
from starlette.types import Message

from cibeacon.sandbox.dci_account import Dci, Remoteci
from cibeacon.sandbox.dci_models import Paging, Refusal, Row, check_uuid
from cibeacon.sandbox.safe_json import LIMIT, JSONAnswer, media_type, parse_json

_DATE_HEADERS = {"dci2_request": "x-dci-date", "aws4_request": "x-amz-date"}
_TIMESTAMP = "%Y%m%dT%H%M%SZ"
_TOLERANCE = timedelta(minutes=15)
_INCOMPLETE = Refusal(400, "HmacMechanism failed: bad or incomplete headers.")
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class Claim(NamedTuple):
    """The signature of a request as its headers state it; `scope` is date, region, service and the scheme's last word."""

    algorithm: str
    client: tuple[str, str]
    scope: tuple[str, ...]
    timestamp: str
    headers: Mapping[str, str]
    signature: str


class Signed(NamedTuple):
    """The signed parts of a request. `args` holds the first value of each query key, `digest` is the SHA-256 of the body."""

    method: str
    path: str
    args: Mapping[str, str]
    digest: str


def read(headers: Mapping[str, str]) -> Claim:
    """The claim in the headers (names in lower case). Raises DCI's answer where it is missing or incomplete."""
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
    """Raise DCI's refusal unless the claim is fresh at `now` (Unix seconds) and right; its age is checked first."""
    try:
        signed_at = datetime.strptime(claim.timestamp, _TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        raise HTTPException(500) from None
    if abs(datetime.fromtimestamp(now, UTC) - signed_at) > _TOLERANCE:
        raise Refusal(400, "HmacMechanism failed: signature is expired")
    if not hmac.compare_digest(signature(claim, signed, secret).encode(), claim.signature.encode()):
        raise Refusal(400, "HmacMechanism failed: signature is invalid")


def signature(claim: Claim, signed: Signed, secret: str) -> str:
    """The expected signature of a claim, in lower-case hexadecimal digits."""
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


class Upload(NamedTuple):
    """A body: size in bytes, SHA-256 in hexadecimal digits, and the content unless it was too large to keep."""

    size: int
    digest: str
    content: bytes | None

    async def replay(self) -> Message:
        """Receive the body again."""
        return {"type": "http.request", "body": self.content or b""}


class Call(NamedTuple):
    """What a handler needs beside the models: the state, the client and the body."""

    dci: Dci
    remoteci: Remoteci
    upload: Upload


async def _call_of(request: Request) -> Call:
    call: Call = request.state.call
    return call


Ask = Annotated[Call, Depends(_call_of)]
Given = Annotated[str | None, Header(max_length=255)]
Pages = Annotated[Paging, Query()]
Id = Annotated[str, BeforeValidator(str)]
"""A uuid in a path."""


class _SignedRoute(APIRoute):
    """A route of signed requests. The signature covers the body, so the whole body is read before anything is checked."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def call(request: Request) -> Response:
            dci: Dci = request.app.state.dci
            upload = await _receive(request, dci.account.kept)
            sent = parse_json(upload.content) if self.body_field else None
            request.state.remembered = _remember(request, upload, sent)
            with dci.store.lock:
                request.state.call = Call(dci, _authenticate(request, dci, upload), upload)
                if self.body_field and media_type(request) != "application/json":
                    raise HTTPException(500)
                if self.body_field and sent is None:
                    raise HTTPException(400)
                return await handle(Request(request.scope, upload.replay))

        return call


def create_router() -> APIRouter:
    """A router of signed requests. Make it once: creating routes takes longer than creating a sandbox."""
    scheme = APIKeyHeader(name="Authorization", auto_error=False, description="DCI2-HMAC-SHA256, or AWS4-HMAC-SHA256.")
    return APIRouter(route_class=_SignedRoute, strict_content_type=False, dependencies=[Security(scheme)])


def answer(name: str, row: Row, status: int = 200) -> Response:
    """A row with its etag; that of the identity is the word None."""
    return JSONAnswer({name: row}, status, {"ETag": str(row["etag"])})


async def _receive(request: Request, kept: int) -> Upload:
    """The body as DCI sees it: empty for forms."""
    size, digest, content, is_form = 0, hashlib.sha256(), bytearray(), media_type(request) in _FORMS
    async for piece in request.stream():
        size += len(piece)
        digest.update(b"" if is_form else piece)
        content += piece if size <= kept else b""
    return Upload(size, digest.hexdigest(), bytes(content) if size <= kept else None)


def _authenticate(request: Request, dci: Dci, upload: Upload) -> Remoteci:
    """The client that signed a request. Raises DCI's answer where the signature is wrong."""
    claim, account = read(dict(request.headers)), dci.account
    if upload.size > account.body_limit and "Content-Type" in request.headers:
        raise HTTPException(413)
    kind, client_id = claim.client[0], claim.client[1].lower()
    check_uuid(f"{kind}s.id", client_id)
    if kind not in ("remoteci", "feeder"):
        raise Refusal(401, "identity does not exists.")
    remoteci = next((one for one in account.remotecis if (one.kind, one.id) == (kind, client_id)), None)
    if remoteci is None:
        raise Refusal(404, f"{kind} not found")
    path, query = (request.scope[name].decode("latin-1") for name in ("raw_path", "query_string"))
    args = dict(reversed(parse_qsl(query, keep_blank_values=True)))  # of a repeated key the first value
    signed = Signed(request.method, path, args, upload.digest)
    verify(claim, signed, remoteci.secret, dci.clock())
    if not account.team_active:
        raise Refusal(412, f"team {account.team_name} not active")
    return remoteci


def _remember(request: Request, upload: Upload, sent: object) -> object:
    """What the ledger shows: the JSON that was sent, or the headers and the size of a file; no signature, no content."""
    names = ("DCI-NAME", "DCI-MIME", "DCI-JOB-ID")
    described = {name: request.headers.get(name) for name in names} | {"size": upload.size}
    return described if described["DCI-NAME"] else sent if upload.size <= LIMIT else None
