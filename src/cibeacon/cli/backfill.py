"""`cibeacon backfill`: history in bulk."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import click

VERBS: Mapping[str, str] = {
    "deployments": "Send deployments from files.",
    "pull-services": "Send the services of pull requests from files.",
    "pipeline-runs": "Send pipeline runs from files.",
    "export": "Write such a file from history.",
}


class Verbs(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The verbs, in the order of the API's methods."""
        return list(VERBS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The verb's command from its file."""
        if name not in VERBS:
            return None
        if name == "export":
            exporting: click.Command = import_module("cibeacon.cli.backfill_export").command
            return exporting
        sending: click.Command = import_module("cibeacon.cli.backfill_send").command(name)
        return sending

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs for --help, without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group("backfill", cls=Verbs)
def command() -> None:
    """Send history to DX from CSV or NDJSON files, restartable, each row once in effect; or write such files.

    The columns are the fields of the API's call. Exit codes: 0 all sent, 1 some rows were not, 2 a file or a setting
    cannot be used.
    """
