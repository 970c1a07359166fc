"""A step of the GitHub action, or a plugin: runs the command in its input. Does not know flags or use a shell.

A plugin is an image that Drone, Woodpecker or Harness runs without a command; it has one stage.

An invalid command fails the step only with `strict`. So does a failing command, unless its exit code is its result: how a
pipeline ended, or `on_unknown: fail`.
https://docs.github.com/actions/reference/workflows-and-actions/metadata-syntax
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cibeacon.changed_services import UNKNOWN
from cibeacon.cli.output import mask, say
from cibeacon.cli.report_view import is_strict, present, run_report
from cibeacon.model.report import Outcome, Report
from cibeacon.runtime import Environment
from cibeacon.settings import Settings, load_settings, step_options, takes_plugin_settings

REPORT = "report"
"""The only command with stages; all others run in the main stage."""
INTERACTIVE = frozenset({"sandbox", "demo", "init"})
"""Verbs for interactive use; `sandbox` would keep the job running until it is cancelled."""


def run(env: Environment) -> int:
    """The exit code of a stage."""
    words: tuple[str, ...] = ()
    fault = ""
    try:
        words = command(env.environ)
    except ValueError as error:
        fault = str(error)
    if env.stage == "post" and words[:1] != (REPORT,):
        return 0  # the main stage did everything and reported errors
    mask(env)
    if fault:
        return _invalid(env, fault)
    if words[0] != REPORT:
        return _run_command(env._replace(stage="single"), words)
    if env.stage == "post" and env.environ.get("STATE_stage") == "pre":
        say(env, "cibeacon's step did not run in this job, so there is nothing to report.\n")
        return 0
    return run_report(env, {}) if len(words) == 1 else _run_command(env, words)


def command(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The words of the input. Raises ValueError, with a sentence, if it is not a command."""
    (each,) = step_options()
    variable = each.plugin_variable if takes_plugin_settings(environ) else each.input_variable
    given = environ.get(variable, "").strip()
    try:
        words: tuple[str, ...] = each.parse(given) if given else each.default
    except ValueError as error:
        raise ValueError(f"The input command cannot be used because it {error}.") from error
    if words[0] == "exec":
        raise ValueError("The input command is exec, which wraps a command of the job: use it in a run step instead.")
    if words[0] in INTERACTIVE:
        raise ValueError(f"The input command is {words[0]}, which is interactive: run it on your own machine.")
    return words


def _run_command(env: Environment, words: tuple[str, ...]) -> int:
    """The command's own exit code where that is its result, otherwise 0 unless strict."""
    from cibeacon.cli.commands import CommandLineError, run_or_raise  # importing click takes as long as all our code

    try:
        code = run_or_raise(words, env)
    except CommandLineError as error:
        return _invalid(env, f"The input command cannot be run: {error}", words)
    return code if is_strict(words, env.environ) or _asked_for(words[0], code) else 0


def _asked_for(verb: str, code: int) -> bool:
    """Whether the exit code is the step's purpose: how the pipeline ended, or that changed services are unknown."""
    return verb == "dataops" or (verb == "services" and code == UNKNOWN)


def _invalid(env: Environment, fault: str, words: Sequence[str] = ()) -> int:
    """Reports what is wrong with a command. The main stage does that, so the post stage does nothing."""
    if env.stage == "post":
        return 0
    settings = load_settings({}, env.environ, {})

    def work() -> tuple[Report, Settings]:
        error = f"{fault} Nothing was done. Give one command with its flags, such as: services --on-unknown fail."
        outcome = Outcome(kind="command", sink="cibeacon", status="invalid", error=error)
        return Report(context=None, outcomes=(outcome,), strict=is_strict(words, env.environ)), settings

    return present(env, settings, work).exit_code
