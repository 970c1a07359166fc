"""A group of verbs whose files are imported when they are called, and not for the list of them. Does not know any verb."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click


class Verb(NamedTuple):
    """Where a verb's command is, as `file:name` among the files of the command line; and what the list says of it."""

    location: str
    help: str


class Verbs(click.Group):
    """A group that imports a command when it is called."""

    def __init__(self, *arguments: Any, verbs: Mapping[str, Verb], **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._verbs = verbs

    def list_commands(self, context: click.Context) -> list[str]:
        """The verbs, in the order of use."""
        return list(self._verbs)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The verb's command from its file."""
        if name not in self._verbs:
            return None
        file, _, attribute = self._verbs[name].location.partition(":")
        command: click.Command = getattr(import_module(f"cibeacon.cli.{file}"), attribute)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs for --help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in self._verbs.items()])
