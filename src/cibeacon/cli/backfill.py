"""`cibeacon backfill`: history in bulk."""

from __future__ import annotations

from collections.abc import Mapping

import click

from cibeacon.cli.lazy_group import Verb, Verbs

VERBS: Mapping[str, Verb] = {
    "deployments": Verb("backfill_send:deployments", "Send deployments from files."),
    "pull-services": Verb("backfill_send:pull_services", "Send the services of pull requests from files."),
    "pipeline-runs": Verb("backfill_send:pipeline_runs", "Send pipeline runs from files."),
    "export": Verb("backfill_export:command", "Write such a file from history."),
}


@click.group("backfill", cls=Verbs, verbs=VERBS)
def command() -> None:
    """Send history to DX from CSV or NDJSON files, restartable, each row once in effect; or write such files.

    The columns are the fields of the API's call. Exit codes: 0 all sent, 1 some rows were not, 2 a file or a setting
    cannot be used.
    """
