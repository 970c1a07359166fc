"""What the `dataops` verbs share: settings, printing, outputs, the JSON document and the exit code. Sends no requests."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import click

from cibeacon.ci import github_output, gitlab_output
from cibeacon.ci.detect import detect
from cibeacon.cli.flags import flags, given
from cibeacon.cli.jq_output import show
from cibeacon.cli.report_view import begin_output, guarded_code, write_files
from cibeacon.dataops.access import Access, own_job_token, server_url
from cibeacon.dataops.client import PipelinesClient
from cibeacon.dataops.errors import ENDINGS, DataopsError, ResultStatus, usage_error
from cibeacon.model.error_ids import help_link
from cibeacon.model.report import OutputFile
from cibeacon.runtime import Environment
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import OutOfTime
from cibeacon.runtime.safe_text import clipped, command_data, command_property, json_text
from cibeacon.settings import load_settings

_WIDTH = 400
_GRACE = 1.0
LAST_SECONDS = 10.0
"""Seconds after a wait's deadline for the last request, and again for canceling."""
_OURS = ("dry_run", "timeout", "allow_http", "format", "jq")
_URL = re.compile(r"https?://[^/\s]+\S*")
_KEPT_IN_URLS = ":/?#[]@!&'()*+,;=%~"
_Function = TypeVar("_Function", bound=Callable[..., Any])

variable_option = click.option(
    "--var", "variables", multiple=True, metavar="NAME=VALUE", help="Variable for the pipeline. Repeatable."
)


def dataops_flags(*only: str) -> Callable[[_Function], _Function]:
    """Adds the flags of the settings that a `dataops` verb takes, and passes it the environment."""

    def decorate(function: Any) -> Any:
        command = flags("core", "output", only=_OURS)(click.pass_obj(function))
        return flags("dataops", short="dataops_", only=only)(command)

    return decorate


class DataopsVerb:
    """One run of a verb: its settings and its output."""

    def __init__(self, env: Environment, flags: Mapping[str, str]) -> None:
        self.env, self.settings = env, load_settings(flags, env.environ, {})
        self.options, self.dry_run = self.settings.dataops, bool(self.settings.core.dry_run)
        self._in_action = detect(env.environ).in_stages
        self.clean = begin_output(env)
        self.is_read = True
        """False after a line could not be printed."""
        self.unanswered = 0
        """The exit code if the verb succeeds but its document cannot be printed."""
        self._notices: list[str] = []
        self._outputs: dict[str, str] = {}

    @property
    def access(self) -> Access:
        """The project and its tokens. Raises `DataopsError`, also for an invalid setting."""
        what, problems = "No request was sent", self.settings.problems
        if wrong := [problem.message for problem in problems if problem.group in ("core", "dataops", "output")]:
            raise usage_error(what, "; ".join(wrong), "Correct the setting")
        url = server_url(self.options.dataops_url, allow_http=self.settings.core.allow_http)
        if not self.options.dataops_project:
            raise usage_error(what, "no project is set", "Set dataops_project to its number or path")
        return Access(
            url,
            self.options.dataops_project,
            self.options.dataops_token or "",
            self.options.dataops_trigger_token or "",
            own_job_token(url, self.env.environ),
        )

    @property
    def deadline(self) -> Deadline:
        """The deadline of a verb that does not wait."""
        return Deadline(self.settings.core.timeout, self.env.clock, self.env.sleep, self.env.started)

    def open_client(self, access: Access, seconds: float | None = None, *, patient: bool = False) -> PipelinesClient:
        """A client for the project with this many seconds from now, or those of the setting timeout."""
        deadline = self.deadline
        if seconds is not None:
            deadline = deadline._replace(seconds=seconds, started=self.env.clock())
        return PipelinesClient(access, deadline, self.env.now, patient=patient)

    # Lines --------------------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Prints a line."""
        self.print_lines([clipped(self.clean(text), _WIDTH)])

    def note(self, text: str) -> None:
        """Prints a line that is also in the document."""
        self._notices.append(clipped(self.clean(text), _WIDTH))
        self.say(f"! {text}")

    def print_text(self, text: str) -> None:
        """Prints lines that are safe except for our secrets, which it removes."""
        self.print_lines(self.clean(text).splitlines())

    def print_lines(self, lines: Iterable[str]) -> None:
        """Prints lines that are already safe; to stderr if stdout is for a JSON document."""
        stream = self.env.err if self.settings.as_json else self.env.out
        try:
            for line in lines:
                stream.write(f"{line}\n")
            stream.flush()
        except (OSError, ValueError):  # closed or full: no reason to stop a pipeline
            self.is_read = False

    def print_foreign_lines(self, lines: Iterable[str], prefix: str = "") -> None:
        """Prints lines of a job's log, so that an action's runner does not execute commands in them."""
        prefixed = (f"{prefix}{line}" for line in lines)
        first = next(prefixed, None) if self._in_action else None
        if first is None:
            return self.print_lines(prefixed)
        word = self.env.token()
        self.print_lines([f"::stop-commands::{word}"])
        try:
            self.print_lines([first])
            self.print_lines(prefixed)
        finally:
            self.print_lines([f"::{word}::"])
        return None

    # Answers ------------------------------------------------------------------------------------------------------

    def write_outputs(self, **values: str) -> None:
        """Writes outputs immediately."""
        self._outputs |= {name: clipped(self.clean(value), 1000) for name, value in values.items()}
        environ = self.env.environ
        if self._in_action:
            write_files(self.env, self.clean, github_output.outputs(values, environ, self.env.token))
        elif detect(environ).name == "gitlab":
            write_files(self.env, self.clean, gitlab_output.outputs(self._outputs, environ))

    def write_summary(self, text: str) -> None:
        """Writes Markdown for the page of the run."""
        path = self.env.environ.get("GITHUB_STEP_SUMMARY", "")
        if path and self._in_action:
            write_files(self.env, self.clean, (OutputFile(path, text, append=True),))

    def answer(self, parts: Mapping[str, Any], status: str = "success", code: int = 0) -> int:
        """Prints the JSON document if one was requested. Returns the exit code."""
        if self.settings.as_json:
            document = {"version": 1, "status": status, "exit_code": code, **parts, "notices": self._notices}
            self.unanswered = show(document, self.settings, self.env, self.clean, failed=code > 0)
        return code

    def preview(self, *requests: tuple[str, str, Any]) -> int:
        """Shows requests instead of sending them; tokens are placeholders in braces."""
        for method, url, body in requests:
            self.say(f"{method} {url}")
            self.print_lines([json_text(self.clean.within(body))] if body is not None else [])
        shown = [{"method": method, "url": url, "body": body} for method, url, body in requests]
        return self.answer({"requests": shown}, "dry-run")

    def end(self, status: ResultStatus, reason: str, parts: Mapping[str, Any] | None = None) -> int:
        """Reports how the verb ended: line, annotation, document. Returns the exit code."""
        code = ENDINGS[status].code
        help = help_link(f"dataops-{status}") if code else None
        self.env.closing(code)
        self.say(f"result      {status}{f': {reason}' if reason else ''}{f' (exit {code})' if code else ''}")
        if help:
            self.say(f"            {help}")
        if help and self._in_action:
            title = command_property(f"cibeacon: dataops {status}")
            text = command_data(f"{self.clean(reason or ENDINGS[status].meaning)} {help}")
            self.print_lines([f"::error title={title}::{text}"])
        return self.answer({"reason": reason or None, "help": help, **(parts or {})}, status, code)


