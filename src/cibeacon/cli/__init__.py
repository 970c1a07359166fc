"""The command line, one file per verb. A command line without flags runs without importing click.

Most pipelines run this way: the action, the GitLab component and plugins pass settings as variables. For the action and
plugins even the verb is a setting.
"""

from __future__ import annotations

from collections.abc import Sequence

from cibeacon.runtime import Environment
from cibeacon.runtime.errors import guarded


def run(argv: Sequence[str], env: Environment) -> int:
    """The exit code of a command line; 2 if it cannot be parsed."""
    return guarded(lambda: _run(argv, env), lambda reason: _fail(argv, env, reason))


def _fail(argv: Sequence[str], env: Environment, reason: str) -> int:
    """The exit code if a verb without a report fails unexpectedly. In the action only a strict step fails."""
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
        from cibeacon.cli import commands  # importing click takes as long as all our code

        return commands.run(argv, env)
    except KeyboardInterrupt:
        from cibeacon.cli import output

        output.say(env, "cibeacon was interrupted.\n", to_stderr=True)
        return int(report_view.is_strict(argv, env.environ))
