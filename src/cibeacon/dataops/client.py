"""Sends every API call that cibeacon uses through python-gitlab, and makes that library's defaults safe.

Every request ends in time, the library repeats none (by default it repeats a POST and obeys any `Retry-After`), no token is
sent to another origin, and every failure becomes a `DataopsError` (https://python-gitlab.readthedocs.io/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from cibeacon.http import (
    HardenedSession,
    translate_error,
)  # first: it loads requests without its optional parts

# isort: split
import requests
from gitlab import Gitlab
from gitlab.exceptions import GitlabError

from cibeacon.dataops.access import Access, origin
from cibeacon.dataops.errors import DataopsError, http_error, usage_error
from cibeacon.dataops.job_log import LogPart
from cibeacon.http.client import retry_after
from cibeacon.model.parsers import plain_http_refused
from cibeacon.model.payload import number
from cibeacon.model.request import Endpoint
from cibeacon.runtime.deadline import Deadline, within

PAGE = 100
_LONGEST = 15.0
"""Seconds that one request may take at most."""
_FIRST_PAUSE = 1.0
_SLACK = 0.2
"""The part of a request's time limit after which cibeacon gives it up: a server may trickle headers."""
_CREDENTIALS = ("Authorization", "PRIVATE-TOKEN", "JOB-TOKEN", "Cookie")
_READING = ("GET", "HEAD")
_PROXY_HINT = "Check dataops_url, and whether there is a proxy or login page in between"
_Value = TypeVar("_Value")
ApiRecord = Mapping[str, Any]


