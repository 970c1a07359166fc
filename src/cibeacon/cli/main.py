"""The command `cibeacon`: finds the verb and imports its file only then, since start-up time is paid at every use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module

import click

from cibeacon import __version__
from cibeacon.world import World

VERBS: Mapping[str, str] = {
    "report": "Tell DX about this run: services, deployments, status.",
    "services": "Show which services changed, and why.",
    "sandbox": "Run the DX API on this machine, with a page to look at.",
    "demo": "Show the whole story here: sandbox, monorepo, merges, reports.",
}


class Verbs(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The verbs, in the order of use."""
        return list(VERBS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The verb's command from its file."""
        if name not in VERBS:
            return None
        command: click.Command = import_module(f"cibeacon.cli.{name}").command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs for --help, without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.command(cls=Verbs, name="cibeacon", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cibeacon", message="%(prog)s %(version)s")
def cibeacon() -> None:
    """Tells the systems that want to know what a CI run did, without ever breaking the build."""


def run(argv: Sequence[str], world: World) -> int:
    """The exit code of a command line. Only a verb or flag that does not exist makes it 2."""
    try:
        code = cibeacon.main(args=list(argv), prog_name="cibeacon", standalone_mode=False, obj=world)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show(world.err)
        return error.exit_code if world.stage == "whole" else 0
    except click.Abort:
        world.err.write("cibeacon was interrupted.\n")
        return 0
    return code if isinstance(code, int) else 0
