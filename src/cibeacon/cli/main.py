"""The command `cibeacon`. A plain command line is run as it is, since start-up time is paid at every use; click reads the rest.

So runs every pipeline: the action and the GitLab component give their inputs as variables. The action names not even a
verb, which is an input too.
"""

from __future__ import annotations

from collections.abc import Sequence

from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import guarded


def run(argv: Sequence[str], env: Environment) -> int:
    """The exit code of a command line. One that cannot be read makes it 2."""
    return guarded(lambda: _run(argv, env), lambda why: _failed(argv, env, why))


def _failed(argv: Sequence[str], env: Environment, why: str) -> int:
    """What a verb that shows no report comes to when it fails unexpectedly. In the action that costs a strict step alone."""
    from cibeacon.cli import plain
    from cibeacon.cli.report_view import fault

    fault(env, why)
    return 1 if env.stage == "single" else int(plain.strict(argv, env.environ))


def _run(argv: Sequence[str], env: Environment) -> int:
    try:
        if not argv and env.stage != "single":
            from cibeacon.cli import action_step

            return action_step.run(env)
        from cibeacon.cli import plain

        if understood := plain.read(argv):
            from cibeacon.cli import verbs

            verb, told = understood
            return verbs.report(env, told) if verb == "report" else verbs.services(env, told)
        from cibeacon.cli import commands  # click takes as long to import as all of ours

        return commands.run(argv, env)
    except KeyboardInterrupt:
        from cibeacon.cli import output, plain

        output.say(env, "cibeacon was interrupted.\n", to_stderr=True)
        return int(plain.strict(argv, env.environ))
