"""`cibeacon dataops log`: a job's log, made harmless, and followed while it grows. Memory stays the same however long it is."""

from __future__ import annotations

import click

from cibeacon.cli.dataops_context import Stage, run
from cibeacon.cli.flags import flags, given
from cibeacon.dataops.client import Client
from cibeacon.dataops.errors import Fault
from cibeacon.dataops.joblogs import Reading
from cibeacon.dataops.records import Job
from cibeacon.dataops.token_scopes import Wish
from cibeacon.dataops.waiting import Policy
from cibeacon.runtime.environment import Environment

_TAKEN = ("dataops_url", "dataops_project", "dataops_log_limit", "dataops_wait_timeout")
_PAUSE = 3.0


@click.command("log")
@click.argument("number", metavar="JOB", type=click.IntRange(min=1))
@click.option("--follow", is_flag=True, help="Go on until the job is over.")
@flags("dataops", short="dataops_", only=_TAKEN)
@flags("core", "output", only=("dry_run", "timeout", "allow_http", "format", "jq"))
@click.pass_obj
def log_command(env: Environment, /, number: int, follow: bool, **arguments: str | bool | None) -> int:
    """Print the log of JOB: all of it, unless --log-limit is given. Nothing in it is obeyed by the runner."""
    return run(env, given(arguments), lambda stage: _log(stage, number, follow=follow), lambda _: True)


def _log(stage: Stage, number: int, *, follow: bool) -> int:
    if stage.dry_run:
        return stage.preview(("GET", f"{stage.access.api}/jobs/{number}/trace", None))
    env, told, access = stage.env, stage.settings.dataops, stage.allowed(Wish(read=True))
    until = env.clock() + told.dataops_wait_timeout
    client = Client(access, env.now, lambda: until - env.clock())
    job = Job.read(client.job(number), access.project)
    limit = told.dataops_log_limit if stage.settings.given("dataops_log_limit") else 0
    reading = Reading(client, job, limit, stage.clean)
    troubled: float | None = None
    while True:
        over = job.over or not follow
        try:
            stage.foreign(reading.more(over=over))
            if over or reading.full or stage.unheard:
                break
            env.sleep(_PAUSE)
            job = Job.read(client.job(number), access.project)
            troubled = None
        except Fault as fault:
            now = env.clock()
            troubled = now if troubled is None else troubled
            if not follow or fault.refused or now - troubled > Policy().tolerance:
                raise
            env.sleep(max(_PAUSE, min(fault.later, Policy().longest_pause)))
    stage.document({"status": "success", "exit_code": 0, "job": job._asdict(), "bytes": reading.offset})
    return 0
