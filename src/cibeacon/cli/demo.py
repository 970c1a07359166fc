"""`cibeacon demo`: reports of a small monorepo to a sandbox, and what DX would conclude from them."""

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
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.shutdown import interruptible
from cibeacon.sandbox.dx import TOKEN
from cibeacon.sandbox.server import Sandbox

_MARKS = ("✓", "✗", "~", "…")
"""What begins the line of a signal that was sent, or was not when it should have been."""
_HEADS = ("service", "environment", "pull request", "from merge to deployment")


@verb("demo", examples=("cibeacon demo", "cibeacon demo --serve"))
@click.option("--serve", is_flag=True, help="Keep the sandbox and its page until Ctrl-C.")
@click.pass_obj
def command(env: Environment, /, serve: bool) -> int:
    """Try everything on this machine: a sandbox, a small monorepo, merged pull requests, a push and a failing run.

    Exits 0 if the sandbox received exactly what it should have, and 1 otherwise.
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
        say(env, f"What DX concludes:\n{table(env, _HEADS, conclusions(ledger))}")
        counts = Counter(run["status"] for run in ledger["pipeline_runs"].values())
        say(env, f"Pipeline runs: {', '.join(f'{count} {status}' for status, count in sorted(counts.items()))}.\n\n")
        mismatches = story.mismatches()
        say(env, "".join(f"✗ {mismatch}\n" for mismatch in mismatches))
        if not mismatches and not is_broken:
            say(env, "✓ The sandbox holds exactly what was done.\n")
        if serve:
            say(env, f"Open {sandbox.url} in a browser; end with Ctrl-C.\n")
            wait_for_interrupt(env)
        else:
            say(env, "Run it with --serve to look at all of this in a browser.\n")
        return int(bool(mismatches) or is_broken)


def _introduction(url: str) -> str:
    return (
        "cibeacon reports what CI does to systems that measure it. One of them is DX (getdx.com), a developer-intelligence\n"
        "platform: it shows how long a merged change takes to production, how often a team deploys, and which runs fail.\n"
        f"Here a sandbox plays DX, at {url}. Nothing leaves this machine.\n\n"
        "The shop is a repository of several services. Below, its pipelines report; each line with a ✓ is what DX received.\n\n"
    )


def _described(act: Act, *, whole: bool) -> str:
    lines = act.log if whole else [line for line in act.log if line.startswith(_MARKS)]
    return "".join(
        f"{line}\n" for line in (f"▶ {act.title}", f"  $ {act.command}", *(f"  {line}" for line in lines), "")
    )
