"""The command line as click reads it: finds the verb and imports its file only then. Does not know what a verb does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from io import StringIO

import click

from cibeacon import __version__
from cibeacon.process.world import World
from cibeacon.redact import Redactor
from cibeacon.sanitise import block
from cibeacon.settings import secret_values

VERBS: Mapping[str, str] = {
    "report": "Tell DX about this run: services, deployments, status.",
    "replay": "Send what could not leave before.",
    "services": "Show which services changed, and why.",
    "dci": "A job of DCI by hand, and what DCI has.",
    "dataops": "Start pipelines of DataOps.live or GitLab, wait for them, look at them.",
    "flow": "Flow pipelines of Instabase: list them, set those of a job.",
    "backfill": "Send history in bulk, or write it as files.",
    "sandbox": "Run the APIs of DX, DCI, DataOps.live and Instabase Flow on this machine, with a page to look at.",
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


class Refused(Exception):
    """A command line that cannot be obeyed, in the words of whoever read it."""


def run(argv: Sequence[str], world: World) -> int:
    """The exit code of a command line. Only a verb or flag that does not exist makes it 2."""
    try:
        return _parsed(argv, world)
    except click.ClickException as error:
        said = StringIO()
        error.show(said)
        world.err.write(block(Redactor(secret_values(world.environ))(said.getvalue())))
        return error.exit_code if world.stage == "whole" else 0


def obeyed(argv: Sequence[str], world: World) -> int:
    """The same for a caller who speaks for himself. Raises Refused where `run` would exit 2."""
    try:
        return _parsed(argv, world)
    except click.ClickException as error:
        raise Refused(error.format_message()) from error


def _parsed(argv: Sequence[str], world: World) -> int:
    try:
        code = cibeacon.main(args=list(argv), prog_name="cibeacon", standalone_mode=False, obj=world)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort as stop:
        raise KeyboardInterrupt from stop
    return code if isinstance(code, int) else 0
