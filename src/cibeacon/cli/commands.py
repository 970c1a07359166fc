"""The click command line: finds the verb and only then imports its file. Does not know what a verb does."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Mapping, Sequence
from io import StringIO

import click

from cibeacon import __version__
from cibeacon.cli.lazy_group import Verb, Verbs
from cibeacon.cli.output import say
from cibeacon.cli.report_view import VALUES_OF_FLAGS
from cibeacon.model.error_ids import help_link
from cibeacon.model.parsers import boolean
from cibeacon.runtime import Environment
from cibeacon.runtime.safe_text import Redactor, block, clipped
from cibeacon.settings import all_options, secret_values
from cibeacon.settings.options import Option

VERBS: Mapping[str, str] = {
    "report": "Report this CI run: changed services, deployments, status.",
    "exec": "Run a command and report how it ended.",
    "init": "Write a first .cibeacon.yml and show what to add to the pipeline.",
    "replay": "Send the signals that are waiting in the spool.",
    "doctor": "Check the setup and show how to fix problems.",
    "services": "Show which services changed and why.",
    "dci": "Report a DCI job step by step; list topics, components and jobs.",
    "dataops": "Start, watch and list DataOps.live or GitLab pipelines.",
    "flow": "List Instabase Flow pipelines and assign them to a job.",
    "backfill": "Send past deployments, pull requests and runs from files.",
    "sandbox": "Run a local sandbox of all supported APIs, with a web page.",
    "demo": "Try cibeacon on this machine, with a sample monorepo and a sandbox.",
}
EXTRAS: Mapping[str, str] = {"sandbox": "sandbox", "demo": "sandbox"}
"""The extra of the package that a verb needs."""


@click.command(
    "cibeacon",
    cls=Verbs,
    verbs={name: Verb(f"{name}:command", help, EXTRAS.get(name, "")) for name, help in VERBS.items()},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    examples=("cibeacon services --services 'services/{service}/'", "cibeacon report --help"),
)
@click.version_option(__version__, prog_name="cibeacon", message="%(prog)s %(version)s")
def cibeacon() -> None:
    """Report CI runs to DX (getdx.com), DCI, Instabase Flow, OpenTelemetry and more. Reporting never fails the build.

    docs: https://github.com/cibeacon/cibeacon
    """


_WIDTH = 200
_NEAR = 0.8
"""How similar flags are that a typing error could mean, from 0 to 1. Click suggests any above 0.6."""


class CommandLineError(Exception):
    """A command line that cannot be parsed, with click's reason."""


def run(argv: Sequence[str], env: Environment) -> int:
    """The exit code of a command line; 2 if it cannot be parsed."""
    try:
        return _run_click(argv, env)
    except click.ClickException as error:
        text = StringIO()
        _with_suggestion(error).show(text)
        text.write(f"{help_link('command-line-invalid')}\n")
        say(env, block(Redactor(secret_values(env.environ))(text.getvalue())), to_stderr=True)
        return error.exit_code if env.stage == "single" else 0


def run_or_raise(argv: Sequence[str], env: Environment) -> int:
    """The exit code of a command line. Raises `CommandLineError` where `run` prints the reason and exits 2."""
    try:
        return _run_click(argv, env)
    except click.ClickException as error:
        raise CommandLineError(_with_suggestion(error).format_message()) from error


def _run_click(argv: Sequence[str], env: Environment) -> int:
    try:
        code = cibeacon.main(args=_spell_out(_as_flags(argv)), prog_name="cibeacon", standalone_mode=False, obj=env)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort as stop:
        raise KeyboardInterrupt from stop
    except SystemExit:  # click raises it when its output pipe is closed
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC:  # the disk may be full while printing help
            raise
        say(env, f"cibeacon: {clipped(error.strerror, _WIDTH)}\n", to_stderr=True)
        return 1
    return code if isinstance(code, int) else 0


def _as_flags(argv: Sequence[str]) -> list[str]:
    """Turns `help` and `version` into flags: people try them, and no verb has these names."""
    match argv:
        case ["help", *words]:
            return [*words, "--help"]
        case ["version"]:
            return ["--version"]
    return list(argv)


