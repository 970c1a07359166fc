"""`cibeacon services`: shows which services changed and why."""

from __future__ import annotations

import re
from collections.abc import Mapping

import click

from cibeacon.cli.flags import flags, given
from cibeacon.cli.lazy_group import Verb, Verbs
from cibeacon.cli.report_view import run_services
from cibeacon.runtime import Environment
from cibeacon.runtime.shutdown import interruptible

VERBS: Mapping[str, Verb] = {
    "list": Verb("service_map:list_services", "List all services with their folders and the rule that found each."),
    "which": Verb("service_map:which_service", "Show which service owns a path, and by which rule."),
    "check": Verb("service_map:check_map", "List every problem in the configuration file with its line."),
}
_FOR_REPORTS = (
    "signals",
    "spool",
    "pr_merged",
    "run_id",
    "run_attempt",
    "run_scope",
    "matrix",
    "job_run_id",
    "source_url",
    "traceparent",
)
"""Settings without effect here."""


@click.group(
    "services",
    cls=Verbs,
    verbs=VERBS,
    invoke_without_command=True,
    examples=(
        "cibeacon services --base origin/main --services 'services/{service}/'",
        "cibeacon services --jq '.changes.services[]' --on-unknown fail",
    ),
    common=("base", "head", "services", "on_unknown", "config", "format", "jq", "dry_run", "strict", "verbose"),
)
@flags("core", "output", "change", but=_FOR_REPORTS)
@flags("run", only=("head_branch",))
@flags("forge")
@click.option(
    "--files-from",
    metavar="FILE",
    help="Read the changed paths from FILE (- is stdin): one per line, or NUL-separated.",
)
@click.pass_context
def command(context: click.Context, /, files_from: str | None, **arguments: str | bool | None) -> int:
    """Show which services changed between two commits and why. Sends nothing.

    The commands below show and check the service map itself.
    """
    if context.invoked_subcommand:
        return 0
    env: Environment = context.obj
    return run_services(env, given(arguments), _paths(env, files_from) if files_from else None)


def _paths(env: Environment, source: str) -> list[str]:
    """The paths in another tool's list."""
    if source == "-":
        with interruptible():
            text = env.stdin.read()
    else:
        try:
            text = (env.cwd / source).read_text(encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise click.BadParameter(f"{source} cannot be read: {error.strerror}") from error
    return [path for path in re.split(r"\0" if "\0" in text else r"\r?\n", text) if path]