def run(
    env: Environment,
    arguments: Mapping[str, Any],
    work: Callable[[DataopsVerb], int],
    *,
    waits: Callable[[DataopsVerb], object] = lambda _: False,
) -> int:
    """Runs a verb, from its flags to its exit code. If it `waits`, the alarm includes that time."""
    flags = given({name: value for name, value in arguments.items() if name != "variables"})
    if arguments.get("variables"):
        flags["dataops_variables"] = _variables(arguments["variables"])
    return guarded_code(env, lambda: _run(DataopsVerb(env, flags), work, waits), ENDINGS["lost"].code)


def _run(verb: DataopsVerb, work: Callable[[DataopsVerb], int], waits: Callable[[DataopsVerb], object]) -> int:
    longer = verb.options.dataops_wait_timeout + 2 * LAST_SECONDS if waits(verb) else 0.0
    verb.env.alarm(verb.deadline.remaining() + longer + _GRACE, ENDINGS["timed-out"].code)
    try:
        return work(verb) or verb.unanswered
    except DataopsError as error:
        return verb.end("refused" if error.refused else "lost", str(error))
    except OutOfTime:
        return verb.end("timed-out", "The time is up (setting timeout).")
    except KeyboardInterrupt:
        return verb.end("canceled", "cibeacon was interrupted.")


def _variables(pairs: Iterable[str]) -> str:
    """Variables of repeated flags as JSON: values such as commit messages may hold line breaks and equals signs.

    The setting rejects an invalid variable.
    """
    parted = [pair.partition("=") for pair in pairs]
    wrong = next((f"--var {name}" for name, sign, _ in parted if not sign), None)
    return wrong or json.dumps({name.strip(): value for name, _, value in parted})


def safe_url(url: str) -> str:
    """A URL in which shells and CI systems find nothing to interpret; empty for anything else."""
    return quote(url, safe=_KEPT_IN_URLS) if _URL.fullmatch(url) else ""
