"""Knows how GitLab's API shows what the sandbox holds, and how the ledger does. Does not know who asks.

https://docs.gitlab.com/api/pipelines/, https://docs.gitlab.com/api/jobs/, https://docs.gitlab.com/api/pipeline_schedules/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

from cibeacon.sandbox.dataops_account import Project
from cibeacon.sandbox.dataops_records import LiveJob, Pipeline, next_run
from cibeacon.sandbox.dataops_state import LAST_PIPELINE, DataOpsState

Row: TypeAlias = dict[str, Any]
_TAIL_BYTES, _TAIL_LINES = 4096, 20
_NOT_FOR_EYES = re.compile(
    r"\x1b\[[0-9;]*[A-Za-z]|section_(?:start|end):[^\r\n]*\r?|[^\n\r]*\r(?!\n)|[^\n -~\xa0-\u2027\u202f-\u2065\u206a-\U0010ffff]"
)
"""Colours, the borders of sections, what a carriage return writes over, control characters."""


class Rows(NamedTuple):
    """What the API shows; `base` is the sandbox's URL."""

    base: str
    state: DataOpsState

    def project(self, project: Project) -> Row:
        """A project."""
        name, url = project.path.rpartition("/")[2], f"{self.base}/{project.path}"
        names = {"id": project.id, "name": name, "path": name, "path_with_namespace": project.path}
        return names | {
            "default_branch": project.default_branch,
            "web_url": url,
            "ci_config_path": "$_PIPELINE_FILE_NAME",
        }

    def user(self, name: str) -> Row:
        """A user, in short form."""
        names = {"id": sum(name.encode()), "username": name, "name": name.title()}
        return names | {"state": "active", "web_url": f"{self.base}/{name}"}

    def pipeline(self, pipeline: Pipeline) -> Row:
        """A pipeline as lists show it."""
        row = _pick(pipeline, "id iid project_id sha ref status source created_at updated_at")
        return row | {"web_url": f"{self._url(pipeline)}/pipelines/{pipeline.id}", "name": None}

    def whole_pipeline(self, pipeline: Pipeline) -> Row:
        """A pipeline in full."""
        warned = pipeline.status == "success" and any(job.status == "failed" for job in pipeline.latest())
        return {
            **self.pipeline(pipeline),
            **dict.fromkeys(("yaml_errors", "coverage", "committed_at")),
            **_pick(pipeline, "tag started_at finished_at"),
            "before_sha": "0" * 40,
            "user": self.user(pipeline.user),
            "duration": _between(pipeline.started_at, pipeline.finished_at, int),
            "queued_duration": _between(pipeline.created_at, pipeline.started_at, int),
            "detailed_status": _detailed("success-with-warnings" if warned else pipeline.status),
        }

    def job(self, job: LiveJob) -> Row:
        """A job."""
        return self._job(job) | {"artifacts": [], "artifacts_expire_at": None, "failure_reason": _reason(job)}

    def bridge(self, job: LiveJob) -> Row:
        """A trigger job with the pipeline that it started."""
        child = self.pipeline(self.state.pipelines[job.downstream]) if job.downstream else None
        return self._job(job) | {"downstream_pipeline": child}

    def schedule(self, schedule: Mapping[str, Any]) -> Row:
        """A schedule as lists show it."""
        run = next_run(schedule["cron"], schedule["cron_timezone"], schedule["updated_at"])
        row = _pick(schedule, "id description ref cron cron_timezone active created_at updated_at")
        return row | {"next_run_at": moment(run), "owner": self.user(schedule["owner"])}

    def whole_schedule(self, schedule: Mapping[str, Any]) -> Row:
        """A schedule in full, with its variables and the last pipeline."""
        made = [each for each in self.state.pipelines.values() if each.schedule_id == schedule["id"]]
        last = _pick(made[-1], "id sha ref status") if made else None
        return self.schedule(schedule) | {"last_pipeline": last, "variables": variables(schedule["variables"])}

    def _job(self, job: LiveJob) -> Row:
        """The part of a job that a bridge has too."""
        pipeline = self.state.pipelines[job.pipeline_id]
        return {
            **_pick(job, "id status created_at started_at finished_at erased_at"),
            **_pick(job.spec, "stage name allow_failure"),
            **_pick(pipeline, "ref tag"),
            "coverage": None,
            "duration": _between(job.started_at, job.finished_at),
            "queued_duration": _between(job.pending_at, job.started_at),
            "user": self.user(pipeline.user),
            "commit": {"id": pipeline.sha, "short_id": pipeline.sha[:8], "title": "Load the flights"},
            "pipeline": self.pipeline(pipeline),
            "web_url": f"{self._url(pipeline)}/jobs/{job.id}",
            "project": {"ci_job_token_scope_enabled": False},
        }

    def _url(self, pipeline: Pipeline) -> str:
        return f"{self.base}/{self.state.project(pipeline.project_id).path}/-"


