"""`cibeacon flow`: lists Instabase Flow pipelines, and assigns them to a job."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import click

from cibeacon.cli.flags import flags, given
from cibeacon.cli.help_page import HelpPage
from cibeacon.cli.output import say
from cibeacon.cli.query_view import show_query
from cibeacon.cli.report_view import present
from cibeacon.cli.tables import table
from cibeacon.flow_assign import assign as assigned
from cibeacon.model.report import Report
from cibeacon.model.request import Exchange
from cibeacon.runtime import Environment
from cibeacon.runtime.safe_text import Redactor, clipped
from cibeacon.settings import Settings, load_settings, secret_values
from cibeacon.sink_query import QueryResult
from cibeacon.sinks import flow
from cibeacon.sinks.dci_query import SinkRows
from cibeacon.sinks.flow_api import PREFIX

_SETTINGS = (
    *("dry_run", "timeout", "host", "allow_http", "strict", "format", "jq"),
    *("flow_url", "flow_context", "flow_list_path", "flow_client_cert"),
)
_WIDTH = 400


@click.group("flow")
def command() -> None:
    """List Instabase Flow pipelines, and assign them to a job. A job's pipelines decide who reviews its documents.

    Set the token as the variable CIBEACON_FLOW_TOKEN; --context is the organisation or user.
    """


@command.command(
    "list",
    cls=HelpPage,
    examples=(
        "cibeacon flow list --url https://www.instabase.com",
        "cibeacon flow list --name 'claims-*' --format json",
    ),
)
@click.option(
    "--name",
    default="*",
    metavar="GLOB",
    show_default=True,
    help="Only pipelines whose name matches, such as 'claims-*'.",
)
@flags("core", "output", "flow", only=_SETTINGS, short="flow_")
@click.pass_obj
def listing(env: Environment, /, name: str, **arguments: Any) -> int:
    """List the pipelines that the token can see, with its permissions. This is the quickest test of token and context."""
    path = load_settings(given(arguments), env.environ, {}).flow.flow_list_path

    def read(result: SinkRows) -> Exchange:
        return flow.list_pipelines(path, name, result.rows)

    return show_query(env, given(arguments), "pipelines", read, _lines, flow.NAME)


@command.command(
    "assign",
    cls=HelpPage,
    examples=("cibeacon flow assign 4711 --pipeline claims-review", "cibeacon flow assign 4711 --clear"),
)
@click.argument("job", required=False, metavar="[JOB]")
@click.option(
    "--pipeline", "names", multiple=True, metavar="NAME|UUID", help="Pipeline to assign to the job. Repeatable."
)
@click.option("--clear", is_flag=True, help="Remove all pipelines from the job.")
@flags("core", "output", "flow", only=(*_SETTINGS, "spool", "verbose"), short="flow_")
@click.pass_obj
def assign(env: Environment, /, job: str | None, names: tuple[str, ...], clear: bool, **arguments: Any) -> int:
    """Replace the pipelines of JOB (setting flow_job_id) with those given, and check the result.

    Without --pipeline, the pipelines in the setting flow_pipelines are assigned. A name that several pipelines share is
    rejected.
    """
    flags = given(arguments)
    if clear and names:
        raise click.UsageError("Give either --pipeline or --clear.")
    if job is not None:
        flags["flow_job_id"] = _filled(job, "JOB")
    if names:
        flags["flow_pipelines"] = json.dumps([_filled(name, "--pipeline") for name in names])

    def announce(pipelines: Sequence[str]) -> None:
        clean = Redactor(secret_values(env.environ))
        lines = [clipped(clean(f"will assign {name}"), _WIDTH) for name in pipelines or ["no pipeline"]]
        say(env, "".join(f"{line}\n" for line in lines), to_stderr=True)

    def work() -> tuple[Report, Settings]:
        return assigned(env, flags, announce, clear=clear)

    return present(env, load_settings(flags, env.environ, {}), work).exit_code


def _filled(text: str, name: str) -> str:
    """The text, which must not be empty: an empty variable in a script must not remove pipelines."""
    if not text.strip():
        raise click.UsageError(f"{name} is empty.")
    return text


def _lines(env: Environment, answer: QueryResult) -> Iterator[str]:
    rows = []
    for row in answer.rows:
        permissions, manager = row["permissions"], {True: "yes", False: "no"}.get(row["is_manager"])
        names = [str(name).removeprefix(PREFIX) for name in permissions] if isinstance(permissions, list) else None
        rows.append((row["name"], row["id"], names, manager))
    yield (
        table(env, ("pipeline", "id", "permissions", "manager"), rows) or "The token cannot see a matching pipeline.\n"
    )
