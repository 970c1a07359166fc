"""`cibeacon services`: which services changed, and why."""

from __future__ import annotations

import re
from importlib import import_module

import click

from cibeacon.cli import verbs
from cibeacon.cli.flags import flags, given
from cibeacon.cli.plain import GROUPS
from cibeacon.process.sections import interruptible
from cibeacon.process.world import World

VIEWS = {"list": "list_services", "which": "which_service", "check": "check_map"}
"""Verb → its command in `service_map`."""


class Views(click.Group):
    """The verbs about the map itself, imported when they are called."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The verbs, in the order of use."""
        return list(VIEWS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The verb's command."""
        if name not in VIEWS:
            return None
        found: click.Command = getattr(import_module("cibeacon.cli.service_map"), VIEWS[name])
        return found


@click.group("services", cls=Views, invoke_without_command=True)
@flags(*GROUPS["services"])
@click.option("--files-from", metavar="FILE", help="Take changed paths from a file (- for stdin), a line or NUL each.")
@click.pass_context
def command(context: click.Context, /, files_from: str | None, **arguments: str | bool | None) -> int:
    """Show which services changed between two commits, with the reason for each. Sends nothing.

    The commands below look at the service map itself.
    """
    if context.invoked_subcommand:
        return 0
    world: World = context.obj
    return verbs.services(world, given(arguments), _paths(world, files_from) if files_from else None)


def _paths(world: World, source: str) -> list[str]:
    """The paths in a list that some other tool wrote."""
    if source == "-":
        with interruptible():
            text = world.stdin.read()
    else:
        try:
            text = (world.cwd / source).read_text(encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise click.BadParameter(f"{source} cannot be read: {error.strerror}") from error
    return [path for path in re.split(r"\0" if "\0" in text else r"\r?\n", text) if path]
