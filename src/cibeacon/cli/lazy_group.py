"""A group of verbs that imports a verb's file only when the verb is called. Does not know any verb."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from cibeacon.cli.help_page import HelpPage

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Verb(NamedTuple):
    """A verb of the list.

    `location` is the command as `file:name` in the package `cli`; `help` is its line in the list; `extra` is the extra of
    cibeacon that it needs, if any.
    """

    location: str
    help: str
    extra: str = ""


class Verbs(HelpPage, click.Group):
    """A group that imports a command only when it is called."""

    def __init__(self, *arguments: Any, verbs: Mapping[str, Verb], **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._verbs = verbs

    def list_commands(self, context: click.Context) -> list[str]:
        """The verbs, in the order of use."""
        return list(self._verbs)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Imports the verb's command."""
        if name not in self._verbs:
            return None
        verb = self._verbs[name]
        file, _, attribute = verb.location.partition(":")
        try:
            command: click.Command = getattr(import_module(f"cibeacon.cli.{file}"), attribute)
        except ModuleNotFoundError as error:
            if not verb.extra:
                raise
            raise click.ClickException(
                f"{name} needs {error.name}, which is not installed. Install it: pip install 'cibeacon[{verb.extra}]'"
            ) from error
        return command

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """The verbs and flags that begin with this text. Does not import verbs or need extras."""
        from click.shell_completion import CompletionItem  # only a shell needs it

        verbs = [
            CompletionItem(name, help=verb.help) for name, verb in self._verbs.items() if name.startswith(incomplete)
        ]
        return [*verbs, *click.Command.shell_complete(self, context, incomplete)]

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The flags, followed by the verbs."""
        super().format_options(context, formatter)
        self.format_commands(context, formatter)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs for --help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in self._verbs.items()])
