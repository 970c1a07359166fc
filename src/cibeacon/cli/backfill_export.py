"""`cibeacon backfill export`: writes the CSV that `cibeacon backfill` sends, from history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import click

from cibeacon.cli.flags import flags, given
from cibeacon.cli.output import say
from cibeacon.cli.tables import counted
from cibeacon.export.ordering import Order, exported
from cibeacon.export.source import Totals, What, Window
from cibeacon.model import parsers
from cibeacon.model.payload import iso
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import CibeaconError, interruption
from cibeacon.runtime.redact import Redactor
from cibeacon.runtime.sanitize import clipped
from cibeacon.settings import secret_values
from cibeacon.signals.times import EARLIEST

CUT_SHORT, UNUSABLE = 1, 2
"""Exit codes: not everything could be told; nothing could be."""
_WIDTH = 400
_DAY = len("2026-01-31")
_DAYS = "give a day such as 2026-01-31, a Unix time, or an ISO 8601 time with its zone"


class Moment(click.ParamType[int]):
    """A day (UTC), or a time as every setting takes it. A day that is an end counts whole."""

    name = "date"

    def __init__(self, *, end: bool = False) -> None:
        self._end = end

    def convert(self, value: str | int, parameter: click.Parameter | None, context: click.Context | None) -> int:
        """Unix seconds."""
        if isinstance(value, int):
            return value
        try:
            if len(value) == _DAY and value.count("-") == 2:  # as ISO 8601 writes a day
                day = datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
                return int((day + timedelta(days=self._end)).timestamp())
            moment = parsers.moment(value)
            if moment < EARLIEST:
                self.fail(f"{value} would be {iso(moment)}: {_DAYS}", parameter, context)
            return moment
        except (ValueError, OverflowError):
            self.fail(_DAYS, parameter, context)


@click.command("export")
@click.argument("kind", type=click.Choice(["deployments", "pull-services"]))
@click.option("--from", "since", type=Moment(), required=True, help="The first day, or a time.")
@click.option("--to", "until", type=Moment(end=True), required=True, help="The last day, or a time just after the end.")
@click.option(
    "--source",
    type=click.Choice(["git", "github", "gitlab"]),
    default="git",
    help="Who tells: the clone alone, or a host (its token in GITHUB_TOKEN or GITLAB_TOKEN). Default: git.",
)
@click.option(
    "--of",
    "what",
    type=click.Choice(["deployments", "releases", "tags", "merges"]),
    help="What counts as a deployment. Default: tags on git, deployments on a host.",
)
@click.option("--output", type=click.Path(dir_okay=False), help="File to write. Default: standard output.")
@click.option("--append", is_flag=True, help="Continue a file that was cut off, behind its last row.")
@click.option("--branch", help="Branch whose history is read from git. Default: the default branch.")
@click.option("--environment", help="Only deployments to this environment; of tags and merges, where they went.")
@click.option("--tags", default="*", help="Only tags and releases that match, such as v*.")
@click.option(
    "--pr-from-messages",
    is_flag=True,
    help="Believe commits that name their pull request: merges, and on the default branch squashed ones.",
)
@flags("core", "change", only=("config", "timeout", "allow_http", "repository", "services"))
@click.pass_obj
def command(
    env: Environment,
    /,
    kind: str,
    since: int,
    until: int,
    source: str,
    what: What | None,
    output: str | None,
    append: bool,
    branch: str | None,
    environment: str | None,
    tags: str,
    pr_from_messages: bool,
    **arguments: str | bool | None,
) -> int:
    """Write history as the CSV that cibeacon backfill sends. Exit code 1: not everything could be told."""
    order = Order(
        kind=kind,
        window=Window(since, until),
        source=source,
        what=what or ("tags" if source == "git" else "deployments"),
        output=env.cwd / output if output else None,
        append=append,
        numbered=pr_from_messages,
        branch=branch,
        environment=environment,
        tags=tags,
    )
    totals = Totals()
    code, trouble = _done(env, given(arguments), order, totals)
    clean = Redactor(secret_values(env.environ))
    for line in (*(_lines(order, totals) if code != UNUSABLE else ()), *trouble):
        say(env, f"{clipped(clean(line), _WIDTH)}\n", to_stderr=True)
    return code


def _done(env: Environment, told: dict[str, str], order: Order, totals: Totals) -> tuple[int, list[str]]:
    """Exit code, and what went wrong."""
    rest = " Continue with --append." if order.output else ""
    try:
        exported(env, told, order, totals)
    except CibeaconError as error:
        return (CUT_SHORT if totals.rows else UNUSABLE), [f"! {error}"]
    except OSError as error:
        return (CUT_SHORT if totals.rows else UNUSABLE), [f"! The rows cannot be written: {error}.{rest}"]
    except KeyboardInterrupt as stop:
        return CUT_SHORT, [f"! Cut short: {interruption(stop)}.{rest}"]
    return (CUT_SHORT if totals.unknowns else 0), []


def _lines(order: Order, totals: Totals) -> Iterator[str]:
    """The totals, in words; nothing is said of what did not happen."""
    one = "pull request" if order.kind == "pull-services" else order.what.removesuffix("s")
    yield f"{counted(totals.rows, 'row')} from {counted(totals.found, one)}"
    if totals.known:
        yield f"  passed over: {counted(totals.known, one)} before the last row of the file"
    if totals.idle:
        yield f"  {totals.idle:,} changed no service"
    if totals.unended:
        yield f"  {totals.unended:,} neither succeeded nor failed, and are left out"
    if totals.numberless:
        yield f"  {counted(totals.numberless, 'merge')} without a pull request that the message names: left out"
    if totals.strangers:
        series = ", ".join(totals.series)
        yield f"  {counted(totals.strangers, one)} called after what never was a service ({series}): left out"
    if totals.doubled:
        yield f"  {counted(totals.doubled, 'commit')} that name a pull request which another names too: left out"
    if totals.single and order.source == "git" and (order.kind == "pull-services" or order.what == "merges"):
        no = "no merges and name no pull request" if order.numbered else "no merges"
        said = "whether they are squashed or rebased pull requests, git does not tell (--source github or gitlab)"
        yield f"  {counted(totals.single, 'commit')} on the branch that are {no}: {said}"
    if totals.unknowns:
        yield f"! {totals.unknowns:,} left out, since their services are unknown:"
        yield from (f"!   {each}" for each in totals.unknown)
