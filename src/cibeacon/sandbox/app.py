"""Knows what the sandbox serves beside its vendors: the page, the ledger, and the description of their APIs. Does not know
any vendor's rules.

Swagger UI, https://swagger.io/tools/swagger-ui/, comes from the package fastapi-offline, and works without a network.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from cibeacon.sandbox import page
from cibeacon.sandbox.safe_json import JSONAnswer

_LOCAL = {"localhost", "127.0.0.1", "::1"}
"""Names of this machine."""
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
)


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


@router.get("/openapi.json")
async def show_description(request: Request) -> Response:
    """The description of every vendor that describes itself."""
    return JSONAnswer(_description(request.app.state.described))


@router.get("/docs")
async def show_pages() -> Response:
    """The page, to read what is described and to try it."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="The APIs of the sandbox",
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="/docs/favicon.png",
        swagger_ui_parameters={"defaultModelsExpandDepth": -1},
    )
    page.headers["Content-Security-Policy"] = _POLICY
    return page


router.mount("/docs", StaticFiles(packages=[("fastapi_offline", "static")]))


def create_app(
    vendors: Sequence[BaseRoute], described: Sequence[tuple[str, FastAPI]], document: Callable[[], Mapping[str, Any]]
) -> FastAPI:
    """The whole sandbox: the routes of the vendors, their apps with their prefixes, and `document` of the ledger."""
    app = FastAPI(openapi_url=None, redirect_slashes=False, exception_handlers={HTTPException: _refuse})
    app.add_middleware(LocalOnly)
    app.state.document, app.state.described = document, described
    app.router.routes.extend((*vendors, *router.routes))
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


def _description(vendors: Sequence[tuple[str, FastAPI]]) -> dict[str, Any]:
    """The vendors' OpenAPI documents as one, each path with its vendor's prefix and each operation with its name."""
    paths, components = {}, defaultdict[str, dict[str, Any]](dict)
    for prefix, vendor in vendors:
        document = vendor.openapi()
        for path, operations in document["paths"].items():
            paths[prefix + path] = {name: {**each, "tags": [vendor.title]} for name, each in operations.items()}
        for kind, schemas in document.get("components", {}).items():
            components[kind] |= schemas
    info = {"title": "The APIs of the sandbox", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": components}
