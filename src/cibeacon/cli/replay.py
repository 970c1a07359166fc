"""`cibeacon replay`: sends the signals that wait in the spool."""

from __future__ import annotations

import click

from cibeacon.cli.flags import flags, given
from cibeacon.cli.help_page import verb
from cibeacon.cli.report_view import present
from cibeacon.replay import replay
from cibeacon.runtime import Environment
from cibeacon.settings import SINK_GROUPS, load_settings


@verb("replay", examples=("cibeacon replay", "cibeacon replay --strict spool/ 'old-spool/*.ndjson'"))
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
    """Send the signals that are waiting in the spool.

    PATH is a file, a folder, a glob, or - for standard input; without one, this machine's spool is sent. Signals are sent
    exactly as they were written. A delivered signal is removed from its file; one that the vendor rejects is moved to
    a second file beside it. Running two replays at the same time is safe.
    """
    values = given(arguments)
    return present(env, load_settings(values, env.environ, {}), lambda: replay(env, values, paths)).exit_code
