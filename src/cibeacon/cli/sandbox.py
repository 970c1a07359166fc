"""`cibeacon sandbox`: runs the vendors' APIs on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from cibeacon.cli.help_page import verb
from cibeacon.cli.output import say
from cibeacon.cli.spool_listing import SpoolListing
from cibeacon.runtime import Environment
from cibeacon.runtime.safe_text import clipped
from cibeacon.sandbox.dataops_account import DataOpsAccount
from cibeacon.sandbox.dx import TOKEN
from cibeacon.sandbox.outage import OrderError
from cibeacon.sandbox.server import Sandbox

_STEP = 2.0
"""Seconds that a pipeline step takes: slow enough to watch."""


@verb("sandbox", examples=("cibeacon sandbox", "cibeacon sandbox --port 8080 --db sandbox.db"))
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=4700,
    show_default=True,
    help="Port to listen on; 0 is any free port.",
)
@click.option(
    "--token", default=TOKEN, show_default=True, help="The Data Cloud API key of DX that the sandbox accepts."
)
@click.option("--db", type=click.Path(path_type=Path, dir_okay=False), help="SQLite file to keep the received data in.")
@click.option(
    "--spool", type=click.Path(path_type=Path), metavar="DIR", help="Spool folder whose waiting signals the page shows."
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="ORDER",
    help="Random faults, such as 'dx: 30% 503, 10% lost'. Repeatable.",
)
@click.pass_obj
def command(
    env: Environment, /, port: int, token: str, db: Path | None, spool: Path | None, faults: Sequence[str]
) -> int:
    """Run a sandbox of the vendors' APIs on this machine, with a web page.

    It prints the settings that point cibeacon to the sandbox; paste them into another shell.
    """
    try:
        sandbox = Sandbox(
            token=token,
            log=lambda entry: _log(env, entry),
            dataops=DataOpsAccount(step_seconds=_STEP),
            db=db and env.cwd / db,
            spool=SpoolListing(env, env.cwd / spool).document if spool else None,
        )
    except OSError as error:
        raise click.ClickException(f"{error}. Choose another file with --db.") from error
    try:
        for order in faults:
            sandbox.outage.order(order)
    except OrderError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from error
    try:
        sandbox.start(port)
    except OSError as error:
        raise click.ClickException(
            f"Port {port} cannot be used: {error.strerror}. Choose another with --port."
        ) from error
    say(env, "".join(f"export {name}={value}\n" for name, value in sandbox.exports.items()))
    *first, last = (vendor.app.title for vendor in sandbox.vendors.values())
    where = f"at {sandbox.url}; open it in a browser. Stop it with Ctrl-C."
    say(env, f"The sandbox simulates {', '.join(first)} and {last} {where}\n", to_stderr=True)
    wait_for_interrupt(env)
    sandbox.close()
    return 0


def wait_for_interrupt(env: Environment) -> None:
    """Sleeps until Ctrl-C."""
    try:
        while True:
            env.sleep(3600)
    except KeyboardInterrupt:
        return


def _log(env: Environment, entry: Mapping[str, Any]) -> None:
    error = f" {entry['error']}" if entry["error"] else ""
    line = clipped(f"{entry['status']}{error} {entry['path']} {json.dumps(entry['body'])}", 500)
    say(env, f"{line}\n", to_stderr=True)
