"""`cibeacon report`: the main job."""

from __future__ import annotations

import click

from cibeacon import app
from cibeacon.cli.flags import flags, given
from cibeacon.cli.present import present
from cibeacon.world import World


@click.command("report")
@flags("core", "output", "change", "deploy", "run", "dx")
@click.pass_obj
def command(world: World, /, **arguments: str | bool | None) -> int:
    """Tell DX about this run: changed services, deployments, the status of the run.

    Secrets have no flag: give the token as DX_API_TOKEN. Outside CI this is a dry run. It always exits 0, unless
    --strict is given and something failed.
    """
    told = given(arguments)
    return present(world, told, lambda: app.report(world, told)).exit_code
