"""The command `cibeacon`. A plain command line is run as it is, since start-up time is paid at every use; click reads the rest.

So runs every pipeline: the action and the GitLab component give their inputs as variables. The action names not even a
verb, which is an input too.
"""

from __future__ import annotations

from collections.abc import Sequence

from cibeacon.process.world import World


def run(argv: Sequence[str], world: World) -> int:
    """The exit code of a command line. One that cannot be read makes it 2."""
    try:
        if not argv and world.stage != "whole":
            from cibeacon.cli import step

            return step.run(world)
        from cibeacon.cli import plain

        if understood := plain.read(argv):
            from cibeacon.cli import verbs

            verb, told = understood
            return verbs.report(world, told) if verb == "report" else verbs.services(world, told)
        from cibeacon.cli import commands  # click takes as long to import as all of ours

        return commands.run(argv, world)
    except KeyboardInterrupt:
        from cibeacon.cli import plain

        world.err.write("cibeacon was interrupted.\n")
        return int(plain.strict(argv, world.environ))
