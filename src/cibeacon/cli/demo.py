"""`cibeacon demo`: the whole story in one command."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from cibeacon.cli.help_page import verb
from cibeacon.cli.output import say
from cibeacon.cli.sandbox import wait_for_interrupt
from cibeacon.cli.tables import table
from cibeacon.demo.story import Story, holdings
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.shutdown import interruptible
from cibeacon.sandbox.account import TOKEN
from cibeacon.sandbox.server import Sandbox


@verb("demo", examples=("cibeacon demo", "cibeacon demo --serve"))
@click.option("--serve", is_flag=True, help="Keep the sandbox and its page until Ctrl-C.")
@click.pass_obj
def command(env: Environment, /, serve: bool) -> int:
    """Try everything on this machine: a sandbox, a small monorepo, merged pull requests, a push and a failing run.

    Exits 0 if the sandbox received exactly what it should have, and 1 otherwise.
    """
    with (
        tempfile.TemporaryDirectory(prefix="cibeacon-demo-") as folder,
        Sandbox(token=TOKEN) as sandbox,
        interruptible(),
    ):
        say(env, f"The sandbox plays DX at {sandbox.url}; nothing leaves this machine.\n\n")
        story = Story(Path(folder).resolve(), env.environ, sandbox, env.now())
        is_broken = False
        for act in story.acts():
            say(env, "".join(f"{line}\n" for line in (f"▶ {act.title}", *(f"  {line}" for line in act.lines), "")))
            is_broken = is_broken or act.code != 0
        for holding in holdings(sandbox.document()):
            say(env, f"What DX holds: {holding.title}\n{table(env, holding.heads, holding.rows)}\n")
        faults = story.faults()
        say(env, "".join(f"✗ {fault}\n" for fault in faults))
        if not faults and not is_broken:
            say(env, "✓ The sandbox holds exactly what is true.\n")
        if serve:
            say(env, f"\nLook at {sandbox.url}; end with Ctrl-C.\n")
            wait_for_interrupt(env)
        else:
            say(env, "\nTo look around in the sandbox's page, run it with --serve.\n")
        return int(bool(faults) or is_broken)
