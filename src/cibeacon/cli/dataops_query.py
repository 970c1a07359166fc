"""`cibeacon dataops pipelines`, `pipeline`, `jobs`, `job` and `log`: lists and shows them, as a table, as JSON or as a raw log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

import click

from cibeacon.cli.dataops_context import DataopsVerb, dataops_flags, run
from cibeacon.cli.help_page import verb as verb_command
from cibeacon.cli.tables import Columns, details, record_table
from cibeacon.dataops.access import Power
from cibeacon.dataops.client import PAGE, ApiRecord, PipelinesClient
from cibeacon.dataops.errors import DataopsError
from cibeacon.dataops.follow import open_log
from cibeacon.dataops.snapshot import PipelineJob
from cibeacon.dataops.waiting import WaitPolicy
from cibeacon.runtime import Environment

_PROJECT = ("dataops_url", "dataops_project")
_LOG = (*_PROJECT, "dataops_log_limit", "dataops_wait_timeout")
_PAUSE = 3.0
_WIDTH = 300
_PIPELINES = Columns(id="id", status="status", ref="ref", source="source", created="created_at", url="web_url")
_JOBS = Columns(
    id="id", status="status", stage="stage", name="name", seconds="duration", pipeline="pipeline.id", url="web_url"
)
_FILTERS: Mapping[str, str] = {
    "status": "Only pipelines with this status.",
    "ref": "Only pipelines on this branch or tag.",
    "sha": "Only pipelines for this commit.",
    "source": "Only pipelines started by this source, such as trigger, schedule or push.",
    "username": "Only pipelines started by this user.",
    "scope": "Only these pipelines: running, pending, finished, branches or tags.",
    "name": "Only pipelines with this name.",
    "created-after": "Only pipelines created after this time (ISO 8601).",
    "created-before": "Only pipelines created before this time (ISO 8601).",
    "updated-after": "Only pipelines updated after this time (ISO 8601).",
    "updated-before": "Only pipelines updated before this time (ISO 8601).",
    "order-by": "Sort by id, status, ref, updated_at or user_id.",
    "sort": "Sort order: asc or desc.",
}
"""The filters of https://docs.gitlab.com/api/pipelines/#list-project-pipelines."""


def _limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    limit = click.option(
        "--limit", type=click.IntRange(min=1), default=30, show_default=True, help="Show at most this many rows."
    )
    return click.option("--all", "every", is_flag=True, help="Show all rows.")(limit(command))


def _filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for name, help in reversed(tuple(_FILTERS.items())):
        command = click.option(f"--{name}", f"filter_{name.replace('-', '_')}", metavar="TEXT", help=help)(command)
    return command


@verb_command(
    "pipelines",
    examples=(
        "cibeacon dataops pipelines --project 42 --status failed",
        "cibeacon dataops pipelines --project 42 --ref main --limit 5 --format json",
    ),
)
@_filter_options
@_limit_options
@dataops_flags(*_PROJECT)
def pipelines_command(env: Environment, /, **arguments: Any) -> int:
    """List the project's pipelines, newest first."""
    filters = {name[7:]: arguments.pop(name) for name in list(arguments) if name.startswith("filter_")}
    filters = {name: value for name, value in filters.items() if value is not None}
    return _list(env, arguments, "pipelines", "read", _PIPELINES, lambda client: client.pipelines(filters))


@verb_command(
    "jobs",
    examples=("cibeacon dataops jobs 1234 --project 42", "cibeacon dataops jobs --project 42 --scope failed --all"),
)
@click.argument("pipeline", required=False, type=click.IntRange(min=1))
@click.option("--scope", multiple=True, metavar="STATUS", help="Only jobs with this status. Repeatable.")
@click.option("--include-retried", is_flag=True, help="Also show attempts that were retried; needs PIPELINE.")
@_limit_options
@dataops_flags(*_PROJECT)
def jobs_command(
    env: Environment, /, pipeline: int | None, scope: tuple[str, ...], include_retried: bool, **arguments: Any
) -> int:
    """List the jobs of PIPELINE or, without it, of the whole project, newest first. A CI job token is enough for this."""
    filters: dict[str, Any] = {"scope[]": list(scope)} if scope else {}
    if include_retried:
        filters["include_retried"] = "true"
    path = f"pipelines/{pipeline}/jobs" if pipeline else "jobs"
    return _list(env, arguments, path, "list jobs", _JOBS, lambda client: client.jobs(filters, pipeline or 0))


