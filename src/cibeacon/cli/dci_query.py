"""`cibeacon dci whoami`, `topics`, `components` and `jobs`: list what is in DCI. Outside CI they exit 1 on failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import click

from cibeacon.cli.flags import flags, given
from cibeacon.cli.help_page import verb
from cibeacon.cli.query_view import QueryLines, show_query
from cibeacon.cli.tables import Columns, details, field, record_table, table
from cibeacon.model.identifiers import is_uuid
from cibeacon.runtime import Environment
from cibeacon.runtime.safe_text import clipped
from cibeacon.settings import load_settings
from cibeacon.sink_query import QueryResult
from cibeacon.sinks import dci_query
from cibeacon.sinks.dci_api import can_be_queried

_SETTINGS = ("dry_run", "timeout", "host", "allow_http", "strict", "format", "jq", "dci_url", "dci_client_id")
_WIDTH = 500
_JOBS = 20
"""Number of jobs shown without --limit: a team has thousands."""
_TOPICS = Columns(topic="name", state="state", types="component_types", id="id")
_COMPONENTS = Columns(
    type="type", component="display_name", released="released_at", created="created_at", state="state", id="id"
)
_JOB_LIST = Columns(created="created_at", status="status", name="name", topic="topic.name", id="id")
_RESULTS = ("name", "total", "success", "failures", "errors", "skips", "regressions")
_PARTS = {
    "components": Columns(type="type", component="display_name", id="id"),
    "jobstates": Columns(at="created_at", state="status", comment="comment"),
    "files": Columns(file="name", type="mime", bytes="size"),
    "results": Columns({name: name for name in _RESULTS}),
    "keys_values": Columns(name="key", value="value"),
}
"""Parts of a job that are shown in separate tables."""


def _parse_where(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    conditions: dict[str, str] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name.replace("_", "").isalnum() or not name.isascii():
            raise click.BadParameter(f"{text} is not NAME=VALUE, such as status=failure")
        if not can_be_queried(value.removesuffix("*")):
            raise click.BadParameter(f"DCI cannot search for an empty value or one with a comma: {text}")
        conditions[name] = value
    return conditions


def _query_flags(*settings: str) -> Callable[[Any], Any]:
    """The flags of a query verb, which receives the environment."""
    only = (*_SETTINGS, *settings)
    return lambda function: flags("core", "output", "dci", only=only, short="dci_")(click.pass_obj(function))


def _list_flags(command: Callable[..., int]) -> Callable[..., int]:
    where = click.option(
        "--where",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_parse_where,
        help="Only rows with this value. Repeatable.",
    )
    limit = click.option("--limit", type=click.IntRange(min=1), metavar="NUMBER", help="Show at most this many rows.")
    return where(limit(command))


@verb("whoami", examples=("cibeacon dci whoami", "cibeacon dci whoami --format json"))
@_query_flags()
def whoami(env: Environment, /, **arguments: Any) -> int:
    """Show the remote CI that the credentials belong to, and its teams.

    This is the quickest test of client id, secret, clock and URL.
    """
    return show_query(env, given(arguments), "identity", dci_query.identity, _identity)


@verb("topics", examples=("cibeacon dci topics", "cibeacon dci topics --where 'name=OCP-4*'"))
@_list_flags
@_query_flags()
def topics(env: Environment, /, where: dict[str, str], limit: int | None, **arguments: Any) -> int:
    """List the topics that the remote CI may use."""
    read = partial(dci_query.topics, wanted=dci_query.RowFilter(where, limit))
    return show_query(env, given(arguments), "topics", read, _list(_TOPICS))


@verb(
    "components",
    examples=(
        "cibeacon dci components OCP-4.20 --latest",
        "cibeacon dci components OCP-4.20 --where type=ocp --limit 5",
    ),
)
@click.argument("topic")
@click.option("--latest", is_flag=True, help="Show only the latest active component of each type. See --latest-by.")
@_list_flags
@_query_flags("dci_latest_by")
def components(
    env: Environment, /, topic: str, latest: bool, where: dict[str, str], limit: int | None, **arguments: Any
) -> int:
    """List the components of TOPIC (a name or an id), the most recently released first."""
    if not can_be_queried(topic):
        raise click.BadParameter("DCI cannot find a topic whose name has a comma or ends in an asterisk: give its id")
    settings = load_settings(given(arguments), env.environ, {})
    latest_by = (settings.dci.dci_latest_by or "released") if latest else None
    wanted = dci_query.RowFilter(where, limit)
    read = partial(dci_query.components, topic=topic, wanted=wanted, latest_by=latest_by)
    return show_query(env, given(arguments), "components", read, _list(_COMPONENTS))


@verb(
    "jobs",
    examples=("cibeacon dci jobs --where status=failure", "cibeacon dci jobs 6cee7286-5d99-4a96-9949-200977f4be07"),
)
@click.argument("job_id", required=False, metavar="[ID]")
@_list_flags
@_query_flags()
def jobs(env: Environment, /, job_id: str | None, where: dict[str, str], limit: int | None, **arguments: Any) -> int:
    """List the team's newest jobs (20, or --limit), or show the job with this ID and its test results."""
    if job_id is None:
        read = partial(dci_query.jobs, wanted=dci_query.RowFilter(where, limit or _JOBS))
        return show_query(env, given(arguments), "jobs", read, _list(_JOB_LIST))
    if not is_uuid(job_id.lower()):
        raise click.BadParameter(f"{job_id} is not the id of a job")
    return show_query(env, given(arguments), "job", partial(dci_query.job, job_id=job_id.lower()), _job)


def _list(columns: Columns) -> QueryLines:
    def lines(env: Environment, answer: QueryResult) -> Iterator[str]:
        yield record_table(env, columns, answer.rows)
        shown, total = len(answer.rows), answer.total or 0
        if shown < total:
            yield f"{shown} of {total} {answer.name}\n"
        elif not shown:
            yield f"No {answer.name} found in DCI.\n"

    return lines


def _identity(env: Environment, answer: QueryResult) -> Iterator[str]:
    identity = answer.rows[0]
    kind = str(answer.settings.dci.dci_client_id).partition("/")[0]
    name = f"{kind}/{identity.get('id')} {identity.get('name') or ''}"
    yield f"{clipped(name.rstrip(), _WIDTH)}\n"
    given = identity.get("teams")
    teams = given.items() if isinstance(given, dict) else ()
    rows = [(number, field(team, "team_name"), field(team, "state")) for number, team in teams]
    yield table(env, ("team id", "team", "state"), rows)


def _job(env: Environment, answer: QueryResult) -> Iterator[str]:
    job = answer.rows[0]
    fields = {name: field(job, path) for name, path in {**_JOB_LIST, "url": "url", "tags": "tags"}.items()}
    yield details({name: value for name, value in fields.items() if value}, _WIDTH)
    for name, columns in _PARTS.items():
        records = job.get(name)
        if isinstance(records, list) and records:
            yield f"\n{record_table(env, columns, records)}"
