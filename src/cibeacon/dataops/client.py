"""Knows every call of the API that is used, as python-gitlab makes it. How a request is sent is the connection's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cibeacon.dataops.connection import PAGE as PAGE
from cibeacon.dataops.connection import Connection
from cibeacon.dataops.connection import Record as Record
from cibeacon.dataops.errors import Fault
from cibeacon.dataops.trace import Part

_WEB_PAGE = "text/html"


class Client(Connection):
    """A project's API. Every method may raise `Fault`."""

    # Pipelines ----------------------------------------------------------------------------------------------------

    def trigger(self, ref: str, token: str, variables: Mapping[str, str]) -> Record:
        """Starts a pipeline, with the trigger token alone: no other one goes along. Sent once."""
        body = {"ref": ref, "token": token, "variables": dict(variables)}
        path = f"{self._place}/trigger/pipeline"
        return self._record("The pipeline was not triggered", lambda: self._unsigned().http_post(path, post_data=body))

    def pipelines(self, filters: Mapping[str, str]) -> Iterator[Record]:
        """The project's pipelines, newest first, page by page."""
        return self._listed("The pipelines cannot be listed", lambda: self._project().pipelines, filters)

    def pipeline(self, number: int, project: str = "") -> Record:
        """One pipeline whole."""
        what = f"Pipeline {number} cannot be read"
        return self._read(what, lambda: self._project(project).pipelines.get(number).attributes)

    def variables(self, number: int) -> Iterator[Record]:
        """The variables of a pipeline."""
        return self._listed(
            f"The variables of pipeline {number} cannot be read", lambda: self._one_pipeline(number).variables, {}
        )

    def bridges(self, number: int, project: str = "") -> Iterator[Record]:
        """The jobs of a pipeline that start other pipelines."""
        return self._listed(
            f"The bridges of pipeline {number} cannot be listed",
            lambda: self._one_pipeline(number, project).bridges,
            {},
        )

    def cancel(self, number: int) -> None:
        """Cancels a pipeline."""
        self._ask(f"Pipeline {number} was not canceled", lambda: self._one_pipeline(number).cancel())

    # Jobs ---------------------------------------------------------------------------------------------------------

    def jobs(self, filters: Mapping[str, Any], pipeline: int = 0, project: str = "") -> Iterator[Record]:
        """The jobs of a pipeline, or of the whole project."""
        if pipeline:
            what = f"The jobs of pipeline {pipeline} cannot be listed"
            return self._listed(what, lambda: self._one_pipeline(pipeline, project).jobs, filters)
        return self._listed("The jobs cannot be listed", lambda: self._project().jobs, filters)

    def job(self, number: int) -> Record:
        """One job whole."""
        return self._read(f"Job {number} cannot be read", lambda: self._project().jobs.get(number).attributes)

    def trace(self, number: int, offset: int, project: str = "") -> Part:
        """A job's log from a byte on, as far as the server knows how to skip what was read."""
        what, path = f"The log of job {number} cannot be read", f"{self._at(project)}/jobs/{number}/trace"
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={offset}-"} if offset else {})}
        try:
            response: Any = self._ask(
                what, lambda: self._client().http_get(path, streamed=True, raw=True, extra_headers=headers)
            )
        except Fault as fault:
            if fault.status != 416:
                raise
            return Part.nothing(self._session.heard)
        if response.headers.get("Content-Type", "").startswith(_WEB_PAGE):
            response.close()
            raise Fault(what, "the server answered with a web page", "Is there a login or a proxy in between?")
        return Part.of(response.status_code, response.headers, self._pieces(what, response))

    # Schedules ----------------------------------------------------------------------------------------------------

    def schedules(self) -> Iterator[Record]:
        """The project's schedules."""
        return self._listed("The schedules cannot be listed", lambda: self._project().pipelineschedules, {})

    def schedule(self, number: int) -> Record:
        """One schedule whole, its variables included."""
        what = f"Schedule {number} cannot be read"
        return self._read(what, lambda: self._project().pipelineschedules.get(number).attributes)

    def create_schedule(self, body: Record) -> Record:
        """Makes a schedule. Sent once."""
        what = "The schedule was not made"
        return self._record(what, lambda: self._project().pipelineschedules.create(dict(body)).attributes)

    def update_schedule(self, number: int, body: Record) -> None:
        """Changes a schedule."""
        what = f"Schedule {number} was not changed"
        self._ask(what, lambda: self._project().pipelineschedules.update(number, dict(body)))

    def set_schedule_variable(self, schedule: int, key: str, value: str, *, known: bool) -> None:
        """Sets a variable of a schedule; `known` says whether there is one of that name."""
        body = {"key": key, "value": value}

        def send() -> object:
            variables = self._project().pipelineschedules.get(schedule, lazy=True).variables
            return variables.update(key, body) if known else variables.create(body)

        self._ask(f"The variable {key} of schedule {schedule} was not set", send)