def variables(values: Mapping[str, str]) -> list[Row]:
    """The variables of a pipeline or schedule."""
    return [{"variable_type": "env_var", "key": key, "value": value, "raw": False} for key, value in values.items()]


def moment(seconds: float | None) -> str | None:
    """A time as GitLab writes it."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def document(state: DataOpsState) -> Row:
    """The first project's id, the pipeline files, and what was created since the start, by id as text.

    A pipeline: its fields, the bridge's pipeline as `parent`, times in Unix seconds, and all attempts at its jobs, oldest
    first: of each log the size so far in bytes, and the last lines as `log_tail`. It contains no token.
    """
    names = "description ref cron cron_timezone active owner variables"
    return {
        "project": str(state.account.projects[0].id),
        "files": sorted(state.scripts),
        "pipelines": {str(key): _entry(state, each) for key, each in state.pipelines.items() if key > LAST_PIPELINE},
        "schedules": {
            key: _fields(each, names) | {"project": state.project(each["project_id"]).path}
            for key, each in state.schedules.items()
        },
    }


def _entry(state: DataOpsState, pipeline: Pipeline) -> Row:
    fields = _fields(pipeline, "status ref sha source user variables parent created_at started_at finished_at")
    belongs = {"project": state.project(pipeline.project_id).path, "schedule": pipeline.schedule_id}
    return {**fields, **belongs, "jobs": [_job_entry(job) for job in pipeline.jobs]}


def _job_entry(job: LiveJob) -> Row:
    size = job.visible()
    last = b"".join(job.log.pieces(max(0, size - _TAIL_BYTES), size)).decode("utf-8", "replace")
    return {
        **_fields(job, "id status retried downstream created_at started_at finished_at"),
        **_fields(job.spec, "name stage allow_failure"),
        "failure_reason": _reason(job),
        "log": size,
        "log_tail": "\n".join(_NOT_FOR_EYES.sub("", last).splitlines()[-_TAIL_LINES:]),
    }


def _reason(job: LiveJob) -> str | None:
    return job.spec.failure_reason if job.status == "failed" else None


def _detailed(group: str) -> Row:
    """A status in words for people."""
    warned, passed = group == "success-with-warnings", group.startswith("success")
    label = "passed with warnings" if warned else "passed" if passed else group
    return {"text": "Warning" if warned else label.title(), "label": label, "group": group}


def _fields(thing: object, names: str) -> Row:
    return {name: thing[name] if isinstance(thing, dict) else getattr(thing, name) for name in names.split()}


def _pick(thing: object, names: str) -> Row:
    """Fields as the API shows them."""
    return {name: moment(value) if name.endswith("_at") else value for name, value in _fields(thing, names).items()}


def _between(start: float | None, end: float | None, unit: type[float] = float) -> float | None:
    return None if start is None or end is None else unit(end - start)
