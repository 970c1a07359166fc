"""`cibeacon demo`: the whole story in one command."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cibeacon.cli.sandbox import wait_for_interrupt
from cibeacon.demo.story import Holding, Story, holdings
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.interrupt_guard import interruptible
from cibeacon.sandbox.account import TOKEN
from cibeacon.sandbox.server import Sandbox


@click.command("demo")
@click.option("--serve", is_flag=True, help="Keep the sandbox and its page until Ctrl-C.")
@click.pass_obj
def command(env: Environment, /, serve: bool) -> int:
    """Show the whole story here: a sandbox, a small real monorepo, merged pull requests, a push, a failing run.

    Exits 0 when the sandbox holds exactly what is true, and 1 otherwise.
    """
    console = Console(file=env.out, highlight=False, soft_wrap=True)
    with (
        tempfile.TemporaryDirectory(prefix="cibeacon-demo-") as folder,
        Sandbox(token=TOKEN) as sandbox,
        interruptible(),
    ):
        console.print(Text(f"The sandbox plays DX at {sandbox.url}; nothing leaves this machine.\n"))
        story = Story(Path(folder).resolve(), env.environ, sandbox)
        broken = False
        for act in story.acts():
            console.print(Text(f"▶ {act.title}", style="bold"))
            console.print(Text("\n".join(f"  {line}" for line in act.lines) + "\n"))
            broken = broken or act.code != 0
        for holding in holdings(sandbox.ledger.document()):
            _show(console, holding)
        faults = story.faults()
        for fault in faults:
            console.print(Text(f"✗ {fault}", style="red"))
        if not faults and not broken:
            console.print(Text("✓ The sandbox holds exactly what is true.", style="green"))
        if serve:
            console.print(Text(f"\nLook at {sandbox.url}; end with Ctrl-C."))
            wait_for_interrupt(env)
        else:
            console.print(Text("\nTo look around in the sandbox's page, run it with --serve."))
        return int(bool(faults) or broken)


def _show(console: Console, holding: Holding) -> None:
    table = Table(title=f"What DX holds: {holding.title}", title_justify="left", title_style="bold")
    for head in holding.heads:
        table.add_column(head, overflow="fold")
    for row in holding.rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
    console.print()
