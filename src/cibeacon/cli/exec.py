"""`cibeacon exec` for click: for the help, and for a command line that cannot be parsed.

A valid command line never gets here: `__main__` starts its command without click.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import click

from cibeacon.cli.exec_line import FLAGS
from cibeacon.cli.help_page import verb


def _flags(command: Callable[..., Any]) -> Callable[..., Any]:
    for flag in reversed(FLAGS):
        name = flag.name.removeprefix("--").replace("-", "_")
        kind = {"metavar": flag.metavar} if flag.metavar else {"is_flag": True}
        command = click.option(flag.name, name, help=flag.help, **kind)(command)
    return command


@verb(
    "exec",
    options_metavar="[FLAGS]",
    examples=("cibeacon exec -- make test", "cibeacon exec --name nightly --success-codes 0,3 -- ./sync.sh --all"),
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND [ARGUMENT]...")
@_flags
def command(**arguments: Any) -> NoReturn:
    """Run a command and report it as a pipeline run: when it starts and how it ended.

    Output, input, signals and exit code are the command's; reporting problems never change them. Set all other settings
    as variables, such as CIBEACON_DX_URL. Outside CI this is a dry run.
    """
    del arguments
    raise click.UsageError("Put the command after two dashes, for example: cibeacon exec -- make test")
