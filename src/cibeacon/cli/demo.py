"""`cibeacon demo`: a small monorepo reports to a sandbox, and the sandbox shows what DX would conclude."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import click

from cibeacon.cli.help_page import verb
from cibeacon.cli.output import say
from cibeacon.cli.sandbox import wait_for_interrupt
from cibeacon.cli.tables import table
from cibeacon.demo.story import Act, Story, conclusions
from cibeacon.runtime import Environment
from cibeacon.runtime.shutdown import interruptible
from cibeacon.sandbox.dx import TOKEN
from cibeacon.sandbox.server import Sandbox

_MARKS = ("✓", "✗", "~", "…")
"""First characters of the log lines to show: signals that were sent, failed or are previewed."""
_HEADS = ("service", "environment", "pull request", "from merge to deployment")


@verb("demo", examples=("cibeacon demo", "cibeacon demo --serve"))
@click.option("--serve", is_flag=True, help="Keep the sandbox and its page running until Ctrl-C.")
@click.pass_obj
def command(env: Environment, /, serve: bool) -> int:
    """Try cibeacon on this machine: a small monorepo reports merges, deployments and a failing run to a sandbox.

    Exits 0 if the sandbox received exactly the expected signals, and 1 otherwise.
    """
    with (
        tempfile.TemporaryDirectory(prefix="cibeacon-demo-") as folder,
        Sandbox(token=TOKEN) as sandbox,
        interruptible(),
    ):
        say(env, _introduction(sandbox.url))
        story = Story(Path(folder).resolve(), env.environ, sandbox, env.now())
        is_broken = False
        for index, act in enumerate(story.acts()):
            say(env, _described(act, whole=index == 0 or act.code != 0))
            is_broken = is_broken or act.code != 0
        ledger = sandbox.document()
        say(
            env,
            f"From these signals, DX computes how long each change took:\n{table(env, _HEADS, conclusions(ledger))}",
        )
        counts = Counter(run["status"] for run in ledger["pipeline_runs"].values())
        say(env, f"Pipeline runs: {', '.join(f'{count} {status}' for status, count in sorted(counts.items()))}.\n\n")
        mismatches = story.mismatches()
        say(env, "".join(f"✗ {mismatch}\n" for mismatch in mismatches))
        if not mismatches and not is_broken:
            say(env, "✓ The sandbox received exactly the expected signals.\n")
        if serve:
            say(env, f"Open {sandbox.url} in a browser. Stop it with Ctrl-C.\n")
            wait_for_interrupt(env)
        else:
            say(env, "To see them in a browser, run this command again with --serve.\n")
        return int(bool(mismatches) or is_broken)


def _introduction(url: str) -> str:
    return (
        "cibeacon reports CI runs to systems such as DX (getdx.com), a platform for developer intelligence: it shows how\n"
        "long changes take to reach production, how often teams deploy, and which runs fail. In this demo a sandbox at\n"
        f"{url} simulates DX, and nothing leaves this machine.\n\n"
        "The pipelines below belong to acme/shop, a repository with several services. Each ✓ is a signal that arrived:\n"
        "  pull-services  the services that a merged pull request changed\n"
        "  deployment     a service and the environment that it was deployed to\n"
        "  pipeline-run   a CI run and its status: running, success or failure\n\n"
    )


def _described(act: Act, *, whole: bool) -> str:
    lines = act.log if whole else [line for line in act.log if line.startswith(_MARKS)]
    return "".join(
        f"{line}\n" for line in (f"▶ {act.title}", f"  $ {act.command}", *(f"  {line}" for line in lines), "")
    )
