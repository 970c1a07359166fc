"""The options of driving pipelines of DataOps.live, or of any GitLab: where, as whom, which one, how long to wait."""

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from cibeacon.model import parsers
from cibeacon.settings.options import option

PUBLIC = "https://app.dataops.live"
"""The server that everybody uses."""
_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,254}"


def variables(given: str) -> Mapping[str, str]:
    """Variables for a pipeline: a JSON object, or lines of NAME=VALUE. The server takes nothing but texts."""
    if given.lstrip().startswith("{"):
        document = parsers.json_value(given)
        if any(isinstance(value, dict | list) or value is None for value in document.values()):
            raise ValueError("holds a value that is neither text nor number nor boolean")
        pairs = {name: value if isinstance(value, str) else json.dumps(value) for name, value in document.items()}
    else:
        lines = [line for line in given.split("\n") if line.strip()]
        if not all("=" in line for line in lines):
            raise ValueError("has a line that is not NAME=VALUE")
        pairs = {name.strip(): value.rstrip("\r") for name, _, value in (line.partition("=") for line in lines)}
    for name in pairs:
        if not re.fullmatch(_NAME, name):
            raise ValueError(f"has the name {json.dumps(name)[:60]}; names are letters, digits and underscores")
    return pairs


class Dataops(NamedTuple):
    """DataOps.live"""

    dataops_url: str = option(
        parsers.url, PUBLIC, "DataOps.live, or any GitLab server, with or without /api/v4.", shown_default=PUBLIC
    )
    dataops_project: str | None = option(
        parsers.text, None, "Project whose pipelines are driven: its number, or its full path."
    )
    dataops_token: str | None = option(
        parsers.token,
        None,
        "Access token (personal, project or group): read_api to follow pipelines and read logs, api to cancel and "
        "schedule them.",
        secret=True,
    )
    dataops_trigger_token: str | None = option(
        parsers.token,
        None,
        "Pipeline trigger token, to start pipelines. Without one the token of a GitLab job is tried on its own server.",
        secret=True,
    )
    dataops_ref: str | None = option(parsers.text, None, "Branch or tag that the pipeline runs on.")
    dataops_pipeline_file: str | None = option(
        parsers.text,
        None,
        "Path of the pipeline file, such as full-ci.yml; DataOps.live needs it. Becomes the variable _PIPELINE_FILE_NAME.",
    )
    dataops_variables: Mapping[str, str] = option(
        variables, {}, "Variables for the pipeline: a JSON object, or lines of NAME=VALUE.", shown_default="none"
    )
    dataops_pipeline_id: int | None = option(
        parsers.integer,
        None,
        "Id of a pipeline that runs already: it is followed, and none is started. For a job that is run again.",
    )
    dataops_wait: bool = option(
        parsers.boolean, False, "Wait for the end of the pipeline that was started.", shown_default="false", flag=True
    )
    dataops_wait_timeout: float = option(
        parsers.duration, 3600.0, "Seconds that a pipeline may take, its queue included.", shown_default="3600"
    )
    dataops_queue_timeout: float = option(
        parsers.duration, 1800.0, "Seconds until a pipeline must have started.", shown_default="1800"
    )
    dataops_on_manual: str = option(
        parsers.choice("fail", "succeed", "wait"),
        "fail",
        "What a wait does when only a manual job is left: fail, succeed, or wait until a person starts it.",
        shown_default="fail",
    )
    dataops_cancel: bool = option(
        parsers.boolean,
        False,
        "Cancel the pipeline when the wait is interrupted (SIGTERM, SIGINT) or its time is over. Needs the scope api.",
        shown_default="false",
        flag=True,
    )
    dataops_logs: str = option(
        parsers.choice("none", "failed", "all"),
        "failed",
        "Which jobs' logs a wait shows: none, failed when they have ended, or all while they run.",
        shown_default="failed",
    )
    dataops_log_limit: int = option(
        parsers.integer,
        1_000_000,
        "Bytes of each job's log that a wait shows: the first of all, the last of failed.",
        shown_default="1000000",
    )
