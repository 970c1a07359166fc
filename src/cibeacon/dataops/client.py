"""Knows every call of the API that is used. How a request is sent is the connection's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cibeacon.dataops.connection import ApiRecord, Connection
from cibeacon.dataops.errors import DataopsError
from cibeacon.dataops.job_log import LogPart

_WEB_PAGE = "text/html"


class PipelinesClient(Connection):
    """A project's API. Every method may raise `DataopsError`."""

    # Pipelines ----------------------------------------------------------------------------------------------------

    def trigger(self, ref: str, token: str, variables: Mapping[str, str]) -> ApiRecord:
        """Starts a pipeline, with the trigger token alone: no other one goes along. Sent once."""
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
        """A job's log from a byte on, as far as the server can skip the bytes before it."""
        what = f"The log of job {number} cannot be read"
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={offset}-"} if offset else {})}
        try:
            response = self._send(what, "get", f"jobs/{number}/trace", project, streamed=True, extra_headers=headers)
        except DataopsError as error:
            if error.status != 416:
                raise
            return LogPart.read(416, self._session.last_headers)
        if response.headers.get("Content-Type", "").startswith(_WEB_PAGE):
            response.close()
            raise DataopsError(what, "the server answered with a web page", "Is there a login or a proxy in between?")
        return LogPart.read(response.status_code, response.headers, self._pieces(what, response))

    # Schedules ----------------------------------------------------------------------------------------------------

    def schedules(self) -> Iterator[ApiRecord]:
        """The project's schedules."""
        return self._list("The schedules cannot be listed", "pipeline_schedules")

    def schedule(self, number: int) -> ApiRecord:
        """One schedule with all its fields, its variables included."""
        return self._record(f"Schedule {number} cannot be read", "get", f"pipeline_schedules/{number}")

    def create_schedule(self, body: ApiRecord) -> ApiRecord:
        """Makes a schedule. Sent once."""
        return self._record("The schedule was not made", "post", "pipeline_schedules", post_data=dict(body))

    def update_schedule(self, number: int, body: ApiRecord) -> None:
        """Changes a schedule."""
        self._send(f"Schedule {number} was not changed", "put", f"pipeline_schedules/{number}", post_data=dict(body))

    def set_schedule_variable(self, schedule: int, key: str, value: str, *, exists: bool) -> None:
        """Sets a variable of a schedule; `exists` says whether there is one of that name."""
        path = f"pipeline_schedules/{schedule}/variables{f'/{key}' if exists else ''}"
        body = {"key": key, "value": value}
        what = f"The variable {key} of schedule {schedule} was not set"
        self._send(what, "put" if exists else "post", path, post_data=body)