def _list(
    env: Environment,
    arguments: dict[str, Any],
    path: str,
    power: Power,
    columns: Columns,
    read: Callable[[PipelinesClient], Iterable[ApiRecord]],
) -> int:
    """Reads the list at `path` of the API and shows each page as it arrives; the JSON document has all pages."""
    limit, every, kind = arguments.pop("limit"), arguments.pop("every"), path.rpartition("/")[2]

    def work(verb: DataopsVerb) -> int:
        access = verb.access
        if verb.dry_run:
            return verb.preview(("GET", f"{access.api}/{path}", None))
        client = verb.open_client(access.require(power), patient=True)
        records = islice(read(client), None if every else limit)
        gathered: list[ApiRecord] = []
        is_empty = True
        while page := list(islice(records, PAGE)):
            is_empty = False
            if verb.settings.as_json:
                gathered += page
            else:
                verb.print_text(record_table(env, columns, page))
        if is_empty and not verb.settings.as_json:
            verb.print_text(f"No {kind} found.")
        return verb.answer({kind: gathered})

    return run(env, arguments, work)


def _show_command(kind: str, help: str, read: Callable[[PipelinesClient, int], ApiRecord]) -> click.Command:
    """The verb that shows one record of a kind."""

    examples = (
        f"cibeacon dataops {kind} 1234 --project 42",
        f"cibeacon dataops {kind} 1234 --project 42 --jq .{kind}.status",
    )

    @verb_command(kind, help=help, examples=examples)
    @click.argument("number", metavar=kind.upper(), type=click.IntRange(min=1))
    @dataops_flags(*_PROJECT)
    def command(env: Environment, /, number: int, **arguments: Any) -> int:
        def work(verb: DataopsVerb) -> int:
            access = verb.access
            if verb.dry_run:
                return verb.preview(("GET", f"{access.api}/{kind}s/{number}", None))
            record = read(verb.open_client(access.require("read"), patient=True), number)
            fields = {name: value for name, value in record.items() if not isinstance(value, dict | list | None)}
            if not verb.settings.as_json:
                verb.print_text(details(fields, _WIDTH))
            return verb.answer({kind: dict(record)})

        return run(env, arguments, work)

    return command


pipeline_command = _show_command(
    "pipeline",
    "Show PIPELINE. Exits 0 whatever its status; use wait to exit with its result.",
    PipelinesClient.pipeline,
)
job_command = _show_command("job", "Show JOB. Exits 0 whatever its status.", PipelinesClient.job)


@verb_command(
    "log", examples=("cibeacon dataops log 5678 --project 42", "cibeacon dataops log 5678 --project 42 --follow")
)
@click.argument("number", metavar="JOB", type=click.IntRange(min=1))
@click.option("--follow", is_flag=True, help="Keep printing until the job has ended.")
@dataops_flags(*_LOG)
def log_command(env: Environment, /, number: int, follow: bool, **arguments: Any) -> int:
    """Print the log of JOB, the whole log unless --log-limit is given. The runner does not run commands in it."""
    return run(env, arguments, lambda verb: _print_log(verb, number, follow=follow), waits=lambda _: True)


def _print_log(verb: DataopsVerb, number: int, *, follow: bool) -> int:
    access = verb.access
    if verb.dry_run:
        return verb.preview(("GET", f"{access.api}/jobs/{number}/trace", None))
    env, policy = verb.env, WaitPolicy()
    client = verb.open_client(access.require("read"), verb.options.dataops_wait_timeout)
    job = PipelineJob.read(client.job(number), access.project)
    limit = verb.options.dataops_log_limit if verb.settings.given("dataops_log_limit") else 0
    log = open_log(client, job, limit, verb.clean)
    failing_since: float | None = None
    while True:
        is_over = job.is_over or not follow
        try:
            verb.print_foreign_lines(log.new_lines(is_over=is_over))
            if is_over or log.is_done or not verb.is_read:
                return verb.answer({"job": job._asdict(), "bytes": log.offset})
            env.sleep(_PAUSE)
            job = PipelineJob.read(client.job(number), access.project)
            failing_since = None
        except DataopsError as error:
            failing_since = env.clock() if failing_since is None else failing_since
            if not follow or error.refused or env.clock() - failing_since > policy.tolerance:
                raise
            env.sleep(max(_PAUSE, min(error.retry_after, policy.longest_retry_after)))
