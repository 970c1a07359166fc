"""`cibeacon report`: the main job."""

from __future__ import annotations

import click

from cibeacon.cli.flags import flags, given
from cibeacon.cli.help_page import verb
from cibeacon.cli.report_view import run_report
from cibeacon.runtime import Environment
from cibeacon.settings import SINK_GROUPS

_COMMON = ("dx_url", "services", "deploy_services", "environment", "status", "signals")


@verb(
    "report",
    examples=("cibeacon report --dx-url acme --services 'services/{service}/'", "cibeacon report --status success"),
    common=(*_COMMON, "dry_run", "strict", "format", "verbose"),
)
@flags(
    *("core", "output", "change", "deploy", "run", "forge", *SINK_GROUPS), but=("on_unknown",), dry_run_outside_ci=True
)
@click.pass_obj
def command(env: Environment, /, **arguments: str | bool | None) -> int:
    """Report this CI run: changed services of merged pull requests, deployments, and how the run ended.

    Secrets have no flag: set variables such as DX_API_TOKEN; docs/reference.md has all. Outside CI this is a dry run.
    The exit code is 0; with --strict it is 1 when something was not reported. An invalid command line exits 2.
    """
    return run_report(env, given(arguments))
