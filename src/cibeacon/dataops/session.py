"""The session that python-gitlab gets: tokens go to one place, and what changes something is sent once. Knows no API.

Without it a `Link` to another host, or a redirect that keeps the body (307, 308), would carry a token away.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from cibeacon.dataops.access import origin
from cibeacon.http.session import HardenedSession
from cibeacon.model.parsers import plain_http_refused

_CREDENTIALS = ("Authorization", "PRIVATE-TOKEN", "JOB-TOKEN", "Cookie")
_READING = ("GET", "HEAD")


class OneOrigin(HardenedSession):
    """A session that takes credentials, and bodies, to one origin only.

    Args:
        home: the origin, as `origin` writes it.
    """

    def __init__(self, home: str) -> None:
        super().__init__()
        self._home = home
        self.heard: Mapping[str, str] = {}
        """The headers of the last answer: python-gitlab's errors do not keep them."""
        if home.startswith("http://") and not plain_http_refused(home):
            self.trust_env = False  # what stays on this machine never goes through a proxy

    def send(self, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        """Sends it, unless it would take anything of ours elsewhere. Raises `requests.exceptions.InvalidURL`."""
        elsewhere = origin(request.url or "") != self._home
        if elsewhere and (request.method not in _READING or any(name in request.headers for name in _CREDENTIALS)):
            raise requests.exceptions.InvalidURL("the server leads to another host")
        self.heard = {}
        response = super().send(request, **more)
        self.heard = response.headers
        return response

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Nothing for what is no mere reading: it would be sent again, body and all, or silently become a GET."""
        if resp.request.method not in _READING:
            return None
        target: str | None = super().get_redirect_target(resp)
        return target
