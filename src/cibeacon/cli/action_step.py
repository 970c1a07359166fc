"""A step of the GitHub action, or a plugin: runs the command that its input names. Knows no verb's flags, and no shell.

A plugin is an image that Drone, Woodpecker or Harness runs without a command; it has one stage.

A wrong command is an invalid one, and fails the step with `strict` alone. So does one that ends badly, unless it was
asked for just that: how a pipeline ended, or `on_unknown: fail`.
https://docs.github.com/actions/reference/workflows-and-actions/metadata-syntax
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cibeacon.changed_services import UNKNOWN
from cibeacon.cli.output import mask, say
from cibeacon.cli.report_view import is_strict, present, run_report
from cibeacon.model.report import Outcome, Report
from cibeacon.runtime.environment import Environment
from cibeacon.settings import Settings, load_settings, step_options, takes_plugin_settings

REPORT = "report"
"""The one command with stages: the others do all they do in the main stage."""
INTERACTIVE = frozenset({"sandbox", "demo", "init"})
"""Verbs for a person at a machine; the first would hold the job until it is cancelled."""


def run(env: Environment) -> int:
    """The exit code of a stage."""
    words: tuple[str, ...] = ()
    fault = ""
    try:
        words = command(env.environ)
    except ValueError as error:
        fault = str(error)
    if env.stage == "post" and words[:1] != (REPORT,):
        return 0  # the main stage did everything, and said what was wrong
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
    """The words of the input. Raises ValueError, with a sentence, for what cannot be a command."""
    (each,) = step_options()
    variable = each.plugin_variable if takes_plugin_settings(environ) else each.input_variable
    given = environ.get(variable, "").strip()
    try:
        words: tuple[str, ...] = each.parse(given) if given else each.default
    except ValueError as error:
        raise ValueError(f"The input command cannot be used because it {error}.") from error
    if words[0] == "exec":
        raise ValueError("The input command names exec, which runs a command of the job: call it in a step with run.")
    if words[0] in INTERACTIVE:
        raise ValueError(
            f"The input command names {words[0]}, which is for a person at a machine and no step of a job."
        )
    return words


def _run_command(env: Environment, words: tuple[str, ...]) -> int:
    """The command's own exit code, where it was asked for."""
    from cibeacon.cli.commands import CommandLineError, run_or_raise  # click takes as long to import as all of ours

    try:
        code = run_or_raise(words, env)
    except CommandLineError as error:
        return _invalid(env, f"The input command cannot be run: {error}", words)
    return code if is_strict(words, env.environ) or _asked_for(words[0], code) else 0


def _asked_for(verb: str, code: int) -> bool:
    """Whether the exit code is what the step is there for: how a pipeline that it drives ended, or that nothing is known."""
    return verb == "dataops" or (verb == "services" and code == UNKNOWN)


def _invalid(env: Environment, fault: str, words: Sequence[str] = ()) -> int:
    """Reports what is wrong with a command. The main stage has done so by the time of the post stage."""
    if env.stage == "post":
        return 0
    settings = load_settings({}, env.environ, {})

    def work() -> tuple[Report, Settings]:
        error = f"{fault} Nothing was done. Give one command with its flags, such as: services --on-unknown fail."
        outcome = Outcome(kind="command", sink="cibeacon", status="invalid", error=error)
        return Report(context=None, outcomes=(outcome,), strict=is_strict(words, env.environ)), settings

    return present(env, settings, work).exit_code
