"""Knows what goes wrong on purpose between a server and its client, and when. Does not know what is asked.

429 and its headers: https://docs.gitlab.com/security/rate_limits/; Retry-After: https://www.rfc-editor.org/rfc/rfc9110.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from fnmatch import fnmatchcase
from http import HTTPStatus
from threading import Lock
from typing import TypeAlias

from cibeacon.sandbox.exchange import Answer, Request, in_json

_BUSY = {"message": {"error": "This endpoint has been requested too many times. Try again later."}}
_LOGIN = (
    b"<!DOCTYPE html>\n<html><head><title>Log in</title></head><body><form method=post>Password</form></body></html>\n"
)

Instead: TypeAlias = Callable[[Request, float], Answer | None]
"""What is answered in place of the request, given the Unix time; None when it is carried out."""
After: TypeAlias = Callable[[Answer, str], Answer | None]
"""What becomes of the answer, given the sandbox's URL; None when it is lost."""


@dataclass(frozen=True, slots=True)
class Mishap:
    """What happens to one request."""

    instead: Instead = lambda _request, _now: None
    after: After = lambda answer, _base: answer


class Mishaps:
    """What a test has ordered; safe to use from many threads.

    A path stands without the API's prefix, as it was sent; `*` in it stands for anything, also as the whole method.
    Each order holds for the next `times` matching requests, in the order of the orders.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._ordered: list[tuple[str, str, Mishap]] = []

    def lose(self, method: str, path: str, times: int = 1) -> None:
        """Carry out the request and hang up without an answer."""
        self._order(method, path, Mishap(after=lambda _answer, _base: None), times)

    def fail(
        self, method: str, path: str, status: int, times: int = 1, body: Mapping[str, object] | None = None
    ) -> None:
        """Answer with a status and this JSON, or a page of HTML, and do nothing of what is asked."""
        answer = _page(status) if body is None else in_json(status, body)
        self._order(method, path, Mishap(instead=lambda _request, _now: answer), times)

    def limit(
        self,
        method: str,
        path: str,
        seconds: int | None = 5,
        times: int = 1,
        *,
        date: bool = False,
        plain: bool = False,
    ) -> None:
        """Answer 429 with Retry-After in seconds, or as a date, or without it when `seconds` is None.

        `plain` is the answer of the layer in front: text, and no JSON.
        """

        def limited(_request: Request, now: float) -> Answer:
            headers = {"RateLimit-Limit": "60", "RateLimit-Observed": "61", "RateLimit-Remaining": "0"}
            if seconds is not None:
                headers["RateLimit-Reset"] = str(int(now) + seconds)
                headers["Retry-After"] = formatdate(now + seconds, usegmt=True) if date else str(seconds)
            return Answer(429, b"Retry later\n", "text/plain", headers) if plain else in_json(429, _BUSY, **headers)

        self._order(method, path, Mishap(instead=limited), times)

    def login(self, method: str, path: str, times: int = 1) -> None:
        """Answer 200 with a page to log in at, as a proxy does."""
        self._order(method, path, Mishap(instead=lambda _request, _now: login_page()), times)

    def redirect(self, method: str, path: str, to: str, times: int = 1, status: int = 302) -> None:
        """Send the client to the same path at the base URL `to`."""

        def away(request: Request, _now: float) -> Answer:
            query = f"?{request.query}" if request.query else ""
            return Answer(status, b"", "text/html", {"Location": f"{to}{request.path}{query}"})

        self._order(method, path, Mishap(instead=away), times)

    def link(self, method: str, path: str, to: str, times: int = 1) -> None:
        """Let the answer's Link header lead to the base URL `to`."""

        def moved(answer: Answer, base: str) -> Answer:
            headers = {
                name: text.replace(base, to) if name == "Link" else text for name, text in answer.headers.items()
            }
            return replace(answer, headers=headers)

        self._order(method, path, Mishap(after=moved), times)

    def cut(self, method: str, path: str, size: int, times: int = 1) -> None:
        """Announce the whole answer and hang up after `size` bytes of it."""
        self._order(method, path, Mishap(after=lambda answer, _base: replace(answer, cut=size)), times)

    def next(self, method: str, path: str) -> Mishap | None:
        """The mishap of this request, which is over with it; None when it goes well."""
        with self._lock:
            for place, (verb, pattern, mishap) in enumerate(self._ordered):
                if verb in (method, "*") and fnmatchcase(path, pattern):
                    del self._ordered[place]
                    return mishap
        return None

    def pending(self) -> int:
        """How many did not happen yet."""
        with self._lock:
            return len(self._ordered)

    def clear(self) -> None:
        """Take every order back."""
        with self._lock:
            self._ordered.clear()

    def _order(self, method: str, path: str, mishap: Mishap, times: int) -> None:
        with self._lock:
            self._ordered += [(method, path, mishap)] * times


def login_page() -> Answer:
    """The page that a client sees who is not logged in."""
    return Answer(200, _LOGIN, "text/html; charset=utf-8")


def _page(status: int) -> Answer:
    phrase = HTTPStatus(status).phrase
    text = f"<html>\n<head><title>{status} {phrase}</title></head>\n<body><h1>{status} {phrase}</h1></body>\n</html>\n"
    return Answer(status, text.encode(), "text/html; charset=utf-8")
