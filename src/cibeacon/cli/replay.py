"""`cibeacon replay`: sends the signals that wait in the spool."""

from __future__ import annotations

import click

from cibeacon.cli.flags import flags, given
from cibeacon.cli.report_view import present
from cibeacon.replay import replay
from cibeacon.runtime.environment import Environment
from cibeacon.settings import SINK_GROUPS, load_settings


@click.command("replay")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@flags(
    "core",
    "output",
    *SINK_GROUPS,
    only=(
        *("dry_run", "timeout", "host", "allow_http", "spool", "strict", "format", "jq", "verbose"),
        *(f"{sink}_url" for sink in SINK_GROUPS),
        *("dci_client_id", "dci_files", "flow_context", "flow_list_path", "flow_client_cert"),
    ),
)
@click.pass_obj
def command(env: Environment, /, paths: tuple[str, ...], **arguments: str | bool | None) -> int:
    """Send signals that wait in the spool: files, folders, globs, or - for standard input; by default this host's spool.

    Every signal is sent as it was written, byte for byte. What is delivered leaves its file; what vendors refuse for
    what it says is set aside beside it. Two replays at once do no harm.
    """
    values = given(arguments)
    return present(env, load_settings(values, env.environ, {}), lambda: replay(env, values, paths)).exit_code
