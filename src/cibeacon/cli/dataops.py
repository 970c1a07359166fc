"""`cibeacon dataops`: pipelines of DataOps.live, or of any GitLab. Each verb's file is imported when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import click

VIEWS: Mapping[str, tuple[str, str]] = {
    "trigger": ("dataops_drive", "Start a pipeline, and wait for it where asked to."),
    "wait": ("dataops_drive", "Wait for the end of a pipeline."),
    "schedule": ("dataops_schedule", "Make or change a schedule; run twice, there is still one."),
    "pipelines": ("dataops_look", "List the project's pipelines."),
    "pipeline": ("dataops_look", "Show one pipeline."),
    "jobs": ("dataops_look", "List the jobs of a pipeline, or of the project."),
    "job": ("dataops_look", "Show one job."),
    "log": ("dataops_log", "Print a job's log, and go on while it grows."),
}
"""Verb → the file of its command, and what it does."""


class Views(click.Group):
    """The verbs, imported when they are called."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The verbs, in the order of use."""
        return list(VIEWS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The verb's command."""
        if name not in VIEWS:
            return None
        found: click.Command = getattr(import_module(f"cibeacon.cli.{VIEWS[name][0]}"), f"{name}_command")
        return found

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs for --help, without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in VIEWS.items()])


@click.group("dataops", cls=Views)
def command() -> None:
    """Start pipelines of DataOps.live or of any GitLab, wait for them, and look at them.

    Secrets have no flag: give them as CIBEACON_DATAOPS_TOKEN and CIBEACON_DATAOPS_TRIGGER_TOKEN. Exit codes: 0 success,
    10 failed, 11 canceled, 12 skipped, 13 blocked on a manual job, 14 timed out, 15 lost contact, 16 refused.
    """
