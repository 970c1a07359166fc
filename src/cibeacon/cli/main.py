"""The command `cibeacon`. A plain command line is run as it is, since start-up time is paid at every use; click reads the rest.

So runs every pipeline: the action and the GitLab component give their inputs as variables. The action names not even a
verb, which is an input too.
"""

from __future__ import annotations

from collections.abc import Sequence

from cibeacon.runtime.environment import World
from cibeacon.runtime.errors import guarded


def run(argv: Sequence[str], world: World) -> int:
    """The exit code of a command line. One that cannot be read makes it 2."""
    return guarded(lambda: _run(argv, world), lambda why: _failed(argv, world, why))


def _failed(argv: Sequence[str], world: World, why: str) -> int:
    """What a verb that shows no report comes to when it fails unexpectedly. In the action that costs a strict step alone."""
    from cibeacon.cli import plain
    from cibeacon.cli.report_view import fault

    fault(world, why)
    return 1 if world.stage == "whole" else int(plain.strict(argv, world.environ))


def _run(argv: Sequence[str], world: World) -> int:
    try:
        if not argv and world.stage != "whole":
            from cibeacon.cli import action_step

            return action_step.run(world)
        from cibeacon.cli import plain

        if understood := plain.read(argv):
            from cibeacon.cli import verbs

            verb, told = understood
            return verbs.report(world, told) if verb == "report" else verbs.services(world, told)
        from cibeacon.cli import commands  # click takes as long to import as all of ours

        return commands.run(argv, world)
    except KeyboardInterrupt:
        from cibeacon.cli import output, plain

        output.say(world, "cibeacon was interrupted.\n", to_stderr=True)
        return int(plain.strict(argv, world.environ))
