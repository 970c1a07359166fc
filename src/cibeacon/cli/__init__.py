"""The command line: one file a verb. Does not know how click reads flags: a command line without any is run without importing it.

So runs every pipeline: the action, the GitLab component and plugins give their settings as variables. The action and
plugins name not even a verb, which is a setting too.
"""

from __future__ import annotations

from collections.abc import Sequence

from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import guarded


def run(argv: Sequence[str], env: Environment) -> int:
    """The exit code of a command line. One that cannot be read makes it 2."""
    return guarded(lambda: _run(argv, env), lambda reason: _fail(argv, env, reason))


def _fail(argv: Sequence[str], env: Environment, reason: str) -> int:
    """The exit code of a verb without a report that fails unexpectedly. In the action only a strict step fails."""
    from cibeacon.cli.report_view import is_strict, print_failure

    print_failure(env, reason)
    return 1 if env.stage == "single" else int(is_strict(argv, env.environ))


def _run(argv: Sequence[str], env: Environment) -> int:
    from cibeacon.cli import report_view
    from cibeacon.settings import takes_plugin_settings

    try:
        if not argv and (env.stage != "single" or takes_plugin_settings(env.environ)):
            from cibeacon.cli import action_step

            return action_step.run(env)
        if list(argv) == ["report"]:
            return report_view.run_report(env, {})
        if list(argv) == ["services"]:
            return report_view.run_services(env, {})
        from cibeacon.cli import commands  # click takes as long to import as all of ours

        return commands.run(argv, env)
    except KeyboardInterrupt:
        from cibeacon.cli import output

        output.say(env, "cibeacon was interrupted.\n", to_stderr=True)
        return int(report_view.is_strict(argv, env.environ))
