"""The options for driving pipelines on DataOps.live or any GitLab: server, token, pipeline, waiting times."""

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from cibeacon.model import parsers
from cibeacon.settings.options import option

PUBLIC = "https://app.dataops.live"
"""The public server."""
_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,254}"


def variables(given: str) -> Mapping[str, str]:
    """Variables for a pipeline: a JSON object, or lines of NAME=VALUE. The server accepts only strings."""
    if given.lstrip().startswith("{"):
        document = parsers.json_value(given)
        if any(isinstance(value, dict | list) or value is None for value in document.values()):
            raise ValueError("contains a value that is not a string, number or boolean")
        pairs = {name: value if isinstance(value, str) else json.dumps(value) for name, value in document.items()}
    else:
        lines = [line for line in given.split("\n") if line.strip()]
        if not all("=" in line for line in lines):
            raise ValueError("has a line that is not NAME=VALUE")
        pairs = {name.strip(): value.rstrip("\r") for name, _, value in (line.partition("=") for line in lines)}
    for name in pairs:
        if not re.fullmatch(_NAME, name):
            raise ValueError(
                f"has the name {json.dumps(name)[:60]}; use only letters, digits and underscores, and no digit first"
            )
    return pairs


class Dataops(NamedTuple):
    """DataOps.live"""

    dataops_url: str = option(
        parsers.url, PUBLIC, "URL of DataOps.live or any GitLab server, with or without /api/v4.", shown_default=PUBLIC
    )
    dataops_project: str | None = option(parsers.text, None, "Project of the pipelines: its number, or its full path.")
    dataops_token: str | None = option(
        parsers.token,
        None,
        "Access token (personal, project or group). Scope read_api to follow pipelines and read logs, api to cancel and "
        "schedule them.",
        secret=True,
    )
    dataops_trigger_token: str | None = option(
        parsers.token,
        None,
        "Pipeline trigger token. Without it, a GitLab job uses its job token on its own server.",
        secret=True,
    )
    dataops_ref: str | None = option(parsers.text, None, "Branch or tag to run the pipeline on.")
    dataops_pipeline_file: str | None = option(
        parsers.text,
        None,
        "Pipeline file, such as full-ci.yml; required on DataOps.live. cibeacon passes it as the variable _PIPELINE_FILE_NAME.",
    )
    dataops_variables: Mapping[str, str] = option(
        variables, {}, "Variables for the pipeline: a JSON object, or NAME=VALUE lines.", shown_default="none"
    )
    dataops_pipeline_id: int | None = option(
        parsers.integer,
        None,
        "Id of a running pipeline to follow instead of starting a new one. Useful when a job is retried.",
    )
    dataops_wait: bool = option(
        parsers.boolean, False, "Wait until the started pipeline has ended.", shown_default="false", flag=True
    )
    dataops_wait_timeout: float = option(
        parsers.duration,
        3600.0,
        "Seconds to wait for the pipeline to end, including its time in the queue.",
        shown_default="3600",
    )
    dataops_queue_timeout: float = option(
        parsers.duration, 1800.0, "Seconds to wait for the pipeline to start running.", shown_default="1800"
    )
    dataops_on_manual: str = option(
        parsers.Choice("fail", "succeed", "wait"),
        "fail",
        "What to do if only manual jobs are left: fail, succeed, or wait until someone starts them.",
        shown_default="fail",
    )
    dataops_cancel: bool = option(
        parsers.boolean,
        False,
        "Cancel the pipeline if waiting is interrupted (SIGTERM, SIGINT) or times out. Needs scope api.",
        shown_default="false",
        flag=True,
    )
    dataops_logs: str = option(
        parsers.Choice("none", "failed", "all"),
        "failed",
        "Job logs to show while waiting: none, failed (when a job has failed), or all (while the jobs run).",
        shown_default="failed",
    )
    dataops_log_limit: int = option(
        parsers.integer,
        1_000_000,
        "Bytes to show of each job's log: from its start with all, from its end with failed.",
        shown_default="1000000",
    )
