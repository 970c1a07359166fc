"""`cibeacon dataops schedule`: makes a schedule, or makes the one that is there what it should be."""

from __future__ import annotations

import click

from cibeacon.cli.dataops_context import Stage, run, worded
from cibeacon.cli.flags import flags
from cibeacon.dataops import schedule
from cibeacon.dataops.client import Client
from cibeacon.dataops.token_scopes import Wish
from cibeacon.runtime.environment import Environment

_TAKEN = ("dataops_url", "dataops_project", "dataops_ref", "dataops_pipeline_file", "dataops_variables")


@click.command("schedule")
@click.option(
    "--description", required=True, metavar="TEXT", help="What it is called; with the ref it tells schedules apart."
)
@click.option("--cron", required=True, metavar="TEXT", help='When, in five fields, such as "0 1 * * 5".')
@click.option("--cron-timezone", metavar="TEXT", help="Time zone as the server knows it. Default: the server's, UTC.")
@click.option("--active/--inactive", default=None, help="Whether it runs. Default: as it is; a new one does.")
@click.option(
    "--var", "extra", multiple=True, metavar="NAME=VALUE", help="A variable of its pipelines; may be repeated."
)
@flags("dataops", short="dataops_", only=_TAKEN)
@flags("core", "output", only=("dry_run", "timeout", "allow_http", "format", "jq"))
@click.pass_obj
def schedule_command(
    env: Environment,
    /,
    description: str,
    cron: str,
    cron_timezone: str | None,
    active: bool | None,
    extra: tuple[str, ...],
    **arguments: str | bool | None,
) -> int:
    """Make a schedule, or change the one of that description and ref. Run twice, there is still one."""

    def work(stage: Stage) -> int:
        ref = stage.settings.dataops.dataops_ref or ""
        wanted = schedule.Wanted(description, ref, cron, cron_timezone, active, stage.variables)
        return _settle(stage, wanted)

    return run(env, worded(arguments, extra), work)


def _settle(stage: Stage, wanted: schedule.Wanted) -> int:
    access = stage.access
    if fault := schedule.impossible(wanted):
        raise fault
    if stage.dry_run:
        place = f"{access.api}/pipeline_schedules"
        variables = [
            ("POST", f"{place}/{{schedule id}}/variables", {"key": key, "value": value})
            for key, value in wanted.variables.items()
        ]
        return stage.preview(("POST", place, wanted.body), *variables)
    client = Client(stage.allowed(Wish(change=True)), stage.env.now, lambda: stage.left, stage.env.sleep)
    found = schedule.settled(client, wanted)
    number, changed = found.record.get("id"), f" ({', '.join(found.changed)})" if found.changed else ""
    stage.say(
        f"schedule    {number} {found.done}{changed}, next run {found.record.get('next_run_at') or 'not planned'}"
    )
    stage.document(
        {
            "status": found.done,
            "exit_code": 0,
            "schedule": dict(found.record),
            "changed": list(found.changed),
        }
    )
    return 0
