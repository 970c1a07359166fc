"""Knows which vendor answers at which path of the sandbox, and serves the page and the ledger. Does not know any vendor's
rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from cibeacon.sandbox import api_pages, page
from cibeacon.sandbox.safe_json import JSONAnswer

_LOCAL = {"localhost", "127.0.0.1", "::1"}
"""Names of this machine."""


router = APIRouter()
"""Made once: a route takes longer to make than a sandbox."""


@router.api_route("/", methods=["GET", "HEAD"])
async def show_page() -> Response:
    """The page."""
    return Response(page.content(), headers=page.headers(), media_type="text/html; charset=utf-8")


@router.api_route("/ledger", methods=["GET", "HEAD"])
async def show_ledger(request: Request) -> Response:
    """Everything that arrived, and what the vendors hold since."""
    return JSONAnswer(request.app.state.document())


@router.api_route("/healthz", methods=["GET", "HEAD"])
async def show_health() -> Response:
    """Whether the sandbox answers."""
    return JSONAnswer({"ok": True})


def create_app(
    vendors: Sequence[BaseRoute], described: Mapping[str, FastAPI], document: Callable[[], Mapping[str, Any]]
) -> FastAPI:
    """The whole sandbox: the routes of the vendors, their descriptions by prefix, and `document` of the ledger."""
    app = FastAPI(openapi_url=None, redirect_slashes=False, exception_handlers={HTTPException: _refuse})
    app.add_middleware(LocalOnly)
    app.state.document, app.state.described = document, described
    app.router.routes.extend((*vendors, *router.routes, *api_pages.router.routes))
    return app


async def _refuse(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    name = {404: "not_found", 405: "method_not_allowed"}.get(status, "bad_request")
    headers = error.headers if isinstance(error, HTTPException) else None
    return JSONAnswer({"ok": False, "error": name}, status, dict(headers or {}))


class LocalOnly:
    """Refuses what a page elsewhere could send: its name may resolve to this machine, or its script may call us."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403, or hand the request on."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        local = _is_local(host) and origin in (None, f"http://{host}")
        refusal = JSONAnswer({"ok": False, "error": "host_not_loopback"}, 403)
        await (self._app if local or scope["path"] == "/healthz" else refusal)(scope, receive, send)


def _is_local(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").hostname in _LOCAL
    except ValueError:
        return False
