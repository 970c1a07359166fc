"""`cibeacon report`: the main job."""

from __future__ import annotations

import click

from cibeacon.cli.flags import flags, given
from cibeacon.cli.report_view import run_report
from cibeacon.runtime.environment import Environment
from cibeacon.settings import SINK_GROUPS


@click.command("report")
@flags("core", "output", "change", "deploy", "run", "forge", *SINK_GROUPS, dry_run_outside_ci=True)
@click.pass_obj
def command(env: Environment, /, **arguments: str | bool | None) -> int:
    """Report this run to DX, DCI and Instabase: services, deployments, its status, jobs and their files, reviewers.

    Secrets have no flag: give them as DX_API_TOKEN, DCI_API_SECRET and CIBEACON_FLOW_TOKEN. Outside CI this is a dry
    run. It always exits 0, unless --strict is given and something failed.
    """
    return run_report(env, given(arguments))
