"""The command line flags of the settings, generated from their declaration. A secret never gets a flag."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import click

from cibeacon.cli.help_page import SettingFlag
from cibeacon.model import identifiers, parsers
from cibeacon.settings import GROUPS, all_options
from cibeacon.settings.options import Option

Command = TypeVar("Command", bound=Callable[..., Any])

_SPELLED_TOO: Mapping[str, tuple[str, ...]] = {"pr_number": ("--pr",)}
_VALUES: Mapping[str, Collection[Callable[[str], Any]]] = {
    "SECONDS": (parsers.duration,),
    "NUMBER": (parsers.integer,),
    "TIME": (parsers.timestamp,),
    "COMMIT": (parsers.sha,),
    "URL": (parsers.url, parsers.link, parsers.dx_url, parsers.dci_url, identifiers.root),
    "LIST": (parsers.text_list, parsers.shas, identifiers.names, identifiers.services),
    "JSON": (parsers.json_value, parsers.metadata),
    "PROGRAM": (parsers.program,),
}
"""Placeholder for a value in the help → the parsers that it stands for."""


def flags(
    *groups: str,
    only: Collection[str] = (),
    but: Collection[str] = (),
    short: str = "",
    dry_run_outside_ci: bool = False,
) -> Callable[[Command], Command]:
    """Adds the flags of these settings groups to a command; it receives them as keyword arguments.

    `only` names the settings to take if a command uses few of a group, and `but` those to leave out; `short` is a prefix
    that users may leave out; with `dry_run_outside_ci` the command is a dry run by default outside CI.
    """

    def decorate(command: Command) -> Command:
        declared = all_options()
        for name in reversed(groups):
            topic = (GROUPS[name].__doc__ or name).strip()
            for option in reversed(declared[name]):
                if not option.secret and (not only or option.name in only) and option.name not in but:
                    acts = option.name == "dry_run" and not dry_run_outside_ci
                    shown = option._replace(shown_default="false") if acts else option
                    command = _flag(shown, topic, short)(command)
        return command

    return decorate


def _flag(option: Option, topic: str, short: str = "") -> Callable[[Command], Command]:
    help = f"{option.help} Default: {option.shown_default}." if option.shown_default else option.help
    names = [option.dashed, *_SPELLED_TOO.get(option.name, ())]
    if short and option.name.startswith(short):
        names.insert(0, f"--{option.name.removeprefix(short).replace('_', '-')}")
    if option.flag:
        spelled = (f"{name}/--no-{name[2:]}" for name in names)
        return click.option(*spelled, option.name, cls=SettingFlag, topic=topic, default=None, help=help)
    words: tuple[str, ...] = getattr(option.parse, "words", ())
    metavar = f"[{'|'.join(words)}]" if words else _value(option.parse)

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete.lower())]

    completed = {"shell_complete": complete} if words else {}
    return click.option(*names, option.name, cls=SettingFlag, topic=topic, metavar=metavar, help=help, **completed)


def _value(parse: Callable[[str], Any]) -> str:
    return next((metavar for metavar, parsers in _VALUES.items() if parse in parsers), "TEXT")


def given(arguments: Mapping[str, Any]) -> dict[str, str]:
    """The flags that were given, as text like every other source."""
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in arguments.items()
        if value is not None
    }
