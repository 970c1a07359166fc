"""`cibeacon dataops pipelines`, `pipeline`, `jobs` and `job`: what there is, as a table or as JSON, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import click

from cibeacon.cli.dataops_context import Stage, run
from cibeacon.cli.flags import flags, given
from cibeacon.dataops import tables
from cibeacon.dataops.client import PAGE, Client, Record
from cibeacon.dataops.token_scopes import Wish
from cibeacon.runtime.environment import Environment

_TAKEN = ("dataops_url", "dataops_project")
_OURS = ("dry_run", "timeout", "allow_http", "format", "jq")
_FILTERS: Mapping[str, str] = {
    "status": "Only of this status.",
    "ref": "Only of this branch or tag.",
    "sha": "Only of this commit.",
    "source": "Only from this source, such as trigger, schedule or push.",
    "username": "Only of this user.",
    "scope": "running, pending, finished, branches or tags.",
    "name": "Only of this name.",
    "created-after": "Only made after this time (ISO 8601).",
    "created-before": "Only made before this time.",
    "updated-after": "Only changed after this time.",
    "updated-before": "Only changed before this time.",
    "order-by": "id, status, ref, updated_at or user_id.",
    "sort": "asc or desc.",
}
"""The filters of https://docs.gitlab.com/api/pipelines/#list-project-pipelines."""


def _limited(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option("--limit", type=click.IntRange(min=1), default=30, show_default=True, help="Most rows.")(
        command
    )
    return click.option("--all", "whole", is_flag=True, help="Every row, however many there are.")(command)


def _filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    for name, help in reversed(tuple(_FILTERS.items())):
        command = click.option(f"--{name}", f"filter_{name.replace('-', '_')}", metavar="TEXT", help=help)(command)
    return command


@click.command("pipelines")
@_filtered
@_limited
@flags("dataops", short="dataops_", only=_TAKEN)
@flags("core", "output", only=_OURS)
@click.pass_obj
def pipelines_command(env: Environment, /, limit: int, whole: bool, **arguments: Any) -> int:
    """List the project's pipelines, the newest first."""
    filters = {
        name.removeprefix("filter_"): arguments.pop(name) for name in list(arguments) if name.startswith("filter_")
    }
    filters = {name: value for name, value in filters.items() if value is not None}

    def work(stage: Stage) -> int:
        if stage.dry_run:
            return stage.preview(("GET", f"{stage.access.api}/pipelines", None))
        client = Client(stage.allowed(Wish(read=True)), env.now, lambda: stage.left, stage.env.sleep)
        return _table(stage, "pipelines", client.pipelines(filters), tables.PIPELINES, None if whole else limit)

    return run(env, given(arguments), work)


@click.command("jobs")
@click.argument("pipeline", required=False, type=click.IntRange(min=1))
@click.option("--scope", multiple=True, metavar="STATUS", help="Only jobs of this status; may be repeated.")
@click.option("--include-retried", is_flag=True, help="Also attempts that were repeated (of one pipeline).")
@_limited
@flags("dataops", short="dataops_", only=_TAKEN)
@flags("core", "output", only=_OURS)
@click.pass_obj
def jobs_command(
    env: Environment,
    /,
    pipeline: int | None,
    scope: tuple[str, ...],
    include_retried: bool,
    limit: int,
    whole: bool,
    **arguments: str | bool | None,
) -> int:
    """List the jobs of PIPELINE, or of the whole project, the newest first. A job token may do this, too."""
    filters: dict[str, Any] = {"scope[]": list(scope)} if scope else {}
    if include_retried:
        filters["include_retried"] = "true"

    def work(stage: Stage) -> int:
        if stage.dry_run:
            below = f"/pipelines/{pipeline}/jobs" if pipeline else "/jobs"
            return stage.preview(("GET", f"{stage.access.api}{below}", None))
        client = Client(stage.allowed(Wish(list_jobs=True)), env.now, lambda: stage.left, stage.env.sleep)
        return _table(stage, "jobs", client.jobs(filters, pipeline or 0), tables.JOBS, None if whole else limit)

    return run(env, given(arguments), work)


@click.command("pipeline")
@click.argument("number", metavar="PIPELINE", type=click.IntRange(min=1))
@flags("dataops", short="dataops_", only=_TAKEN)
@flags("core", "output", only=_OURS)
@click.pass_obj
def pipeline_command(env: Environment, /, number: int, **arguments: str | bool | None) -> int:
    """Show PIPELINE. Exits 0 whatever its status is: wait is for that."""
    return run(
        env, given(arguments), lambda stage: _one(stage, "pipeline", number, lambda client: client.pipeline(number))
    )


@click.command("job")
@click.argument("number", metavar="JOB", type=click.IntRange(min=1))
@flags("dataops", short="dataops_", only=_TAKEN)
@flags("core", "output", only=_OURS)
@click.pass_obj
def job_command(env: Environment, /, number: int, **arguments: str | bool | None) -> int:
    """Show JOB. Exits 0 whatever its status is."""
    return run(env, given(arguments), lambda stage: _one(stage, "job", number, lambda client: client.job(number)))


def _one(stage: Stage, kind: str, number: int, ask: Callable[[Client], Record]) -> int:
    if stage.dry_run:
        return stage.preview(("GET", f"{stage.access.api}/{kind}s/{number}", None))
    record = ask(Client(stage.allowed(Wish(read=True)), stage.env.now, lambda: stage.left, stage.env.sleep))
    if not stage.as_json:
        stage.lines(stage.clean(text) for text in tables.details(record))
    stage.document({"status": "success", "exit_code": 0, kind: dict(record)})
    return 0


def _table(stage: Stage, kind: str, records: Iterable[Record], columns: tables.Columns, limit: int | None) -> int:
    """Rows as they come, a page at a time; for the JSON document they are gathered."""
    gathered: list[Record] = []
    shown = 0
    for page in _pages(islice(records, limit)):
        if stage.as_json:
            gathered += page
            continue
        rows = tables.rows(page, columns)
        stage.lines(map(stage.clean, tables.aligned(rows, () if shown else tuple(columns))))
        shown += len(rows)
    if not (shown or stage.as_json):
        stage.lines([f"There are no {kind}."])
    stage.document({"status": "success", "exit_code": 0, kind: [dict(each) for each in gathered]})
    return 0


def _pages(records: Iterable[Record]) -> Iterator[list[Record]]:
    found = iter(records)
    while page := list(islice(found, PAGE)):
        yield page
