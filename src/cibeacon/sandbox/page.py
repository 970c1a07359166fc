"""Knows how the web page is put together and which browser policy guards it. Does not know the ledger: the page asks.

The policy: https://www.w3.org/TR/CSP3/. Only the page's own script and style run, named by their digests; it may fetch
from nobody but the sandbox, and strings never become markup.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources

from cibeacon.sandbox.vendors import VENDORS

_FOLDER = resources.files("cibeacon.sandbox")
_SCRIPTS = (
    *("page_table.js", "page_parts.js", "page_tabs.js"),
    *(f"page_{name}.js" for name in VENDORS),
    *("page_requests.js", "page_overview.js", "page.js"),
)
"""In this order; a vendor need not have one."""


@cache
def content() -> bytes:
    """The page as one self-contained HTML document in UTF-8."""
    page = _part("page.html").replace("{{style}}", _part("page.css"))
    return page.replace("{{script}}", _script()).encode()


@cache
def headers() -> Mapping[str, str]:
    """The response headers that go with the page."""
    return {
        "Content-Security-Policy": "; ".join(
            (
                "default-src 'none'",
                f"script-src '{_digest(_script())}'",
                f"style-src '{_digest(_part('page.css'))}'",
                "connect-src 'self'",
                "img-src data:",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
                "require-trusted-types-for 'script'",
            )
        ),
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
    }


def _script() -> str:
    return "\n".join(_part(name) for name in _SCRIPTS if _FOLDER.joinpath(name).is_file())


def _part(name: str) -> str:
    return _FOLDER.joinpath(name).read_text("utf-8")


def _digest(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
