"""The command line flags of the settings, generated from their declaration. A secret never gets a flag."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import click

from cibeacon.settings import all_options
from cibeacon.settings.options import Option

Command = TypeVar("Command", bound=Callable[..., Any])

_SPELLED_TOO: Mapping[str, tuple[str, ...]] = {"pr_number": ("--pr",)}


def flags(
    *groups: str, only: Collection[str] = (), short: str = "", dry_run_outside_ci: bool = False
) -> Callable[[Command], Command]:
    """Adds the flags of these settings groups to a command; it receives them as keyword arguments.

    `only` names the settings to take, where a command knows few of a group; `short` is a beginning that may be left out;
    `dry_run_outside_ci`: outside CI the command is a dry run by itself; others act.
    """

    def decorate(command: Command) -> Command:
        declared = all_options()
        for name in reversed(groups):
            for option in reversed(declared[name]):
                if not option.secret and (not only or option.name in only):
                    acts = option.name == "dry_run" and not dry_run_outside_ci
                    command = _flag(option._replace(shown_default="false") if acts else option, short)(command)
        return command

    return decorate


def _flag(option: Option, short: str = "") -> Callable[[Command], Command]:
    help = f"{option.help} Default: {option.shown_default}." if option.shown_default else option.help
    names = [option.dashed, *_SPELLED_TOO.get(option.name, ())]
    if short and option.name.startswith(short):
        names.insert(0, f"--{option.name.removeprefix(short).replace('_', '-')}")
    if option.flag:
        spelled = (f"{name}/--no-{name[2:]}" for name in names)
        return click.option(*spelled, option.name, default=None, help=help)
    return click.option(*names, option.name, metavar="TEXT", help=help)


def given(arguments: Mapping[str, Any]) -> dict[str, str]:
    """The flags that were given, as text: the same form that every other source has."""
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in arguments.items()
        if value is not None
    }
