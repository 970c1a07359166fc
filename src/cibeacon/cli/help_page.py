"""Formats the help of a verb: usage, examples, the common flags, then every flag by topic. Does not know any verb."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import click

_ALL = "cibeacon.help_all"
"""Key in the click context that `--help-all` sets."""


Decorator: TypeAlias = Callable[[Callable[..., Any]], "HelpPage"]


class SettingFlag(click.Option):
    """A flag that is a setting; `topic` is the heading that it is listed under."""

    def __init__(self, *arguments: Any, topic: str, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.topic = topic


def _show_all(context: click.Context, parameter: click.Parameter, given: bool) -> None:
    if given and not context.resilient_parsing:
        context.meta[_ALL] = True
        click.echo(context.get_help(), color=context.color)
        context.exit()


_HELP_ALL = click.Option(
    ["--help-all"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_all,
    help="Show all flags by topic.",
)


class HelpPage(click.Command):
    """A command with examples. With `common`, its help shows only those settings and `--help-all` the rest."""

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), common: Sequence[str] = (), **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.examples, self.common = examples, common

    def get_params(self, context: click.Context) -> list[click.Parameter]:
        """All parameters, including the help flags."""
        return [*super().get_params(context), *([_HELP_ALL] if self.common else ())]

    def format_help_text(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The description and the examples."""
        super().format_help_text(context, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The flags: the verb's own, the common ones, the others by topic, and the help flags last."""
        flags = [parameter for parameter in self.get_params(context) if isinstance(parameter, click.Option)]
        of_help = [flag for flag in flags if flag is _HELP_ALL or "--help" in flag.opts]
        by_name = {flag.name: flag for flag in flags if isinstance(flag, SettingFlag)}
        sections: dict[str, list[click.Option]] = {
            "Options": [flag for flag in flags if flag not in of_help and flag.name not in by_name],
            "Common options": [by_name.pop(name) for name in self.common],
        }
        if not self.common or context.meta.get(_ALL):
            for flag in by_name.values():
                sections.setdefault(flag.topic, []).append(flag)
        sections["Help"] = of_help
        for title, listed in sections.items():
            if records := [record for flag in listed if (record := flag.get_help_record(context))]:
                with formatter.section(title):
                    formatter.write_dl(records)


def verb(name: str, *, examples: Sequence[str] = (), common: Sequence[str] = (), **more: Any) -> Decorator:
    """Declares the command of a verb; a decorator like `click.command`."""
    return click.command(name, cls=HelpPage, examples=examples, common=common, **more)
