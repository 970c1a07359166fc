"""`cibeacon backfill export`: writes history as the CSV that `cibeacon backfill` sends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from cibeacon.cli.flags import flags, given
from cibeacon.cli.help_page import verb
from cibeacon.cli.output import say
from cibeacon.cli.tables import counted
from cibeacon.export.exporter import export
from cibeacon.export.options import DeploymentKind, ExportOptions, ExportTotals, Window
from cibeacon.model import parsers
from cibeacon.model.error_ids import help_link
from cibeacon.model.payload import iso
from cibeacon.runtime import Environment
from cibeacon.runtime.errors import CibeaconError, interruption
from cibeacon.runtime.safe_text import Redactor, clipped
from cibeacon.settings import secret_values
from cibeacon.signals.times import EARLIEST

CUT_SHORT, UNUSABLE = 1, 2
"""Exit codes: some entries could not be exported; none could."""
_AS_THEY_ARE = ("kind", "append", "pr_from_messages", "branch", "environment", "tags")
_WIDTH = 400
_HELP = f"  {help_link('export-incomplete')}"
_DAY = len("2026-01-31")
_DAYS = "give a day such as 2026-01-31, a Unix time, or an ISO 8601 time with its zone"


class Date(click.ParamType[int]):
    """A day (UTC), or a time in the format of the settings. An end day is included."""

    name = "date"

    def __init__(self, *, end: bool = False) -> None:
        self._end = end

    def convert(self, value: str | int, parameter: click.Parameter | None, context: click.Context | None) -> int:
        """Unix seconds."""
        if isinstance(value, int):
            return value
        try:
            if len(value) == _DAY and value.count("-") == 2:  # an ISO 8601 day
                day = datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
                return int((day + timedelta(days=self._end)).timestamp())
            seconds = parsers.timestamp(value)
        except (ValueError, OverflowError):
            self.fail(_DAYS, parameter, context)
        if seconds < EARLIEST:
            self.fail(f"{value} means {iso(seconds)}, which is too early: {_DAYS}", parameter, context)
        return seconds


@verb(
    "export",
    examples=(
        "cibeacon backfill export deployments --from 2026-01-01 --to 2026-06-30 --output deployments.csv",
        "cibeacon backfill export pull-services --from 2026-01-01 --to 2026-06-30 --source github",
    ),
)
@click.argument("kind", type=click.Choice(["deployments", "pull-services"]))
@click.option("--from", "since", type=Date(), required=True, help="First day, or start time.")
@click.option("--to", "until", type=Date(end=True), required=True, help="Last day, or end time (exclusive).")
@click.option(
    "--source",
    type=click.Choice(["git", "github", "gitlab"]),
    default="git",
    show_default=True,
    help="Where history is read from: the clone, or a forge (token in GITHUB_TOKEN or GITLAB_TOKEN).",
)
@click.option(
    "--of",
    type=click.Choice(["deployments", "releases", "tags", "merges"]),
    help="What counts as a deployment. Default: tags for git, deployments for a forge.",
)
@click.option("--output", type=click.Path(dir_okay=False), help="File to write. Default: standard output.")
@click.option("--append", is_flag=True, help="Continue an incomplete --output file after its last row.")
@click.option("--branch", help="Branch whose git history is read. Default: the default branch.")
@click.option(
    "--environment", help="Only deployments to this environment. For tags and merges: the environment to write."
)
@click.option("--tags", default="*", show_default=True, help="Only matching tags and releases, such as v*.")
@click.option(
    "--pr-from-messages",
    is_flag=True,
    help="Take pull request numbers from commit messages: of merges and, on the default branch, of squashed commits.",
)
@flags("core", "change", only=("config", "timeout", "allow_http", "repository", "services"))
@click.pass_obj
def command(
    env: Environment,
    /,
    since: int,
    until: int,
    source: str,
    of: DeploymentKind | None,
    output: str | None,
    **arguments: Any,
) -> int:
    """Write history as a CSV file for `cibeacon backfill`. Exits 1 if some entries had to be left out."""
    options = ExportOptions(
        window=Window(since, until),
        source=source,
        of=of or ("tags" if source == "git" else "deployments"),
        output=env.cwd / output if output else None,
        **{name: arguments.pop(name) for name in _AS_THEY_ARE},
    )
    totals = ExportTotals()
    code, error = _export(env, given(arguments), options, totals)
    redactor = Redactor(secret_values(env.environ))
    for line in (*(_totals_lines(options, totals) if code != UNUSABLE else ()), *error):
        say(env, f"{clipped(redactor(line), _WIDTH)}\n", to_stderr=True)
    return code


def _export(
    env: Environment, sent: dict[str, str], options: ExportOptions, totals: ExportTotals
) -> tuple[int, list[str]]:
    """The exit code, and the lines about what went wrong."""
    hint = " Continue with --append." if options.output else ""
    try:
        export(env, sent, options, totals)
    except (CibeaconError, OSError) as error:
        text = str(error) if isinstance(error, CibeaconError) else f"The rows could not be written: {error}.{hint}"
        return (CUT_SHORT if totals.rows else UNUSABLE), [f"! {text}", _HELP]
    except KeyboardInterrupt as stop:
        return CUT_SHORT, [f"! Incomplete: {interruption(stop)}.{hint}", _HELP]
    return (CUT_SHORT if totals.unknown else 0), []


def _totals_lines(options: ExportOptions, totals: ExportTotals) -> Iterator[str]:
    """The totals in words; zeros are not shown."""
    noun = "pull request" if options.kind == "pull-services" else options.of.removesuffix("s")
    yield f"{counted(totals.rows, 'row')} from {counted(totals.entries, noun)}"
    series = ", ".join(totals.foreign_series)
    lines = (
        (totals.continued, f"skipped: {counted(totals.continued, noun)} before the last row of the file"),
        (totals.unchanged, f"{totals.unchanged:,} changed no service"),
        (totals.unfinished, f"{totals.unfinished:,} neither succeeded nor failed: left out"),
        (
            totals.unnumbered,
            f"{counted(totals.unnumbered, 'merge')} without a pull request number in the message: left out",
        ),
        (
            totals.foreign_tags,
            f"{counted(totals.foreign_tags, noun)} not named after a service ({series}): left out",
        ),
        (
            totals.ambiguous,
            f"{counted(totals.ambiguous, 'commit')} with the same pull request number as another commit: left out",
        ),
    )
    yield from (f"  {text}" for number, text in lines if number)
    if totals.plain_commits and (options.kind == "pull-services" or options.of == "merges"):
        hint = "git does not show squashed and rebased pull requests (use --source github or gitlab)"
        yield f"  {counted(totals.plain_commits, 'other commit')} on the branch: {hint}"
    if totals.unknown:
        yield f"! {totals.unknown:,} left out because their services are unknown:"
        yield from (f"!   {reason}" for reason in totals.unknown_reasons)
        yield _HELP
