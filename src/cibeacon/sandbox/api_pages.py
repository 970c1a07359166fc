"""Knows the page that describes the vendors' APIs and works without a network. Does not know what they are.

Swagger UI, https://swagger.io/tools/swagger-ui/, comes from the package fastapi-offline.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.staticfiles import StaticFiles

from cibeacon.sandbox.safe_json import JSONAnswer

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
)


router = APIRouter()


@router.get("/openapi.json")
async def show_description(request: Request) -> Response:
    """The description of every vendor that describes itself."""
    return JSONAnswer(description(request.app.state.described))


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


def description(vendors: Mapping[str, FastAPI]) -> dict[str, Any]:
    """The vendors' OpenAPI documents as one, each path with its vendor's prefix and each operation with its name."""
    merged: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "The APIs of the sandbox", "version": "1"},
        "paths": {},
        "components": {},
    }
    for prefix, vendor in vendors.items():
        document = vendor.openapi()
        for path, operations in document["paths"].items():
            merged["paths"][prefix + path] = {
                method: {**operation, "tags": [vendor.title]} for method, operation in operations.items()
            }
        for kind, components in document.get("components", {}).items():
            merged["components"].setdefault(kind, {}).update(components)
    return merged
