"""`cibeacon dci whoami`, `topics`, `components` and `jobs`: what DCI has. They exit 1 where it does not say, outside CI."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import click

from cibeacon.cli.dci_output import Look, shown
from cibeacon.cli.flags import flags, given
from cibeacon.cli.tables import table
from cibeacon.model.identifiers import is_uuid
from cibeacon.model.payload import at
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.sanitize import clipped
from cibeacon.settings import load_settings
from cibeacon.sink_query import Answer
from cibeacon.sinks import dci_query as reading
from cibeacon.sinks.dci_calls import can_be_asked_for

_TAKEN = (
    *("dry_run", "timeout", "host", "allow_http", "strict", "format", "jq", "dci_url", "dci_client_id"),
)  # fmt: skip
_WIDTH = 500
_JOBS = 20
"""Jobs that are shown where nobody says how many: a team has thousands."""
Columns: TypeAlias = Mapping[str, Sequence[str]]
_TOPICS: Columns = {"topic": ("name",), "state": ("state",), "types": ("component_types",), "id": ("id",)}
_COMPONENTS: Columns = {
    "type": ("type",),
    "component": ("display_name",),
    "released": ("released_at",),
    "created": ("created_at",),
    "state": ("state",),
    "id": ("id",),
}
_LIST: Columns = {
    "created": ("created_at",),
    "status": ("status",),
    "name": ("name",),
    "topic": ("topic", "name"),
    "id": ("id",),
}
"""Heading → where its cells stand in a row."""
_STATES: Columns = {"at": ("created_at",), "state": ("status",), "comment": ("comment",)}
_FILES: Columns = {"file": ("name",), "type": ("mime",), "bytes": ("size",)}
_RESULTS: Columns = {
    name: (name,) for name in ("name", "total", "success", "failures", "errors", "skips", "regressions")
}
_VALUES: Columns = {"name": ("key",), "value": ("value",)}
_PARTS: Mapping[str, Columns] = {
    "components": {"type": ("type",), "component": ("display_name",), "id": ("id",)},
    "jobstates": _STATES,
    "files": _FILES,
    "results": _RESULTS,
    "keys_values": _VALUES,
}
"""What of a job is shown in tables of their own."""


def _where(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in given:
        name, sign, value = each.partition("=")
        if not sign or not name.replace("_", "").isalnum() or not name.isascii():
            raise click.BadParameter(f"{each} is not NAME=VALUE, such as status=failure")
        if not can_be_asked_for(value.removesuffix("*")):
            raise click.BadParameter(f"DCI cannot be asked for an empty value or one with a comma: {each}")
        found[name] = value
    return found


_wanted = (
    click.option("--where", multiple=True, metavar="NAME=VALUE", callback=_where, help="Only rows that hold this value."),
    click.option("--limit", type=click.IntRange(min=1), metavar="NUMBER", help="At most so many rows."),
)  # fmt: skip


def _filters(command: Callable[..., int]) -> Callable[..., int]:
    for option in reversed(_wanted):
        command = option(command)
    return command


@click.command("whoami")
@flags("core", "output", "dci", only=_TAKEN, short="dci_")
@click.pass_obj
def whoami(env: Environment, /, **arguments: str | bool | None) -> int:
    """Show which remote CI signs, and for which teams: the quickest check of id, secret, clock and address."""
    return shown(env, given(arguments), "identity", reading.identity, _identity)


@click.command("topics")
@_filters
@flags("core", "output", "dci", only=_TAKEN, short="dci_")
@click.pass_obj
def topics(env: Environment, /, where: dict[str, str], limit: int | None, **arguments: str | bool | None) -> int:
    """List the topics that this remote CI may use."""
    wanted = reading.Wanted(where, limit)
    return shown(env, given(arguments), "topics", partial(reading.topics, wanted=wanted), _listed(_TOPICS))


@click.command("components")
@click.argument("topic")
@click.option(
    "--latest", is_flag=True, help="Only the latest of each type that is in use: the last released (see --latest-by)."
)
@_filters
@flags("core", "output", "dci", only=(*_TAKEN, "dci_latest_by"), short="dci_")
@click.pass_obj
def components(
    env: Environment,
    /,
    topic: str,
    latest: bool,
    where: dict[str, str],
    limit: int | None,
    **arguments: str | bool | None,
) -> int:
    """List the components of TOPIC (its name or id), the last released first."""
    if not can_be_asked_for(topic):
        raise click.BadParameter("DCI can look up no topic with a comma or an asterisk at its end: give its id")
    told = given(arguments)
    latest_by = (load_settings(told, env.environ, {}).dci.dci_latest_by or "released") if latest else None
    read = partial(reading.components, topic=topic, wanted=reading.Wanted(where, limit), latest_by=latest_by)
    return shown(env, told, "components", read, _listed(_COMPONENTS))


@click.command("jobs")
@click.argument("job_id", required=False, metavar="[ID]")
@_filters
@flags("core", "output", "dci", only=_TAKEN, short="dci_")
@click.pass_obj
def jobs(
    env: Environment,
    /,
    job_id: str | None,
    where: dict[str, str],
    limit: int | None,
    **arguments: str | bool | None,
) -> int:
    """List the team's jobs, the newest 20 unless --limit says otherwise; or show the job of one ID with its results."""
    if job_id:
        if not is_uuid(job_id.lower()):
            raise click.BadParameter(f"{job_id} is not the id of a job")
        read = partial(reading.job, job_id=job_id.lower())
        return shown(env, given(arguments), "job", read, _job)
    wanted = reading.Wanted(where, limit or _JOBS)
    return shown(env, given(arguments), "jobs", partial(reading.jobs, wanted=wanted), _listed(_LIST))


def _listed(columns: Columns) -> Look:
    def look(env: Environment, answer: Answer) -> Iterator[str]:
        yield _table(env, columns, answer.rows)
        shown, total = len(answer.rows), answer.total or 0
        if shown < total:
            yield f"{shown} of {total} {answer.name}\n"
        elif not shown:
            yield f"DCI has no such {answer.name}.\n"

    return look


def _table(env: Environment, columns: Columns, rows: Sequence[Mapping[str, Any]]) -> str:
    return table(env, list(columns), [[_cell(at(row, *path)) for path in columns.values()] for row in rows])


def _cell(value: Any) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _identity(env: Environment, answer: Answer) -> Iterator[str]:
    who = answer.rows[0]
    teams = who.get("teams")
    rows = (
        [(name, at(team, "team_name"), at(team, "state")) for name, team in teams.items()]
        if isinstance(teams, dict)
        else []
    )
    kind = str(answer.settings.dci.dci_client_id).partition("/")[0]
    yield clipped(f"{kind}/{who.get('id')} {who.get('name') or ''}".rstrip(), _WIDTH) + "\n"
    yield table(env, ("team id", "team", "state"), rows)


def _job(env: Environment, answer: Answer) -> Iterator[str]:
    job = answer.rows[0]
    about = {name: path for name, path in {**_LIST, "url": ("url",), "tags": ("tags",)}.items() if at(job, *path)}
    width = max(map(len, about), default=0)
    for name, path in about.items():
        yield clipped(f"{name:<{width}}  {_cell(at(job, *path))}", _WIDTH) + "\n"
    for name, columns in _PARTS.items():
        rows = job.get(name)
        if isinstance(rows, list) and rows:
            yield "\n" + _table(env, columns, rows)
