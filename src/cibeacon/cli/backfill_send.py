"""`cibeacon backfill deployments`, `pull-services` and `pipeline-runs`: one command for each kind of file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from cibeacon.backfill import parsers
from cibeacon.backfill.columns import KINDS, Kind
from cibeacon.backfill.options import BackfillOptions, Mode
from cibeacon.backfill.runner import BackfillRun
from cibeacon.backfill.shard import parse_shard
from cibeacon.backfill.summary import SOME_FAILED, BackfillSummary
from cibeacon.cli.backfill_view import ProgressView, show_summary
from cibeacon.cli.flags import flags, given
from cibeacon.cli.help_page import verb
from cibeacon.cli.report_view import begin_output, guarded_code
from cibeacon.runtime import Environment
from cibeacon.runtime.errors import SettingsError
from cibeacon.runtime.safe_text import clipped
from cibeacon.settings import Settings, load_settings
from cibeacon.signals import unreachable
from cibeacon.sinks import dx
from cibeacon.spool import is_address

_SETTINGS = ("dry_run", "timeout", "allow_http", "format", "jq", "dx_url", "dx_api")
_OWN_FLAGS = ("check", "workers", "rps", "tz", "shard", "journal", "failures")
MOST_WORKERS = 64


def _command(kind: Kind) -> click.Command:
    """The command for one kind of file."""

    examples = (
        f"cibeacon backfill {kind.name} {kind.name}.csv",
        f"cibeacon backfill {kind.name} {kind.name}.csv --check",
    )

    @verb(kind.name, help=_help(kind), examples=examples)
    @click.argument("files", nargs=-1, required=True, metavar="FILE...")
    @click.option("--check", is_flag=True, help="Check all rows, list every problem, and send nothing.")
    @click.option(
        "--workers", type=click.IntRange(1, MOST_WORKERS), default=4, show_default=True, help="Number of connections."
    )
    @click.option(
        "--rps", type=click.FloatRange(0), default=10.0, show_default=True, help="Requests per second; 0 is no limit."
    )
    @click.option("--tz", metavar="ZONE", help="Time zone of times that have none: Europe/Berlin, UTC, +02:00.")
    @click.option("--shard", metavar="I/N", help="Send only part I of N. Default: CI_NODE_INDEX/CI_NODE_TOTAL.")
    @click.option(
        "--journal", metavar="FILE", help="File that records which rows were sent, or off. Default: beside FILE."
    )
    @click.option("--failures", metavar="FILE", help="CSV file for rows that were not sent. Default: FILE.failed.csv.")
    @flags("core", "output", "dx", only=_SETTINGS)
    @click.pass_obj
    def send(env: Environment, /, files: tuple[str, ...], **arguments: Any) -> int:
        own = {name: arguments.pop(name) for name in _OWN_FLAGS}
        inputs = tuple(dict.fromkeys(files))
        return guarded_code(env, lambda: _run(env, kind, inputs, own, given(arguments)), SOME_FAILED)

    return send


def _help(kind: Kind) -> str:
    columns = ", ".join(f"{column.name}{'*' if column.required else ''}" for column in kind.columns.values())
    return (
        f"Send {kind.name.replace('-', ' ')} from CSV or NDJSON files, which may be gzipped; - is standard input.\n\n"
        f"Columns (* required): {columns}.\n\n"
        "A journal beside the file records the rows that were sent, so you can run the same command again to continue. "
        "Rows that were not sent go to FILE.failed.csv: fix them there and send that file. No file is overwritten."
    )


def _run(env: Environment, kind: Kind, inputs: tuple[str, ...], own: Mapping[str, Any], sent: Mapping[str, str]) -> int:
    settings = load_settings(sent, env.environ, {})
    redactor = begin_output(env)
    env.closing(SOME_FAILED)  # the exit code if the process has to be killed
    mode: Mode = "check" if own["check"] else "dry-run" if settings.core.dry_run else "send"
    try:
        options = _options(env, kind, inputs, own, settings, mode)
    except SettingsError as error:
        summary = BackfillSummary(kind.name, mode, unusable=str(error))
    else:
        with ProgressView(env, redactor, mode, to_stderr=settings.as_json) as view:
            summary = BackfillRun(options, env, view).run()
    env.closing(summary.exit_code)
    return show_summary(env, redactor, summary, settings)


def _options(
    env: Environment, kind: Kind, inputs: tuple[str, ...], own: Mapping[str, Any], settings: Settings, mode: Mode
) -> BackfillOptions:
    """The options of the backfill. Raises `SettingsError` for an invalid setting or flag."""
    fault = next((problem.message for problem in settings.problems if problem.group in ("core", "dx", "output")), None)
    if mode == "send":
        fault = fault or unreachable(dx.NAME, settings, by_hand=True)
    if fault:
        raise SettingsError("Nothing was sent", fault, "")
    try:
        zone = parsers.zone(own["tz"]) if own["tz"] else None
    except ValueError as error:
        reason = f"--tz: {clipped(str(error), 100)}"
        raise SettingsError("Nothing was sent", reason, "Give UTC, +02:00, or a name such as Europe/Berlin") from error
    if own["failures"] and is_address(own["failures"]):
        reason = "--failures is a bucket URL, but failed rows can only be written to a local file"
        raise SettingsError("Nothing was sent", reason, "Give a local file, and copy it to the bucket afterwards")
    return BackfillOptions(
        kind=kind,
        inputs=inputs,
        mode=mode,
        rules=parsers.TimeRules(env.now(), zone),
        shard=None if mode == "check" else parse_shard(own["shard"], env.environ),
        journal=own["journal"],
        failures=own["failures"],
        endpoint=settings.endpoints[dx.NAME],
        timeout=settings.core.timeout,
        allow_http=settings.core.allow_http,
        workers=own["workers"],
        rate=own["rps"],
    )


deployments, pull_services, pipeline_runs = (
    _command(KINDS[name]) for name in ("deployments", "pull-services", "pipeline-runs")
)
