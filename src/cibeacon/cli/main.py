"""The command `cibeacon`. A verb alone is run as it is, since start-up time is paid at every use; the rest is read by click.

So runs every pipeline: the action and the GitLab component give their inputs as variables. The action names not even a
verb, which is an input too.
"""

from __future__ import annotations

from collections.abc import Sequence

from cibeacon.world import World

ALONE = ("report", "services")
"""The verbs of `verbs`."""


def run(argv: Sequence[str], world: World) -> int:
    """The exit code of a command line. Only a verb or flag that does not exist makes it 2."""
    try:
        if not argv and world.stage != "whole":
            from cibeacon.cli import step

            return step.run(world)
        if len(argv) == 1 and argv[0] in ALONE:
            from cibeacon.cli import verbs

            return verbs.report(world, {}) if argv[0] == "report" else verbs.services(world, {})
        from cibeacon.cli import commands  # click takes as long to import as all of ours

        return commands.run(argv, world)
    except KeyboardInterrupt:
        from cibeacon.settings import settle

        world.err.write("cibeacon was interrupted.\n")
        return int("--strict" in argv or settle({}, world.environ, {}).output.strict)
