"""Knows the page that describes the vendors' APIs and works without a network. Does not know what they are.

Swagger UI, https://swagger.io/tools/swagger-ui/, comes from the package fastapi-offline.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.types import ASGIApp

from cibeacon.sandbox.safe_json import JSONAnswer

_ASSETS = {"favicon.png": "image/png", "swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
)


def add_api_pages(app: FastAPI, vendors: Mapping[str, ASGIApp]) -> None:
    """Serve `/openapi.json` of every vendor that describes itself, and `/docs` to read and try it."""

    @app.get("/openapi.json", include_in_schema=False)
    async def show_description() -> Response:
        return JSONAnswer(description(vendors))

    @app.get("/docs", include_in_schema=False)
    async def show_pages() -> Response:
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

    for name, media_type in _ASSETS.items():
        app.add_api_route(f"/docs/{name}", _asset(name, media_type), include_in_schema=False)


def description(vendors: Mapping[str, ASGIApp]) -> dict[str, Any]:
    """The vendors' OpenAPI documents as one, each path with its vendor's prefix and each operation with its name."""
    merged: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "The APIs of the sandbox", "version": "1"},
        "paths": {},
        "components": {},
    }
    for prefix, vendor in vendors.items():
        if isinstance(vendor, FastAPI):
            document = vendor.openapi()
            for path, operations in document["paths"].items():
                merged["paths"][prefix + path] = {
                    method: {**operation, "tags": [vendor.title]} for method, operation in operations.items()
                }
            for kind, components in document.get("components", {}).items():
                merged["components"].setdefault(kind, {}).update(components)
    return merged


def _asset(name: str, media_type: str) -> Any:
    async def show_asset() -> Response:
        content = resources.files("fastapi_offline").joinpath("static", name).read_bytes()
        return Response(content, media_type=media_type)

    return show_asset
