"""`cibeacon backfill`: sends history in bulk."""

from __future__ import annotations

from collections.abc import Mapping

import click

from cibeacon.cli.lazy_group import Verb, Verbs

VERBS: Mapping[str, Verb] = {
    "deployments": Verb("backfill_send:deployments", "Send past deployments from files."),
    "pull-services": Verb(
        "backfill_send:pull_services", "Send the changed services of merged pull requests from files."
    ),
    "pipeline-runs": Verb("backfill_send:pipeline_runs", "Send past pipeline runs from files."),
    "export": Verb("backfill_export:command", "Write such a file from git or a forge's history."),
}


@click.group("backfill", cls=Verbs, verbs=VERBS)
def command() -> None:
    """Send history to DX from CSV or NDJSON files, or write such files.

    The columns are the fields of DX's API. You can interrupt sending and run it again: no row is counted twice. Exit codes:
    0 all rows sent, 1 some rows not sent, 2 a file or setting is not valid.
    """