class OneOriginSession(HardenedSession):
    """A session that sends credentials and bodies to one origin only.

    Otherwise a `Link` to another host, or a redirect that keeps the body (307, 308), would leak a token.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self._origin = origin(url)
        self.last_headers: Mapping[str, str] = {}
        """The headers of the last response, which python-gitlab's errors do not contain."""
        if url.startswith("http://") and not plain_http_refused(url):
            self.trust_env = False  # a request to this machine never goes through a proxy

    def send(self, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        """Sends a request. Raises `requests.exceptions.InvalidURL` if a credential or body would go to another origin."""
        elsewhere = origin(request.url or "") != self._origin
        if elsewhere and (request.method not in _READING or any(name in request.headers for name in _CREDENTIALS)):
            raise requests.exceptions.InvalidURL("the server points to another host")
        self.last_headers = {}
        response = super().send(request, **more)
        self.last_headers = response.headers
        return response

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None for a request that changes something: it would be repeated with its body, or become a GET."""
        return super().get_redirect_target(resp) if resp.request.method in _READING else None


class PipelinesClient:
    """A project's API. Every method may raise `DataopsError`.

    Args:
        now: a wall clock in Unix seconds, for a `Retry-After` that is a date.
        patient: whether to retry a request that only reads after a failure, as long as there is time.
    """

    def __init__(self, access: Access, deadline: Deadline, now: Callable[[], float], *, patient: bool = False) -> None:
        self._access, self._deadline, self._now, self._patient = access, deadline, now, patient
        self._session = OneOriginSession(access.url)

    def has_time(self) -> bool:
        """Whether there is time for another request."""
        return self._deadline.remaining() > 0

    # Pipelines ----------------------------------------------------------------------------------------------------

    def trigger(self, ref: str, token: str, variables: Mapping[str, str]) -> ApiRecord:
        """Starts a pipeline; sends only the trigger token and no other. Sent once."""
        body = {"ref": ref, "token": token, "variables": dict(variables)}
        return self._record("The pipeline was not triggered", "post", "trigger/pipeline", signed=False, post_data=body)

    def pipelines(self, filters: Mapping[str, str]) -> Iterator[ApiRecord]:
        """The project's pipelines, newest first."""
        return self._list("The pipelines cannot be listed", "pipelines", filters)

    def pipeline(self, number: int) -> ApiRecord:
        """One pipeline with all its fields."""
        return self._record(f"Pipeline {number} cannot be read", "get", f"pipelines/{number}")

    def variables(self, number: int) -> Iterator[ApiRecord]:
        """The variables of a pipeline."""
        return self._list(f"The variables of pipeline {number} cannot be read", f"pipelines/{number}/variables")

    def bridges(self, number: int, project: str) -> Iterator[ApiRecord]:
        """The jobs of a pipeline that start other pipelines."""
        what = f"The bridges of pipeline {number} cannot be listed"
        return self._list(what, f"pipelines/{number}/bridges", project=project)

    def cancel(self, number: int) -> None:
        """Cancels a pipeline."""
        self._send(f"Pipeline {number} was not canceled", "post", f"pipelines/{number}/cancel")

    # Jobs ---------------------------------------------------------------------------------------------------------

    def jobs(self, filters: Mapping[str, Any], pipeline: int = 0, project: str = "") -> Iterator[ApiRecord]:
        """The jobs of a pipeline, or of the whole project."""
        if pipeline:
            what = f"The jobs of pipeline {pipeline} cannot be listed"
            return self._list(what, f"pipelines/{pipeline}/jobs", filters, project)
        return self._list("The jobs cannot be listed", "jobs", filters)

    def job(self, number: int) -> ApiRecord:
        """One job with all its fields."""
        return self._record(f"Job {number} cannot be read", "get", f"jobs/{number}")

    def trace(self, number: int, offset: int, project: str) -> LogPart:
        """A job's log from a byte on, if the server can skip the bytes before it; else from the start."""
        what = f"The log of job {number} cannot be read"
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={offset}-"} if offset else {})}
        try:
            response = self._send(what, "get", f"jobs/{number}/trace", project, streamed=True, extra_headers=headers)
        except DataopsError as error:
            if error.status != 416:
                raise
            return LogPart.read(416, self._session.last_headers)
        if response.headers.get("Content-Type", "").startswith("text/html"):
            response.close()
            raise DataopsError(what, "the server answered with a web page", _PROXY_HINT)
        return LogPart.read(response.status_code, response.headers, self._pieces(what, response))

    # Schedules ----------------------------------------------------------------------------------------------------

    def schedules(self) -> Iterator[ApiRecord]:
        """The project's schedules."""
        return self._list("The schedules cannot be listed", "pipeline_schedules")

    def schedule(self, number: int) -> ApiRecord:
        """One schedule with all its fields, including its variables."""
        return self._record(f"Schedule {number} cannot be read", "get", f"pipeline_schedules/{number}")

    def create_schedule(self, body: ApiRecord) -> ApiRecord:
        """Creates a schedule. Sent once."""
        return self._record("The schedule was not created", "post", "pipeline_schedules", post_data=dict(body))

    def update_schedule(self, number: int, body: ApiRecord) -> None:
        """Changes a schedule."""
        self._send(f"Schedule {number} was not changed", "put", f"pipeline_schedules/{number}", post_data=dict(body))

    def set_schedule_variable(self, schedule: int, key: str, value: str, *, exists: bool) -> None:
        """Sets a variable of a schedule; `exists` says whether it already has that variable."""
        path = f"pipeline_schedules/{schedule}/variables{f'/{key}' if exists else ''}"
        body = {"key": key, "value": value}
        what = f"The variable {key} of schedule {schedule} was not set"
        self._send(what, "put" if exists else "post", path, post_data=body)

    # Requests -----------------------------------------------------------------------------------------------------

    def _send(
        self,
        what: str,
        verb: str,
        path: str,
        project: str = "",
        *,
        signed: bool = True,
        **options: Any,
    ) -> requests.Response:
        """Sends one request, once, to a path below the project. `what` says what did not happen if it fails."""
        token, job_token = self._access.token, self._access.job_token
        if signed and not (token or job_token):
            hint = "Set the secret dataops_token (scope read_api)"
            raise usage_error(f"No request was sent to {self._access.url}", "this needs an access token", hint)
        gitlab = Gitlab(
            self._access.url,
            session=self._session,
            private_token=token or None if signed else None,
            job_token=job_token if signed and not token else None,
        )
        url = f"/projects/{quote(project or self._access.project, safe='')}/{path}"
        options |= {"obey_rate_limit": False, "retry_transient_errors": False, "timeout": self._seconds()}
        return self._bounded(what, lambda: gitlab.http_request(verb, url, **options))

    def _record(self, what: str, verb: str, path: str, **options: Any) -> ApiRecord:
        """The record in the response to one request."""
        return self._read(_as_record, what, verb, path, **options)

    def _list(self, what: str, path: str, query: ApiRecord | None = None, project: str = "") -> Iterator[ApiRecord]:
        """Every record of a list; each page is fetched when it is needed.

        Only the page number comes from the server, never a URL. Some proxies remove one of the two headers.
        """
        page = 1
        while page:
            options = {"query_data": {"per_page": PAGE, **(query or {}), "page": page}, "project": project}
            records, response = self._read(_as_records, what, "get", path, **options)
            yield from records
            following = page + 1 if "next" in response.links else number(response.headers.get("X-Next-Page")) or 0
            if following > page and not records:
                raise DataopsError(what, "the server's list has an empty page in the middle", "Try again later")
            page = following if following > page else 0

    def _read(
        self, read: Callable[[str, requests.Response], _Value], what: str, verb: str, path: str, **options: Any
    ) -> _Value:
        """What `read` makes of a response. Retries a GET while there is time, unless the server refuses it."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return read(what, self._send(what, verb, path, **options))
            except DataopsError as error:
                wait = max(pause, error.retry_after)
                again = self._patient and verb == "get" and not error.refused
                if not again or wait >= self._deadline.remaining():
                    raise
                self._deadline.sleep(wait)
                pause *= 2

    def _pieces(self, what: str, response: requests.Response) -> Iterator[bytes]:
        """The body of a streamed response."""
        try:
            while piece := self._bounded(what, lambda: response.raw.read1(1 << 16, decode_content=True)):
                yield piece
        finally:
            response.close()

    def _seconds(self) -> float:
        return min(_LONGEST, self._deadline.remaining())

    def _bounded(self, what: str, work: Callable[[], _Value]) -> _Value:
        """Runs work that waits for the server, within the time limit. Raises `DataopsError`."""
        url, seconds = self._access.url, self._seconds()
        if seconds <= 0:
            raise DataopsError(what, "there was no time left", "Increase timeout", maybe_delivered=False)
        try:
            return within(seconds * (1 + _SLACK), work)
        except GitlabError as error:
            if not error.response_code:
                raise DataopsError(what, str(error), _PROXY_HINT) from error
            later = retry_after(self._session.last_headers.get("Retry-After"), self._now())
            raise http_error(what, error.response_code, error.response_body or b"", later) from error
        except TimeoutError as error:
            self._session = OneOriginSession(url)  # the abandoned thread may still use the old one
            raise DataopsError(what, f"{url} took too long", "Try again later") from error
        except (requests.RequestException, OSError) as error:
            loss = translate_error(error, Endpoint(url, ""))
            raise DataopsError(
                what, loss.error, loss.advice, maybe_delivered=loss.received and loss.transient
            ) from error
        except (ValueError, LookupError, AttributeError, TypeError, RuntimeError) as error:
            why = f"{url} gave no usable answer ({type(error).__name__})"
            raise DataopsError(what, why, "Try again later") from error


def _json(what: str, response: requests.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError) as error:
        raise DataopsError(what, "the server's answer is not JSON", _PROXY_HINT) from error


def _as_record(what: str, response: requests.Response) -> ApiRecord:
    record = _json(what, response)
    if not isinstance(record, dict) or number(record.get("id")) is None:
        hint = "Check that dataops_url is the URL of a GitLab server"
        raise DataopsError(what, "the server's answer is not a record", hint)
    return record


def _as_records(what: str, response: requests.Response) -> tuple[list[ApiRecord], requests.Response]:
    records = _json(what, response)
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise DataopsError(what, "the server's answer is not a list of records", _PROXY_HINT)
    return records, response
