"""`cibeacon dci start`, `state`, `upload` and `finish`: the life of a job, step by step. They exit as `report` does."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import click

from cibeacon import dci_steps
from cibeacon.cli.flags import flags, given
from cibeacon.cli.progress import progress
from cibeacon.cli.report_view import Work, present
from cibeacon.model import status_words
from cibeacon.model.report import Report
from cibeacon.reporting import text_report
from cibeacon.runtime.environment import Environment
from cibeacon.settings import Settings, load_settings
from cibeacon.signals import dci_builders

_STATES = ("new", "pre-run", "running", "post-run", "success", "failure", "killed", "error")
_ALWAYS = (
    *("dry_run", "timeout", "host", "allow_http", "spool", "strict", "format", "jq", "verbose"),
    *(
        "repository",
        "run_id",
        "matrix",
        "job_run_id",
        "source_url",
        "dci_url",
        "dci_client_id",
        "dci_job_id",
        "dci_comment",
    ),
)
_FILES = ("dci_upload_timeout", "dci_redact", "dci_redact_patterns")
_JOB = (
    *("commit_sha", "pr_number", "head_branch", "pipeline_name"),
    *("dci_topic", "dci_components", "dci_latest_by", "dci_name", "dci_configuration", "dci_change_url", "dci_tags"),
    "dci_key_values",
)
_MIME = re.compile(r"[A-Za-z0-9.+_-]{1,127}/[A-Za-z0-9.+_-]{1,127}")
_GROUPS = ("core", "output", "change", "run", "dci")


def _mime(context: click.Context, parameter: click.Parameter, given: str | None) -> str | None:
    if given and not _MIME.fullmatch(given):
        raise click.BadParameter(f"{given[:80]!r} is no type such as text/plain")
    return given


@click.command("start")
@flags(*_GROUPS, only=(*_ALWAYS, *_JOB), short="dci_")
@click.pass_obj
def start(env: Environment, /, **arguments: str | bool | None) -> int:
    """Make a job and tell that it runs; a second start in the same CI job goes on with the first one's.

    Its id is the output dci_job_id, and on GitLab the variable CIBEACON_DCI_JOB_ID of later jobs.
    """
    told = given(arguments)
    return _shown(env, told, lambda: dci_steps.start(env, told))


@click.command("state")
@click.argument("status", callback=lambda _, __, word: _state(word, _STATES))
@flags(*_GROUPS, only=_ALWAYS, short="dci_")
@click.pass_obj
def state(env: Environment, /, status: str, **arguments: str | bool | None) -> int:
    """Tell how the job stands: STATUS is a state of DCI's, or a CI system's own word for how the run ended."""
    told = given(arguments)
    return _shown(env, told, lambda: dci_steps.state(env, told, status))


@click.command("upload")
@click.argument("files", nargs=-1)
@click.option("--name", metavar="TEXT", help="What DCI calls the file, where it is one.")
@click.option("--mime", metavar="TYPE", callback=_mime, help="Its type, such as application/junit or text/plain.")
@flags(*_GROUPS, only=(*_ALWAYS, *_FILES, "dci_files"), short="dci_")
@click.pass_obj
def upload(
    env: Environment,
    /,
    files: tuple[str, ...],
    name: str | None,
    mime: str | None,
    **arguments: str | bool | None,
) -> int:
    """Send FILES to the job: names, folders, or globs in quotes such as 'reports/**/*.xml'.

    JUnit reports are recognised. A file that fails keeps no other from being sent.
    """
    told = given(arguments)
    if files:
        told["dci_files"] = json.dumps(files)

    def work() -> tuple[Report, Settings]:
        with progress(env) as watch:
            return dci_steps.upload(env, told, watch, name, mime)

    return _shown(env, told, work)


@click.command("finish")
@click.argument("status", callback=lambda _, __, word: _state(word, _STATES[4:]))
@flags(*_GROUPS, only=(*_ALWAYS, *_FILES, "dci_files", "dci_key_values"), short="dci_")
@click.pass_obj
def finish(env: Environment, /, status: str, **arguments: str | bool | None) -> int:
    """Send the files that --files names, then tell how the job ended, even if files could not be sent.

    STATUS is success, failure, killed or error, or the CI system's own word: ${{ job.status }} or $CI_JOB_STATUS.
    """
    told = given(arguments)

    def work() -> tuple[Report, Settings]:
        with progress(env) as watch:
            return dci_steps.finish(env, told, status, watch)

    return _shown(env, told, work)


def _state(word: str, states: Sequence[str]) -> str:
    """DCI's state for a word: one of `states` already, or how a CI system says that a run ended."""
    if word.lower() in states:
        return word.lower()
    try:
        return dci_builders.ENDS[status_words.status(word)]
    except (ValueError, KeyError) as error:
        raise click.BadParameter(
            f"{word[:40]!r} is none of {', '.join(states)}, nor how a CI system says it."
        ) from error


def _shown(env: Environment, told: Mapping[str, str], work: Work) -> int:
    return present(env, load_settings(told, env.environ, {}), work, _lines).exit_code


def _lines(report: Report) -> tuple[str, ...]:
    """The report, and the job for people to go on with."""
    job = [report.dci_job_id, report.dci_job_page]
    return (*text_report.lines(report), *([f"job         {'  '.join(filter(None, job))}"] if report.dci_job_id else []))