def _spell_out(words: Sequence[str]) -> list[str]:
    """Rewrites `--flag=false` and `--flag false` to click's spelling, for every boolean flag of the named verb.

    An empty value counts as not given, as everywhere. Raises UsageError for a value that is not a boolean.
    """
    command: click.Command = cibeacon
    context = click.Context(command, info_name="cibeacon")
    spelled: list[str] = []
    rest = deque(words)
    while rest:
        word = rest.popleft()
        name, assigned, value = word.partition("=")
        option = _option(command, name)
        if option and option.is_flag and word in option.opts and rest and rest[0].lower() in VALUES_OF_FLAGS:
            assigned, value = "=", rest.popleft()
        if word == "--":
            return [*spelled, word, *rest]
        if option is None and not word.startswith("-") and isinstance(command, click.Group):
            spelled.append(word)
            command = command.get_command(context, word) or _NOTHING
            context = click.Context(command, parent=context, info_name=word)
        elif option is None or not (option.is_flag and assigned and name in option.opts):
            spelled.append(word)
            if option and not option.is_flag and not assigned:
                spelled += [rest.popleft() for _ in range(min(option.nargs, len(rest)))]
        elif value.strip():
            flag = _as_flag(option, name, value, context)
            spelled = [*spelled, *flag] if flag else [word for word in spelled if word not in option.opts]
    return spelled


_NOTHING = click.Command(None)


def _option(command: click.Command, name: str) -> click.Option | None:
    """The option of a command with this spelling."""
    options = (param for param in command.params if isinstance(param, click.Option))
    return next((option for option in options if name in (*option.opts, *option.secondary_opts)), None)


def _as_flag(option: click.Option, name: str, value: str, context: click.Context) -> tuple[str, ...]:
    try:
        if boolean(value.strip()):
            return (name,)
    except ValueError as error:
        raise click.UsageError(
            f"{name}={value[:80]} cannot be used because {value[:80]!r} {error}.", context
        ) from error
    return (option.secondary_opts[option.opts.index(name)],) if option.secondary_opts else ()


def _with_suggestion(error: click.ClickException) -> click.ClickException:
    """The error with a suggestion: for a secret its variable, for an unknown flag or verb the nearest one.

    Click itself knows only verbs that are already imported, and would suggest some other flag for a secret.
    """
    if isinstance(error, click.NoSuchOption) and (secret := _secret(error)):
        variable = secret.also[0] if secret.also else secret.variable
        message = f"{error.option_name} is not a flag, because process lists and logs show command lines. Set the variable {variable}."
        return click.UsageError(message, error.ctx)
    if isinstance(error, click.NoSuchOption) and error.possibilities:
        near = [flag for flag in error.possibilities if _is_near(error.option_name, flag)]
        return click.NoSuchOption(error.option_name, possibilities=near or error.possibilities[:1], ctx=error.ctx)
    context, name = getattr(error, "ctx", None), getattr(error, "command_name", None)
    if name is None or context is None or getattr(error, "possibilities", None):
        return error
    from difflib import get_close_matches  # only typing errors need it

    verbs = context.command.list_commands(context)
    near = [f"{verb} {name}" for verb in verbs if name in _subcommands(context, verb)]
    near = near or get_close_matches(name[:80], verbs, 1)
    return click.UsageError(f"{error.message} Did you mean {' or '.join(map(repr, near))}?", context) if near else error


def _subcommands(context: click.Context, verb: str) -> list[str]:
    if verb in EXTRAS or not isinstance(context.command, click.Group):  # an extra may not be installed
        return []
    command = context.command.get_command(context, verb)
    return command.list_commands(context) if isinstance(command, click.Group) else []


def _is_near(given: str, flag: str) -> bool:
    from difflib import SequenceMatcher  # only typing errors need it

    return SequenceMatcher(None, given, flag).ratio() >= _NEAR


def _secret(error: click.NoSuchOption) -> Option | None:
    """The secret that an unknown flag is named after, also without the verb's prefix: `dci whoami --api-secret`."""
    name = error.option_name.lstrip("-").replace("-", "_")
    verbs = error.ctx.command_path.split() if error.ctx else []
    names = {name, *(f"{verb}_{name}" for verb in verbs)}
    return next(
        (option for group in all_options().values() for option in group if option.secret and option.name in names), None
    )
