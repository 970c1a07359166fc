"""`cibeacon dci start`, `state`, `upload` and `finish`: report a job step by step. Their exit codes are those of `report`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import click

from cibeacon import dci_steps, report_text
from cibeacon.cli.flags import flags, given
from cibeacon.cli.help_page import verb
from cibeacon.cli.progress import progress
from cibeacon.cli.report_view import Work, present
from cibeacon.model import status_words
from cibeacon.model.report import Report
from cibeacon.runtime import Environment
from cibeacon.settings import Settings, load_settings
from cibeacon.signals import dci_builders

_STATES = ("new", "pre-run", "running", "post-run", "success", "failure", "killed", "error")
_CORE = ["dry_run", "timeout", "host", "allow_http", "spool", "strict", "format", "jq", "verbose"]
_RUN = [
    "repository",
    "run_id",
    "matrix",
    "job_run_id",
    "dci_url",
    "dci_client_id",
    "dci_job_id",
]
_STATE = ("source_url", "dci_comment")
"""Additional settings of a job state."""
_JOB = (
    *("commit_sha", "pr_number", "head_branch", "pipeline_name"),
    *("dci_topic", "dci_components", "dci_latest_by", "dci_name", "dci_configuration", "dci_change_url", "dci_tags"),
    "dci_key_values",
)
_FILES = ("dci_files", "dci_upload_timeout", "dci_redact", "dci_redact_patterns")
_MIME = re.compile(r"[A-Za-z0-9.+_-]{1,127}/[A-Za-z0-9.+_-]{1,127}")


def _job_flags(*settings: str) -> Callable[[Any], Any]:
    """The flags of a step of a job; the step receives the environment."""
    only = (*_CORE, *_RUN, *settings)
    groups = ("core", "output", "change", "run", "dci")
    return lambda function: flags(*groups, only=only, short="dci_")(click.pass_obj(function))


def _parse_mime(context: click.Context, parameter: click.Parameter, given: str | None) -> str | None:
    if given and not _MIME.fullmatch(given):
        raise click.BadParameter(f"{given[:80]!r} is not a MIME type such as text/plain")
    return given


def _parse_state(context: click.Context, parameter: click.Parameter, given: str) -> str:
    """The DCI state for a word: a DCI state that this verb takes, or a CI system's word for the end of a run."""
    states = _STATES if context.command.name == "state" else _STATES[4:]
    if given.lower() in states:
        return given.lower()
    try:
        return dci_builders.ENDS[status_words.status(given)]
    except (ValueError, KeyError) as error:
        text = f"{given[:40]!r} is not one of {', '.join(states)}, nor a CI system's word for one of them."
        raise click.BadParameter(text) from error


@verb(
    "start",
    examples=(
        "cibeacon dci start --topic OCP-4.20",
        "cibeacon dci start --topic OCP-4.20 --components ocp --tags nightly",
    ),
)
@_job_flags(*_STATE, *_JOB)
def start(env: Environment, /, **arguments: Any) -> int:
    """Create a job and mark it as running. A second start in the same CI job continues the same DCI job.

    The job's id is the output dci_job_id; later GitLab jobs find it in the variable CIBEACON_DCI_JOB_ID.
    """
    flags = given(arguments)
    return _report(env, flags, lambda: dci_steps.start(env, flags))


@verb("state", examples=("cibeacon dci state running", "cibeacon dci state post-run --comment 'Collecting logs'"))
@click.argument("status", callback=_parse_state)
@_job_flags(*_STATE)
def state(env: Environment, /, status: str, **arguments: Any) -> int:
    """Set the state of the job.

    STATUS is new, pre-run, running, post-run, success, failure, killed or error, or the CI system's own word for how the
    run ended.
    """
    flags = given(arguments)
    return _report(env, flags, lambda: dci_steps.state(env, flags, status))


@verb(
    "upload",
    examples=(
        "cibeacon dci upload 'reports/**/*.xml'",
        "cibeacon dci upload must-gather.log --name gather --mime text/plain",
    ),
)
@click.argument("files", nargs=-1)
@click.option("--name", metavar="TEXT", help="Name of the file in DCI; for a single file.")
@click.option(
    "--mime", metavar="TYPE", callback=_parse_mime, help="MIME type of a single file, such as application/junit."
)
@_job_flags(*_FILES)
def upload(env: Environment, /, files: tuple[str, ...], name: str | None, mime: str | None, **arguments: Any) -> int:
    """Upload FILES to the job: names, folders, or quoted globs such as 'reports/**/*.xml'.

    JUnit reports are recognised. If one file fails, the others are still uploaded.
    """
    flags = given(arguments)
    if files:
        flags["dci_files"] = json.dumps(files)

    def work() -> tuple[Report, Settings]:
        with progress(env) as watch:
            return dci_steps.upload(env, flags, watch, name, mime)

    return _report(env, flags, work)


@verb(
    "finish",
    examples=("cibeacon dci finish success", "cibeacon dci finish failure --files 'reports/*.xml'"),
)
@click.argument("status", callback=_parse_state)
@_job_flags(*_STATE, *_FILES, "dci_key_values")
def finish(env: Environment, /, status: str, **arguments: Any) -> int:
    """Upload the files named by --files, then report how the job ended, even if an upload failed.

    STATUS is success, failure, killed or error, or the CI system's own word: ${{ job.status }} or $CI_JOB_STATUS.
    """
    flags = given(arguments)

    def work() -> tuple[Report, Settings]:
        with progress(env) as watch:
            return dci_steps.finish(env, flags, status, watch)

    return _report(env, flags, work)


def _report(env: Environment, flags: Mapping[str, str], work: Work) -> int:
    return present(env, load_settings(flags, env.environ, {}), work, _lines).exit_code


def _lines(report: Report) -> tuple[str, ...]:
    """The report, and the job's id and page."""
    job = "  ".join(filter(None, [report.dci_job_id, report.dci_job_page]))
    return (*report_text.report_lines(report), *([f"job         {job}"] if report.dci_job_id else []))
