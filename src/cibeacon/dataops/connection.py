"""Sends single requests through python-gitlab, with its defaults mended. Knows no call of the API.

Every request ends in time, none is repeated by the library (it repeats a POST, and obeys any `Retry-After`), no token
leaves the origin, and every failure becomes a `Fault` (https://python-gitlab.readthedocs.io/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import quote

from gitlab import Gitlab
from gitlab.exceptions import GitlabError
from requests import RequestException

from cibeacon.dataops.access import Access
from cibeacon.dataops.errors import Fault, Slow, answered, usage
from cibeacon.dataops.session import OneOrigin
from cibeacon.http.client import retry_after
from cibeacon.http.network_errors import lost
from cibeacon.model.payload import number
from cibeacon.runtime.threads import within
from cibeacon.settings.endpoint import Endpoint

PAGE = 100
_FIRST_PAUSE = 1.0
_SLACK = 0.2
"""The part of a request's own limit after which whoever waits is let go: headers may drip."""
_Answer = TypeVar("_Answer")
Record = Mapping[str, Any]


class Connection:
    """A way to a project's API.

    Args:
        now: a wall clock in Unix seconds, to read the dates that a server asks to wait for.
        left: seconds that there are still for everything; no request takes longer.
        sleep: waits between two tries; without it what only reads is asked once, too.
    """

    def __init__(
        self,
        access: Access,
        now: Callable[[], float],
        left: Callable[[], float],
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._access, self._now, self._left, self._sleep = access, now, left, sleep
        self._session = OneOrigin(access.origin)

    def has_time(self) -> bool:
        """Whether anything can still be asked."""
        return self._left() > 0

    @property
    def _place(self) -> str:
        return self._at("")

    def _at(self, project: str) -> str:
        return f"/projects/{quote(project or self._access.project, safe='')}"

    def _client(self) -> Gitlab:
        token, job = self._access.token, self._access.job_token
        if not (token or job):
            raise usage(
                f"{self._access.url} was not asked",
                "that needs an access token",
                "Set the secret dataops_token (scope read_api)",
            )
        return self._made(private_token=token) if token else self._made(job_token=job)

    def _unsigned(self) -> Gitlab:
        return self._made()

    def _made(self, private_token: str | None = None, job_token: str | None = None) -> Gitlab:
        seconds = min(self._access.seconds, max(self._left(), 0.001))
        return _Once(
            self._access.url,
            session=self._session,
            keep_base_url=True,
            retry_transient_errors=False,
            timeout=seconds,
            private_token=private_token,
            job_token=job_token,
        )

    def _project(self, project: str = "") -> Any:
        return self._client().projects.get(project or self._access.project, lazy=True)

    def _one_pipeline(self, number: int, project: str = "") -> Any:
        return self._project(project).pipelines.get(number, lazy=True)

    def _record(self, what: str, work: Callable[[], Any]) -> Record:
        found = self._ask(what, work)
        if not isinstance(found, dict) or number(found.get("id")) is None:
            raise Fault(what, "the server's answer is no record", "Is dataops_url the address of a GitLab server?")
        return found

    def _read(self, what: str, work: Callable[[], Any]) -> Record:
        return self._patiently(lambda: self._record(what, work))

    def _listed(self, what: str, manager: Callable[[], Any], filters: Mapping[str, Any]) -> Iterator[Record]:
        """Every page, each fetched when it is needed: by its link, or by its number where a proxy takes links away."""
        query, number = {"per_page": PAGE, **filters}, 1
        while True:
            found = self._patiently(
                lambda query=query: self._ask(what, lambda: manager().list(iterator=True, query_parameters=query))  # type: ignore[misc]
            )
            yield from self._linked(what, found)
            following = _next_page(found)
            if following <= number:
                return
            query, number = {**query, "page": following}, following

    def _linked(self, what: str, found: Iterator[Any]) -> Iterator[Record]:
        """Every row from a page on, as far as links lead."""
        while True:
            page: list[Record] = []
            self._patiently(lambda page=page: self._ask(what, lambda: _fill(page, found)))  # type: ignore[misc]
            yield from page
            if len(page) < PAGE:
                return

    def _patiently(self, ask: Callable[[], _Answer]) -> _Answer:
        """What only reads may be asked again, as long as there is time. Not what may still be going on: it would be lost."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return ask()
            except Fault as fault:
                wait = max(pause, fault.later)
                if self._sleep is None or fault.refused or isinstance(fault, Slow) or wait >= self._left():
                    raise
                self._sleep(wait)
                pause *= 2

    def _pieces(self, what: str, response: Any) -> Iterator[bytes]:
        try:
            while piece := self._ask(what, lambda: response.raw.read1(1 << 16, decode_content=True)):
                yield piece
        finally:
            response.close()

    def _ask(self, what: str, work: Callable[[], _Answer]) -> _Answer:
        """What `work` returns, in time; its failure as a `Fault`."""
        seconds = min(self._access.seconds, self._left())
        if seconds <= 0:
            raise Fault(what, "the time for it was used up", "Give a larger timeout", received=False)
        try:
            return within(seconds * (1 + _SLACK), work)
        except GitlabError as error:
            raise self._told(what, error) from error
        except TimeoutError as error:
            self._session = OneOrigin(self._access.origin)  # the old one may still be in use by who was given up
            raise Slow(what, f"{self._access.url} took too long", "Try again later") from error
        except (RequestException, OSError) as error:
            told = lost(error, Endpoint(self._access.url, ""))
            raise Fault(what, told.error, told.advice, received=told.received and told.transient) from error
        except (ValueError, LookupError, AttributeError, TypeError, RuntimeError) as error:
            raise Fault(
                what, f"{self._access.url} gave no usable answer ({type(error).__name__})", "Try again later"
            ) from error

    def _told(self, what: str, error: GitlabError) -> Fault:
        if not error.response_code:
            return Fault(what, "the server's answer is not JSON", "Is there a login or a proxy in between?")
        later = retry_after(self._session.heard.get("Retry-After"), self._now())
        return answered(what, error.response_code, error.response_body or b"", later=later)


def _next_page(found: Any) -> int:
    """The number of the page after the last one that was read; 0 where there is none."""
    try:
        return found.next_page or 0
    except ValueError:  # a header that is no number
        return 0


def _fill(page: list[Record], found: Iterator[Any]) -> None:
    """Goes on with a page where the try before was broken off."""
    page.extend(each.attributes for each in islice(found, PAGE - len(page)))


class _Once(Gitlab):
    """A client that never sends anything twice: by default it repeats what was answered 429, a POST included."""

    def http_request(self, verb: str, path: str, *given: Any, **more: Any) -> Any:
        return super().http_request(verb, path, *given, **more | {"obey_rate_limit": False})
