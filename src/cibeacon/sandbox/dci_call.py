"""Knows how a request to DCI is received: its body streams in, its signature is checked, then it is read. Does not know what
is asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, NamedTuple
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Header, Query, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader
from pydantic import BeforeValidator
from starlette.exceptions import HTTPException

from cibeacon.sandbox import dci_signature
from cibeacon.sandbox.dci_account import Remoteci, Row
from cibeacon.sandbox.dci_models import Paging, Refusal, check_uuid
from cibeacon.sandbox.dci_state import Dci
from cibeacon.sandbox.safe_json import JSONAnswer, parse_json

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_SMALL = 1024 * 1024
"""Largest JSON body in bytes that is remembered with its request."""


class Upload(NamedTuple):
    """A body: its size in bytes, its SHA-256 in hexadecimal digits, and itself unless it was too large to keep."""

    size: int
    digest: str
    content: bytes | None


class Call(NamedTuple):
    """What a handler needs beside the models: what is held, who asks, and the body."""

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
"""A uuid in a path; there is no such path with anything else."""


class _SignedRoute(APIRoute):
    """A route of signed requests: the signature covers the body, so all of it is read before anything is looked at."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def call(request: Request) -> Response:
            dci: Dci = request.app.state.dci
            upload = await _receive(request, dci.account.kept)
            sent = parse_json(upload.content) if self.body_field else None
            request.state.json, request.state.remembered = sent, _remember(request, upload, sent)
            with dci.store.lock:
                request.state.call = Call(dci, _authenticate(request, dci, upload), upload)
                if self.body_field and _media_type(request) != "application/json":
                    raise HTTPException(500)
                if self.body_field and sent is None:
                    raise HTTPException(400)
                return await handle(_ReadRequest(request.scope))

        return call


class _ReadRequest(Request):
    """A request whose body has been read."""

    async def body(self) -> bytes:
        return b"read"

    async def json(self) -> Any:
        return self.state.json


def create_router() -> APIRouter:
    """A router of signed requests, to be made once: a route takes longer to make than a sandbox."""
    scheme = APIKeyHeader(name="Authorization", auto_error=False, description="DCI2-HMAC-SHA256, or AWS4-HMAC-SHA256.")
    return APIRouter(route_class=_SignedRoute, strict_content_type=False, dependencies=[Security(scheme)])


def answer(name: str, row: Row, status: int = 200) -> Response:
    """A row with its etag, which of the identity is the word None."""
    return JSONAnswer({name: row}, status, {"ETag": str(row["etag"])})


async def _receive(request: Request, kept: int) -> Upload:
    """The body as DCI sees it: of what says that it is a form, nothing."""
    size, digest, content, is_form = 0, hashlib.sha256(), bytearray(), _media_type(request) in _FORMS
    async for piece in request.stream():
        size += len(piece)
        digest.update(b"" if is_form else piece)
        content += piece if size <= kept else b""
    return Upload(size, digest.hexdigest(), bytes(content) if size <= kept else None)


def _authenticate(request: Request, dci: Dci, upload: Upload) -> Remoteci:
    """Whose signature a request bears. Raises what DCI answers where it is nobody's."""
    claim, account = dci_signature.read(dict(request.headers)), dci.account
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
    signed = dci_signature.Signed(request.method, path, args, upload.digest)
    dci_signature.verify(claim, signed, remoteci.secret, dci.clock())
    if not account.team_active:
        raise Refusal(412, f"team {account.team_name} not active")
    return remoteci


def _media_type(request: Request) -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _remember(request: Request, upload: Upload, sent: object) -> object:
    """The JSON that was sent, or of a file what its headers say and its size: neither signature nor content."""
    names = ("DCI-NAME", "DCI-MIME", "DCI-JOB-ID")
    described = {name: request.headers.get(name) for name in names} | {"size": upload.size}
    return described if described["DCI-NAME"] else sent if upload.size <= _SMALL else None
