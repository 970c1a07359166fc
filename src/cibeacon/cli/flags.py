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
    `dry_run_outside_ci` says that it is a dry run by itself where no CI host is: the others were typed to act.
    """

    def decorate(command: Command) -> Command:
        declared = all_options()
        for name in reversed(groups):
            for each in reversed(declared[name]):
                if not each.secret and (not only or each.name in only):
                    acts = each.name == "dry_run" and not dry_run_outside_ci
                    command = _flag(each._replace(shown_default="false") if acts else each, short)(command)
        return command

    return decorate


def _flag(each: Option, short: str = "") -> Callable[[Command], Command]:
    help = f"{each.help} Default: {each.shown_default}." if each.shown_default else each.help
    names = [each.dashed, *_SPELLED_TOO.get(each.name, ())]
    if short and each.name.startswith(short):
        names.insert(0, f"--{each.name.removeprefix(short).replace('_', '-')}")
    if each.flag:
        spelled = (f"{name}/--no-{name[2:]}" for name in names)
        return click.option(*spelled, each.name, default=None, help=help)
    return click.option(*names, each.name, metavar="TEXT", help=help)


def given(arguments: Mapping[str, Any]) -> dict[str, str]:
    """The flags that were given, as text: the same form that every other source has."""
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in arguments.items()
        if value is not None
    }
