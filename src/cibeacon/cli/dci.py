"""`cibeacon dci`: a job of DCI by hand, and what DCI has."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import NamedTuple

import click


class _Verb(NamedTuple):
    file: str
    help: str


VERBS: Mapping[str, _Verb] = {
    "whoami": _Verb("dci_reading", "Show which remote CI signs, and for which teams."),
    "topics": _Verb("dci_reading", "List the topics that it may use."),
    "components": _Verb("dci_reading", "List the components of a topic."),
    "jobs": _Verb("dci_reading", "List the team's jobs, or show one."),
    "start": _Verb("dci_telling", "Make a job and tell that it runs."),
    "state": _Verb("dci_telling", "Tell how the job stands."),
    "upload": _Verb("dci_telling", "Send files to the job."),
    "finish": _Verb("dci_telling", "Send files, then tell how the job ended."),
}


class Verbs(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The verbs, those that look first."""
        return list(VERBS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The verb's command from its file."""
        if name not in VERBS:
            return None
        found: click.Command = getattr(import_module(f"cibeacon.cli.{VERBS[name].file}"), name)
        return found

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs for --help, without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])


@click.group("dci", cls=Verbs)
def command() -> None:
    """A job of DCI by hand: start, state, upload, finish; and what DCI has: whoami, topics, components, jobs.

    The remote CI is named by DCI_CLIENT_ID and DCI_API_SECRET. Inside one CI job no id has to be handed on: every verb
    finds the job that start made.
    """
