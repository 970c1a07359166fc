"""`cibeacon backfill deployments`, `pull-services` and `pipeline-runs`: one command for each kind of file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import click

from cibeacon.backfill import parsers
from cibeacon.backfill.client_factory import hiring
from cibeacon.backfill.columns import KINDS, Kind
from cibeacon.backfill.run_files import Mode
from cibeacon.backfill.runner import Campaign, Order
from cibeacon.backfill.shard import shard
from cibeacon.backfill.tally import SOME_FAILED, Summary
from cibeacon.cli.backfill_view import View, shown
from cibeacon.cli.flags import flags, given
from cibeacon.cli.report_view import opened, unbroken
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import SettingsError
from cibeacon.runtime.sanitize import clipped
from cibeacon.settings import Settings, load_settings
from cibeacon.settings.endpoint import endpoints
from cibeacon.signals.requirements import unreachable
from cibeacon.sinks import dx
from cibeacon.spool.file_store import is_address

_TAKEN = ("dry_run", "timeout", "allow_http", "format", "jq", "dx_url", "dx_api")
MOST_WORKERS = 64


def _command(name: str) -> click.Command:
    """The command for one kind of file."""
    kind = KINDS[name]

    @click.command(name, help=_help(kind))
    @click.argument("files", nargs=-1, required=True, metavar="FILE...")
    @click.option("--check", is_flag=True, help="Look at every row and say all that is wrong; send nothing.")
    @click.option("--workers", type=click.IntRange(1, MOST_WORKERS), default=4, show_default=True, help="Connections.")
    @click.option("--rps", type=click.FloatRange(0), default=10.0, show_default=True, help="Requests a second; 0: any.")
    @click.option("--tz", metavar="ZONE", help="Zone of times without one: Europe/Berlin, UTC, +02:00.")
    @click.option("--shard", metavar="I/N", help="Share of the rows, from 1/N. Default: CI_NODE_INDEX/CI_NODE_TOTAL.")
    @click.option(
        "--journal", metavar="FILE", help="Where to write what was sent; off for nowhere. Default: beside FILE."
    )
    @click.option("--failures", metavar="FILE", help="CSV of the rows that were not sent. Default: FILE.failed.csv.")
    @flags("core", "output", "dx", only=_TAKEN)
    @click.pass_obj
    def sending(env: Environment, /, files: tuple[str, ...], **more: Any) -> int:
        own = {option: more.pop(option) for option in ("check", "workers", "rps", "tz", "shard", "journal", "failures")}
        told = given(more)
        return unbroken(env, lambda: _run(env, kind, tuple(dict.fromkeys(files)), own, told), SOME_FAILED)

    return sending


def _help(kind: Kind) -> str:
    """What the command says of itself."""
    listed = ", ".join(f"{column.name}{'*' if column.required else ''}" for column in kind.columns)
    return (
        f"Send {kind.name.replace('-', ' ')} from CSV or NDJSON files, also gzipped; - is standard input.\n\n"
        f"Columns (* required): {listed}.\n\n"
        "What was sent is written into a journal beside the file, so the same command goes on where it ended. Rows that "
        "were not sent go into FILE.failed.csv, which can be mended and sent as it is; what was changed there is never lost."
    )


def _run(env: Environment, kind: Kind, files: tuple[str, ...], own: Mapping[str, Any], told: Mapping[str, str]) -> int:
    settings = load_settings(told, env.environ, {})
    clean = opened(env)
    env.closing(SOME_FAILED)  # of a process that has to be ended
    mode: Mode = "check" if own["check"] else "dry-run" if settings.core.dry_run else "send"
    try:
        order = _order(env, kind, files, own, settings, mode)
    except SettingsError as error:
        summary = Summary(kind.name, mode, unusable=str(error))
    else:
        hire = partial(hiring, env, order.endpoint, timeout=settings.core.timeout, allow_http=settings.core.allow_http)
        with View(env, clean, mode, to_stderr=settings.as_json) as view:
            summary = Campaign(order, env, view, hire).run()
    env.closing(summary.exit_code)
    return shown(env, clean, summary, settings)


def _order(
    env: Environment, kind: Kind, files: tuple[str, ...], own: Mapping[str, Any], settings: Settings, mode: Mode
) -> Order:
    """What is to be done. Raises `SettingsError` where that is not clear, or cannot be."""
    fault = next((each.message for each in settings.problems if each.group in ("core", "dx", "output")), None)
    if mode == "send":
        fault = fault or unreachable(dx.NAME, settings)
    if fault:
        raise SettingsError("Nothing was sent", fault, "Mend the setting")
    try:
        zone = parsers.zone(own["tz"]) if own["tz"] else None
    except ValueError as error:
        said = clipped(str(error), 100)
        raise SettingsError(
            "Nothing was sent", f"--tz: {said}", "Give UTC, +02:00, or a name such as Europe/Berlin"
        ) from error
    if own["failures"] and is_address(own["failures"]):
        why = "failed rows are written on this machine, and --failures names a place in a bucket"
        raise SettingsError("Nothing was sent", why, "Name a file, and copy it to the bucket afterwards")
    return Order(
        kind=kind,
        files=files,
        mode=mode,
        about=parsers.About(env.now(), zone),
        endpoint=endpoints(settings)[dx.NAME],
        timeout=settings.core.timeout,
        workers=own["workers"],
        rate=own["rps"],
        shard=None if mode == "check" else shard(own["shard"], env.environ),
        journal=own["journal"],
        failures=own["failures"],
    )


deployments, pull_services, pipeline_runs = (
    _command(name) for name in ("deployments", "pull-services", "pipeline-runs")
)
