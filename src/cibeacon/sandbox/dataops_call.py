"""Knows one admitted request to DataOps.live, as the handlers need it. Does not know routes or powers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cibeacon.sandbox.dataops_account import Project, Token
from cibeacon.sandbox.dataops_answers import missing, parameters
from cibeacon.sandbox.dataops_live import LiveJob, Pipeline
from cibeacon.sandbox.dataops_state import DataOpsState
from cibeacon.sandbox.exchange import Request

_TRUE, _FALSE = ("true", "t", "1", "on", "yes"), ("false", "f", "0", "off", "no")


@dataclass(slots=True, kw_only=True)
class Asked:
    """A request. `ids` are those of the path after the project's, `base` is the sandbox's URL."""

    request: Request = field(repr=False)
    state: DataOpsState = field(repr=False)
    params: Mapping[str, Any] = field(repr=False)
    base: str
    ids: tuple[str, ...]
    caller: Token | None
    found: Project | None

    @property
    def project(self) -> Project:
        """The project that the path names. Raises 404."""
        if self.found is None:
            raise missing()
        return self.found

    def number(self, place: int = 0, name: str = "id") -> int:
        """A number in the path. Raises 400."""
        text = self.ids[place]
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            raise parameters(f"{name} is invalid")
        return int(text)

    def pipeline(self) -> Pipeline:
        """The pipeline that the path names first. Raises 404."""
        pipeline = self.state.pipelines.get(self.number(name="pipeline_id"))
        if pipeline is None or pipeline.project is not self.project:
            raise missing()
        return pipeline

    def job(self) -> LiveJob:
        """The job that the path names first, which is no bridge. Raises 404."""
        job = self.state.jobs.get(self.number(name="job_id"))
        if job is None or job.spec.child or job.pipeline.project is not self.project:
            raise missing()
        return job

    def text(self, name: str) -> str:
        """A parameter that must be given. Raises 400."""
        value = self.params.get(name)
        if value is None:
            raise parameters(f"{name} is missing")
        if not isinstance(value, str) or not value:
            raise parameters(f"{name} is {'empty' if value == '' else 'invalid'}")
        return value

    def truth(self, name: str, default: bool = False) -> bool:
        """A parameter that is true or false. Raises 400."""
        value = self.params.get(name, default)
        if isinstance(value, bool):
            return value
        word = str(value).lower()
        if word not in (*_TRUE, *_FALSE):
            raise parameters(f"{name} is invalid")
        return word in _TRUE
