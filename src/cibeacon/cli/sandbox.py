"""`cibeacon sandbox`: the DX API on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from cibeacon.sandbox.server import Sandbox
from cibeacon.sanitise import clipped
from cibeacon.world import World


@click.command("sandbox")
@click.option("--port", type=click.IntRange(0, 65535), default=4700, show_default=True, help="0 takes any free port.")
@click.option("--token", default="sandbox", show_default=True, help="The API key that is good here.")
@click.pass_obj
def command(world: World, /, port: int, token: str) -> int:
    """Run the DX API on this machine, strict about everything that DX documents, with a page to look at."""
    sandbox = Sandbox(token=token, log=lambda entry: _log(world, entry))
    try:
        sandbox.start(port)
    except OSError as error:
        raise click.ClickException(
            f"Port {port} cannot be used: {error.strerror}. Choose another with --port."
        ) from error
    world.out.write(f"export CIBEACON_DX_URL={sandbox.url}\nexport DX_API_TOKEN={token}\n")
    world.err.write(f"The sandbox plays DX at {sandbox.url}; open it in a browser, end it with Ctrl-C.\n")
    world.out.flush()
    try:
        while True:
            world.sleep(3600)
    except KeyboardInterrupt:
        return 0
    finally:
        sandbox.stop()


def _log(world: World, entry: Mapping[str, Any]) -> None:
    error = f" {entry['error']}" if entry["error"] else ""
    world.err.write(clipped(f"{entry['status']}{error} {entry['path']} {json.dumps(entry['body'])}", 500) + "\n")
